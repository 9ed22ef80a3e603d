import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, statfsSync, statSync, writeSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  fallocate,
  fdatasync,
  lockFile,
  nativeMissing,
  nextData,
  punchHole,
  reusePortSocket,
  syncFolder,
} from '../../src/native/index.ts'
import { ADDON, ownFolder } from './support.ts'

const MIB = 1 << 20

function open(path: string): number {
  const fd = openSync(path, 'a+')
  onTestFinished(() => {
    try {
      closeSync(fd)
    } catch {} // closed by the test
  })
  return fd
}

test('the addon works here', () => {
  expect(nativeMissing()).toBeUndefined()
})

describe('allocation', () => {
  test('takes blocks and makes the file as long as asked', () => {
    const fd = open(join(ownFolder(), 'file'))
    fallocate(fd, 0, MIB)
    expect(fstatSync(fd).size).toBe(MIB)
    expect(fstatSync(fd).blocks * 512).toBeGreaterThanOrEqual(MIB)
  })

  test('keeps the size when told to', () => {
    const fd = open(join(ownFolder(), 'file'))
    fallocate(fd, 0, MIB, true)
    expect(fstatSync(fd).size).toBe(0)
    expect(fstatSync(fd).blocks * 512).toBeGreaterThanOrEqual(MIB)
  })

  test('punched blocks go back and read as zeros', () => {
    const path = join(ownFolder(), 'file')
    const fd = open(path)
    writeSync(fd, Buffer.alloc(MIB, 1))
    fdatasync(fd)
    const before = fstatSync(fd).blocks
    punchHole(fd, 0, MIB / 2)
    expect(fstatSync(fd).blocks).toBeLessThan(before)
    expect(readFileSync(path).equals(Buffer.concat([Buffer.alloc(MIB / 2), Buffer.alloc(MIB / 2, 1)]))).toBe(true)
  })

  test('what was never written is found as one hole, what was is not', () => {
    const path = join(ownFolder(), 'file')
    const fd = open(path)
    fallocate(fd, 0, 4 * MIB)
    expect(nextData(fd, 0)).toBe(4 * MIB)
    const writer = openSync(path, 'r+')
    writeSync(writer, Buffer.from('x'), 0, 1, 2 * MIB)
    closeSync(writer)
    expect(nextData(fd, 0)).toBeLessThanOrEqual(2 * MIB)
    expect(nextData(fd, 0)).toBeGreaterThan(MIB)
    expect(nextData(fd, 2 * MIB)).toBe(2 * MIB)
    expect(nextData(fd, 3 * MIB)).toBe(4 * MIB)
  })

  test.runIf(existsSync('/dev/shm'))('more than the disk has is ENOSPC and leaves nothing behind', () => {
    const path = join(ownFolder('/dev/shm'), 'file')
    const { blocks, bsize } = statfsSync('/dev/shm')
    const fd = open(path)
    expect(() => fallocate(fd, 0, (blocks + 1) * bsize)).toThrow(
      expect.objectContaining({ code: 'ENOSPC', errno: -28, syscall: 'fallocate' }),
    )
    expect(statSync(path).size).toBe(0)
  })

  test('a descriptor that is not open is EBADF, and nonsense is refused before the call', () => {
    expect(() => fallocate(1_000_000, 0, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    expect(() => fdatasync(1_000_000)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'fdatasync' }))
    expect(() => fallocate(-1, 0, 1)).toThrow(RangeError)
    expect(() => fallocate('1' as unknown as number, 0, 1)).toThrow(TypeError)
    expect(() => fallocate(1, Number.NaN, 1)).toThrow(RangeError)
  })
})

describe('folders', () => {
  test('are synced; one that does not exist is ENOENT with its path', () => {
    const folder = ownFolder()
    syncFolder(folder)
    const missing = join(folder, 'missing')
    expect(() => syncFolder(missing)).toThrow(
      expect.objectContaining({ code: 'ENOENT', syscall: 'fsync', path: missing }),
    )
    expect(() => syncFolder('')).toThrow(TypeError)
  })
})

describe('the lock of a file', () => {
  /** Another process that tries the lock, says what it got, and holds it until its input ends. */
  async function otherProcess(path: string): Promise<{ got: string; end(): Promise<void> }> {
    const code = `const fd = require('fs').openSync(${JSON.stringify(path)}, 'a+')
      console.log(require(${JSON.stringify(ADDON)}).lockRange(fd, 0, 1))
      process.stdin.resume()`
    const child = spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [got] = await once(child.stdout, 'data')
    const end = async () => {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    }
    onTestFinished(end)
    return { got: String(got).trim(), end }
  }

  test('is refused to another process while held, and given after the holder closed', async () => {
    const path = join(ownFolder(), 'lock')
    const fd = open(path)
    expect(lockFile(fd, 0, 1)).toBe(true)
    expect((await otherProcess(path)).got).toBe('0')
    closeSync(fd)
    expect((await otherProcess(path)).got).toBe('1')
  })

  test('is refused to us while another process holds it, and free when that process is gone', async () => {
    const path = join(ownFolder(), 'lock')
    const fd = open(path)
    const other = await otherProcess(path)
    expect(other.got).toBe('1')
    expect(lockFile(fd, 0, 1)).toBe(false)
    await other.end()
    expect(lockFile(fd, 0, 1)).toBe(true)
  })

  test.runIf(process.platform === 'linux')('excludes a second broker in this process too, whatever it closes', () => {
    const path = join(ownFolder(), 'lock')
    expect(lockFile(open(path), 0, 1)).toBe(true)
    const second = open(path)
    expect(lockFile(second, 0, 1)).toBe(false)
    closeSync(second)
    expect(lockFile(open(path), 0, 1)).toBe(false)
  })
})

describe('a socket with SO_REUSEPORT', () => {
  test('lets two servers listen on one port', async () => {
    const first = createServer((socket) => socket.end('hello'))
    const second = createServer((socket) => socket.end('hello'))
    first.listen({ fd: reusePortSocket('127.0.0.1', 0) })
    await once(first, 'listening')
    const { port } = first.address() as { port: number }
    second.listen({ fd: reusePortSocket('127.0.0.1', port) })
    await once(second, 'listening')
    const client = connect(port, '127.0.0.1')
    const [data] = await once(client, 'data')
    expect(String(data)).toBe('hello')
    client.destroy()
    first.close()
    second.close()
  })

  test('says why an address cannot be had', () => {
    expect(() => reusePortSocket('not an address', 0)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(() => reusePortSocket('192.0.2.1', 0)).toThrow(expect.objectContaining({ code: 'EADDRNOTAVAIL' }))
  })
})

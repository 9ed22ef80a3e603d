import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fallocate, MapSlot, pageSize } from '../../src/native/index.ts'
import { ADDON, ownFolder } from './support.ts'

const PAGE = pageSize()
const SIZE = 16 * PAGE

/** A file of `length` bytes of `value`, open for reading and writing. */
function openFile(value: number, length = SIZE): { fd: number; path: string } {
  const path = join(ownFolder(), 'file')
  writeFileSync(path, Buffer.alloc(length, value))
  const fd = openSync(path, 'r+')
  onTestFinished(() => closeSync(fd))
  return { fd, path }
}

describe('a slot', () => {
  test('reads as zeros before anything is mapped', () => {
    using slot = new MapSlot(SIZE)
    expect(slot.bytes.length).toBe(SIZE)
    expect(slot.bytes.equals(Buffer.alloc(SIZE))).toBe(true)
  })

  test('shows the file after map and zeros after release, through views taken before', () => {
    const { fd } = openFile(7)
    using slot = new MapSlot(SIZE)
    const late = new Int32Array(slot.bytes.buffer)
    slot.map(fd, 0, SIZE, false)
    expect(late.every((word) => word === 0x07070707)).toBe(true)
    slot.release()
    expect(late.every((word) => word === 0)).toBe(true)
    expect(slot.bytes.buffer.byteLength).toBe(SIZE)
  })

  test('takes one file after the other and never shows the former one', () => {
    using slot = new MapSlot(SIZE)
    for (let value = 1; value <= 20; value++) {
      const length = value % 2 === 0 ? SIZE : SIZE / 2
      slot.map(openFile(value, length).fd, 0, length, false)
      expect(slot.bytes.subarray(0, length).equals(Buffer.alloc(length, value))).toBe(true)
      expect(slot.bytes.subarray(length).equals(Buffer.alloc(SIZE - length))).toBe(true)
    }
  })

  test('maps from an offset within the file', () => {
    const { fd, path } = openFile(1)
    const content = readFileSync(path)
    content.fill(9, 3 * PAGE)
    writeFileSync(path, content)
    using slot = new MapSlot(SIZE)
    slot.map(fd, 3 * PAGE, PAGE, false)
    expect(slot.bytes[0]).toBe(9)
    expect(slot.mapped).toBe(PAGE)
  })

  test('stores of one slot are seen by the file and by other slots', () => {
    const { fd, path } = openFile(0)
    using writer = new MapSlot(SIZE)
    using reader = new MapSlot(SIZE)
    writer.map(fd, 0, SIZE, true)
    reader.map(fd, 0, SIZE, false)
    writer.view.setInt32(PAGE, 0x12345678)
    expect(reader.view.getInt32(PAGE)).toBe(0x12345678)
    writer.sync(PAGE, 4)
    expect(readFileSync(path).readInt32BE(PAGE)).toBe(0x12345678)
  })

  test('refuses a map behind the end of the file, which would be a SIGBUS later', () => {
    const { fd } = openFile(1, PAGE)
    using slot = new MapSlot(SIZE)
    expect(() => slot.map(fd, 0, PAGE + 1, false)).toThrow(/file of \d+ bytes/)
    expect(slot.bytes[0]).toBe(0)
  })

  test('stays readable when the system refuses the map', () => {
    const { path } = openFile(1)
    const readOnly = openSync(path, 'r')
    onTestFinished(() => closeSync(readOnly))
    using slot = new MapSlot(SIZE)
    slot.map(openFile(5).fd, 0, SIZE, false)
    expect(() => slot.map(readOnly, 0, SIZE, true)).toThrow(
      expect.objectContaining({ code: 'EACCES', errno: -13, syscall: 'mmap' }),
    )
    expect(slot.bytes.equals(Buffer.alloc(SIZE))).toBe(true)
    slot.map(openFile(6).fd, 0, SIZE, false)
    expect(slot.bytes[SIZE - 1]).toBe(6)
  })

  test('says which pages are in memory, and takes every advice', () => {
    const { fd } = openFile(1)
    using slot = new MapSlot(SIZE)
    slot.map(fd, 0, SIZE, true)
    for (const advice of ['sequential', 'random', 'willneed', 'populate-read', 'populate-write'] as const) {
      slot.advise(0, SIZE, advice)
    }
    expect(slot.resident(1, SIZE - 2)).toBe(true)
    slot.lock(0, PAGE)
    slot.unlock(0, PAGE)
    slot.advise(0, SIZE, 'dontneed')
    expect(slot.bytes[0]).toBe(1)
  })

  test('says that a hole that nobody read is not in memory', () => {
    const path = join(ownFolder(), 'sparse')
    const fd = openSync(path, 'w+')
    onTestFinished(() => closeSync(fd))
    fallocate(fd, 0, SIZE)
    using slot = new MapSlot(SIZE)
    slot.map(fd, 0, SIZE, true)
    slot.advise(0, SIZE, 'random') // no pages around the one that is touched
    expect(slot.resident(4 * PAGE, PAGE)).toBe(false)
    slot.bytes[4 * PAGE] = 1
    expect(slot.resident(4 * PAGE + 5, 10)).toBe(true)
    expect(slot.resident(0, SIZE)).toBe(false)
  })

  test('refuses ranges outside itself and a map after close', () => {
    const slot = new MapSlot(SIZE)
    expect(() => slot.resident(SIZE - 1, 2)).toThrow(RangeError)
    expect(() => slot.resident(-1, 2)).toThrow(RangeError)
    expect(() => slot.sync(0.5, 1)).toThrow(RangeError)
    expect(() => slot.map(openFile(1, 2 * SIZE).fd, 0, 2 * SIZE, false)).toThrow(RangeError)
    slot.close()
    expect(() => slot.map(openFile(1).fd, 0, SIZE, false)).toThrow(/closed/)
    expect(slot.bytes[0]).toBe(0)
  })

  test('more address space than there is gives ENOMEM', () => {
    expect(() => new MapSlot(2 ** 50)).toThrow(expect.objectContaining({ code: 'ENOMEM', syscall: 'mmap' }))
  })

  test('a socket write in flight from a released slot goes on without a fault', async () => {
    const size = 4 << 20
    const { fd } = openFile(3, size)
    using slot = new MapSlot(size)
    slot.map(fd, 0, size, false)
    let received = 0
    const server = createServer((socket) => {
      socket.pause()
      setTimeout(() => socket.resume(), 20)
      socket.on('data', (chunk) => {
        received += chunk.length
      })
      socket.on('end', () => server.close())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { connect } = await import('node:net')
    const address = server.address() as { port: number }
    const client = connect(address.port, '127.0.0.1')
    client.end(slot.bytes)
    await new Promise((resolve) => setTimeout(resolve, 5))
    slot.release()
    await new Promise((resolve) => server.on('close', resolve))
    expect(received).toBe(size)
  })
})

describe('slots in workers', () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const addon = require(workerData.addon)
    const slot = addon.reserve(workerData.size)
    const words = new Int32Array(slot)
    let sum = 0
    for (let round = 0; round < 200; round++) {
      if (addon.mapFile(slot, workerData.fd, 0, workerData.size, false) !== 0) throw new Error('map')
      if (words[0] !== 0x02020202) throw new Error('not mapped')
      if (addon.overlay(slot) !== 0) throw new Error('overlay')
      for (const word of words) sum += word
    }
    parentPort.postMessage(sum)
  `

  test('map and release in several threads at once; late readers see zeros', async () => {
    const { fd } = openFile(2)
    const sums = await Promise.all(
      Array.from({ length: 3 }, () => {
        const worker = new Worker(code, { eval: true, workerData: { addon: ADDON, size: SIZE, fd } })
        return new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
      }),
    )
    expect(sums).toEqual([0, 0, 0])
  })

  test('a worker that is terminated while it holds a map takes nothing with it', async () => {
    const { fd } = openFile(4)
    using slot = new MapSlot(SIZE)
    slot.map(fd, 0, SIZE, false)
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(
        `const { parentPort, workerData } = require('node:worker_threads')
         const slot = require(workerData.addon).reserve(workerData.size)
         require(workerData.addon).mapFile(slot, workerData.fd, 0, workerData.size, false)
         parentPort.postMessage(0)
         for (const bytes = new Uint8Array(slot);;) if (bytes[0] !== 4) throw new Error('foreign memory')`,
        { eval: true, workerData: { addon: ADDON, size: SIZE, fd } },
      )
      await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
      await worker.terminate()
    }
    expect(slot.bytes[SIZE - 1]).toBe(4)
  })
})

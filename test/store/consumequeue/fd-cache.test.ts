/** Descriptors that are kept open: as many as may be, the least recently used goes. */
import { fstatSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { FdCache } from '../../../src/store/consumequeue/queue-store.ts'
import { scratchFolder } from '../scratch.ts'

function cache(limit: number) {
  const folder = scratchFolder()
  const fds = new FdCache(limit)
  onTestFinished(() => fds.close())
  const pathOf = (name: string) => join(folder, name)
  for (const name of ['a', 'b', 'c']) writeFileSync(pathOf(name), name)
  return { fds, pathOf, folder }
}

/** The file that a descriptor is of, undefined when it is closed. */
function openFile(fd: number): string | undefined {
  try {
    fstatSync(fd)
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

test('beyond the limit the one that was used longest ago is closed', () => {
  const { fds, pathOf } = cache(2)
  const a = fds.get(pathOf('a'))
  const b = fds.get(pathOf('b'))
  expect(fds.get(pathOf('a'))).toBe(a)
  fds.get(pathOf('c'))
  expect(openFile(a)).toBe(pathOf('a'))
  expect(openFile(b)).not.toBe(pathOf('b'))
  expect(fds.get(pathOf('a'))).toBe(a)
})

test('what is lent is closed again, unless it was open', () => {
  const { fds, pathOf } = cache(2)
  const kept = fds.get(pathOf('a'))
  let lent = -1
  fds.lend(pathOf('a'), (fd) => expect(fd).toBe(kept))
  fds.lend(pathOf('b'), (fd) => {
    lent = fd
    expect(openFile(fd)).toBe(pathOf('b'))
  })
  expect(openFile(kept)).toBe(pathOf('a'))
  expect(openFile(lent)).not.toBe(pathOf('b'))
  expect(() =>
    fds.lend(pathOf('c'), (fd) => {
      lent = fd
      throw new Error('no room')
    }),
  ).toThrow('no room')
  expect(openFile(lent)).not.toBe(pathOf('c'))
})

test('a folder that is dropped has no file open', () => {
  const { fds, pathOf, folder } = cache(2)
  const a = fds.get(pathOf('a'))
  fds.dropFolder(folder)
  expect(openFile(a)).not.toBe(pathOf('a'))
})

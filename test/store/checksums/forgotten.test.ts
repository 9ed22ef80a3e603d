/** Whoever writes into a sealed segment, or makes another one of its name, takes its side checksums away first. */
import { rmSync, truncateSync } from 'node:fs'
import { expect, test } from 'vitest'
import { listChecksums, writeChecksums } from '../../../src/store/checksums/index.ts'
import { BuiltLog, SIZE } from '../recovery/log-builder.ts'

/** A log of four segments and a bit, the sealed ones with files. */
function hashedLog(): BuiltLog {
  const log = new BuiltLog(1150)
  expect(Math.floor(log.end / SIZE)).toBeGreaterThanOrEqual(4)
  for (let start = 0; start + SIZE <= log.end; start += SIZE) mark(log, start)
  return log
}

function mark(log: BuiltLog, start: number): void {
  const rest = { size: SIZE, hashedAt: 1, modifiedAt: 1n, inode: 1n, hashes: BigUint64Array.of(1n) }
  writeChecksums(log.root, { start, ...rest })
}

const lost = (log: BuiltLog) => {
  const { starts } = listChecksums(log.root)
  return Array.from({ length: Math.floor(log.end / SIZE) }, (_, i) => i * SIZE).filter(
    (start) => !starts.includes(start),
  )
}

test('a start that finds nothing wrong keeps them', () => {
  const log = hashedLog()
  log.recover()
  expect(lost(log)).toEqual([])
})

test('damage that is sealed', () => {
  const log = hashedLog()
  const victim = log.records.find(({ at }) => at > SIZE + 1000)!
  // Its size and its body's: no reader can pass it.
  log.overwrite(victim.at, Buffer.alloc(8))
  const { findings } = log.recover()
  expect(findings[0].what).toMatch(/sealed/)
  expect(lost(log)).toEqual([SIZE])
})

test('segments that were short or missing, and are mended', () => {
  const log = hashedLog()
  truncateSync(log.path(SIZE), 30_000)
  rmSync(log.path(2 * SIZE))
  log.recover()
  expect(lost(log)).toEqual([SIZE, 2 * SIZE])
})

test('a log that ends earlier than it did: all that is appended again', () => {
  const log = hashedLog()
  const sealed = Math.floor(log.end / SIZE)
  for (let start = 2 * SIZE; start <= log.end; start += SIZE) log.overwrite(start, Buffer.alloc(SIZE))
  const cut = log.records.filter(({ at }) => at < 2 * SIZE).at(-1)!
  log.overwrite(cut.at, Buffer.alloc(2 * SIZE - cut.at))
  const { end } = log.recover()
  expect(end).toBe(cut.at)
  expect(listChecksums(log.root).starts).toEqual([0])
  expect(sealed).toBeGreaterThan(3)
})

test('a new segment of an old name', () => {
  const log = new BuiltLog(10)
  mark(log, 5 * SIZE)
  log.allocate(5 * SIZE)
  expect(listChecksums(log.root).starts).toEqual([])
})

/** What is hashed, what is not, and what a pass finds. */
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ControlBlock } from '../../../src/concurrency/control-block.ts'
import { HASHED_BLOCK, loadBlockHash } from '../../../src/store/checksums/block-hash.ts'
import {
  checksumsFolder,
  checksumsPath,
  listChecksums,
  readChecksums,
} from '../../../src/store/checksums/checksum-file.ts'
import { ChecksumKeeper } from '../../../src/store/checksums/checksum-keeper.ts'
import { segmentName } from '../../../src/store/commitlog/index.ts'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { type BuildOptions, BuiltLog } from '../recovery/log-builder.ts'
import { capturedLog, storeSettings } from '../scratch.ts'

const SIZE = 65_536
const WEEK = 604_800_000
const hash = await loadBlockHash()

function rig(count: number, build: BuildOptions = {}, changes: Partial<StoreSettings> = {}) {
  const log = new BuiltLog(count, build)
  const settings = storeSettings(log.root, { mappedFileSizeCommitLog: log.segmentSize, ...changes })
  const control = ControlBlock.create()
  control.writer('appended').reset(log.end)
  control.writer('flushed').reset(log.end)
  const lines = capturedLog()
  const keepers: ChecksumKeeper[] = []
  const open = () => {
    for (const keeper of keepers) keeper.close()
    const keeper = new ChecksumKeeper({ settings, control, hash, log: lines, retryMs: 0 })
    keepers.push(keeper)
    return keeper
  }
  return { log, settings, control, lines, open }
}

/** Until nothing is left to do; bytes that were read. */
function run(keeper: ChecksumKeeper): number {
  let bytes = 0
  for (let steps = 0; ; steps += 1) {
    if (steps > 100_000) throw new Error(`never ends: ${JSON.stringify(keeper.status())}`)
    const step = keeper.step()
    if (step.bytes === 0) return bytes
    bytes += step.bytes
  }
}

/** As a disk does it: the file's time stays. */
function rot(path: string, at: number, bit: number): void {
  const { atimeMs, mtimeMs } = statSync(path)
  const bytes = readFileSync(path)
  bytes[at] ^= 1 << bit
  writeFileSync(path, bytes)
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000)
}

test('sealed segments get their hashes, the one in use does not, and nothing is read twice', () => {
  const { log, control, open, lines } = rig(900)
  const sealed = Math.floor(log.end / SIZE)
  expect(sealed).toBeGreaterThan(3)
  let keeper = open()
  const bytes = run(keeper)
  expect(listChecksums(log.root).starts).toEqual(Array.from({ length: sealed }, (_, i) => i * SIZE))
  expect(bytes).toBeLessThan(sealed * SIZE + 10 * sealed)
  for (let start = 0; start < sealed * SIZE; start += SIZE) {
    const read = readChecksums(log.root, start)
    const whole = readFileSync(log.path(start))
    expect(read).toMatchObject({ kind: 'ok', checksums: { start, size: SIZE, hashes: BigUint64Array.of(hash(whole)) } })
  }
  expect(keeper.status()).toMatchObject({
    hashed: sealed,
    missing: 0,
    refused: 0,
    doing: 'nothing',
    sealedTo: sealed * SIZE,
  })
  keeper = open()
  expect(run(keeper)).toBe(0)
  // More is appended, but not flushed; then it is.
  log.append(400)
  control.writer('appended').reset(log.end)
  keeper.look()
  expect(run(keeper)).toBe(0)
  control.writer('flushed').reset(log.end)
  keeper.look()
  run(keeper)
  expect(listChecksums(log.root).starts.length).toBe(Math.floor(log.end / SIZE))
  expect(lines.lines).toEqual([])
})

test('segments of many blocks, with records across their borders and a last block that is shorter', () => {
  const sizes = fc.record({
    extra: fc.integer({ min: 1, max: 3 * HASHED_BLOCK }),
    body: fc.integer({ min: 5000, max: 900_000 }),
  })
  fc.assert(
    fc.property(sizes, ({ extra, body }) => {
      const segmentSize = HASHED_BLOCK + extra
      const { log, control, open, lines } = rig(1, { segmentSize, bodyLength: (index) => (index * 7919) % body })
      while (log.end < segmentSize) log.append(5)
      control.writer('flushed').reset(log.end)
      const keeper = open()
      run(keeper)
      keeper.close()
      const whole = readFileSync(log.path(0))
      const hashes = BigUint64Array.from({ length: Math.ceil(segmentSize / HASHED_BLOCK) }, (_, i) =>
        hash(whole.subarray(i * HASHED_BLOCK, (i + 1) * HASHED_BLOCK)),
      )
      expect(readChecksums(log.root, 0)).toMatchObject({ kind: 'ok', checksums: { hashes } })
      expect(lines.lines).toEqual([])
    }),
    { numRuns: 8 },
  )
})

test('damage that is there already is named, and is not blessed', () => {
  const { log, open, lines } = rig(900)
  const victim = log.records.find(({ at }) => at > SIZE + 1000)!
  log.flip(victim.at + 95)
  const keeper = open()
  run(keeper)
  expect(readChecksums(log.root, SIZE)).toEqual({ kind: 'missing' })
  expect(readChecksums(log.root, 0)).toMatchObject({ kind: 'ok' })
  expect(keeper.status()).toMatchObject({ refused: 1, missing: 0 })
  expect(lines.of('error')).toEqual([
    `a record of the CommitLog is damaged: a body that differs from its CRC (${log.path(SIZE)} byte ${victim.at - SIZE})`,
  ])
  expect(lines.of('warn')).toEqual([expect.stringMatching(/no side checksums: 1 places/)])
  // It does not read it over and over.
  keeper.look()
  expect(run(keeper)).toBe(0)
})

test('a pass finds each flipped bit, tells it once, also across restarts, and tells when it is whole again', () => {
  const { log, control, open, lines, settings } = rig(900)
  let keeper = open()
  run(keeper)
  const sealed = listChecksums(log.root).starts.length
  const victim = log.records.find(({ at }) => at > 2 * SIZE + 1000)!
  rot(log.path(victim.at), (victim.at % SIZE) + 45, 3)
  expect(run(keeper)).toBe(0)
  control.moveClock(WEEK)
  expect(run(keeper)).toBeGreaterThanOrEqual(sealed * SIZE)
  expect(keeper.status()).toMatchObject({
    damages: [{ start: 2 * SIZE, block: 0, from: 2 * SIZE, to: 3 * SIZE }],
    lastPassBytes: (sealed + 1) * SIZE,
    isInPass: false,
  })
  const [said] = lines.of('error')
  expect(said).toMatch(
    /^bit rot: block 0 \(bytes 131072 to 196608 of the log\) is not what it was at 20.*nobody has written to the file since; \d+ records lie in it, at 131\d\d\d to 19\d\d\d\d, and all bodies have their CRC.*stop the broker and take the segment from a replica/,
  )
  keeper = open()
  expect(lines.of('warn')).toEqual(['1 blocks of sealed CommitLog segments are known to be damaged'])
  control.moveClock(WEEK)
  run(keeper)
  expect(lines.of('error').length).toBe(1)
  expect(keeper.status().damages.length).toBe(1)
  rot(log.path(victim.at), (victim.at % SIZE) + 45, 3)
  control.moveClock(WEEK)
  run(keeper)
  expect(keeper.status().damages).toEqual([])
  expect(lines.of('info')).toEqual([expect.stringMatching(/are what they were again/)])
  expect(settings.scrubRate).toBeGreaterThan(0)
})

test('a body that is hit is named', () => {
  const { log, control, open, lines } = rig(900)
  const keeper = open()
  run(keeper)
  const victim = log.records.find(({ at }) => at > 1000)!
  rot(log.path(victim.at), victim.at + 95, 3)
  control.moveClock(WEEK)
  run(keeper)
  expect(lines.of('error')).toEqual([
    expect.stringContaining(`damaged: the record at ${victim.at} (a body that differs`),
  ])
})

test('who wrote to the segment is said, and it is not called rot', () => {
  const { log, control, open, lines } = rig(900)
  const keeper = open()
  run(keeper)
  log.flip(SIZE + 45)
  const later = new Date(Date.now() + 5000)
  utimesSync(log.path(SIZE), later, later)
  control.moveClock(WEEK)
  run(keeper)
  expect(lines.of('error')).toEqual([])
  expect(lines.of('warn')).toEqual([
    expect.stringMatching(
      /^a sealed CommitLog segment has changed: .* the file was written to at 20.*, after it was hashed/,
    ),
  ])
})

test('a pass goes on where the last run stopped', () => {
  const { log, control, open } = rig(900)
  let keeper = open()
  run(keeper)
  control.moveClock(WEEK)
  const sealed = listChecksums(log.root).starts.length
  while (keeper.status().position < 2 * SIZE) keeper.step()
  const { passBytes } = keeper.status()
  keeper = open()
  expect(keeper.status()).toMatchObject({ isInPass: true, position: 2 * SIZE })
  run(keeper)
  expect(keeper.status().lastPassBytes).toBe(sealed * SIZE)
  expect(passBytes).toBeLessThan(sealed * SIZE)
})

test('scrubRate 0 reads nothing again', () => {
  const { control, open } = rig(900, {}, { scrubRate: 0 })
  const keeper = open()
  run(keeper)
  control.moveClock(10 * WEEK)
  expect(run(keeper)).toBe(0)
})

test('a damaged checksum file is written anew, temporary files and those of expired segments go', () => {
  const { log, control, open, lines } = rig(900)
  run(open())
  const path = checksumsPath(log.root, SIZE)
  const good = readFileSync(path)
  writeFileSync(path, good.subarray(0, 40))
  writeFileSync(`${path}.tmp`, 'x')
  control.writer('retained').reset(SIZE)
  control.moveClock(WEEK)
  const keeper = open()
  run(keeper)
  expect(lines.of('warn')).toEqual([expect.stringMatching(/written anew: it has 40 bytes/)])
  expect(readChecksums(log.root, SIZE).kind).toBe('ok')
  expect(listChecksums(log.root).strays).toEqual([])
  expect(listChecksums(log.root).starts[0]).toBe(SIZE)
})

test('what the disk refuses is one warning, and is tried again', () => {
  const { log, open, lines } = rig(900)
  mkdirSync(dirname(checksumsFolder(log.root)), { recursive: true })
  writeFileSync(checksumsFolder(log.root), 'in the way')
  const keeper = open()
  for (let i = 0; i < 50; i += 1) keeper.step()
  expect(lines.of('warn')).toEqual([expect.stringMatching(/side checksums wait.*(EEXIST|ENOTDIR)/)])
  expect(keeper.status().problem).toMatch(/EEXIST|ENOTDIR/)
  rmSync(checksumsFolder(log.root))
  keeper.look()
  run(keeper)
  expect(keeper.status()).toMatchObject({ problem: '', missing: 0 })
  expect(listChecksums(log.root).starts.length).toBe(Math.floor(log.end / SIZE))
})

test.skipIf(process.getuid?.() === 0)('a segment that may not be read waits, the others do not', () => {
  const { log, open, lines } = rig(900)
  chmodSync(log.path(SIZE), 0)
  const keeper = open()
  for (let i = 0; i < 50; i += 1) keeper.step()
  expect(lines.of('warn')).toEqual([expect.stringMatching(/EACCES/)])
  expect(listChecksums(log.root).starts).not.toContain(SIZE)
  expect(listChecksums(log.root).starts).toContain(2 * SIZE)
})

test('a segment that goes while it is read leaves nothing behind', () => {
  const { log, control, open, lines } = rig(900)
  const keeper = open()
  keeper.step()
  keeper.step()
  control.writer('retained').reset(SIZE)
  rmSync(log.path(0))
  run(keeper)
  expect(listChecksums(log.root).starts).not.toContain(0)
  expect(lines.lines).toEqual([])
  expect(segmentName(0)).toMatch(/^0{20}$/)
})

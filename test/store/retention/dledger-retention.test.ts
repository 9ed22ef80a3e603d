/** Retention of a store whose log is DLedger's: who removes which files, and when. */
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ControlBlock } from '../../../src/concurrency/control-block.ts'
import { listChecksums, writeChecksums } from '../../../src/store/checksums/index.ts'
import { segmentName } from '../../../src/store/commitlog/segments.ts'
import { DiskState, FileWatch, Retention, RetentionClock } from '../../../src/store/retention/index.ts'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { capturedLog, scratchFolder, storeSettings } from '../scratch.ts'

const SIZE = 65_536
const HOUR = 3_600_000
/** Local noon: an hour at which nothing is deleted by itself. */
const NOON = new Date(2026, 5, 15, 12).getTime()

/** `classic` and `data`: ages of their files in hours, oldest first; the tail is in the last data file but one, which is made ahead. */
function keeper(classic: number[], data: number[], changes: Partial<StoreSettings> = {}) {
  const root = scratchFolder()
  const settings = storeSettings(root, {
    enableDLegerCommitLog: true,
    storePathCommitLog: join(root, 'dledger-n0', 'data'),
    storePathClassicCommitLog: join(root, 'commitlog'),
    ...changes,
  })
  const make = (folder: string, first: number, hours: number[]) => {
    if (hours.length > 0) mkdirSync(folder, { recursive: true })
    hours.forEach((age, i) => {
      const path = join(folder, segmentName((first + i) * SIZE))
      writeFileSync(path, Buffer.alloc(SIZE))
      const changed = new Date(NOON - age * HOUR)
      utimesSync(path, changed, changed)
    })
  }
  make(settings.storePathClassicCommitLog, 0, classic)
  make(settings.storePathCommitLog, classic.length, data)
  const control = ControlBlock.create()
  const end = (classic.length + data.length - 2) * SIZE + 100
  for (const name of ['appended', 'flushed', 'dispatched', 'settled'] as const) control.writer(name).reset(end)
  const time = { wall: NOON, steady: 1000, moved: 0 }
  const use = { percent: 10 }
  const retired: number[] = []
  const asked: [number, boolean][] = []
  const expiring: number[] = []
  const retention = new Retention(
    {
      ...{ settings, control, log: capturedLog(), noticeMs: 0 },
      clock: new RetentionClock({ wall: () => time.wall, steady: () => time.steady, moved: () => time.moved }),
      expiring: (below) => expiring.push(below),
      retired: (below) => retired.push(below),
      retire: (below, isOverLimit) => asked.push([below, isOverLimit]),
      use: (path) => ({ path, freeBytes: 1, usedPercent: use.percent }),
    },
    time.steady,
  )
  const round = () => {
    time.wall += 60_000
    time.steady += 60_000
    for (let steps = 0; retention.step(time.steady) > 0; steps += 1) if (steps > 10_000) throw new Error('never ends')
  }
  const files = (folder: string) => readdirSync(folder).map((name) => Number(name) / SIZE)
  const left = () => ({
    classic: classic.length === 0 ? [] : files(settings.storePathClassicCommitLog),
    data: files(settings.storePathCommitLog),
  })
  return { root, settings, control, retention, use, retired, asked, expiring, round, left }
}

describe('data files', () => {
  test('are never removed here: their thread is told up to where, an hour later than a CommitLog’s would go', () => {
    const { retention, round, asked, retired, expiring, left, control } = keeper([], [100, 74, 72.5, 1, 0])
    retention.cleanNow()
    round()
    expect(asked).toEqual([[2 * SIZE, false]])
    expect(left().data).toEqual([0, 1, 2, 3, 4])
    expect([retired, control.load('retained')]).toEqual([[], 0])
    // Within the hour its turn comes.
    expect(expiring).toEqual([3 * SIZE])
  })

  test('are asked for again until they are gone; their side checksums go with them', () => {
    const { root, retention, round, asked, control } = keeper([], [100, 90, 1, 0])
    const rest = { size: SIZE, hashedAt: 1, modifiedAt: 1n, inode: 1n, hashes: BigUint64Array.of(1n) }
    for (const start of [0, SIZE, 2 * SIZE]) writeChecksums(root, { start, ...rest })
    retention.cleanNow()
    round()
    round()
    expect(asked).toEqual([
      [2 * SIZE, false],
      [2 * SIZE, false],
    ])
    expect(listChecksums(root).starts).toEqual([0, SIZE, 2 * SIZE])
    // The thread of the log has removed one of them, and moved the mark.
    control.writer('retained').advance(SIZE)
    round()
    expect(listChecksums(root).starts).toEqual([SIZE, 2 * SIZE])
  })

  test('of any age go where the disk is nearly full, also those that a follower lacks; never the one in use', () => {
    const { use, round, asked, control } = keeper([], [3, 2, 1, 0, 0], { diskSpaceCleanForciblyRatio: 85 })
    use.percent = 86
    round()
    expect(asked).toEqual([[3 * SIZE, true]])
    control.writer('settled').reset(SIZE + 5)
    round()
    expect(asked.at(-1)).toEqual([SIZE, true])
  })
})

describe('segments of the CommitLog before it', () => {
  test('go by the old rules, the last one too; no data file goes while one of them is there', () => {
    const { retention, round, asked, retired, left, control, expiring } = keeper([100, 72.5, 1], [100, 100, 0])
    retention.cleanNow()
    round()
    expect(left()).toEqual({ classic: [2], data: [3, 4, 5] })
    expect([retired, control.load('retained')]).toEqual([[SIZE, 2 * SIZE], 2 * SIZE])
    expect(expiring).toEqual([2 * SIZE])
    round()
    expect(asked).toEqual([])
  })

  test('are all gone: the log begins at the divide, and its own files expire from the next round on', () => {
    const { retention, round, asked, left, control } = keeper([100, 90], [100, 100, 0])
    retention.cleanNow()
    round()
    expect(left()).toEqual({ classic: [], data: [2, 3, 4] })
    expect(control.load('retained')).toBe(2 * SIZE)
    expect(asked).toEqual([])
    round()
    expect(asked).toEqual([[3 * SIZE, false]])
  })
})

test('nobody watches data files: they come and go without a word, and none is made again', () => {
  const { settings, control, left } = keeper([1], [1, 1, 0])
  const log = capturedLog()
  const disk = new DiskState(control, (problem) => log.error(problem ?? ''))
  control.writer('allocated').reset(8 * SIZE)
  const watch = new FileWatch({ settings, control, disk, log })
  watch.step(0)
  watch.step(5000)
  watch.close()
  expect(log.lines).toEqual([])
  expect(left().data).toEqual([1, 2, 3])
})

import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ControlBlock } from '../../../src/concurrency/control-block.ts'
import { listChecksums, writeChecksums } from '../../../src/store/checksums/index.ts'
import { segmentName } from '../../../src/store/commitlog/segments.ts'
import { Retention, removeUnusedSegments } from '../../../src/store/retention/retention.ts'
import { RetentionClock } from '../../../src/store/retention/retention-clock.ts'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { capturedLog, recordedStore, scratchFolder, storeSettings } from '../scratch.ts'

const SIZE = 65_536
const HOUR = 3_600_000
const MINUTE = 60_000
/** Local noon: an hour at which nothing is deleted by itself. */
const NOON = new Date(2026, 5, 15, 12).getTime()

/** A log of `count` segments, the oldest `hours[0]` hours old; the tail is in the last one. */
function keeper(root: string, hours: number[], changes: Partial<StoreSettings> = {}, noticeMs = 0) {
  const settings = storeSettings(root, changes)
  mkdirSync(settings.storePathCommitLog, { recursive: true })
  hours.forEach((age, index) => {
    const path = join(settings.storePathCommitLog, segmentName(index * SIZE))
    if (!existsSync(path)) writeFileSync(path, Buffer.alloc(SIZE))
    const changed = new Date(NOON - age * HOUR)
    utimesSync(path, changed, changed)
  })
  const control = ControlBlock.create()
  const end = (hours.length - 1) * SIZE + 100
  for (const name of ['appended', 'flushed', 'dispatched', 'settled'] as const) control.writer(name).reset(end)
  const time = { wall: NOON, steady: 1000, moved: 0 }
  const clock = new RetentionClock({ wall: () => time.wall, steady: () => time.steady, moved: () => time.moved })
  const use = { percent: 10 }
  const log = capturedLog()
  const retired: number[] = []
  const expiring: number[] = []
  const retention = new Retention(
    {
      settings,
      control,
      clock,
      log,
      expiring: (below) => expiring.push(below),
      retired: (below) => retired.push(below),
      noticeMs,
      use: (path) => ({ path, freeBytes: 1, usedPercent: use.percent }),
    },
    time.steady,
  )
  const pass = (ms: number) => {
    time.wall += ms
    time.steady += ms
  }
  /** Steps until nothing is due. */
  const run = () => {
    for (let steps = 0; retention.step(time.steady) > 0; steps += 1) if (steps > 10_000) throw new Error('never ends')
  }
  const segments = () => readdirSync(settings.storePathCommitLog).map((name) => Number(name) / SIZE)
  return { settings, control, retention, time, pass, run, use, log, retired, expiring, segments }
}

describe('segments', () => {
  test('the first round comes after a minute, and at noon nothing goes', () => {
    const { run, pass, segments, retention, time } = keeper(scratchFolder(), [100, 100, 1])
    expect(retention.isDue(time.steady)).toBe(false)
    pass(MINUTE)
    expect(retention.isDue(time.steady)).toBe(true)
    run()
    expect(segments()).toEqual([0, 1, 2])
  })

  test('at four in the morning those go that are older than fileReservedTime; retained and retired say so', () => {
    const { run, pass, segments, control, retired, log } = keeper(scratchFolder(), [100, 90, 40, 1])
    pass(16 * HOUR + MINUTE)
    run()
    expect(segments()).toEqual([2, 3])
    expect(control.load('retained')).toBe(2 * SIZE)
    expect(retired).toEqual([SIZE, 2 * SIZE])
    expect(log.of('info')).toHaveLength(2)
  })

  test('side checksums go with their segment', () => {
    const root = scratchFolder()
    const { run, retention } = keeper(root, [100, 90, 1])
    const rest = { size: SIZE, hashedAt: 1, modifiedAt: 1n, inode: 1n, hashes: BigUint64Array.of(1n) }
    for (const start of [0, SIZE, 2 * SIZE]) writeChecksums(root, { start, ...rest })
    retention.cleanNow()
    run()
    expect(listChecksums(root)).toEqual({ starts: [2 * SIZE], strays: [] })
  })

  test('a test that moves the clock to the hour sees it at once', () => {
    const { run, segments, time } = keeper(scratchFolder(), [100, 1])
    time.moved = 16 * HOUR
    run()
    expect(segments()).toEqual([1])
  })

  test('an operator sees them go at noon', () => {
    const { run, segments, retention } = keeper(scratchFolder(), [100, 1])
    retention.cleanNow()
    run()
    expect(segments()).toEqual([1])
  })

  test('on a disk that is nearly full all go but the one in use and what is made ahead', () => {
    const { run, pass, segments, control, use } = keeper(scratchFolder(), [3, 2, 1, 0, 0], {
      diskSpaceCleanForciblyRatio: 85,
    })
    for (const name of ['appended', 'flushed', 'dispatched', 'settled'] as const)
      control.writer(name).reset(2 * SIZE + 5)
    use.percent = 86
    pass(MINUTE)
    run()
    expect(segments()).toEqual([2, 3, 4])
  })

  test.each(['flushed', 'dispatched', 'settled'] as const)(
    'what is not %s yet stays, however full the disk is',
    (name) => {
      const { run, pass, segments, control, use } = keeper(scratchFolder(), [100, 100, 100, 1], {
        diskSpaceCleanForciblyRatio: 85,
      })
      control.writer(name).reset(SIZE + 1)
      use.percent = 99
      pass(MINUTE)
      run()
      expect(segments()).toEqual([1, 2, 3])
    },
  )

  test('files go one by one, deleteCommitLogFilesInterval apart, without holding up the thread', () => {
    const { pass, segments, retention, time } = keeper(scratchFolder(), [100, 100, 100, 1], {
      deleteCommitLogFilesInterval: 100,
    })
    retention.cleanNow()
    const counts: number[] = []
    for (let step = 0; step < 6; step += 1) {
      retention.step(time.steady)
      counts.push(segments().length)
      pass(50)
    }
    expect(counts).toEqual([3, 3, 2, 2, 1, 1])
  })

  test('what expires within the hour is said once, and nothing goes for it', () => {
    const { run, pass, segments, expiring } = keeper(scratchFolder(), [71.5, 71.2, 70, 1])
    pass(MINUTE)
    run()
    expect(expiring).toEqual([2 * SIZE])
    pass(MINUTE)
    run()
    pass(HOUR)
    run()
    expect(expiring).toEqual([2 * SIZE, 3 * SIZE])
    expect(segments()).toEqual([0, 1, 2, 3])
  })

  test('what goes for want of room is said half a second before', () => {
    const changes = { diskSpaceCleanForciblyRatio: 85 }
    const { run, pass, segments, expiring, use } = keeper(scratchFolder(), [3, 2, 1], changes, 500)
    use.percent = 86
    pass(MINUTE)
    run()
    expect(expiring).toEqual([2 * SIZE])
    expect(segments()).toEqual([0, 1, 2])
    pass(499)
    run()
    expect(segments()).toEqual([0, 1, 2])
    pass(1)
    run()
    expect(segments()).toEqual([2])
  })

  test('row 18: a clock that jumps an hour forward deletes nothing early', () => {
    const { run, pass, segments, time, retention } = keeper(scratchFolder(), [71.5, 1])
    time.wall += HOUR
    retention.cleanNow()
    run()
    time.wall -= HOUR
    pass(MINUTE)
    run()
    expect(segments()).toEqual([0, 1])
    pass(HOUR)
    retention.cleanNow()
    run()
    expect(segments()).toEqual([1])
  })

  test('row 18: a clock that jumps an hour back keeps files longer, and rounds go on', () => {
    const { run, pass, segments, time, retention } = keeper(scratchFolder(), [72.5, 1])
    time.wall -= HOUR
    retention.cleanNow()
    run()
    expect(segments()).toEqual([0, 1])
    pass(HOUR)
    run()
    expect(segments()).toEqual([1])
  })

  test('a stray file in the folder costs a round and a line in the log, no more', () => {
    const { run, segments, retention, settings, log } = keeper(scratchFolder(), [100, 1])
    writeFileSync(join(settings.storePathCommitLog, '.nfs0001'), '')
    retention.cleanNow()
    run()
    expect(log.of('error').join()).toContain('.nfs0001')
    expect(segments()).toContain(0)
  })
})

describe('files that only spoke of removed segments', () => {
  const config = { fileReservedTime: 72 }

  /** The recorded store, its first segments old enough to go. */
  function recorded(old: number) {
    const root = recordedStore('clean')
    const hours = [0, 1, 2, 3].map((index) => (index < old ? 100 : 1))
    return { root, ...keeper(root, hours, config) }
  }

  const unit = (root: string, file: string, index: number) => {
    const bytes = readFileSync(join(root, 'consumequeue', file))
    return Number(bytes.readBigInt64BE(index * 20))
  }

  test('ConsumeQueue files go once their last unit lies below the log’s first record; newest files stay', () => {
    const { root, run, retention, control } = recorded(3)
    const last = unit(root, 'OracleMany/0/00000000000000000000', 299)
    retention.cleanNow()
    run()
    const min = control.load('retained')
    expect(min).toBe(3 * SIZE)
    expect(last).toBeLessThan(min)
    const left = readdirSync(join(root, 'consumequeue', 'OracleMany', '0'))
    expect(left).toContain('00000000000000012000')
    for (const name of left.slice(0, -1)) expect(unit(root, `OracleMany/0/${name}`, 299)).toBeGreaterThanOrEqual(min)
    expect(left).not.toContain('00000000000000000000')
    expect(readdirSync(join(root, 'consumequeue', 'OracleTopic', '0'))).toHaveLength(1)
  })

  test('index files go once their last entry lies below it; the newest stays', () => {
    const { root, run, retention, control } = recorded(3)
    const path = join(root, 'index', '20261123093121921')
    const end = Number(readFileSync(path).readBigInt64BE(24))
    retention.cleanNow()
    run()
    expect(existsSync(path)).toBe(end >= control.load('retained'))
    expect(existsSync(join(root, 'index', '20261123093126340'))).toBe(true)
  })

  test('nothing of them goes while no segment goes', () => {
    const { root, run, retention } = recorded(0)
    const before = readdirSync(root, { recursive: true }).length
    retention.cleanNow()
    run()
    expect(readdirSync(root, { recursive: true })).toHaveLength(before)
  })
})

test('after a clean stop the segments made ahead go, and the oldest stays whatever is in it', () => {
  const { settings, segments } = keeper(scratchFolder(), [1, 1, 0, 0])
  expect(removeUnusedSegments(settings, SIZE + 5)).toBe(2)
  expect(segments()).toEqual([0, 1])
  expect(removeUnusedSegments(settings, SIZE)).toBe(1)
  expect(removeUnusedSegments(settings, 0)).toBe(0)
  expect(segments()).toEqual([0])
})

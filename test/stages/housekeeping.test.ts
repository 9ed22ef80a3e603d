/** The housekeeping stage without its thread. */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  fdatasyncSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ControlBlock, FLAGS } from '../../src/concurrency/control-block.ts'
import { ASLEEP, AWAKE, wakeUrgently } from '../../src/concurrency/wake.ts'
import { THREADS } from '../../src/faults.ts'
import { HousekeepingStage } from '../../src/stages/housekeeping.ts'
import type { FromStage, KnownQueue, ToStage } from '../../src/stages/messages.ts'
import { CheckpointFile } from '../../src/store/checkpoint/checkpoint-file.ts'
import { PositionsFile } from '../../src/store/checkpoint/positions-file.ts'
import { readQueuesSnapshot } from '../../src/store/checkpoint/queues-snapshot.ts'
import { UNSETTLED_BYTES_MAX } from '../../src/store/checkpoint/settler.ts'
import type { StoreSettings } from '../../src/store/settings.ts'
import { recordedStore, scratchFolder, storeSettings } from '../store/scratch.ts'
import { stageHarness, until } from './harness.ts'

const SIZE = 65_536
const MIB = 1024 * 1024

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  return { ...fs, fdatasyncSync: vi.fn(fs.fdatasyncSync) }
})
const { fdatasyncSync: realSync } = process.getBuiltinModule('node:fs')

/** Paths below `root` that were synced, in order. */
function watchSyncs(root: string, before?: (path: string) => void): string[] {
  const paths: string[] = []
  vi.mocked(fdatasyncSync).mockImplementation((fd) => {
    const path = readlinkSync(`/proc/self/fd/${fd}`)
    if (path.startsWith(root)) {
      paths.push(path.slice(root.length + 1))
      before?.(paths.at(-1)!)
    }
    realSync(fd)
  })
  onTestFinished(() => void vi.mocked(fdatasyncSync).mockReset())
  return paths
}

interface Options {
  root?: string
  changes?: Partial<StoreSettings>
  knownQueues?: KnownQueue[]
  /** appended, flushed, dispatched at start */
  end?: number
  allocated?: number
}

function housekeeping(options: Options = {}) {
  const { root = scratchFolder(), changes, knownQueues, end = 0, allocated = 0 } = options
  const settings = storeSettings(root, changes)
  const control = ControlBlock.create()
  for (const name of ['appended', 'flushed', 'dispatched'] as const) control.writer(name).reset(end)
  control.writer('allocated').reset(allocated)
  const harness = stageHarness('housekeeping', settings, { knownQueues, control })
  const stage = new HousekeepingStage(harness.start, harness.runtime)
  /** Steps until there is nothing to do. */
  const run = () => {
    for (let steps = 0; stage.step() > 0; steps += 1) if (steps > 10_000) throw new Error('never ends')
  }
  /** What dispatch does: units are there, then the dirt, then the position. */
  const dispatched = (to: number, ...queues: number[]) => {
    harness.move('appended', to)
    harness.move('flushed', to)
    for (const queue of queues) {
      harness.queues.setMax(queue, harness.queues.max(queue) + 1)
      harness.queues.markDirty(queue)
    }
    harness.move('dispatched', to)
  }
  const positions = () => new PositionsFile(root).read()
  return { ...harness, settings, root, stage, run, dispatched, positions }
}

const segmentsIn = (root: string) => readdirSync(join(root, 'commitlog')).map((name) => Number(name) / SIZE)

function smallDisk(size: string): string | undefined {
  const folder = scratchFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'basalt-test', folder], { stdio: 'pipe' })
  } catch (error) {
    console.warn(`SKIPPED: a tmpfs cannot be mounted here, a full disk is not tested (${error})`)
    return undefined
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]))
  return folder
}

describe('segments ahead', () => {
  test('an empty log gets its first segment and two more, all blocks there, and append is woken', () => {
    const { root, run, control } = housekeeping()
    const append = ControlBlock.index('append')
    Atomics.store(control.words, append, ASLEEP)
    run()
    expect(segmentsIn(root)).toEqual([0, 1, 2])
    expect(control.load('allocated')).toBe(3 * SIZE)
    expect(Atomics.load(control.words, append)).toBe(AWAKE)
    for (const name of readdirSync(join(root, 'commitlog'))) {
      const status = statSync(join(root, 'commitlog', name))
      expect(status.size).toBe(SIZE)
      expect(status.blocks * 512).toBeGreaterThanOrEqual(SIZE)
    }
  })

  test('when the tail enters the next segment, one more is made', () => {
    const { root, run, move, stage } = housekeeping()
    run()
    move('appended', SIZE - 1)
    expect(stage.step()).toBe(0)
    move('appended', SIZE + 1)
    expect(stage.hasWork()).toBe(true)
    run()
    expect(segmentsIn(root)).toEqual([0, 1, 2, 3])
  })

  test('of large segments the next-but-one is made once half of the one in use is written', () => {
    const size = 128 * MIB
    const { root, run, move, control } = housekeeping({ changes: { mappedFileSizeCommitLog: size } })
    run()
    expect(control.load('allocated')).toBe(2 * size)
    move('appended', size / 2)
    run()
    expect(control.load('allocated')).toBe(3 * size)
    rmSync(join(root, 'commitlog'), { recursive: true })
  })

  test('a clean stop gives back what holds nothing', () => {
    const { root, run, dispatched, stage, control, positions } = housekeeping()
    run()
    dispatched(100)
    control.setWord('stop', THREADS.append | THREADS.housekeeping)
    stage.close()
    expect(segmentsIn(root)).toEqual([0])
    expect(positions()?.slot).toMatchObject({ allocated: SIZE, isClean: true })
  })

  test('a stop with something unflushed keeps all', () => {
    const { root, run, move, stage, control, positions } = housekeeping()
    run()
    move('appended', 100)
    control.setWord('stop', THREADS.append | THREADS.housekeeping)
    stage.close()
    expect(segmentsIn(root)).toEqual([0, 1, 2])
    expect(positions()?.slot.isClean).toBe(false)
  })
})

describe('row 9: a full disk', () => {
  const second = () => vi.advanceTimersByTime(1001)

  function fakeSeconds() {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
  }

  test('no room for the next segment raises the flag and says path, bytes and key; it goes by itself', () => {
    fakeSeconds()
    const { run, faults, control, posted, move, root } = housekeeping()
    run()
    faults.set('diskFull', 1)
    move('appended', 2 * SIZE + 1)
    run()
    expect(control.hasFlag(FLAGS.diskFull)).toBe(true)
    const problem = posted.find((message) => message.kind === 'disk')
    expect(problem).toMatchObject({
      problem: expect.stringMatching(
        new RegExp(
          `disk full: ${root}/commitlog has \\d+ bytes free .*needs 65536 bytes \\(mappedFileSizeCommitLog\\)`,
        ),
      ),
    })
    second()
    run()
    expect(posted.filter((message) => message.kind === 'disk')).toHaveLength(1)
    faults.set('diskFull', 0)
    second()
    run()
    expect(control.hasFlag(FLAGS.diskFull)).toBe(false)
    expect(posted.at(-1)).toEqual({ kind: 'disk', problem: undefined })
    expect(segmentsIn(root)).toEqual([0, 1, 2, 3, 4])
  })

  test('no room for the segment after the next is a warning: messages are accepted', () => {
    fakeSeconds()
    const { run, faults, control, log, move } = housekeeping()
    run()
    faults.set('diskFull', 1)
    move('appended', SIZE + 1)
    for (let seconds = 0; seconds < 3; seconds += 1) {
      run()
      second()
    }
    expect(control.hasFlag(FLAGS.diskFull)).toBe(false)
    expect(log.of('warn')).toHaveLength(1)
  })

  test('a real one: nothing half made is left, and room that comes is used within a second', () => {
    const disk = smallDisk('300k')
    if (disk === undefined) return
    fakeSeconds()
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(200 * 1024))
    const { run, control, root, stage } = housekeeping({ root: disk })
    run()
    expect(control.hasFlag(FLAGS.diskFull)).toBe(true)
    expect(segmentsIn(root)).toEqual([0])
    expect(readdirSync(join(root, 'basalt')).filter((name) => name.endsWith('.new'))).toEqual([])
    truncateSync(join(disk, 'ballast'), 0)
    second()
    run()
    expect(control.hasFlag(FLAGS.diskFull)).toBe(false)
    expect(segmentsIn(root)).toEqual([0, 1, 2])
    stage.close()
  })

  test('a disk above diskSpaceWarningLevelRatio refuses senders with the threshold and its key', () => {
    fakeSeconds()
    const { run, control, posted, settings, root } = housekeeping({ changes: { diskSpaceWarningLevelRatio: 0 } })
    run()
    expect(control.hasFlag(FLAGS.diskFull)).toBe(true)
    expect(posted.at(-1)).toMatchObject({
      problem: expect.stringMatching(
        new RegExp(`${root}.* is \\d+ % used, \\d+ bytes free .*above 0 % .*\\(diskSpaceWarningLevelRatio\\)`),
      ),
    })
    settings.diskSpaceWarningLevelRatio = 101
    second()
    run()
    expect(control.hasFlag(FLAGS.diskFull)).toBe(false)
  })

  test('two causes: the flag goes with the last of them', () => {
    fakeSeconds()
    const { run, control, faults, settings } = housekeeping({ changes: { diskSpaceWarningLevelRatio: 0 } })
    faults.set('diskFull', 1)
    run()
    faults.set('diskFull', 0)
    second()
    run()
    expect(control.hasFlag(FLAGS.diskFull)).toBe(true)
    settings.diskSpaceWarningLevelRatio = 101
    second()
    run()
    expect(control.hasFlag(FLAGS.diskFull)).toBe(false)
  })
})

describe('row 13: somebody else touches the segment in use', () => {
  const path = (root: string) => join(root, 'commitlog', '00000000000000000000')

  test.each([
    ['removes it', (root: string) => rmSync(path(root)), /00000000000000000000 was removed by somebody else/],
    ['cuts it', (root: string) => truncateSync(path(root), 5), /was cut to 5 bytes, expected 65536, by somebody else/],
    [
      'replaces it',
      (root: string) => {
        writeFileSync(`${path(root)}x`, Buffer.alloc(SIZE))
        execFileSync('mv', [`${path(root)}x`, path(root)])
      },
      /was replaced by somebody else/,
    ],
  ])('%s: named once', (_, touch, said) => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const { run, root, log } = housekeeping()
    run()
    vi.advanceTimersByTime(1001)
    run()
    touch(root)
    for (let second = 0; second < 3; second += 1) {
      vi.advanceTimersByTime(1001)
      run()
    }
    expect(log.of('error')).toHaveLength(1)
    expect(log.of('error')[0]).toMatch(said)
  })
})

test('row 13: of segments that were left long ago, each that is gone is named once', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { run, root, log, dispatched } = housekeeping()
  const nextSecond = () => {
    vi.advanceTimersByTime(1001)
    run()
  }
  run()
  for (let segment = 1; segment <= 6; segment += 1) {
    dispatched(segment * SIZE + 100)
    nextSecond()
  }
  const gone = [1, 3].map((segment) => join(root, 'commitlog', String(segment * SIZE).padStart(20, '0')))
  for (const path of gone) rmSync(path)
  nextSecond()
  nextSecond()
  expect(log.of('error')).toEqual(
    [1, 3].map((segment, i) =>
      expect.stringContaining(
        `${gone[i]} was removed by somebody else: messages from ${segment * SIZE} to ${(segment + 1) * SIZE} are lost`,
      ),
    ),
  )
})

describe('the positions file', () => {
  test('follows ten times a second, and rests when nothing moves', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const { run, positions, dispatched, move } = housekeeping()
    run()
    vi.advanceTimersByTime(101)
    run()
    expect(positions()?.slot).toMatchObject({ appended: 0, allocated: 3 * SIZE })
    dispatched(500)
    move('appended', 900)
    vi.advanceTimersByTime(101)
    run()
    const written = positions()?.slot
    expect(written).toMatchObject({ appended: 900, flushed: 500, dispatched: 500, settled: 0, isClean: false })
    vi.advanceTimersByTime(101)
    run()
    expect(positions()?.slot.sequence).toBe(written?.sequence)
    vi.advanceTimersByTime(5001)
    run()
    expect(positions()?.slot.sequence).toBeGreaterThan(written?.sequence ?? 0)
  })
})

describe('settled', () => {
  const always = { flushConsumeQueueThoroughInterval: 0 }
  const queueOf = (queue: number, topic: string, nextOffset = 0): KnownQueue => ({
    queue,
    topic,
    queueId: 0,
    nextOffset,
  })

  function queueFile(root: string, topic: string, name = '00000000000000000000') {
    const folder = join(root, 'consumequeue', topic, '0')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, name), Buffer.alloc(6000))
  }

  test('follows dispatched once the dirty queues, the index and the positions are synced, in this order', () => {
    const root = scratchFolder()
    const { run, dispatched, control } = housekeeping({
      root,
      changes: always,
      knownQueues: [queueOf(1, 'A'), queueOf(2, 'B')],
    })
    queueFile(root, 'A')
    queueFile(root, 'B')
    mkdirSync(join(root, 'index'))
    writeFileSync(join(root, 'index', '20261123093126340'), Buffer.alloc(4096))
    run()
    const settledAt: number[] = []
    const synced = watchSyncs(root, () => settledAt.push(control.load('settled')))
    dispatched(1000, 1, 2)
    run()
    expect(control.load('settled')).toBe(1000)
    expect(synced).toEqual([
      'consumequeue/A/0/00000000000000000000',
      'consumequeue/B/0/00000000000000000000',
      'index/20261123093126340',
      'basalt/positions',
      'checkpoint',
      'basalt/queues.tmp',
    ])
    expect(settledAt).toEqual([0, 0, 0, 1000, 1000, 1000])
    synced.length = 0
    dispatched(2000, 2)
    run()
    expect(synced.filter((path) => path.startsWith('consume'))).toEqual(['consumequeue/B/0/00000000000000000000'])
  })

  test('covers only what was dispatched before the files were synced', () => {
    const root = scratchFolder()
    const { run, dispatched, control, settings, stage } = housekeeping({
      root,
      changes: always,
      knownQueues: [queueOf(1, 'A')],
    })
    queueFile(root, 'A')
    run()
    let once = true
    watchSyncs(root, (path) => {
      if (!path.startsWith('consumequeue') || !once) return
      once = false
      settings.flushConsumeQueueThoroughInterval = 3_600_000
      dispatched(1500, 1)
    })
    dispatched(1000, 1)
    run()
    expect(control.load('dispatched')).toBe(1500)
    expect(control.load('settled')).toBe(1000)
    settings.flushConsumeQueueThoroughInterval = 0
    expect(stage.hasWork()).toBe(true)
    run()
    expect(control.load('settled')).toBe(1500)
  })

  test('covers a queue whose definition is still in the mailbox', () => {
    const root = scratchFolder()
    const { run, dispatched, mail } = housekeeping({ root, changes: always })
    run()
    queueFile(root, 'New')
    const synced = watchSyncs(root)
    mail.push({ kind: 'defined', queue: 7, topic: 'New', queueId: 0 })
    dispatched(1000, 7)
    run()
    expect(synced).toContain('consumequeue/New/0/00000000000000000000')
    expect(readQueuesSnapshot(root)?.queues).toEqual([{ topic: 'New', queueId: 0, maxOffset: 1 }])
  })

  test('syncs every file of a queue that was written since, not the older ones', () => {
    const root = scratchFolder()
    const { run, dispatched, queues } = housekeeping({ root, changes: always, knownQueues: [queueOf(1, 'A')] })
    run()
    for (const name of ['00000000000000000000', '00000000000000006000', '00000000000000012000'])
      queueFile(root, 'A', name)
    queues.setMax(1, 349)
    dispatched(1000, 1)
    run()
    const synced = watchSyncs(root)
    queues.setMax(1, 699)
    dispatched(2000, 1)
    run()
    expect(synced.filter((path) => path.startsWith('consume'))).toEqual([
      'consumequeue/A/0/00000000000000006000',
      'consumequeue/A/0/00000000000000012000',
    ])
  })

  test('waits flushConsumeQueueThoroughInterval, unless much is unsettled', () => {
    const { run, dispatched, control, stage } = housekeeping({
      changes: { flushConsumeQueueThoroughInterval: 3_600_000 },
    })
    run()
    control.writer('allocated').reset(2 * UNSETTLED_BYTES_MAX)
    dispatched(UNSETTLED_BYTES_MAX - 1)
    expect(stage.hasWork()).toBe(false)
    dispatched(UNSETTLED_BYTES_MAX)
    expect(stage.hasWork()).toBe(true)
    run()
    expect(control.load('settled')).toBe(UNSETTLED_BYTES_MAX)
  })

  test('a failed sync is final: settled stays and the thread ends with path and reason', () => {
    const root = scratchFolder()
    const { run, dispatched, control } = housekeeping({ root, changes: always, knownQueues: [queueOf(1, 'A')] })
    queueFile(root, 'A')
    run()
    watchSyncs(root, (path) => {
      if (path.startsWith('consumequeue')) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
    })
    dispatched(1000, 1)
    expect(run).toThrow(/cannot be synced: EIO.*builds these files again/)
    expect(control.load('settled')).toBe(0)
  })

  test('for lack of room it is tried again, and nothing is forgotten', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const root = scratchFolder()
    const { run, dispatched, control, log } = housekeeping({ root, changes: always, knownQueues: [queueOf(1, 'A')] })
    queueFile(root, 'A')
    run()
    let isFull = true
    const synced = watchSyncs(root, (path) => {
      if (isFull && path.startsWith('consumequeue')) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    })
    dispatched(1000, 1)
    run()
    expect(control.load('settled')).toBe(0)
    expect(log.of('warn')).toHaveLength(1)
    isFull = false
    synced.length = 0
    vi.advanceTimersByTime(1001)
    run()
    expect(control.load('settled')).toBe(1000)
    expect(synced).toContain('consumequeue/A/0/00000000000000000000')
  })

  test('the queues snapshot waits until the log is on disk as far as its offsets speak of it', () => {
    const root = scratchFolder()
    const { run, dispatched, move, control } = housekeeping({
      root,
      changes: { ...always, flushDiskType: 'ASYNC_FLUSH' },
      knownQueues: [queueOf(1, 'A')],
    })
    queueFile(root, 'A')
    dispatched(1000, 1)
    move('appended', 2000)
    run()
    expect(control.load('settled')).toBe(1000)
    expect(readQueuesSnapshot(root)).toBeUndefined()
    move('flushed', 2000)
    run()
    expect(readQueuesSnapshot(root)).toMatchObject({ position: 2000, queues: [{ topic: 'A', maxOffset: 1 }] })
  })

  test('what a dead process left unsynced is synced in the first cycle; after a clean stop nothing is', () => {
    const root = scratchFolder()
    const first = housekeeping({ root, changes: always, knownQueues: [queueOf(1, 'A'), queueOf(2, 'B')] })
    queueFile(root, 'A')
    queueFile(root, 'B')
    first.run()
    first.dispatched(1000, 1, 2)
    first.stage.close()
    // The next process finds a unit more in A than the snapshot knows.
    const known = [queueOf(1, 'A', 2), queueOf(2, 'B', 1)]
    const second = housekeeping({ root, changes: always, knownQueues: known, end: 1000, allocated: 3 * SIZE })
    second.control.writer('settled').reset(1000)
    const synced = watchSyncs(root)
    second.run()
    expect(synced).toEqual([])
    second.dispatched(1100)
    second.run()
    expect(synced.filter((path) => path.startsWith('consume'))).toEqual(['consumequeue/A/0/00000000000000000000'])
  })

  test('the checkpoint names store times of records that are on disk, as RocketMQ reads it', () => {
    const root = recordedStore('unclean')
    const starts = recordStarts()
    const { run, dispatched, stage } = housekeeping({ root, changes: always, end: starts[3].at, allocated: 5 * SIZE })
    run()
    const before = new CheckpointFile(root).read()
    dispatched(starts[5].at)
    run()
    const { physicMsgTimestamp, logicsMsgTimestamp, indexMsgTimestamp } = new CheckpointFile(root).read()
    expect(logicsMsgTimestamp).toBe(starts[3].time)
    expect(physicMsgTimestamp).toBe(starts[3].time)
    // The newest index file is on disk now, up to its last entry.
    expect(indexMsgTimestamp).toBe(newestIndexEnd(root))
    expect(indexMsgTimestamp).toBeGreaterThanOrEqual(before.indexMsgTimestamp)
    stage.close()
  })

  test('a close settles what is left and says clean', () => {
    const root = scratchFolder()
    const { run, dispatched, stage, positions } = housekeeping({ root, knownQueues: [queueOf(1, 'A')] })
    queueFile(root, 'A')
    run()
    dispatched(1000, 1)
    stage.close()
    expect(positions()).toMatchObject({
      trust: 'live',
      slot: { isClean: true, settled: 1000, flushed: 1000, appended: 1000 },
    })
    expect(readQueuesSnapshot(root)).toMatchObject({ position: 1000, queues: [{ topic: 'A', maxOffset: 1 }] })
    expect(existsSync(join(root, 'checkpoint'))).toBe(true)
  })
})

describe('in its own thread', () => {
  const entry = new URL('../../dist/stages/housekeeping.js', import.meta.url)

  test('it makes segments, writes metadata while it sleeps, and ends clean', async () => {
    if (!existsSync(entry)) throw new Error('run "npm run build" first')
    const settings = storeSettings(scratchFolder())
    const { start, control, move } = stageHarness('housekeeping', settings)
    const { port1, port2 } = new MessageChannel()
    const posted: FromStage[] = []
    port1.on('message', (message: FromStage) => posted.push(message))
    const worker = new Worker(entry, { workerData: { ...start, port: port2 }, transferList: [port2] })
    onTestFinished(async () => {
      port1.close()
      await worker.terminate()
    })
    const wake = () => wakeUrgently(control.words, ControlBlock.index('housekeeping'))
    await until(() => expect(control.load('allocated')).toBe(3 * SIZE))
    port1.postMessage({ kind: 'persist', ticket: 1, file: 'topics.json', text: '{"n":1}' } satisfies ToStage)
    wake()
    await until(() => expect(posted.at(-1)).toEqual({ kind: 'persisted', ticket: 1, error: undefined }))
    for (const name of ['appended', 'flushed', 'dispatched'] as const) move(name, 100)
    control.setWord('stop', THREADS.append | THREADS.housekeeping)
    wake()
    await until(() => expect(posted.at(-1)).toEqual({ kind: 'ended' }))
    const root = settings.storePathRootDir
    expect(segmentsIn(root)).toEqual([0])
    expect(new PositionsFile(root).read()).toMatchObject({ trust: 'live', slot: { isClean: true, settled: 100 } })
  })
})

describe('metadata', () => {
  test('many changes of one file are one write, and all who asked are answered', () => {
    const { run, mail, posted, root } = housekeeping()
    run()
    const synced = watchSyncs(root)
    for (let ticket = 1; ticket <= 5; ticket += 1) {
      mail.push({ kind: 'persist', ticket, file: 'topics.json', text: `{"n":${ticket}}` })
    }
    mail.push({ kind: 'persist', ticket: 6, file: 'consumerOffset.json', text: '{}' })
    run()
    expect(synced).toEqual(['config/topics.json.tmp', 'config/consumerOffset.json.tmp'])
    expect(readFileSync(join(root, 'config', 'topics.json'), 'utf8')).toBe('{"n":5}')
    const answers = posted.filter((message) => message.kind === 'persisted')
    expect(answers).toEqual([1, 2, 3, 4, 5, 6].map((ticket) => ({ kind: 'persisted', ticket, error: undefined })))
  })

  test('what must not be written is answered with the reason', () => {
    const { run, mail, posted } = housekeeping()
    mail.push({ kind: 'persist', ticket: 1, file: 'topics.json', text: '' })
    run()
    expect(posted.at(-1)).toMatchObject({ kind: 'persisted', ticket: 1, error: expect.stringContaining('empty') })
  })

  test('writes that wait when the stage ends are made', () => {
    const { stage, mail, root } = housekeeping()
    mail.push({ kind: 'persist', ticket: 1, file: 'topics.json', text: '{"n":1}' })
    mail.push({ kind: 'persist', ticket: 2, file: 'delayOffset.json', text: '{"n":2}' })
    stage.step()
    stage.close()
    expect(readdirSync(join(root, 'config')).sort()).toEqual(['delayOffset.json', 'topics.json'])
  })
})

function recordStarts(): { at: number; time: number }[] {
  const url = new URL('../vectors/rocketmq-4.9.8/store/decoded/records.jsonl', import.meta.url)
  return readFileSync(url, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((record) => record.storeTimestamp !== undefined)
    .map((record) => ({ at: record.physicalOffset ?? record.at, time: Number(record.storeTimestamp) }))
}

function newestIndexEnd(root: string): number {
  const newest = readdirSync(join(root, 'index')).sort().at(-1)!
  return Number(readFileSync(join(root, 'index', newest)).readBigInt64BE(8))
}

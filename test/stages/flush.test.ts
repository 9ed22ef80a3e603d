/** The flush stage without its thread; the last tests run it in one. */
import { existsSync, fdatasyncSync, mkdirSync, openSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ControlBlock, FLAGS, GATE } from '../../src/concurrency/control-block.ts'
import { ASLEEP, AWAKE, LINGERING, wakeUrgently } from '../../src/concurrency/wake.ts'
import { THREADS } from '../../src/faults.ts'
import { FlushStage } from '../../src/stages/flush.ts'
import type { FromStage } from '../../src/stages/messages.ts'
import { allocateSegment } from '../../src/store/commitlog/segment-allocator.ts'
import type { StoreSettings } from '../../src/store/settings.ts'
import { scratchFolder, storeSettings } from '../store/scratch.ts'
import { openBelow } from '../support/open-files.ts'
import { stageHarness, until } from './harness.ts'

const SIZE = 65_536

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  return { ...fs, fdatasyncSync: vi.fn(fs.fdatasyncSync), openSync: vi.fn(fs.openSync) }
})
const synced = vi.mocked(fdatasyncSync)

/** Names of the files that were synced since the last look, by the links of their descriptors. */
function watchSyncs(): string[] {
  const names: string[] = []
  const { fdatasyncSync: real } = process.getBuiltinModule('node:fs')
  synced.mockImplementation((fd) => {
    names.push(Number(readlinkSync(`/proc/self/fd/${fd}`).split('/').at(-1)).toString())
    real(fd)
  })
  onTestFinished(() => void synced.mockReset())
  return names
}

function flushStage(changes: Partial<StoreSettings> = {}, segments = 3) {
  const settings = storeSettings(scratchFolder(), changes)
  const own = join(settings.storePathRootDir, 'basalt')
  mkdirSync(own)
  for (let index = 0; index < segments; index += 1) {
    allocateSegment({ folder: settings.storePathCommitLog, ownFolder: own, start: index * SIZE, size: SIZE })
  }
  const harness = stageHarness('flush', settings)
  const stage = new FlushStage(harness.start, harness.runtime)
  onTestFinished(() => stage.close())
  const flushed = () => harness.control.load('flushed')
  return { ...harness, settings, stage, flushed }
}

function openSegments(root: string): string[] {
  return openBelow(join(root, 'commitlog')).map((path) => path.split('/').at(-1)!)
}

describe('SYNC_FLUSH', () => {
  test('a process without descriptors is waited for: nothing was asked of the disk, so nothing has failed', async () => {
    const { stage, move, flushed, control } = flushStage()
    move('appended', 100)
    vi.mocked(openSync).mockImplementationOnce(() => {
      throw Object.assign(new Error('EMFILE: too many open files, open'), { code: 'EMFILE' })
    })
    expect(stage.step()).toBe(0)
    expect(stage.hasWork()).toBe(false)
    expect(flushed()).toBe(0)
    expect(control.hasFlag(FLAGS.flushFailed)).toBe(false)
    await until(() => expect(stage.hasWork()).toBe(true))
    expect(stage.step()).toBe(1)
    expect(flushed()).toBe(100)
  })

  test('flushed follows appended by one sync, however many records came meanwhile', () => {
    const { stage, move, flushed } = flushStage()
    const names = watchSyncs()
    expect(stage.step()).toBe(0)
    move('appended', 100)
    move('appended', 5000)
    expect(stage.hasWork()).toBe(true)
    expect(stage.step()).toBe(1)
    expect(flushed()).toBe(5000)
    expect(names).toEqual(['0'])
    expect(stage.hasWork()).toBe(false)
    expect(stage.step()).toBe(0)
    expect(names).toEqual(['0'])
  })

  test('group commit: what is appended while a sync runs waits for the next one', () => {
    const { stage, move, flushed } = flushStage()
    move('appended', 100)
    synced.mockImplementationOnce(() => move('appended', 300))
    stage.step()
    expect(flushed()).toBe(100)
    stage.step()
    expect(flushed()).toBe(300)
  })

  test('each segment between flushed and appended is synced, oldest first, and left behind closed', () => {
    const { stage, move, flushed, settings } = flushStage()
    const names = watchSyncs()
    move('appended', 100)
    stage.step()
    move('appended', 2 * SIZE + 500)
    stage.step()
    expect(names).toEqual(['0', '0', String(SIZE), String(2 * SIZE)])
    expect(flushed()).toBe(2 * SIZE + 500)
    expect(openSegments(settings.storePathRootDir)).toEqual(['00000000000000131072'])
  })

  test('an end exactly at a segment’s end needs no next segment', () => {
    const { stage, move, flushed } = flushStage({}, 1)
    move('appended', SIZE)
    stage.step()
    expect(flushed()).toBe(SIZE)
  })

  test('who waits for the gate is woken after flushed has moved', () => {
    const { stage, move, control } = flushStage()
    const dispatch = ControlBlock.index('dispatch')
    Atomics.store(control.words, dispatch, ASLEEP)
    move('appended', 100)
    stage.step()
    expect(Atomics.load(control.words, dispatch)).toBe(AWAKE)
    // A lingering dispatch thread is left alone unless a pull is held.
    Atomics.store(control.words, dispatch, LINGERING)
    move('appended', 200)
    stage.step()
    expect(Atomics.load(control.words, dispatch)).toBe(LINGERING)
    control.setWord('heldPulls', 1)
    move('appended', 300)
    stage.step()
    expect(Atomics.load(control.words, dispatch)).toBe(AWAKE)
  })

  test('nobody is woken when the gate does not name flushed', () => {
    const { stage, move, control } = flushStage()
    control.setWord('gate', GATE.replicated)
    const dispatch = ControlBlock.index('dispatch')
    Atomics.store(control.words, dispatch, ASLEEP)
    move('appended', 100)
    stage.step()
    expect(Atomics.load(control.words, dispatch)).toBe(ASLEEP)
  })
})

describe('ASYNC_FLUSH', () => {
  const quick = {
    flushDiskType: 'ASYNC_FLUSH',
    flushIntervalCommitLog: 0,
    flushCommitLogThoroughInterval: 3_600_000,
  } as const

  test('waits for its interval', () => {
    const { stage, move, flushed } = flushStage({ ...quick, flushIntervalCommitLog: 3_600_000 })
    move('appended', 50_000)
    expect(stage.step()).toBe(0)
    expect(stage.idleMs).toBeGreaterThan(1_000_000)
    expect(flushed()).toBe(0)
  })

  test('waits for flushCommitLogLeastPages dirty pages', () => {
    const { stage, move, flushed } = flushStage(quick)
    move('appended', 4 * 4096 - 1)
    expect(stage.step()).toBe(0)
    move('appended', 4 * 4096)
    expect(stage.step()).toBe(1)
    expect(flushed()).toBe(4 * 4096)
  })

  test('syncs a full segment though few pages are dirty', () => {
    const { stage, move, flushed } = flushStage({ ...quick, flushCommitLogLeastPages: 1000 })
    move('appended', SIZE + 10)
    expect(stage.step()).toBe(1)
    expect(flushed()).toBe(SIZE + 10)
  })

  test('syncs everything each flushCommitLogThoroughInterval', () => {
    const { stage, move, flushed } = flushStage({ ...quick, flushCommitLogThoroughInterval: 0 })
    move('appended', 1)
    expect(stage.step()).toBe(1)
    expect(flushed()).toBe(1)
  })

  test('syncs everything when it is told to end', () => {
    const { stage, move, flushed, control } = flushStage({ ...quick, flushIntervalCommitLog: 3_600_000 })
    move('appended', 1)
    expect(stage.hasWork()).toBe(false)
    control.setWord('stop', THREADS.flush)
    expect(stage.hasWork()).toBe(true)
    expect(stage.step()).toBe(1)
    expect(flushed()).toBe(1)
  })
})

describe('row 10: a failed fdatasync is final', () => {
  test('flushed stays, the flag is up, the message names file and position, and no later success counts', () => {
    const { stage, move, flushed, faults, control } = flushStage()
    move('appended', 100)
    stage.step()
    move('appended', 200)
    faults.set('failSync', 1)
    expect(() => stage.step()).toThrow(
      expect.objectContaining({
        code: 'FLUSH_FAILED',
        message: expect.stringMatching(/EIO.*nothing above 100 is known.*commitlog\/00000000000000000000.*next start/),
      }),
    )
    expect(control.hasFlag(FLAGS.flushFailed)).toBe(true)
    move('appended', 300)
    const names = watchSyncs()
    expect(stage.hasWork()).toBe(false)
    expect(stage.step()).toBe(0)
    expect(flushed()).toBe(100)
    expect(names).toEqual([])
  })

  test('the segments before the failing one count as flushed', () => {
    const { stage, move, flushed } = flushStage()
    move('appended', SIZE + 10)
    synced.mockImplementationOnce(() => undefined)
    synced.mockImplementationOnce(() => {
      throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
    })
    expect(() => stage.step()).toThrow('EIO')
    expect(flushed()).toBe(SIZE)
  })

  test('a segment that somebody removed before it was flushed is such a failure', () => {
    const { stage, move, settings, control } = flushStage()
    rmSync(join(settings.storePathCommitLog, '00000000000000000000'))
    move('appended', 10)
    expect(() => stage.step()).toThrow(/ENOENT.*00000000000000000000/)
    expect(control.hasFlag(FLAGS.flushFailed)).toBe(true)
  })

  test('row 13: a segment that was removed while it was open is synced where it is', () => {
    const { stage, move, settings, flushed } = flushStage()
    move('appended', 10)
    stage.step()
    rmSync(join(settings.storePathCommitLog, '00000000000000000000'))
    move('appended', 20)
    stage.step()
    expect(flushed()).toBe(20)
  })
})

describe('in its own thread', () => {
  const entry = new URL('../../dist/stages/flush.js', import.meta.url)

  async function thread() {
    if (!existsSync(entry)) throw new Error('run "npm run build" first')
    const harness = flushStage()
    const { port, ...data } = harness.start
    const channel = new MessageChannel()
    port.close()
    const posted: FromStage[] = []
    channel.port1.addEventListener('message', (event) => posted.push((event as MessageEvent).data as FromStage))
    channel.port1.start()
    const worker = new Worker(entry, {
      workerData: { ...data, port: channel.port2 },
      transferList: [channel.port2 as never],
    })
    onTestFinished(async () => {
      channel.port1.close()
      await worker.terminate()
    })
    await until(() => expect(posted.map(({ kind }) => kind)).toContain('ready'))
    const { control } = harness
    const append = (to: number) => {
      harness.move('appended', to)
      wakeUrgently(control.words, ControlBlock.index('flush'))
    }
    return { ...harness, posted, append }
  }

  test('row 11: while fdatasync is held back nothing counts as flushed; then one sync covers all that came', async () => {
    const { append, faults, flushed } = await thread()
    append(100)
    await until(() => expect(flushed()).toBe(100))
    faults.set('holdSync', 1)
    append(200)
    append(300)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(flushed()).toBe(100)
    faults.set('holdSync', 0)
    await until(() => expect(flushed()).toBe(300))
  })

  test('a failed sync ends the thread with the reason', async () => {
    const { append, faults, flushed, posted, control } = await thread()
    faults.set('failSync', 1)
    append(100)
    await until(() => expect(posted.at(-1)).toMatchObject({ kind: 'failed', code: 'FLUSH_FAILED' }))
    expect(flushed()).toBe(0)
    expect(control.hasFlag(FLAGS.flushFailed)).toBe(true)
  })

  test('told to end it flushes what is there and says so', async () => {
    const { append, flushed, posted, control } = await thread()
    append(100)
    control.setWord('stop', THREADS.flush)
    wakeUrgently(control.words, ControlBlock.index('flush'))
    await until(() => expect(posted.at(-1)).toEqual({ kind: 'ended' }))
    expect(flushed()).toBe(100)
  })
})

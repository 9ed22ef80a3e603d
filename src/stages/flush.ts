/**
 * Flush: fdatasync of the CommitLog, moves `flushed`.
 *
 *   appended is read ─▶ fdatasync of each segment between flushed and it ─▶ flushed := that value ─▶ dispatch, network
 *
 * SYNC_FLUSH syncs as soon as there is something: whatever came while the last sync ran shares the next one (group
 * commit). ASYNC_FLUSH syncs every flushIntervalCommitLog if flushCommitLogLeastPages are dirty or a segment is full, and
 * everything each flushCommitLogThoroughInterval.
 * Owns:      one descriptor of each segment that is not wholly flushed.
 * Invariant: `flushed` moves after fdatasync returned 0 for every byte below, never before. A failed sync is final: the
 *            kernel may have dropped the pages, so no later success counts, and the thread ends the broker.
 * Blocks on: the disk, in plain synchronous calls.
 * Source:    spec/store-format.md §8.
 */
import { closeSync, fdatasyncSync, openSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { FLAGS, GATE, type PositionWriter } from '../concurrency/control-block.ts'
import { FENCE } from '../concurrency/fence.ts'
import { describe, StoreError } from '../errors.ts'
import { failpoint, THREADS } from '../faults.ts'
import { FlushClock } from '../metrics/follower-clocks.ts'
import { commitLogFolder, segmentPath, segmentStart } from '../store/commitlog/segments.ts'
import { errnoOf } from '../store/metadata/durable-file.ts'
import type { StageStart } from './messages.ts'
import { runStage, type Stage, type StageRuntime } from './run-stage.ts'
import { gateMoved, wakeHa } from './wake-others.ts'

const PAGE = 4096
const SYNC_IDLE_MS = 1000
const ASYNC_IDLE_MS_MIN = 1
/** A process without descriptors has not failed to sync: it cannot ask yet. */
const RETRY_MS = 100
const NO_DESCRIPTORS = new Set(['EMFILE', 'ENFILE'])

export class FlushStage implements Stage {
  private readonly start: StageStart
  private readonly runtime: StageRuntime
  private readonly flushed: PositionWriter
  private readonly clock: FlushClock
  private readonly folder: string
  private readonly segmentSize: number
  private readonly isSyncFlush: boolean
  /** HA sends or reports no further than what is flushed. */
  private readonly isForHa: boolean
  /** Descriptors by segment start. */
  private readonly open = new Map<number, number>()
  /** Start of the first segment that was not there when it was looked for. */
  private openedTo: number
  private hasFailed = false
  private retryAt = 0
  private lastFlush: number
  private lastThorough: number

  constructor(start: StageStart, runtime: StageRuntime) {
    this.start = start
    this.runtime = runtime
    this.flushed = runtime.control.writer('flushed')
    this.clock = new FlushClock(start.stageClock, start.settings.brokerRole === 'SLAVE')
    this.folder = commitLogFolder(start.settings)
    this.segmentSize = start.settings.mappedFileSizeCommitLog
    const { flushDiskType, brokerRole, slaveAckAfter, haTransferUnflushed } = start.settings
    const acknowledgesFlushed = brokerRole === 'SLAVE' && slaveAckAfter === 'flush'
    this.isSyncFlush = flushDiskType === 'SYNC_FLUSH' || acknowledgesFlushed
    this.isForHa = acknowledgesFlushed || !haTransferUnflushed
    this.openedTo = segmentStart(this.flushed.load(), this.segmentSize)
    this.lastFlush = performance.now()
    this.lastThorough = this.lastFlush
    this.openAhead()
  }

  hasWork(): boolean {
    return !this.hasFailed && this.isDue(performance.now())
  }

  get idleMs(): number {
    if (this.retryAt > 0) return RETRY_MS
    if (this.isSyncFlush) return SYNC_IDLE_MS
    const { flushIntervalCommitLog } = this.start.settings
    return Math.max(ASYNC_IDLE_MS_MIN, this.lastFlush + flushIntervalCommitLog - performance.now())
  }

  step(): number {
    this.takeMessages()
    const now = performance.now()
    this.openAhead()
    if (this.hasFailed || !this.isDue(now)) {
      this.skipInterval(now)
      return 0
    }
    const target = this.runtime.control.load('appended')
    if (!this.syncUpTo(target)) {
      this.retryAt = now + RETRY_MS
      return 0
    }
    this.retryAt = 0
    this.lastFlush = now
    this.lastThorough = now
    return 1
  }

  close(): void {
    for (const fd of this.open.values()) closeSync(fd)
    this.open.clear()
  }

  private takeMessages(): void {
    for (let message = this.runtime.receive(); message !== undefined; message = this.runtime.receive()) {
      if (message.kind === 'settings') Object.assign(this.start.settings, message.values)
    }
  }

  private isDue(now: number): boolean {
    const { control } = this.runtime
    const { settings } = this.start
    const flushed = this.flushed.load()
    const appended = control.load('appended')
    if (appended <= flushed || now < this.retryAt) return false
    if (this.isSyncFlush || (control.word('stop') & THREADS.flush) !== 0) return true
    if (control.word('fence') === FENCE.drained) return true
    if (now - this.lastThorough >= settings.flushCommitLogThoroughInterval) return true
    if (now - this.lastFlush < settings.flushIntervalCommitLog) return false
    const dirtyPages = Math.floor(appended / PAGE) - Math.floor(flushed / PAGE)
    const isSegmentFull = segmentStart(appended, this.segmentSize) > segmentStart(flushed, this.segmentSize)
    return dirtyPages >= settings.flushCommitLogLeastPages || isSegmentFull
  }

  /** An interval that ended with too little to flush is over; the thorough one runs on from the last whole flush. */
  private skipInterval(now: number): void {
    if (now - this.lastFlush >= this.start.settings.flushIntervalCommitLog) this.lastFlush = now
    if (this.runtime.control.load('appended') <= this.flushed.load()) this.lastThorough = now
  }

  /** False when a segment could not be opened for now. */
  private syncUpTo(target: number): boolean {
    const { segmentSize } = this
    const last = segmentStart(target - 1, segmentSize)
    for (let segment = segmentStart(this.flushed.load(), segmentSize); segment <= last; segment += segmentSize) {
      failpoint('before-flush')
      if (!this.syncSegment(segment)) return false
      failpoint('after-flush')
      // A segment that was left is whole on disk, its blank too.
      const end = Math.min(segment + segmentSize, target)
      this.clock.passed(end)
      this.flushed.advance(end)
      if (segment < last) this.forget(segment)
      this.wakeOthers()
    }
    return true
  }

  private syncSegment(segment: number): boolean {
    try {
      this.sync(this.open.get(segment) ?? this.openSegment(segment))
      return true
    } catch (error) {
      if (this.open.has(segment) || !NO_DESCRIPTORS.has(errnoOf(error) ?? '')) this.fail(segment, error)
      if (this.retryAt === 0) this.runtime.log.error(`flush waits for a file descriptor: ${describe(error)}`)
      return false
    }
  }

  /** Whoever looks meanwhile sees that it runs: the word is odd. */
  private sync(fd: number): void {
    const { control, faults } = this.runtime
    const before = control.word('syncing')
    control.setWord('syncing', before + 1)
    try {
      faults?.beforeSync()
      fdatasyncSync(fd)
    } finally {
      control.setWord('syncing', before + 2)
    }
  }

  /**
   * Segments are opened when they come, not when they are synced: a file that somebody removes or replaces in between would
   * end the broker, or be synced in the place of the one that holds the data.
   */
  private openAhead(): void {
    const allocated = this.runtime.control.load('allocated')
    // A slave's empty store may have been made to begin far behind.
    this.openedTo = Math.max(this.openedTo, segmentStart(this.flushed.load(), this.segmentSize))
    for (; this.openedTo < allocated; this.openedTo += this.segmentSize) {
      try {
        this.openSegment(this.openedTo)
      } catch {
        // It is opened, or told of, when it has to be synced.
      }
    }
  }

  private openSegment(segment: number): number {
    const fd = openSync(segmentPath(this.folder, segment), 'r+')
    this.open.set(segment, fd)
    return fd
  }

  private forget(segment: number): void {
    const fd = this.open.get(segment)
    if (fd !== undefined) closeSync(fd)
    this.open.delete(segment)
  }

  private fail(segment: number, error: unknown): never {
    const { control } = this.runtime
    this.hasFailed = true
    control.raiseFlag(FLAGS.flushFailed)
    this.wakeOthers()
    throw new StoreError('FLUSH_FAILED', {
      what:
        `the CommitLog cannot be synced: ${describe(error)}; ` +
        `nothing above ${this.flushed.load()} is known to be on disk, and no later sync can prove it`,
      where: segmentPath(this.folder, segment),
      todo: 'check the disk and the kernel’s log; the next start reads, writes and syncs this range again',
      cause: error,
    })
  }

  private wakeOthers(): void {
    const { control } = this.runtime
    if (this.isForHa) wakeHa(control)
    const gate = control.word('gate')
    if ((gate & GATE.flushed) !== 0 || this.hasFailed) gateMoved(control, this.start.waker)
  }
}

if (!isMainThread) runStage((start, runtime) => new FlushStage(start, runtime))

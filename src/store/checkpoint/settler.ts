/**
 * Makes `settled` true: what dispatch built is on disk, so that a start after a power cut need not build it again.
 *
 *   dispatched is read ─▶ every dirty queue and the index synced ─▶ settled := that value
 *                      ─▶ positions file synced ─▶ checkpoint ─▶ queues snapshot once the log is flushed so far;
 *                         another one soon after a topic was deleted
 *
 * Dispatch puts units into the page cache, then marks the queue dirty, then moves `dispatched`: whoever reads
 * `dispatched` first and the dirt afterwards misses nothing. A cycle is cut into slices, so that thousands of queues do
 * not keep the same thread from allocating the next segment.
 * Called by: stages/housekeeping.ts. A failed sync is final (the kernel may have dropped the pages): it throws.
 */
import type { ControlBlock, PositionWriter } from '../../concurrency/control-block.ts'
import type { QueueTable } from '../../concurrency/queue-table.ts'
import { describe, StoreError } from '../../errors.ts'
import { failpoint } from '../../faults.ts'
import type { Log } from '../../log.ts'
import { LogFolders } from '../commitlog/log-folders.ts'
import { isDiskFull } from '../metadata/durable-file.ts'
import type { StoreSettings } from '../settings.ts'
import { type Checkpoint, CheckpointFile } from './checkpoint-file.ts'
import { type Marks, PositionsFile } from './positions-file.ts'
import { IndexFilesSync, QueueFilesSync, type TrackedQueue } from './queue-files.ts'
import { type QueuesSnapshot, readQueuesSnapshot, writeQueuesSnapshot } from './queues-snapshot.ts'
import { StoreTimeAnchor } from './store-times.ts'

/** A power cut costs building this much again at most, about a second of it. */
export const UNSETTLED_BYTES_MAX = 256 * 1024 * 1024
const RETRY_MS = 1000
/** Between two snapshots for the sake of deleted topics: a thousand deletions are a few snapshots. */
const STALE_SNAPSHOT_MS = 200
/** What recovery built is on disk soon after a start, so that a second power cut does not cost it again. */
const FIRST_CYCLE_MS = 5000

export interface SettlerOptions {
  settings: StoreSettings
  control: ControlBlock
  queues: QueueTable
  log: Log
  /**
   * Takes the definitions of queues that have been sent (define()). Called after `dispatched` was read: a record that it
   * covers was submitted after its queue's definition was sent.
   */
  takeDefinitions?(): void
}

interface Tracked extends TrackedQueue {
  queue: number
  isDirty: boolean
}

export class Settler {
  private readonly settings: StoreSettings
  private readonly control: ControlBlock
  private readonly queues: QueueTable
  private readonly log: Log
  private readonly takeDefinitions: () => void
  private readonly settled: PositionWriter
  private readonly tracked = new Map<number, Tracked>()
  private readonly positions: PositionsFile
  private readonly checkpointFile: CheckpointFile
  private readonly checkpoint: Checkpoint
  private readonly queueFiles: QueueFilesSync
  private readonly indexFiles: IndexFilesSync
  private readonly dispatchedTimes: StoreTimeAnchor
  private readonly flushedTimes: StoreTimeAnchor
  private readonly formerMarks: Map<string, number>
  private cycle: Generator<void> | undefined
  private snapshot: QueuesSnapshot | undefined
  /** It counts queues that are gone: a start would look for their units, and build them again. */
  private isSnapshotStale = false
  private snapshotAt = Number.NEGATIVE_INFINITY
  private lastCycle: number
  private retryAt = 0
  private hasNoRoom = false

  /** `now`: monotonic milliseconds. */
  constructor(options: SettlerOptions, now: number) {
    this.settings = options.settings
    this.control = options.control
    this.queues = options.queues
    this.log = options.log
    this.takeDefinitions = options.takeDefinitions ?? (() => undefined)
    const root = options.settings.storePathRootDir
    this.settled = options.control.writer('settled')
    this.positions = new PositionsFile(root)
    const isOwnStore = this.positions.read()?.trust !== 'none'
    this.positions.open()
    this.checkpointFile = new CheckpointFile(root)
    this.checkpoint = this.checkpointFile.read()
    this.queueFiles = new QueueFilesSync(options.settings)
    this.indexFiles = new IndexFilesSync(options.settings)
    const dispatched = options.control.load('dispatched')
    this.dispatchedTimes = new StoreTimeAnchor(dispatched)
    this.flushedTimes = new StoreTimeAnchor(options.control.load('flushed'))
    this.formerMarks = isOwnStore ? formerMarks(root, options.log) : new Map()
    const { flushConsumeQueueThoroughInterval: interval } = options.settings
    this.lastCycle = now - Math.max(0, interval - FIRST_CYCLE_MS)
  }

  /** A queue of which dispatch may write units from now on. `nextOffset`: end of its ConsumeQueue at start. */
  define(queue: number, topic: string, queueId: number, nextOffset: number): void {
    if (this.tracked.has(queue)) return
    const former = this.formerMarks.get(`${topic}/${queueId}`) ?? 0
    const syncedUnits = Math.min(former, nextOffset)
    // What a dead process left in the page cache is not on disk yet: such queues are synced in the first cycle.
    const isDirty = former !== nextOffset || nextOffset === 0
    this.tracked.set(queue, {
      queue,
      topic,
      queueId,
      syncedUnits,
      isDirty,
      newestFile: undefined,
      newestExtFile: undefined,
    })
  }

  forget(queue: number): void {
    const tracked = this.tracked.get(queue)
    if (tracked !== undefined) this.queueFiles.forgetTopic(tracked.topic)
    this.tracked.delete(queue)
    this.isSnapshotStale = true
  }

  /** Refreshes the positions file in the page cache. */
  writePositions(isClean = false): void {
    this.dispatchedTimes.observe(this.control.load('dispatched'))
    this.flushedTimes.observe(this.control.load('flushed'))
    this.positions.write(marksOf(this.control, this.settings, isClean))
  }

  /** The same, ten times a second: a file system that copies on write and is full may refuse it for a while. */
  refreshPositions(): void {
    try {
      this.writePositions()
      this.hasNoRoom = false
    } catch (error) {
      if (!isDiskFull(error)) throw error
      if (!this.hasNoRoom) this.log.warn(`positions file cannot be written: ${describe(error)}`)
      this.hasNoRoom = true
    }
  }

  isDue(now: number): boolean {
    if (this.cycle !== undefined || this.isSnapshotDue()) return true
    if (this.isAnotherSnapshotDue(now)) return true
    if (now < this.retryAt) return false
    const unsettled = this.control.load('dispatched') - this.settled.load()
    if (unsettled <= 0) return false
    return now - this.lastCycle >= this.settings.flushConsumeQueueThoroughInterval || unsettled >= UNSETTLED_BYTES_MAX
  }

  /** Works for about `budgetMs`; returns how many files or steps that were. */
  step(now: number, budgetMs: number): number {
    if (!this.isDue(now)) return 0
    if (this.cycle === undefined) {
      if (this.isSnapshotDue()) return this.writeSnapshot(now)
      if (this.isAnotherSnapshotDue(now)) {
        const dispatched = this.control.load('dispatched')
        this.takeDefinitions()
        this.snapshot = this.takeSnapshot(dispatched)
        this.snapshotAt = now
        return 1
      }
    }
    this.cycle ??= this.settle()
    const end = performance.now() + budgetMs
    let done = 0
    try {
      do {
        done += 1
        if (this.cycle.next().done) {
          this.cycle = undefined
          this.lastCycle = now
          break
        }
      } while (performance.now() < end)
    } catch (error) {
      this.cycle = undefined
      this.failed(error, now)
    }
    return done
  }

  /** The last cycle, and positions that say whether everything is in place. Other stages have ended. */
  close(): void {
    const { control } = this
    this.cycle = undefined
    for (const _ of this.settle());
    if (this.isSnapshotDue()) this.writeSnapshot(0)
    const end = control.load('appended')
    const isClean = control.load('flushed') === end && control.load('dispatched') === end && this.settled.load() === end
    this.writePositions(isClean)
    this.positions.sync()
    this.positions.close()
  }

  private *settle(): Generator<void> {
    const { control, checkpoint } = this
    const target = control.load('dispatched')
    const folders = new LogFolders(this.settings)
    this.dispatchedTimes.observe(target)
    this.flushedTimes.observe(control.load('flushed'))
    const logicsTime = this.dispatchedTimes.time(folders)
    const physicTime = this.flushedTimes.time(folders)
    this.takeDefinitions()
    for (const queue of this.tracked.values()) {
      if (this.queues.takeDirty(queue.queue)) queue.isDirty = true
    }
    yield
    for (const queue of this.tracked.values()) {
      if (!queue.isDirty) continue
      this.queueFiles.syncQueue(queue, this.queues.max(queue.queue))
      queue.isDirty = false
      yield
    }
    const indexTime = this.settings.messageIndexEnable ? this.indexFiles.sync() : undefined
    yield
    this.settled.advance(target)
    this.writePositions()
    this.positions.sync()
    failpoint('checkpoint')
    checkpoint.logicsMsgTimestamp = logicsTime ?? checkpoint.logicsMsgTimestamp
    checkpoint.physicMsgTimestamp = physicTime ?? checkpoint.physicMsgTimestamp
    checkpoint.indexMsgTimestamp = indexTime ?? checkpoint.indexMsgTimestamp
    this.checkpointFile.write(checkpoint)
    this.snapshot = this.takeSnapshot(target)
  }

  /** Maxima first, the position afterwards: no record at or above it is counted. `countedTo` was dispatched before. */
  private takeSnapshot(countedTo: number): QueuesSnapshot {
    this.isSnapshotStale = false
    const queues = []
    for (const { queue, topic, queueId } of this.tracked.values()) {
      const maxOffset = this.queues.max(queue)
      if (maxOffset > 0) queues.push({ topic, queueId, maxOffset })
    }
    return { position: this.control.load('appended'), countedTo, writtenAt: this.control.now(), queues }
  }

  private isAnotherSnapshotDue(now: number): boolean {
    return this.isSnapshotStale && now - this.snapshotAt >= STALE_SNAPSHOT_MS
  }

  private isSnapshotDue(): boolean {
    return this.snapshot !== undefined && this.control.load('flushed') >= this.snapshot.position
  }

  private writeSnapshot(now: number): number {
    const { snapshot } = this
    this.snapshot = undefined
    try {
      if (snapshot !== undefined) writeQueuesSnapshot(this.settings.storePathRootDir, snapshot)
    } catch (error) {
      this.failed(error, now)
    }
    return 1
  }

  /** No room is waited for; any other failure of a sync is final. */
  private failed(error: unknown, now: number): void {
    if (isDiskFull(error)) {
      this.retryAt = now + RETRY_MS
      this.log.warn(`queue files cannot be synced for lack of room, tried again each second: ${describe(error)}`)
      return
    }
    throw new StoreError('SETTLE_FAILED', {
      what: `ConsumeQueue, IndexFile or checkpoint cannot be synced: ${describe(error)}`,
      where: this.settings.storePathRootDir,
      todo: 'check the disk; the next start builds these files again from the CommitLog',
      cause: error,
    })
  }
}

/**
 * The smaller of each pair is read first: a writer that moves meanwhile cannot break the order. A fence that moves the tail back
 * moves it first: nothing is above it here.
 */
function marksOf(control: ControlBlock, settings: StoreSettings, isClean: boolean): Marks {
  const retained = control.load('retained')
  const settled = control.load('settled')
  const dispatched = control.load('dispatched')
  const flushed = control.load('flushed')
  const replicated = control.load('replicated')
  const appended = control.load('appended')
  const below = (position: number) => Math.min(position, appended)
  return {
    writtenAt: control.now(),
    isClean,
    appended,
    dispatched: below(dispatched),
    retained,
    allocated: control.load('allocated'),
    replicated: below(replicated),
    flushed: below(flushed),
    settled: below(settled),
    segmentSize: settings.mappedFileSizeCommitLog,
    epoch: control.epoch,
  }
}

function formerMarks(root: string, log: Log): Map<string, number> {
  const marks = new Map<string, number>()
  const snapshot = readQueuesSnapshot(root, (reason) => log.warn(`queues snapshot is not used: ${reason}`))
  for (const { topic, queueId, maxOffset } of snapshot?.queues ?? []) marks.set(`${topic}/${queueId}`, maxOffset)
  return marks
}

/**
 * Removes what has expired: CommitLog segments from the oldest, then ConsumeQueue and index files that only spoke of them.
 *
 *   every cleanResourceInterval: hour, disk, operator ─▶ decide ─▶ said ─▶ retained moves ─▶ segment unlinked ─▶ folder synced
 *                                                                       └▶ queue files, index files
 *
 * A DLedger log's files belong to its thread: here is only decided up to where they may go (`retire`), and that not while segments of
 * the CommitLog before it are there, which go as ever, the last one too.
 *
 * Owns:      `retained`, which moves before a file goes, so that no reader begins where nothing will be. In a DLedger store that is so
 *            for the old segments; the log's thread moves it with its own files.
 * Invariant: the segment in use and whatever is not dispatched, flushed and settled yet stay, whatever their age.
 * Blocks on: unlink of one file at a time; pauses between files are returns, not sleeps.
 * Source:    spec/store-format.md §11, spec/dledger.md §1.1, §1.7.
 */
import { statSync, unlinkSync } from 'node:fs'
import type { ControlBlock, PositionWriter } from '../../concurrency/control-block.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { forgetChecksums } from '../checksums/checksum-file.ts'
import { LogFolders } from '../commitlog/log-folders.ts'
import { commitLogFolder, listSegments, type Segment, segmentStart } from '../commitlog/segments.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import { errnoOf, syncFolder } from '../metadata/durable-file.ts'
import type { StoreSettings } from '../settings.ts'
import { type DiskUse, diskUse } from './disk-use.ts'
import { expiredIndexFiles, expiredQueueFiles } from './expired-queue-files.ts'
import type { RetentionClock } from './retention-clock.ts'
import { type CleanDecision, decide, expired, HOUR_MS, type SegmentAge } from './retention-rules.ts'

/** RocketMQ's first round comes a minute after start. */
const FIRST_ROUND_MS = 60_000
/** So long before its time a segment counts as expiring: time for an operator to do something about it. */
const AHEAD_MS = 3_600_000
/** Between the word and the first removal, where that could not wait for AHEAD_MS. */
const NOTICE_MS = 500
/** DLedger's log keeps its files so much longer. */
const DLEDGER_MORE_HOURS = 1
/** Rounds that a request of an operator is good for. */
const MANUAL_ROUNDS = 20

export interface RetentionOptions {
  settings: StoreSettings
  control: ControlBlock
  clock: RetentionClock
  log: Log
  /** Segments below go next. Said once for each, before: whoever has not read them may be told. */
  expiring(below: number): void
  /** Segments below are gone. */
  retired(below: number): void
  /** With enableDLegerCommitLog: data files below may go; where the disk is over its limit, also those that a follower lacks. */
  retire?(below: number, isOverLimit: boolean): void
  /** For tests. */
  noticeMs?: number
  /** For tests: how full a path is. */
  use?(path: string): DiskUse
}

/** Each yield is a place to return to the stage's loop; a number is a pause in milliseconds. */
type Round = Generator<number, void>

export class Retention {
  private readonly options: RetentionOptions
  private readonly retained: PositionWriter
  private readonly folders: LogFolders
  private round: Round | undefined
  private nextRoundAt: number
  private nextRoundTime: number
  private resumeAt = 0
  private manualRounds = 0
  private cleanedBelow: number
  private announcedBelow: number
  /** DLedger was told last. */
  private retiredBelow = -1
  private noticeUntil = 0
  /** Monotonic; of the step that runs. */
  private now = 0

  /** `now`: monotonic milliseconds. */
  constructor(options: RetentionOptions, now: number) {
    this.options = options
    this.retained = options.control.writer('retained')
    this.cleanedBelow = this.retained.load()
    this.announcedBelow = this.cleanedBelow
    this.folders = new LogFolders(options.settings)
    const first = Math.min(FIRST_ROUND_MS, options.settings.cleanResourceInterval * 6)
    this.nextRoundAt = now + first
    this.nextRoundTime = options.clock.now() + first
  }

  /** An operator wants expired files gone now. */
  cleanNow(): void {
    this.manualRounds = MANUAL_ROUNDS
    this.nextRoundAt = 0
  }

  /** Due by the monotonic clock, or because a test moved the clock past the next round. */
  isDue(now: number): boolean {
    if (this.round !== undefined) return now >= this.resumeAt
    return now >= this.nextRoundAt || this.options.clock.now() >= this.nextRoundTime
  }

  step(now: number): number {
    if (!this.isDue(now)) return 0
    this.now = now
    this.round ??= this.work()
    const { done, value } = this.next(this.round)
    if (done) {
      this.round = undefined
      const { cleanResourceInterval } = this.options.settings
      this.nextRoundAt = now + cleanResourceInterval
      this.nextRoundTime = this.options.clock.now() + cleanResourceInterval
    } else {
      this.resumeAt = now + value
    }
    return 1
  }

  /** A disk that will not list, unlink or sync costs a round: nothing that was acknowledged depends on it. */
  private next(round: Round): IteratorResult<number, void> {
    try {
      return round.next()
    } catch (error) {
      this.options.log.error(`retention skips a round: ${describe(error)}`)
      return { done: true, value: undefined }
    }
  }

  private *work(): Round {
    const { settings, retire } = this.options
    const decision = this.decide()
    this.announce(this.soonExpired())
    if (decision.reason !== undefined) yield* this.removeSegments(decision)
    const min = this.retained.load()
    if (min <= this.cleanedBelow) return
    if (retire !== undefined) this.forgetChecksums(this.cleanedBelow, min)
    this.cleanedBelow = min
    yield* this.removeFiles(expiredQueueFiles(settings, min), settings.deleteConsumeQueueFilesInterval)
    yield* this.removeFiles(expiredIndexFiles(settings, min), settings.deleteConsumeQueueFilesInterval)
  }

  /** End of what reaches its age within AHEAD_MS. Looks at few files: those that it knows of are not asked again. */
  private soonExpired(): number {
    const { settings, control, clock } = this.options
    const { folders } = this
    const hasClassic = folders.classicSegments().length > 0
    const time = clock.now() + AHEAD_MS - this.reservedHours(hasClassic) * HOUR_MS
    const size = settings.mappedFileSizeCommitLog
    const appended = control.load('appended')
    let below = segmentStart(Math.max(this.announcedBelow, this.retained.load()), size)
    const end = hasClassic ? Math.min(appended, folders.divide) : appended
    // Not the one in use, nor those that are made ahead.
    while (below + size <= end) {
      const status = statSync(folders.pathAt(below), { throwIfNoEntry: false })
      if (status === undefined || status.mtimeMs > time) break
      below += size
    }
    return below
  }

  private announce(below: number): void {
    if (below <= this.announcedBelow) return
    this.announcedBelow = below
    this.noticeUntil = this.now + (this.options.noticeMs ?? NOTICE_MS)
    this.options.expiring(below)
  }

  private decide(): CleanDecision {
    const { settings, clock, use = diskUse } = this.options
    const isManual = this.manualRounds > 0
    if (isManual) this.manualRounds -= 1
    return decide(
      {
        hour: new Date(clock.now()).getHours(),
        logPercent: percentOf(use, this.folders.folder),
        queuePercent: percentOf(use, settings.storePathRootDir),
        isManual,
      },
      settings,
    )
  }

  private *removeSegments(decision: CleanDecision): Round {
    const { settings, control, clock, log } = this.options
    const { mappedFileSizeCommitLog: segmentSize } = settings
    const segments = this.folders.segments()
    const { divide } = this.folders
    const appended = control.load('appended')
    const inUse = appended - (appended % segmentSize)
    const keepFrom = Math.min(control.load('settled'), control.load('dispatched'), control.load('flushed'), inUse)
    const isClassic = segments[0] !== undefined && segments[0].start < divide
    const found = expired(this.agesOf(segments), {
      now: clock.now(),
      reservedHours: this.reservedHours(isClassic),
      isForced: decision.isForced,
      keepFrom,
      segmentSize,
    })
    const going = isClassic ? found.filter((start) => start < divide) : found
    if (going.length > 0) this.announce(going[going.length - 1] + segmentSize)
    if (this.now < this.noticeUntil) yield this.noticeUntil - this.now
    if (this.options.retire !== undefined && !isClassic) {
      if (going.length > 0) this.retire(going[going.length - 1] + segmentSize, decision)
      return
    }
    for (const start of going) {
      const path = this.folders.pathAt(start)
      this.retained.advance(Math.max(this.retained.load(), start + segmentSize))
      this.options.retired(this.retained.load())
      log.info(`CommitLog segment removed: ${decision.isForced ? 'disk nearly full' : 'expired'}`, {
        path,
        reason: decision.reason,
      })
      if (!this.remove(path)) break
      forgetChecksums(settings.storePathRootDir, start)
      yield settings.deleteCommitLogFilesInterval
    }
    if (going.length > 0) syncFolder(this.folders.folderAt(going[0]))
  }

  private retire(below: number, { isForced, reason }: CleanDecision): void {
    const { log } = this.options
    if (below > this.retiredBelow)
      log.info(`DLedger data files below ${below} may go: ${isForced ? 'disk nearly full' : 'expired'}`, { reason })
    this.retiredBelow = Math.max(below, this.retiredBelow)
    this.options.retire?.(below, isForced)
  }

  /** Of segments that somebody else removed. */
  private forgetChecksums(from: number, to: number): void {
    const { storePathRootDir, mappedFileSizeCommitLog: size } = this.options.settings
    for (let start = segmentStart(from, size); start + size <= to; start += size)
      forgetChecksums(storePathRootDir, start)
  }

  /** `isClassic`: the oldest segment is one of the log before DLedger's. */
  private reservedHours(isClassic: boolean): number {
    const { settings, retire } = this.options
    return settings.fileReservedTime + (retire !== undefined && !isClassic ? DLEDGER_MORE_HOURS : 0)
  }

  private *removeFiles(files: Iterable<string | undefined>, pauseMs: number): Round {
    for (const path of files) {
      if (path !== undefined) this.remove(path)
      yield path === undefined ? 0 : pauseMs
    }
  }

  /** False when the file is still there. A file that somebody else removed is gone too. */
  private remove(path: string): boolean {
    try {
      unlinkSync(path)
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true
      this.options.log.error(`expired file cannot be removed: ${describe(error)}`, { path })
      return false
    }
  }

  private agesOf(segments: Segment[]): SegmentAge[] {
    const ages: SegmentAge[] = []
    for (const { start, path } of segments) {
      const status = statSync(path, { throwIfNoEntry: false })
      if (status !== undefined) ages.push({ start, changedAt: status.mtimeMs })
    }
    return ages
  }
}

/**
 * After a clean stop only: removes segments made ahead that hold nothing, as RocketMQ does. The oldest stays: its name
 * says where the log begins.
 */
export function removeUnusedSegments(settings: StoreSettings, appended: number, disk: StoreDisk = realDisk): number {
  const folder = commitLogFolder(settings)
  const segments = listSegments(folder, settings.mappedFileSizeCommitLog, disk)
  const unused = segments.slice(1).filter(({ start }) => start >= appended)
  for (const { path } of unused) disk.remove(path)
  if (unused.length > 0) disk.syncFolder(folder)
  return unused.length
}

function percentOf(use: (path: string) => DiskUse, path: string): number {
  try {
    return use(path).usedPercent
  } catch {
    // A folder that cannot be asked is reported by the disk watch; nothing is removed because of it.
    return 0
  }
}

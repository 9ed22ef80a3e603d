/**
 * Finds the end of the log after a stop of any kind, and leaves a log that can be appended to and believed.
 *
 *   mend files ─▶ scan from the last provable position ─▶ seal damage ─▶ cut the tail ─▶ rewrite and sync
 *
 * Decisions:
 * - The end is the first place that holds no record and behind which no record of this log can be found. RocketMQ ends
 *   the log at the first bad record and deletes all behind it; here damage in the middle costs the damaged records only.
 * - Damage that readers could not pass is sealed (seal-damage.ts): afterwards a broker of Apache's opens the whole log as
 *   well. A record whose lengths are right and whose body or header is wrong is sealed where it may be torn, that is above
 *   what was surely on disk; elsewhere it stays as it is and is reported (a broker of Apache's that checks CRCs would
 *   still end its log there, if it is in the part that it reads at its start).
 * - Above a live mark of a process that died nothing is missing; above a durable mark after power loss, pages may be
 *   missing anywhere: records behind such a hole are kept too.
 * - No state that a crash can leave throws. What throws: files that are no segments, another segment size, a disk that
 *   refuses (DISK_FULL, EIO at the final sync).
 *
 * Called by: the start of the broker, before any stage runs. Blocks on: the disk.
 * Measured:  2.2 GiB, 1 KiB records, page cache, 2 busy cores: with live marks 20 ms plus the rewrite (60 MB and its sync:
 *            0.1–0.2 s); without marks 0.7 s a GiB.
 */

import { join } from 'node:path'
import type { Log } from '../../log.ts'
import { forgetChecksumsFrom } from '../checksums/checksum-file.ts'
import { CLASSIC_LAYOUT, type LogLayout } from '../commitlog/log-layout.ts'
import { allocateSegment, removeUnfinishedSegments } from '../commitlog/segment-allocator.ts'
import { commitLogFolder, listSegments, type Segment, segmentStart } from '../commitlog/segments.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import { FOLDERS, type StoreSettings } from '../settings.ts'
import { type Finding, Findings } from './finding.ts'
import { LogScanner } from './log-scanner.ts'
import { LogWindow } from './log-window.ts'
import { mendSegments } from './mend-segments.ts'
import { resync } from './resync.ts'
import { type LogMarks, type ScanReason, scanStart } from './scan-start.ts'
import { type DamagedRange, sealDamage } from './seal-damage.ts'
import { cutTail, rewriteRange } from './tail.ts'

export type RecoverySettings = Pick<
  StoreSettings,
  'storePathRootDir' | 'storePathCommitLog' | 'mappedFileSizeCommitLog' | 'checkCRCOnRecover'
>

export interface RecoverLogOptions {
  settings: RecoverySettings
  /** From basalt/positions, with what they are worth; undefined where there are none. */
  marks: LogMarks | undefined
  /** The last stop was clean: no abort file. */
  isClean: boolean
  /** min(physicMsgTimestamp, logicsMsgTimestamp) of the checkpoint; 0 where unknown. */
  checkpointTime: number
  log: Log
  layout?: LogLayout
  disk?: StoreDisk
}

export interface RecoveredLog {
  /** Offset of the first byte that exists. */
  min: number
  /** Where the next record goes. */
  end: number
  /** Store time of the last record that was read, ms; 0 when none had to be. */
  lastStoreTimestamp: number
  /** The scan began here. */
  scannedFrom: number
  /** What said so; `mended`: a file that was short; `entries`: a DLedger log, of which its own index says where to begin. */
  scannedBy: ScanReason | 'mended' | 'entries'
  recordCount: number
  /** [rewrittenFrom, end) was written and synced again. Equal to `end` where that was not needed. */
  rewrittenFrom: number
  /** End of the last segment that exists, with its blocks. */
  allocated: number
  findings: Finding[]
}

/** Without any mark the rewrite is bound to the last segments: older ones were written back long ago. */
const REWRITTEN_SEGMENTS_MAX = 3
/** With marks, how far behind damage the bytes are searched for a magic. */
const SEARCH_BYTES = 64 * 1024 * 1024
/** The same when only the process died: the log was written in one go, nothing can be missing before something that is there. */
const SEARCH_BYTES_LIVE = 1024 * 1024
const TORN_SHOWN_MAX = 1024 * 1024

/** `storeTimestamp`: for what may take their place. */
interface Damage extends DamagedRange {
  problem: string
}

export function recoverLog(options: RecoverLogOptions): RecoveredLog {
  return new Recovery(options).run()
}

class Recovery {
  private readonly options: RecoverLogOptions
  private readonly layout: LogLayout
  private readonly folder: string
  private readonly ownFolder: string
  private readonly size: number
  private readonly disk: StoreDisk
  private readonly window: LogWindow
  private readonly scanner: LogScanner
  private readonly findings: Findings
  private segments: Segment[] = []
  private durable = 0
  private lastStoreTimestamp = 0
  private recordCount = 0
  private leftovers = 0
  private scannedBy: RecoveredLog['scannedBy'] = 'oldest'
  /** What no reader can pass, and records whose contents are wrong: settled when all of them are known. */
  private readonly broken: Damage[] = []
  private readonly wrong: Damage[] = []

  constructor(options: RecoverLogOptions) {
    const { settings } = options
    this.options = options
    this.layout = options.layout ?? CLASSIC_LAYOUT
    this.folder = commitLogFolder(settings)
    this.ownFolder = join(settings.storePathRootDir, FOLDERS.own)
    this.size = settings.mappedFileSizeCommitLog
    this.disk = options.disk ?? realDisk
    this.window = new LogWindow(this.folder, this.size, this.disk)
    this.scanner = new LogScanner(this.window, this.layout, settings.checkCRCOnRecover)
    this.findings = new Findings(options.log, this.folder, this.size)
  }

  run(): RecoveredLog {
    try {
      removeUnfinishedSegments(this.ownFolder, entriesOf(this.disk, this.ownFolder), this.disk)
      const found = listSegments(this.folder, this.size, this.disk)
      if (found.length === 0) return this.startEmpty()
      const root = this.options.settings.storePathRootDir
      const mended = mendSegments(this.window, this.layout, found, this.findings, root)
      this.segments = mended.segments
      const from = this.chooseStart(mended.doubtfulFrom)
      const end = this.scan(from)
      return this.finish(from, end)
    } finally {
      this.window.close()
    }
  }

  private startEmpty(): RecoveredLog {
    const { folder, ownFolder, size } = this
    allocateSegment({ folder, ownFolder, start: 0, size }, this.disk)
    const { marks } = this.options
    if (marks !== undefined && marks.trust !== 'none' && marks.flushed > 0) this.reportLost(0, marks.flushed)
    const nothing = { min: 0, end: 0, lastStoreTimestamp: 0, scannedFrom: 0, recordCount: 0, rewrittenFrom: 0 }
    return { ...nothing, scannedBy: 'oldest', allocated: size, findings: this.findings.list }
  }

  private chooseStart(doubtfulFrom: number): number {
    const { marks, isClean, checkpointTime } = this.options
    const start = scanStart(this.scanner, this.segments, { marks, isClean, checkpointTime })
    this.durable = start.durable
    if (start.ignored) {
      const what =
        'basalt/positions does not fit the log (another broker wrote to it, or it is a copy); scanning instead'
      this.findings.add('MARKS_IGNORED', 'warn', start.at, start.at, what)
    }
    this.scannedBy = doubtfulFrom < start.at ? 'mended' : start.by
    return Math.min(start.at, doubtfulFrom)
  }

  /** Follows the records from `from`, over damage, and returns the end of the log. */
  private scan(from: number): number {
    const { scanner } = this
    let at = from
    for (;;) {
      const verdict = scanner.check(at)
      if (verdict === 'ok') {
        this.lastStoreTimestamp = scanner.record.storeTimestamp
        this.recordCount += 1
        at += scanner.entrySize
        continue
      }
      if (verdict === 'blank') {
        const next = scanner.segmentEnd(at)
        if (!this.segments.some((segment) => segment.start === next)) return at
        at = next
        continue
      }
      const next = this.passDamage(at, scanner.problem)
      if (next < 0) return at
      at = next
    }
  }

  /** Where the log goes on behind `at`, or -1 when it ends there. */
  private passDamage(at: number, problem: string): number {
    const { next, brokenFrom, leftovers } = resync(this.scanner, at, {
      durable: this.durable,
      lastStoreTimestamp: this.lastStoreTimestamp,
      searchUntil: this.searchUntil(at),
      segmentStarts: this.segments.map((segment) => segment.start),
    })
    this.leftovers += leftovers
    if (next < 0) return -1
    if (brokenFrom > at) this.wrong.push({ from: at, to: brokenFrom, problem, storeTimestamp: this.timeFor(next) })
    if (next > brokenFrom) {
      const why = brokenFrom > at ? 'no record' : problem
      this.broken.push({ from: brokenFrom, to: next, problem: why, storeTimestamp: this.timeFor(next) })
    }
    return next
  }

  /**
   * What cannot be passed is sealed. Of records whose lengths are right and whose contents are not, those in the part that
   * may not have reached the disk after an unclean stop are torn: they were never promised, and no consumer must get them.
   * Elsewhere they are what is left of a message, which somebody may mend.
   */
  private settleDamage(doubtfulFrom: number): void {
    const { window, layout, ownFolder, broken, wrong } = this
    const torn = wrong.filter(({ from }) => from >= doubtfulFrom)
    const ranges = [...broken, ...torn].sort((a, b) => a.from - b.from)
    const sealed = sealDamage({ window, layout, ownFolder, ranges })
    const kept = 'kept in basalt/damaged and sealed'
    for (const each of broken)
      this.reportDamage('LOG_DAMAGED', each, `${each.problem}; ${sealed.has(each) ? kept : 'not sealed'}`)
    for (const each of wrong) {
      if (sealed.has(each)) this.reportDamage('LOG_DAMAGED', each, `${each.problem}; ${kept}`)
      else this.reportDamage('RECORD_DAMAGED', each, `${each.problem}; left as it is`)
    }
  }

  /** For what fills the gap before `next`: the time of a neighbour. */
  private timeFor(next: number): number {
    if (this.lastStoreTimestamp > 0) return this.lastStoreTimestamp
    return this.scanner.check(next) === 'ok' ? this.scanner.record.storeTimestamp : 1
  }

  private searchUntil(at: number): number {
    const { marks } = this.options
    if (marks === undefined || marks.trust === 'none') return Number.POSITIVE_INFINITY
    if (marks.trust === 'live') return Math.max(marks.appended, at + SEARCH_BYTES_LIVE)
    return Math.max(marks.flushed, at + SEARCH_BYTES)
  }

  private finish(scannedFrom: number, end: number): RecoveredLog {
    const { marks, isClean } = this.options
    const durable = marks === undefined || marks.trust === 'none' ? 0 : marks.flushed
    const rewrittenFrom = isClean ? end : this.doubtfulFrom(durable, end)
    this.settleDamage(rewrittenFrom)
    const isProven = isClean && marks !== undefined && marks.trust === 'live' && marks.appended === end
    const needsCut = !isProven || this.findings.list.length > 0
    if (needsCut) this.reportCut(end)
    const written = marks?.trust === 'live' ? marks.appended : durable
    if (end < written) this.reportLost(end, written)
    for (const { from, to } of this.window.unreadable) {
      this.findings.add(
        'UNREADABLE',
        'error',
        from,
        to,
        `the disk cannot read ${from} to ${to} (EIO); they count as zeros`,
      )
    }
    // What is appended next makes them untrue.
    forgetChecksumsFrom(this.options.settings.storePathRootDir, end, this.size, this.disk)
    const kept = needsCut ? cutTail(this.folder, this.size, this.segments, end, this.disk) : this.segments
    if (!isClean) rewriteRange(this.folder, this.size, rewrittenFrom, end, this.disk)
    const { lastStoreTimestamp, recordCount, findings } = this
    return {
      min: kept[0].start,
      end,
      lastStoreTimestamp,
      scannedFrom,
      scannedBy: this.scannedBy,
      recordCount,
      rewrittenFrom,
      allocated: kept[kept.length - 1].start + this.size,
      findings: findings.list,
    }
  }

  /** After an unclean stop: what is above it may not have reached the disk. */
  private doubtfulFrom(durable: number, end: number): number {
    const bound = segmentStart(end, this.size) - (REWRITTEN_SEGMENTS_MAX - 1) * this.size
    return Math.min(end, Math.max(durable === 0 ? bound : durable, this.segments[0].start))
  }

  private reportCut(end: number): void {
    const torn = this.bytesBehind(end)
    if (torn > 0) {
      const count = torn === TORN_SHOWN_MAX ? `over ${torn}` : String(torn)
      const what = `the log ends at ${end}; ${count} bytes behind it are no whole record (${this.scanner.problem}): cut`
      this.findings.add('TAIL_CUT', 'warn', end, end + torn, what)
    }
    if (this.leftovers > 0) {
      const what = `${this.leftovers} records behind the end are older than the last one, left from a former cut: zeroed`
      this.findings.add('LEFTOVERS', 'warn', end, end, what)
    }
  }

  /** Up to the last byte behind `end` that is not zero, as far as it is worth counting. */
  private bytesBehind(end: number): number {
    const { scanner, window } = this
    if (scanner.check(end) === 'blank') return 0
    const length = Math.min(TORN_SHOWN_MAX, scanner.segmentEnd(end) - end)
    const index = window.index(end, length)
    let last = index + length
    while (last > index && window.bytes[last - 1] === 0) last -= 1
    return last - index
  }

  private reportDamage(code: 'RECORD_DAMAGED' | 'LOG_DAMAGED', { from, to }: DamagedRange, how: string): void {
    const what = `the log is damaged from ${from} to ${to} (${to - from} bytes): ${how}; what is behind it is served`
    this.findings.add(code, 'error', from, to, what)
  }

  private reportLost(end: number, written: number): void {
    const what = `the log ends at ${end}, but went up to ${written}: files were lost or cut, or the disk lost what it had synced`
    this.findings.add('LOG_LOST', 'error', end, written, what)
  }
}

function entriesOf(disk: StoreDisk, folder: string): string[] {
  try {
    return disk.list(folder)
  } catch {
    return []
  }
}

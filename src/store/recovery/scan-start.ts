/**
 * From where recovery reads: the last position that can be proved to be the start of a record.
 *
 *   marks `live`      appended: the process died, the page cache did not
 *   marks `durable`   flushed: the machine went down
 *   no marks          as RocketMQ: the third-last segment after a clean stop; else the newest segment whose first record
 *                     is older than the checkpoint (minus 3 s), or the oldest segment
 *
 * A mark is believed only if the log has something at it that can stand behind a record: a store may have been opened by
 * another broker since, or restored from a copy.
 * Format: spec/store-format.md §10 "start file".
 */
import type { Segment } from '../commitlog/segments.ts'
import { segmentStart } from '../commitlog/segments.ts'
import type { LogScanner } from './log-scanner.ts'
import { isZero } from './mend-segments.ts'

export interface LogMarks {
  /** See store/checkpoint/positions-file.ts. */
  trust: 'live' | 'durable' | 'none'
  appended: number
  flushed: number
}

/** What says so: a mark, the end of the log at a clean stop, the checkpoint; `oldest`: nothing does. */
export type ScanReason = 'appended' | 'flushed' | 'clean stop' | 'checkpoint' | 'oldest'

export interface ScanStart {
  at: number
  by: ScanReason
  /** The log was whole below it. 0: nothing is known. */
  durable: number
  /** The marks do not fit the log. */
  ignored: boolean
}

export interface ScanStartOptions {
  marks: LogMarks | undefined
  /** The last stop was clean (no abort file). */
  isClean: boolean
  /** min(physic, logics) of the checkpoint, ms; 0 unknown. */
  checkpointTime: number
}

const CHECKPOINT_MARGIN_MS = 3000
const CLEAN_SEGMENTS = 3
/** A record has a magic within so many bytes before its end, or properties. */
const RECORD_TRACE = 90

export function scanStart(scanner: LogScanner, segments: Segment[], options: ScanStartOptions): ScanStart {
  const { marks } = options
  const first = segments[0].start
  if (marks === undefined || marks.trust === 'none')
    return { ...byCheckpoint(scanner, segments, options), durable: 0, ignored: false }
  const mark = marks.trust === 'live' ? marks.appended : marks.flushed
  const by = marks.trust === 'live' ? 'appended' : 'flushed'
  if (mark <= first) return { at: first, by, durable: mark, ignored: false }
  const start = segmentStart(mark, scanner.window.segmentSize)
  const exists = segments.some((segment) => segment.start === start)
  const held = exists ? holds(scanner, mark, start) : 'no'
  if (held === 'yes') return { at: mark, by, durable: mark, ignored: false }
  if (held === 'perhaps') return { at: start, by, durable: start, ignored: false }
  return { ...byCheckpoint(scanner, segments, { ...options, isClean: false }), durable: 0, ignored: true }
}

/** `perhaps`: something torn stands at the mark, or the mark stands in a record. */
function holds(scanner: LogScanner, mark: number, segment: number): 'yes' | 'no' | 'perhaps' {
  const verdict = scanner.check(mark)
  if (verdict === 'ok' || verdict === 'blank') return 'yes'
  if (mark === segment) return 'yes'
  const { window } = scanner
  const length = Math.min(RECORD_TRACE, mark - segment)
  const before = window.index(mark - length, length)
  if (isZero(window.bytes.subarray(before, before + length))) return 'no'
  const left = Math.min(window.segmentSize - (mark - segment), RECORD_TRACE)
  const behind = window.index(mark, left)
  return isZero(window.bytes.subarray(behind, behind + left)) ? 'yes' : 'perhaps'
}

function byCheckpoint(
  scanner: LogScanner,
  segments: Segment[],
  { isClean, checkpointTime }: ScanStartOptions,
): Pick<ScanStart, 'at' | 'by'> {
  if (isClean) {
    const index = Math.max(0, lastStarted(scanner, segments) - CLEAN_SEGMENTS + 1)
    return { at: segments[index].start, by: 'clean stop' }
  }
  const until = checkpointTime - CHECKPOINT_MARGIN_MS
  for (let i = segments.length - 1; i > 0; i--) {
    if (scanner.check(segments[i].start) === 'ok' && scanner.record.storeTimestamp <= until)
      return { at: segments[i].start, by: 'checkpoint' }
  }
  return { at: segments[0].start, by: 'oldest' }
}

/** Index of the last segment that begins with a record: allocated ones behind it do not count as files of the log. */
function lastStarted(scanner: LogScanner, segments: Segment[]): number {
  for (let i = segments.length - 1; i > 0; i--) if (scanner.check(segments[i].start) === 'ok') return i
  return 0
}

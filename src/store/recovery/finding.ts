/** What recovery met and what it did about it, for the log, the start-up screen and the inspector. */
import type { Log } from '../../log.ts'
import { segmentPath, segmentStart } from '../commitlog/segments.ts'

export type FindingCode =
  /** The bytes behind the last whole record were cut. What a crash leaves; nothing acknowledged was in them. */
  | 'TAIL_CUT'
  /** A record was damaged and others behind it are served: the range could not be read by its lengths. */
  | 'LOG_DAMAGED'
  /** A record is not what was written, but its lengths are right: it stays, and readers pass it. */
  | 'RECORD_DAMAGED'
  /** Records that a cut had left behind the tail were zeroed. */
  | 'LEFTOVERS'
  | 'SEGMENT_SHORT'
  | 'SEGMENT_MISSING'
  /** The log ends below what was on disk. */
  | 'LOG_LOST'
  /** The marks in basalt/positions do not fit the log. */
  | 'MARKS_IGNORED'
  | 'UNREADABLE'

export interface Finding {
  code: FindingCode
  level: 'info' | 'warn' | 'error'
  what: string
  /** File, and byte in it. */
  where: string
  /** Range of the log, bytes. */
  from: number
  to: number
}

export class Findings {
  readonly list: Finding[] = []
  private readonly log: Log
  private readonly folder: string
  private readonly segmentSize: number

  constructor(log: Log, folder: string, segmentSize: number) {
    this.log = log
    this.folder = folder
    this.segmentSize = segmentSize
  }

  add(code: FindingCode, level: Finding['level'], from: number, to: number, what: string): void {
    const start = segmentStart(from, this.segmentSize)
    const where = `${segmentPath(this.folder, start)} byte ${from - start}`
    this.list.push({ code, level, what, where, from, to })
    this.log[level](`recovery: ${what} (${where})`, { code, from, to })
  }
}

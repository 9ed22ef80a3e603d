/**
 * Walks the log from one record to the next, over damage, up to its end, as recovery would and without changing anything.
 *
 *   record   scanner.record is a whole record at `at`
 *   damage   [at, next) is not what was written; `isReadable`: its lengths are right, and scanner.record shows it
 *   end      nothing behind `at` belongs to the log
 *
 * Beside a running broker the tail moves while it is read: what looks damaged there is read again, and only what stays so
 * with records behind it is damage.
 */
import { CLASSIC_LAYOUT, type RecordView, segmentStart } from '../store/commitlog/index.ts'
import { LogScanner, LogWindow, resync } from '../store/recovery/index.ts'
import type { InspectSettings } from './geometry.ts'

export type Step = 'record' | 'damage' | 'end'

export interface LogWalkOptions {
  settings: Pick<InspectSettings, 'storePathCommitLog' | 'mappedFileSizeCommitLog'>
  /** Starts of the segments that exist, ascending. */
  segmentStarts: number[]
  from: number
  /** The walk ends here at the latest. */
  limit?: number
  /** Records below it belong to the log whatever their time says. */
  durable?: number
  /** A broker writes the log. */
  isLive?: boolean
  checkCRC?: boolean
  /** Read through; closed with the walk. */
  window?: LogWindow | undefined
}

const TRIES = 5
const PAUSE_MS = 20
const pause = new Int32Array(new SharedArrayBuffer(4))

export class LogWalk {
  at: number
  next: number
  problem = ''
  isReadable = false
  lastStoreTimestamp = 0
  readonly scanner: LogScanner
  readonly window: LogWindow
  private readonly options: LogWalkOptions
  private readonly limit: number
  /** Damage that resync() has measured: readable up to brokenFrom, unreadable up to resumeAt. */
  private brokenFrom = -1
  private resumeAt = -1

  constructor(options: LogWalkOptions) {
    const { settings, from } = options
    this.options = options
    this.window = options.window ?? new LogWindow(settings.storePathCommitLog, settings.mappedFileSizeCommitLog)
    this.scanner = new LogScanner(this.window, CLASSIC_LAYOUT, options.checkCRC ?? true)
    this.at = from
    this.next = from
    this.limit = options.limit ?? Number.POSITIVE_INFINITY
  }

  get record(): RecordView {
    return this.scanner.record
  }

  step(): Step {
    for (;;) {
      this.at = this.next
      if (this.at >= this.limit) return this.ended('')
      let verdict = this.scanner.check(this.at)
      if (this.options.isLive && verdict !== 'ok' && verdict !== 'blank') verdict = this.checkAgain()
      if (verdict === 'ok') return this.found()
      if (verdict === 'blank') {
        const following = this.scanner.segmentEnd(this.at)
        if (!this.options.segmentStarts.includes(following)) return this.ended('')
        this.next = following
        continue
      }
      return this.damage(verdict === 'content')
    }
  }

  /** The walk goes on from there. */
  moveTo(offset: number): void {
    this.next = offset
    this.resumeAt = -1
  }

  /** Files have changed, or more may have been written. */
  forget(): void {
    this.window.forget()
  }

  close(): void {
    this.window.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private found(): Step {
    this.next = this.at + this.scanner.entrySize
    this.lastStoreTimestamp = this.scanner.record.storeTimestamp
    this.isReadable = true
    return 'record'
  }

  private damage(isContent: boolean): Step {
    const { at, scanner } = this
    const { problem, entrySize } = scanner
    if (at >= this.resumeAt) {
      const { segmentStarts, durable = 0 } = this.options
      const { lastStoreTimestamp } = this
      const limits = { durable, lastStoreTimestamp, searchUntil: this.limit, segmentStarts }
      const { next, brokenFrom } = resync(scanner, at, limits)
      if (this.options.isLive && next >= 0) {
        this.window.forget()
        if (scanner.check(at) === 'ok') return this.found()
      }
      if (next < 0) return this.ended(problem)
      this.brokenFrom = brokenFrom
      this.resumeAt = next
      // resync() left the record of another place in the scanner.
      if (isContent) scanner.check(at)
    }
    this.isReadable = isContent && at < this.brokenFrom
    this.next = this.isReadable ? at + entrySize : this.resumeAt
    this.problem = problem
    return 'damage'
  }

  private ended(problem: string): Step {
    this.next = this.at
    this.isReadable = false
    this.problem = problem
    return 'end'
  }

  /** A record may be half copied: it is whole a moment later. Zeros are the tail. */
  private checkAgain(): ReturnType<LogScanner['check']> {
    const { window, scanner, at } = this
    let verdict = scanner.check(at)
    for (let tries = 0; tries < TRIES && verdict !== 'ok' && verdict !== 'blank'; tries += 1) {
      window.forget()
      verdict = scanner.check(at)
      if (verdict === 'ok' || verdict === 'blank' || this.isZeroAt(at)) break
      Atomics.wait(pause, 0, 0, PAUSE_MS)
    }
    return verdict
  }

  private isZeroAt(at: number): boolean {
    const { window } = this
    const left = segmentStart(at, window.segmentSize) + window.segmentSize - at
    const length = Math.min(8, left)
    const index = window.index(at, length)
    for (let i = index; i < index + length; i += 1) if (window.bytes[i] !== 0) return false
    return true
  }
}

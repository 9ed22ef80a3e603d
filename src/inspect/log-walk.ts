/**
 * Walks the log from one record to the next, over damage, up to its end, as recovery would and without changing anything.
 *
 *   record   scanner.record is a whole record at `at`
 *   entry    of a DLedger log: whole, and what it holds is no record
 *   damage   [at, next) is not what was written; `isReadable`: its lengths are right, and scanner.record shows it
 *   end      nothing behind `at` belongs to the log
 *
 * In a DLedger log an entry that does not follow the one before it ends the log, as it does for its members: it is a leftover of a
 * truncation. Only below what is known to be committed it is damage.
 *
 * Beside a running broker the tail moves while it is read: what looks damaged there is read again, and only what stays so
 * with records behind it is damage.
 */
import { type LogFolderSettings, LogFolders, type RecordView, segmentStart } from '../store/commitlog/index.ts'
import { LogScanner, LogWindow, resync } from '../store/recovery/index.ts'
import { EntryChain, entryHead, entryProblem, type InspectedEntryHead } from './entry.ts'

export type Step = 'record' | 'entry' | 'damage' | 'end'

export interface LogWalkOptions {
  settings: LogFolderSettings
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
  /** Header of the entry at `at`, after `record`, `entry` and readable damage of a DLedger log. */
  entry: InspectedEntryHead | undefined
  private readonly chain = new EntryChain()
  private readonly options: LogWalkOptions
  private readonly limit: number
  /** Damage that resync() has measured: readable up to brokenFrom, unreadable up to resumeAt. */
  private brokenFrom = -1
  private resumeAt = -1

  constructor(options: LogWalkOptions) {
    const { settings, from } = options
    this.options = options
    const folders = new LogFolders(settings)
    this.window = options.window ?? new LogWindow(folders, settings.mappedFileSizeCommitLog)
    this.scanner = new LogScanner(this.window, folders, options.checkCRC ?? true)
    this.at = from
    this.next = from
    this.limit = options.limit ?? Number.POSITIVE_INFINITY
  }

  get record(): RecordView {
    return this.scanner.record
  }

  /** Physical offset of the record at `at`: behind the header of its entry. */
  get recordAt(): number {
    return this.at + this.scanner.layoutAt(this.at).headerSize
  }

  step(): Step {
    for (;;) {
      this.at = this.next
      this.entry = undefined
      if (this.at >= this.limit) return this.ended('')
      let verdict = this.scanner.check(this.at)
      if (this.options.isLive && verdict !== 'ok' && verdict !== 'blank') verdict = this.checkAgain()
      const { isForeign } = this.scanner
      if (verdict === 'ok' || (verdict === 'content' && isForeign)) return this.found(isForeign)
      if (verdict === 'blank') {
        const following = this.scanner.segmentEnd(this.at)
        if (!this.options.segmentStarts.includes(following)) return this.ended('')
        this.next = following
        continue
      }
      return this.damage(verdict === 'content', this.scanner.problem)
    }
  }

  /** The walk goes on from there. */
  moveTo(offset: number): void {
    this.next = offset
    this.resumeAt = -1
    this.chain.reset()
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

  private found(isForeign: boolean): Step {
    const problem = this.entryBroken()
    if (problem !== undefined) {
      const { at, scanner } = this
      const next = at + scanner.entrySize
      // Nobody can say what was meant; below what is committed it was an entry.
      if (at >= (this.options.durable ?? 0) && !(problem.isOwn && this.goesOn(at, next)))
        return this.ended(problem.text)
      this.isReadable = !isForeign
      this.next = next
      this.problem = problem.text
      return 'damage'
    }
    this.next = this.at + this.scanner.entrySize
    if (isForeign) {
      this.isReadable = false
      return 'entry'
    }
    this.lastStoreTimestamp = this.scanner.record.storeTimestamp
    this.isReadable = true
    return 'record'
  }

  /** Reads the header, if the layout has one; what is wrong with it (`isOwn`), or with its place behind the one before. */
  private entryBroken(): { text: string; isOwn: boolean } | undefined {
    const { scanner, window, at, chain } = this
    if (scanner.layout.headerSize === 0) return undefined
    const index = scanner.entryIndex
    const head = entryHead(window.view, index, at, scanner.entrySize)
    this.entry = head
    const own = entryProblem(head, window.bytes, window.view, index, scanner.checkCRC)
    if (own !== '') {
      chain.passDamaged(head)
      return { text: own, isOwn: true }
    }
    const text = chain.problemOf(head)
    if (text === '') {
      chain.take(head)
      return undefined
    }
    chain.passDamaged(head)
    return { text, isOwn: false }
  }

  private damage(isContent: boolean, problem: string): Step {
    const { at, scanner } = this
    const { entrySize } = scanner
    if (isContent && scanner.layout.headerSize > 0) this.entryBroken()
    if (at >= this.resumeAt) {
      const { segmentStarts, durable = 0 } = this.options
      const { lastStoreTimestamp } = this
      const follows = () => this.mayFollow()
      const limits = { durable, lastStoreTimestamp, searchUntil: this.limit, segmentStarts, follows }
      this.chain.gap()
      const { next, brokenFrom } = resync(scanner, at, limits)
      if (this.options.isLive && next >= 0) {
        this.window.forget()
        if (scanner.check(at) === 'ok') return this.found(false)
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

  /** Whether an entry that follows stands at `next`, or a blank with a file behind it. The scanner shows `at` again. */
  private goesOn(at: number, next: number): boolean {
    const { scanner, options } = this
    const verdict = scanner.check(next)
    const isEntry = verdict === 'ok' || (verdict === 'content' && scanner.isForeign)
    const isBlank = verdict === 'blank' && options.segmentStarts.includes(scanner.segmentEnd(next))
    const follows = isBlank || (isEntry && this.mayFollow())
    scanner.check(at)
    return follows
  }

  /** Whether the entry that the scanner shows may come behind the last one, some of them missing between. */
  private mayFollow(): boolean {
    const { scanner, window, chain } = this
    if (scanner.layout.headerSize === 0) return true
    const head = entryHead(window.view, scanner.entryIndex, 0, scanner.entrySize)
    return (
      entryProblem(head, window.bytes, window.view, scanner.entryIndex, true) === '' && chain.problemOf(head) === ''
    )
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

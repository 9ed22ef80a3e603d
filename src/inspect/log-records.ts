/**
 * Records of the log in their order, those that are wanted, with the damage between them; goes on when more has been written.
 */
import type { RecordView } from '../store/commitlog/index.ts'
import type { InspectedEntryHead } from './entry.ts'
import { LogWalk } from './log-walk.ts'
import { type InspectedMessage, messageAt } from './message.ts'
import type { InspectedStore } from './open-store.ts'
import { type RecordCriteria, type RecordMatcher, recordMatcher } from './record-match.ts'
import { listLogOf } from './store-files.ts'

export interface LogQuery extends RecordCriteria {
  /** Physical offsets, [from, to). */
  from?: number | undefined
  to?: number | undefined
  /** Of a DLedger log: the entry, and its term. */
  index?: number | undefined
  term?: number | undefined
}

/** `problem`: why [from, to) of the log is no record. */
export interface LogDamage {
  kind: 'damage'
  from: number
  to: number
  problem: string
}

/** Of a DLedger log: one that holds no record. */
export interface LogEntryItem {
  kind: 'entry'
  entry: InspectedEntryHead
  body: Buffer
}

export type LogItem = { kind: 'record'; message: InspectedMessage } | LogEntryItem | LogDamage

/** A record where it was read: valid until the next one. */
export interface LogBytesItem {
  kind: 'record'
  entry: InspectedEntryHead | undefined
  record: RecordView
  bytes: Buffer
}

const ENTRY_HEADER = 48

export class LogRecords {
  /** Records that were looked at. */
  lookedAt = 0
  private readonly store: InspectedStore
  private readonly walk: LogWalk
  private readonly matches: RecordMatcher
  private readonly query: LogQuery
  /** Nothing is asked for that only a record has. */
  private readonly wantsEntries: boolean
  private readonly segmentStarts: number[]
  /** The first step may land within a record. */
  private isBegun: boolean

  /** Throws ConfigError BAD_EXPRESSION. */
  constructor(store: InspectedStore, query: LogQuery, isLive = store.use.isInUse) {
    this.store = store
    this.query = query
    const { from: _from, to: _to, index: _index, term: _term, ...ofRecords } = query
    this.wantsEntries = Object.values(ofRecords).every((value) => value === undefined)
    this.matches = recordMatcher(query)
    this.segmentStarts = store.files.segments.map(({ start }) => start)
    const first = this.segmentStarts[0] ?? 0
    const { settings } = store
    const limit = query.to ?? Number.POSITIVE_INFINITY
    this.walk = new LogWalk({ settings, segmentStarts: this.segmentStarts, from: first, limit, isLive })
    this.isBegun = query.from === undefined || query.from <= first
    this.walk.moveTo(Math.max(first, query.from ?? this.startOf(query.after)))
  }

  /** Where the next record would be. */
  get position(): number {
    return this.walk.next
  }

  /** The rest of the log has been looked at when it is done; called again, it goes on behind it. */
  *items(): Generator<LogItem | undefined> {
    for (const item of this.inPlace()) {
      if (item?.kind !== 'record') {
        yield item
        continue
      }
      const { record, bytes, entry } = item
      const message = messageAt(bytes.subarray(record.at, record.at + record.totalSize))
      if (message !== undefined)
        yield { kind: 'record', message: entry === undefined ? message : { ...message, entry } }
    }
  }

  /** The same, without an object a record. */
  *inPlace(): Generator<LogBytesItem | LogEntryItem | LogDamage | undefined> {
    const { walk } = this
    if (this.segmentStarts.length === 0) return
    for (;;) {
      const step = walk.step()
      if (step === 'end') return
      const wasBegun = this.isBegun
      this.isBegun = true
      if (step === 'damage') {
        if (wasBegun) yield { kind: 'damage', from: walk.at, to: walk.next, problem: walk.problem }
        continue
      }
      this.lookedAt += 1
      // So that whoever prints can let others run, and stop.
      if (this.lookedAt % 4096 === 0) yield undefined
      const { entry } = walk
      if (!this.isWantedEntry(entry)) continue
      if (step === 'entry') {
        if (this.wantsEntries && entry !== undefined) yield this.foreign(entry)
        continue
      }
      if (!this.matches(walk.record, walk.window.bytes)) continue
      yield { kind: 'record', entry, record: walk.record, bytes: walk.window.bytes }
    }
  }

  /** Forgets what was read, and finds new segments. */
  refresh(): void {
    const { segments } = listLogOf(this.store.settings)
    this.segmentStarts.splice(0, this.segmentStarts.length, ...segments.map(({ start }) => start))
    this.walk.forget()
  }

  close(): void {
    this.walk.close()
  }

  private isWantedEntry(entry: InspectedEntryHead | undefined): boolean {
    const { index, term } = this.query
    return (index === undefined || entry?.index === index) && (term === undefined || entry?.term === term)
  }

  private foreign(entry: InspectedEntryHead): LogEntryItem {
    const { window, scanner } = this.walk
    const body = Buffer.from(window.bytes.subarray(scanner.entryIndex + ENTRY_HEADER, scanner.entryIndex + entry.size))
    return { kind: 'entry', entry, body }
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** The last segment that begins before that time: times rise along the log while the clock does. */
  private startOf(after: number | undefined): number {
    const first = this.segmentStarts[0] ?? 0
    if (after === undefined) return first
    const { scanner } = this.walk
    for (const start of [...this.segmentStarts].reverse()) {
      if (scanner.check(start) === 'ok' && scanner.record.storeTimestamp < after) return start
    }
    return first
  }
}

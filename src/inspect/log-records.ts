/**
 * Records of the log in their order, those that are wanted, with the damage between them; goes on when more has been written.
 */
import type { RecordView } from '../store/commitlog/index.ts'
import { LogWalk } from './log-walk.ts'
import { type InspectedMessage, messageAt } from './message.ts'
import type { InspectedStore } from './open-store.ts'
import { type RecordCriteria, type RecordMatcher, recordMatcher } from './record-match.ts'
import { listLog } from './store-files.ts'

export interface LogQuery extends RecordCriteria {
  /** Physical offsets, [from, to). */
  from?: number | undefined
  to?: number | undefined
}

/** `problem`: why [from, to) of the log is no record. */
export interface LogDamage {
  kind: 'damage'
  from: number
  to: number
  problem: string
}

export type LogItem = { kind: 'record'; message: InspectedMessage } | LogDamage

/** A record where it was read: valid until the next one. */
export interface LogBytesItem {
  kind: 'record'
  record: RecordView
  bytes: Buffer
}

export class LogRecords {
  /** Records that were looked at. */
  lookedAt = 0
  private readonly store: InspectedStore
  private readonly walk: LogWalk
  private readonly matches: RecordMatcher
  private readonly segmentStarts: number[]
  /** The first step may land within a record. */
  private isBegun: boolean

  /** Throws ConfigError BAD_EXPRESSION. */
  constructor(store: InspectedStore, query: LogQuery, isLive = store.use.isInUse) {
    this.store = store
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
      const { record, bytes } = item
      const message = messageAt(bytes.subarray(record.at, record.at + record.totalSize))
      if (message !== undefined) yield { kind: 'record', message }
    }
  }

  /** The same, without an object a record. */
  *inPlace(): Generator<LogBytesItem | LogDamage | undefined> {
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
      if (!this.matches(walk.record, walk.window.bytes)) continue
      yield { kind: 'record', record: walk.record, bytes: walk.window.bytes }
    }
  }

  /** Forgets what was read, and finds new segments. */
  refresh(): void {
    const { segments } = listLog(this.store.settings.storePathCommitLog)
    this.segmentStarts.splice(0, this.segmentStarts.length, ...segments.map(({ start }) => start))
    this.walk.forget()
  }

  close(): void {
    this.walk.close()
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

/**
 * The core's effects on the log, carried out in order, and what became of them, as inputs of the core.
 *
 *   append, appendNoop, truncate, compare, read ─▶ done when take() returns, the input behind it in the queue
 *   flush                                         ─▶ by the pool; what is written meanwhile shares the next one (group commit)
 *
 * Owns:      the epoch of the log, the gate of local writers, the flush.
 * Invariant: the contract in core/effects.ts: no entry of an epoch that has failed, none of a term whose gate is closed.
 * Blocks on: the disk, for reads and writes of the page cache; for the sync of a truncation.
 */
import { assert } from '../assert.ts'
import { describe, StoreError } from '../errors.ts'
import type { Effect, EntryBatch, Input, LogEnd } from './core/index.ts'
import type { DLedgerLog } from './log/index.ts'
import { type DLedgerEntry, WireBatch } from './wire/index.ts'

export interface LogDriverOptions {
  log: DLedgerLog
  /** SYNC_FLUSH: the flush begins as soon as there is something; else `flushMs` after it. */
  flushBeforeAck: boolean
  flushMs: number
  /** The body of a leader's first entry; its position is given to `patch`. */
  noop: () => Uint8Array
  patchNoop: (body: Uint8Array, pos: number) => void
  input: (input: Input) => void
  /** The disk failed: nothing may be acknowledged any more. */
  fatal: (error: unknown) => void
  /** Entries of a leader that were refused, and why. */
  refused: (failure: StoreError) => void
  watch?: LogWatch
}

/** Whoever shows positions to others. Told before the core is: nothing is committed that is not known to be there. */
export interface LogWatch {
  appended(endPos: number): void
  /** All below is on disk. */
  flushed(pos: number): void
  /** The end is about to move, perhaps back: nothing above is to be read, or called flushed, from now on. */
  truncating(keepsBelow: number): void
  /** The log begins here now: files were deleted, or it began anew. */
  began(beginPos: number): void
  gateOpened(term: number): void
  /** Of a leader: entries up to there were given to the connection of another member. */
  sent?(endPos: number): void
  /** In front of the sync; what it throws is the sync's failure. */
  beforeSync?(): Promise<void> | undefined
}

export type LogEffect = Extract<
  Effect,
  { kind: 'append' | 'appendNoop' | 'truncate' | 'compare' | 'read' | 'openGate' | 'closeGate' }
>

/** Batches that other peers may ask for next: their JSON is made once. */
const SHARED_MAX = 16

export class LogDriver {
  private readonly options: LogDriverOptions
  private readonly log: DLedgerLog
  private epoch = 0
  private gateTerm = -1
  private isFlushing = false
  private flushTimer: NodeJS.Timeout | undefined
  private isClosed = false
  private shared: WireBatch[] = []

  constructor(options: LogDriverOptions) {
    this.options = options
    this.log = options.log
  }

  /** The term that local writers append under; −1: they may not. */
  get openTerm(): number {
    return this.gateTerm
  }

  take(effect: LogEffect): void {
    switch (effect.kind) {
      case 'append':
        this.append(effect.epoch, () => this.log.appendBatch(listOf(effect.entries)))
        return
      case 'appendNoop': {
        const { noop, patchNoop } = this.options
        this.append(effect.epoch, () => this.log.appendOwn(effect.term, [noop()], patchNoop).failure)
        return
      }
      case 'truncate':
        this.truncate(effect.epoch, effect.entry, effect.mustEqual)
        return
      case 'compare':
        this.options.input({ kind: 'compared', ticket: effect.ticket, equal: this.log.isEqual(listOf(effect.entries)) })
        return
      case 'read':
        this.options.input({
          kind: 'read',
          ticket: effect.ticket,
          entries: this.read(effect.from, effect.to, effect.bytesMax),
        })
        return
      case 'openGate':
        this.epoch = effect.epoch
        this.gateTerm = effect.term
        this.options.watch?.gateOpened(effect.term)
        return
      case 'closeGate':
        this.gateTerm = -1
        this.options.input({ kind: 'gateClosed', ...this.end() })
        return
    }
  }

  /**
   * Appends of local writers, while the gate is open. Fewer entries than bodies when `failure` is set; after DISK_FAILED nobody knows
   * what is in the file. `written` comes before any commit; `patch` sees each body with its position before it is written.
   */
  appendLocal(
    bodies: readonly Uint8Array[],
    written: (entries: readonly DLedgerEntry[], failure: StoreError | undefined) => void,
    patch?: (body: Uint8Array, pos: number) => void,
  ): { entries: DLedgerEntry[]; failure: StoreError | undefined } {
    assert(this.gateTerm >= 0, 'local writers append while the gate is open')
    const appended = this.appendOwn(bodies, patch)
    if (appended.failure?.code === 'DISK_FAILED') {
      written([], appended.failure)
      return appended
    }
    this.options.watch?.appended(this.log.endPos)
    written(appended.entries, appended.failure)
    this.options.input({ kind: 'localEnd', epoch: this.epoch, ...this.end() })
    this.flushSoon()
    return appended
  }

  /** A write that fails is the end, as a sync that fails: nobody knows what of it is in the file. */
  private appendOwn(bodies: readonly Uint8Array[], patch?: (body: Uint8Array, pos: number) => void) {
    try {
      return this.log.appendOwn(this.gateTerm, bodies, patch)
    } catch (error) {
      this.options.fatal(error)
      const what = `the log cannot be written: ${describe(error)}`
      return { entries: [], failure: new StoreError('DISK_FAILED', { what, cause: error }) }
    }
  }

  /** Data files that end at or below `below` go (DLedgerLog.retire); how many. retention.ts says how far. */
  retire(below: number): number {
    let count = 0
    try {
      count = this.log.retire(below)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.options.refused(error)
    }
    if (count === 0) return 0
    this.shared = []
    this.options.watch?.began(this.log.beginsAt)
    this.options.input({ kind: 'began', beginIndex: this.log.beginIndex })
    return count
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.flushTimer)
    while (this.isFlushing) await new Promise((done) => setTimeout(done, 1))
  }

  private end(): LogEnd {
    return { endIndex: this.log.endIndex, endTerm: this.log.endTerm }
  }

  private append(epoch: number, write: () => StoreError | undefined): void {
    if (epoch < this.epoch) return
    this.epoch = epoch
    const failure = write()
    this.options.watch?.appended(this.log.endPos)
    this.flushSoon()
    if (failure === undefined) {
      this.options.input({ kind: 'appended', epoch, ...this.end() })
      return
    }
    this.epoch++
    this.options.refused(failure)
    this.options.input({ kind: 'appendFailed', epoch, ...this.end() })
  }

  private truncate(epoch: number, entry: EntryBatch, mustEqual: boolean): void {
    const { watch } = this.options
    const last = listOf(entry)[0]!
    this.epoch = epoch
    this.shared = []
    watch?.truncating(Math.min(this.log.endPos, last.pos))
    const before = this.log.beginsAt
    const failure = this.log.truncate(last, mustEqual)
    if (this.log.beginsAt !== before) watch?.began(this.log.beginsAt)
    // What stands is on disk.
    watch?.appended(this.log.endPos)
    watch?.flushed(this.log.endPos)
    if (failure !== undefined) this.options.refused(failure)
    const beginIndex = Math.max(0, this.log.beginIndex)
    const kind = failure === undefined ? 'truncated' : 'truncateFailed'
    this.options.input({ kind, epoch, beginIndex, ...this.end() })
  }

  private read(from: number, to: number, bytesMax: number): WireBatch | undefined {
    const known = this.shared.find((it) => it.firstIndex === from && from + it.count - 1 <= to && it.bytes <= bytesMax)
    if (known !== undefined) return known
    const batch = this.log.read(from, to, bytesMax)
    if (batch === undefined || bytesMax <= 1) return batch
    this.shared.unshift(batch)
    if (this.shared.length > SHARED_MAX) this.shared.pop()
    return batch
  }

  private flushSoon(): void {
    if (this.isFlushing || this.isClosed || this.flushTimer !== undefined || !this.log.isDirty) return
    if (this.options.flushBeforeAck) {
      this.flush()
      return
    }
    this.flushTimer = setTimeout(() => {
      this.flushTimer = undefined
      this.flush()
    }, this.options.flushMs)
  }

  private flush(): void {
    this.isFlushing = true
    const before = this.options.watch?.beforeSync?.()
    const synced = before === undefined ? this.sync() : before.then(() => this.sync())
    synced.then(
      () => {
        this.isFlushing = false
        this.flushSoon()
      },
      (error: unknown) => {
        this.isFlushing = false
        this.options.fatal(error)
      },
    )
  }

  /** What is written when it begins is on disk when it ends. */
  private async sync(): Promise<void> {
    const { epoch, log } = this
    const { endIndex: index, endPos } = log
    await log.sync()
    if (this.isClosed) return
    if (epoch === this.epoch) this.options.watch?.flushed(endPos)
    this.options.input({ kind: 'flushed', epoch, index })
  }
}

function listOf(batch: EntryBatch): readonly DLedgerEntry[] {
  assert(batch instanceof WireBatch, 'entries come from the wire or the log')
  return batch.entries
}

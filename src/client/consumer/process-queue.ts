/**
 * Messages of one queue between pull and consumption.
 *
 *   head                      handed                          tail
 *    │ done  busy  done  busy   │ waiting  waiting  waiting     │
 *    ▼                          ▼                               ▼
 *   [0]   [1]   [2]   [3]      [4]      [5]       [6]
 *    └─ committable: the offset of [1], the lowest that is not done
 *
 * Owns:      what was pulled and is not consumed; counters of it for flow control.
 * Invariant: committable() never passes a message that is not done, in whatever order they are done, and never goes back.
 * Source:    spec/client-behaviour.md §6 "ProcessQueue", "Pull loop".
 */
import { assert } from '../../assert.ts'

/** What it needs of a message. */
export interface Queued {
  readonly queueOffset: number
  /** Bytes of the body as it was stored. */
  readonly bodySize: number
}

export interface Entry<M extends Queued> {
  readonly message: M
  readonly offset: number
  readonly size: number
  isDone: boolean
  /** When the listener got it; 0: not yet. */
  startedAt: number
}

export interface FlowLimits {
  /** Messages. 1000 */
  readonly count: number
  /** MiB of bodies. 100 */
  readonly sizeMiB: number
  /** From the lowest to the highest offset, for concurrent consumption. 2000 */
  readonly span: number
}

const MIB = 1024 * 1024
/** A row of done entries that long at the front is cut off. */
const CUT_MIN = 512

export class ProcessQueue<M extends Queued> {
  /** No longer ours: what is still consumed of it is not committed. */
  dropped = false
  paused = false
  lastPullAt: number
  lastConsumedAt: number

  private entries: Entry<M>[] = []
  private head = 0
  private handed = 0
  private highest = -1
  /** Below it everything was pulled, or left out by a filter. */
  private scanned = -1
  private bytes = 0
  private unfinished = 0

  constructor(now: number) {
    this.lastPullAt = this.lastConsumedAt = now
  }

  /** Messages that are not done. */
  get count(): number {
    return this.unfinished
  }

  /** Bytes of their bodies. */
  get size(): number {
    return this.bytes
  }

  /** Messages that nobody has been given yet. */
  get waiting(): number {
    return this.entries.length - this.handed
  }

  /** From the lowest to the highest offset that is cached. */
  get span(): number {
    return this.unfinished === 0 ? 0 : this.highest - this.entries[this.head].offset
  }

  get minOffset(): number {
    return this.unfinished === 0 ? 0 : this.entries[this.head].offset
  }

  get maxOffset(): number {
    return this.unfinished === 0 ? 0 : this.highest
  }

  /** In ascending order of offsets; those at or below the highest so far are known already and passed over. Returns how many are new. */
  put(messages: readonly M[]): number {
    const before = this.entries.length
    for (const message of messages) {
      const offset = message.queueOffset
      if (offset <= this.highest) continue
      const size = message.bodySize
      this.entries.push({ message, offset, size, isDone: false, startedAt: 0 })
      this.highest = offset
      this.bytes += size
    }
    if (this.highest >= 0) this.seen(this.highest + 1)
    const added = this.entries.length - before
    this.unfinished += added
    return added
  }

  /** The next ones that nobody was given, at most `count`. */
  take(count: number, now: number): Entry<M>[] {
    const end = Math.min(this.entries.length, this.handed + count)
    const taken = this.entries.slice(this.handed, end)
    this.handed = end
    for (const entry of taken) entry.startedAt = now
    if (taken.length > 0) this.lastConsumedAt = now
    return taken
  }

  /** Consumed, or given back to the broker. Returns what may be committed now. */
  done(entries: readonly Entry<M>[]): number {
    for (const entry of entries) {
      if (entry.isDone) continue
      entry.isDone = true
      this.bytes -= entry.size
      this.unfinished--
    }
    assert(this.unfinished >= 0 && this.bytes >= 0, 'a message was done twice')
    while (this.head < this.entries.length && this.entries[this.head].isDone) this.head++
    this.cut()
    return this.committable()
  }

  /**
   * Ordered consumption: of the messages that were handed out and are not done, the last `count` (all, unless given) are to be handed
   * out again. Nothing behind them is done then.
   */
  again(count = this.handed - this.head): void {
    this.handed -= count
    assert(this.handed >= this.head, 'more is taken back than was handed out')
    for (let at = this.handed; at < this.handed + count; at++) {
      assert(!this.entries[at].isDone, 'a message that is taken back is done')
      this.entries[at].startedAt = 0
    }
  }

  /** Handed out and not done, lowest first; ordered consumption that commits by itself. */
  uncommitted(): Entry<M>[] {
    return this.entries.slice(this.head, this.handed).filter(({ isDone }) => !isDone)
  }

  /** Offset up to which all is done; -1 while nothing was ever put. What filters left out counts as done with what is before it. */
  committable(): number {
    if (this.unfinished > 0) return this.entries[this.head].offset
    return this.scanned
  }

  /** Handed out before `before` and not done yet, lowest first. */
  overdue(before: number, max: number): Entry<M>[] {
    const found: Entry<M>[] = []
    for (let at = this.head; at < this.handed && found.length < max; at++) {
      const entry = this.entries[at]
      if (entry.isDone) continue
      // As Java: only while the lowest one is overdue; what is behind it began later.
      if (entry.startedAt > before) break
      found.push(entry)
    }
    return found
  }

  /** A pull has seen everything below `offset`: what is not here was for others. */
  seen(offset: number): void {
    if (offset > this.scanned) this.scanned = offset
  }

  /** Which bound holds the next pull back, if one does. */
  heldBackBy({ count, sizeMiB, span }: FlowLimits, isOrdered: boolean): 'count' | 'size' | 'span' | undefined {
    if (this.unfinished > count) return 'count'
    if (Math.floor(this.bytes / MIB) > sizeMiB) return 'size'
    return !isOrdered && this.span > span ? 'span' : undefined
  }

  /** All that is cached is forgotten: the queue is somebody else's, or its offset was set anew. */
  clear(): void {
    this.entries = []
    this.head = this.handed = this.bytes = this.unfinished = 0
    this.highest = this.scanned = -1
  }

  private cut(): void {
    assert(this.handed >= this.head, 'a message is done that nobody was given')
    if (this.head === this.entries.length) {
      this.entries = []
      this.handed -= this.head
      this.head = 0
    } else if (this.head >= CUT_MIN && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head)
      this.handed -= this.head
      this.head = 0
    }
  }
}

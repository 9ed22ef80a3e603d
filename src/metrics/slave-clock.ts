/**
 * The stage clock of a slave: for a sampled part of what its socket gives it, when it was where.
 *
 *   chunk read ─▶ received (checked, behind the tail) ─▶ appended (page cache) ─▶ flushed ─▶ reported (written to the master)
 *
 * `slaveReceived` counts from when the socket gave the bytes. `flushed` exists where the slave syncs what it receives; `reported`
 * counts from it where the report waits for the disk, else from appended.
 * Owns:      the slots of the broker's stage clock, which a slave has no sends for. On the HA thread; flush stamps `flushed`.
 */
import { ClockParts, monotonicNanoseconds, Sampling, SLOT_COUNT } from './stage-clock.ts'

export interface SlaveClockOptions {
  readonly buffer: SharedArrayBuffer
  /** One chunk in so many is sampled. */
  readonly every: number
  /** The slave syncs what it receives as it comes. */
  readonly flushes: boolean
  /** Reports wait for that. */
  readonly reportsFlushed: boolean
}

export class SlaveClock {
  private readonly parts: ClockParts
  private readonly options: SlaveClockOptions
  private readonly sampling: Sampling
  /** Slots [head, tail) wait for their report; numbers, the slot is the rest by SLOT_COUNT. */
  private head = 0
  private tail = 0
  /** The chunk under way is sampled: when it was read, and when it was behind the tail; 0 is not. */
  private readAt = 0
  private receivedAt = 0

  constructor(options: SlaveClockOptions) {
    this.options = options
    this.parts = new ClockParts(options.buffer)
    this.sampling = new Sampling(options.every)
  }

  /** The socket gave a chunk. */
  chunkRead(): void {
    this.readAt = this.sampling.take() && this.tail - this.head < SLOT_COUNT ? monotonicNanoseconds() : 0
    this.receivedAt = 0
  }

  /** All of the chunk is behind the tail; where some of it has to wait for room it is no sample. */
  received(isWhole: boolean): void {
    if (this.readAt === 0) return
    if (isWhole) this.receivedAt = monotonicNanoseconds()
    else this.readAt = 0
  }

  /** All that was received, up to `end`, is in the page cache. */
  appended(end: number): void {
    if (this.receivedAt === 0) return
    const { parts } = this
    const slot = this.tail % SLOT_COUNT
    this.tail += 1
    const now = monotonicNanoseconds()
    parts.clear(slot)
    parts.put(slot, 'received', this.receivedAt)
    parts.put(slot, 'appended', now)
    parts.put(slot, 'end', end)
    if (this.options.flushes) parts.toFlush.push(end, now, slot)
    parts.histograms.book('slaveReceived', this.receivedAt - this.readAt)
    parts.histograms.book('slaveAppended', now - this.receivedAt)
    this.readAt = this.receivedAt = 0
  }

  /** A report that says so was written. */
  reported(end: number): void {
    const { parts } = this
    if (this.head === this.tail || parts.get(this.head % SLOT_COUNT, 'end') > end) return
    const now = monotonicNanoseconds()
    for (; this.head < this.tail; this.head += 1) {
      const slot = this.head % SLOT_COUNT
      if (parts.get(slot, 'end') > end) return
      const from = parts.get(slot, this.options.reportsFlushed ? 'flushed' : 'appended')
      if (from > 0) parts.histograms.book('reported', now - from)
    }
  }

  /** Another connection: it sends again what is under way. */
  reset(): void {
    this.head = this.tail
    this.readAt = this.receivedAt = 0
  }

  /** Ten times a second. */
  refill(): void {
    this.sampling.refill()
  }
}

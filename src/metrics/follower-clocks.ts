/**
 * The stage clock's hands in the threads behind the network: append, flush, and HA on a master.
 *
 * Each is called where a position is about to move, so that whoever sees the position finds the stamp. A call costs a load and a
 * comparison where no sample has passed. Owns nothing shared but what passages.ts and step-histograms.ts give its thread.
 */
import { indexOf, PASSAGES } from './passages.ts'
import { ClockParts, monotonicNanoseconds, SLOT_COUNT } from './stage-clock.ts'
import type { Step } from './step-histograms.ts'

export class AppendClock {
  private readonly parts: ClockParts
  private readonly slots = new Int32Array(SLOT_COUNT)
  private readonly ends = new Float64Array(SLOT_COUNT)
  private count = 0

  constructor(buffer: SharedArrayBuffer) {
    this.parts = new ClockParts(buffer)
  }

  /** A sampled record of the batch ends there. */
  took(slot: number, end: number): void {
    this.slots[this.count] = slot
    this.ends[this.count] = end
    this.count += 1
  }

  /** The batch is in the page cache; `appended` is about to say so. */
  publish(): void {
    if (this.count === 0) return
    const { parts } = this
    const now = monotonicNanoseconds()
    for (let i = 0; i < this.count; i += 1) {
      const slot = this.slots[i]
      parts.put(slot, 'appended', now)
      parts.put(slot, 'end', this.ends[i])
      parts.toFlush.push(this.ends[i], now, slot)
      parts.toHa.push(this.ends[i], now, slot)
    }
    this.count = 0
  }
}

export class FlushClock {
  private readonly parts: ClockParts
  private readonly step: Step

  constructor(buffer: SharedArrayBuffer, isSlave: boolean) {
    this.parts = new ClockParts(buffer)
    this.step = isSlave ? 'slaveFlushed' : 'flushed'
  }

  /** Everything below is on disk; `flushed` is about to say so. */
  passed(position: number): void {
    const { toFlush, histograms } = this.parts
    const { tail } = toFlush
    let { head } = toFlush
    if (head === tail || toFlush.endOf(head) > position) return
    const now = monotonicNanoseconds()
    for (; head !== tail && toFlush.endOf(head) <= position; head = (head + 1) | 0) {
      histograms.book(this.step, now - toFlush.appendedOf(head))
      this.parts.putFor(toFlush.slotOf(head), toFlush.endOf(head), 'flushed', now)
    }
    toFlush.head = head
  }
}

/** When one slave's socket was given each passage, by the passage's place in its ring. */
export class SessionClock {
  readonly sentAt = new Float64Array(PASSAGES)
  /** The next passage that this slave is not sent yet, and the first that belongs to this session. */
  next: number
  readonly first: number

  constructor(first: number) {
    this.next = this.first = first
  }
}

/** HA on a master: a passage is `sent` when the slave was that confirms it first. */
export class HaClock {
  private readonly parts: ClockParts
  private sessions = 0

  constructor(buffer: SharedArrayBuffer) {
    this.parts = new ClockParts(buffer)
  }

  /** A slave begins. What was appended while nobody was there is no sample of the way to a slave. */
  join(): SessionClock {
    const { toHa } = this.parts
    if (this.sessions === 0) toHa.head = toHa.tail
    this.sessions += 1
    return new SessionClock(toHa.tail)
  }

  leave(): void {
    this.sessions -= 1
  }

  /** The bytes below were given to this slave's socket. */
  sent(session: SessionClock, position: number): void {
    const { toHa } = this.parts
    const { tail, head } = toHa
    // A faster slave has confirmed them meanwhile.
    if (((session.next - head) | 0) < 0) session.next = head
    if (session.next === tail || toHa.endOf(session.next) > position) return
    const now = monotonicNanoseconds()
    for (; session.next !== tail && toHa.endOf(session.next) <= position; session.next = (session.next + 1) | 0) {
      session.sentAt[indexOf(session.next)] = now
    }
  }

  /** This slave has all below; `replicated` is about to say so. */
  confirmed(session: SessionClock, position: number): void {
    const { toHa, histograms } = this.parts
    let { head } = toHa
    if (((session.next - head) | 0) <= 0 || toHa.endOf(head) > position) return
    const now = monotonicNanoseconds()
    for (; head !== session.next && toHa.endOf(head) <= position; head = (head + 1) | 0) {
      // Older than this session: it had them when it came.
      if (((head - session.first) | 0) < 0) continue
      const sent = session.sentAt[indexOf(head)]
      histograms.book('sent', sent - toHa.appendedOf(head))
      histograms.book('reportRead', now - sent)
      const [slot, end] = [toHa.slotOf(head), toHa.endOf(head)]
      this.parts.putFor(slot, end, 'sent', sent)
      this.parts.putFor(slot, end, 'reportRead', now)
    }
    toHa.head = head
  }
}

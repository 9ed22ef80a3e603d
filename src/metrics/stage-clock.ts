/**
 * The stage clock: for a sampled part of the sends, when each stage had it. Shared memory of all threads.
 *
 *   received ─▶ claimed ─▶ appended ─┬▶ flushed ───────────┬▶ acknowledged
 *                                    └▶ sent ─▶ reportRead ┘
 *
 *   slots       SLOT_COUNT × 8 float64: nanoseconds of the machine's monotonic clock, written by the stage that passes, and `end`
 *   passages    two rings from append: to flush and to HA, the samples that they have to see pass (passages.ts)
 *   histograms  one a step, see step-histograms.ts
 *
 * Each step's time is from the step before it; flushed and sent both count from appended, and acknowledged from the later one of
 * those that the mode waits for. On a slave the slots are of what it receives (slave-clock.ts).
 */
import { GATE } from '../concurrency/control-block.ts'
import { PASSAGES_BYTES, Passages } from './passages.ts'
import { STEP_HISTOGRAMS_BYTES, type StepCounts, StepHistograms } from './step-histograms.ts'

/** Words of a slot. `end`: of the sample's record in the log; 0 until append has published it. */
export const STAMP = { received: 0, claimed: 1, appended: 2, flushed: 3, sent: 4, reportRead: 5, end: 6 } as const
export type Stamp = Exclude<keyof typeof STAMP, 'end'>

export const SLOT_COUNT = 256
const SLOT_WORDS = 8
const SAMPLES_A_REFILL = 10
const NANOSECONDS_PER_MILLISECOND = 1_000_000
const TO_FLUSH_AT = SLOT_COUNT * SLOT_WORDS * 8
const TO_HA_AT = TO_FLUSH_AT + PASSAGES_BYTES
const HISTOGRAMS_AT = TO_HA_AT + PASSAGES_BYTES

export function createStageClock(): SharedArrayBuffer {
  return new SharedArrayBuffer(HISTOGRAMS_AT + STEP_HISTOGRAMS_BYTES)
}

export function monotonicNanoseconds(): number {
  return Number(process.hrtime.bigint())
}

/** Stamps the slot of a sampled send. `slots` is a Float64Array over the start of the clock's buffer. */
export function stampSample(slots: Float64Array, slot: number, stamp: Stamp): void {
  slots[slot * SLOT_WORDS + STAMP[stamp]] = monotonicNanoseconds()
}

/** What every thread finds in the clock's buffer. */
export class ClockParts {
  readonly slots: Float64Array
  readonly toFlush: Passages
  readonly toHa: Passages
  readonly histograms: StepHistograms

  constructor(buffer: SharedArrayBuffer) {
    this.slots = new Float64Array(buffer, 0, SLOT_COUNT * SLOT_WORDS)
    this.toFlush = new Passages(buffer, TO_FLUSH_AT)
    this.toHa = new Passages(buffer, TO_HA_AT)
    this.histograms = new StepHistograms(buffer, HISTOGRAMS_AT)
  }

  get(slot: number, word: keyof typeof STAMP): number {
    return this.slots[slot * SLOT_WORDS + STAMP[word]]
  }

  put(slot: number, word: keyof typeof STAMP, value: number): void {
    this.slots[slot * SLOT_WORDS + STAMP[word]] = value
  }

  /** A stamp for the record that ends at `end`, unless its sample was finished and the slot is another's by now. */
  putFor(slot: number, end: number, stamp: Stamp, time: number): void {
    if (this.get(slot, 'end') === end) this.put(slot, stamp, time)
  }

  clear(slot: number): void {
    this.slots.fill(0, slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS)
  }
}

/** Which of them is sampled: one in so many, and a few each tenth of a second besides: a slow broker has its hundred too. */
export class Sampling {
  private readonly every: number
  private passed = 0
  private credit = 0

  /** 0 is off. */
  constructor(every: number) {
    this.every = every
  }

  take(): boolean {
    if (this.every === 0) return false
    this.passed += 1
    if (this.passed < this.every) {
      if (this.credit === 0) return false
      this.credit -= 1
    } else this.passed = 0
    return true
  }

  /** Called ten times a second. */
  refill(): void {
    this.credit = SAMPLES_A_REFILL
  }
}

/** The network thread's side: gives slots out, and books the finished ones. */
export class StageClock {
  readonly slots: Float64Array
  /** Told how many milliseconds a sample took from received to acknowledged. */
  onFinished: ((milliseconds: number) => void) | undefined
  private readonly parts: ClockParts
  private readonly sampling: Sampling
  private nextSlot = 0
  private readonly busy = new Uint8Array(SLOT_COUNT)

  constructor(buffer: SharedArrayBuffer, every: number) {
    this.parts = new ClockParts(buffer)
    this.slots = this.parts.slots
    this.sampling = new Sampling(every)
  }

  /** A slot for this send, or -1: not sampled, or all slots are under way. */
  sample(): number {
    if (!this.sampling.take()) return -1
    const slot = this.nextSlot
    if (this.busy[slot] !== 0) return -1
    this.nextSlot = (slot + 1) % SLOT_COUNT
    this.busy[slot] = 1
    this.parts.clear(slot)
    stampSample(this.slots, slot, 'received')
    return slot
  }

  refill(): void {
    this.sampling.refill()
  }

  /**
   * Books the steps of a sample whose answer has been written under this gate. What was not stored is no sample; what was told of
   * a disk or a slave that was late counts in onFinished only.
   */
  finish(slot: number, gate: number): void {
    this.busy[slot] = 0
    const { parts } = this
    const appended = parts.get(slot, 'appended')
    if (appended === 0) return
    const now = monotonicNanoseconds()
    const received = parts.get(slot, 'received')
    this.onFinished?.((now - received) / NANOSECONDS_PER_MILLISECOND)
    let before = appended
    for (const [bit, stamp] of [
      [GATE.flushed, 'flushed'],
      [GATE.replicated, 'reportRead'],
    ] as const) {
      if ((gate & bit) === 0) continue
      const time = parts.get(slot, stamp)
      if (time === 0) return
      before = Math.max(before, time)
    }
    const claimed = parts.get(slot, 'claimed')
    const { histograms } = parts
    histograms.book('claimed', claimed - received)
    histograms.book('appended', appended - claimed)
    histograms.book('acknowledged', now - before)
    histograms.book('total', now - received)
  }

  counts(): StepCounts {
    return this.parts.histograms.read()
  }
}

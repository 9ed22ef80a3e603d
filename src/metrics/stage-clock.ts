/**
 * The stage clock: for a sampled part of the sends, when each stage had it. Shared memory of all threads.
 *
 *   slots       SLOT_COUNT × 8 float64, nanoseconds of the machine's monotonic clock, written by the stage that passes
 *   histograms  one a step, log-linear, BUCKETS int32 each, written by the network thread when it answers
 *
 * Buckets: 16 linear steps per power of two of microseconds, up to about 67 s: an error below 6.25 %.
 */
export const STAMPS = ['received', 'claimed', 'appended', 'flushed', 'replicated', 'acknowledged'] as const
export type Stamp = (typeof STAMPS)[number]

const SLOT_COUNT = 256
const SLOT_WORDS = 8
const SUB_BUCKETS = 16
const SAMPLES_A_REFILL = 10
const BUCKETS = 23 * SUB_BUCKETS
const NANOSECONDS_PER_MICROSECOND = 1000
const NANOSECONDS_PER_MILLISECOND = 1_000_000
const HISTOGRAMS_AT = SLOT_COUNT * SLOT_WORDS * 8
const STAMP_INDEX: Record<Stamp, number> = {
  received: 0,
  claimed: 1,
  appended: 2,
  flushed: 3,
  replicated: 4,
  acknowledged: 5,
}

export function createStageClock(): SharedArrayBuffer {
  return new SharedArrayBuffer(HISTOGRAMS_AT + STAMPS.length * BUCKETS * 4)
}

export function monotonicNanoseconds(): number {
  return Number(process.hrtime.bigint())
}

/** Stamps the slot of a sampled send. `slots` is a Float64Array over the start of the clock's buffer. */
export function stampSample(slots: Float64Array, slot: number, stamp: Stamp): void {
  slots[slot * SLOT_WORDS + STAMP_INDEX[stamp]] = monotonicNanoseconds()
}

export interface StageSummary {
  /** From the stamp before to this one; `acknowledged` also carries the whole way in `total`. */
  stage: Stamp
  count: number
  p50Us: number
  p99Us: number
  p999Us: number
}

/** The network thread's side: gives slots out, and books the finished ones. */
export class StageClock {
  readonly slots: Float64Array
  /** Told how many milliseconds a sample took from received to acknowledged. */
  onFinished: ((milliseconds: number) => void) | undefined
  private readonly counts: Int32Array
  private readonly every: number
  private sends = 0
  /** Samples that are taken whatever `every` says: a slow broker has its hundred a second too. */
  private credit = 0
  private nextSlot = 0
  private readonly busy = new Uint8Array(SLOT_COUNT)

  /** `every`: one send in so many is sampled; 0 is off. */
  constructor(buffer: SharedArrayBuffer, every: number) {
    this.slots = new Float64Array(buffer, 0, SLOT_COUNT * SLOT_WORDS)
    this.counts = new Int32Array(buffer, HISTOGRAMS_AT)
    this.every = every
  }

  /** A slot for this send, or -1: not sampled, or all slots are under way. */
  sample(): number {
    if (this.every === 0) return -1
    this.sends += 1
    if (this.sends < this.every) {
      if (this.credit === 0) return -1
      this.credit -= 1
    } else this.sends = 0
    const slot = this.nextSlot
    if (this.busy[slot] !== 0) return -1
    this.nextSlot = (slot + 1) % SLOT_COUNT
    this.busy[slot] = 1
    this.slots.fill(0, slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS)
    stampSample(this.slots, slot, 'received')
    return slot
  }

  /** Called ten times a second. */
  refill(): void {
    this.credit = SAMPLES_A_REFILL
  }

  /** Books the steps of a sample whose answer has been written. */
  finish(slot: number): void {
    stampSample(this.slots, slot, 'acknowledged')
    const at = slot * SLOT_WORDS
    let before = this.slots[at]
    for (let stamp = 1; stamp < STAMPS.length; stamp += 1) {
      const time = this.slots[at + stamp]
      if (time === 0) continue
      this.book(stamp, Math.max(0, time - before))
      before = Math.max(before, time)
    }
    const whole = Math.max(0, this.slots[at + STAMP_INDEX.acknowledged] - this.slots[at])
    this.book(0, whole)
    this.busy[slot] = 0
    this.onFinished?.(whole / NANOSECONDS_PER_MILLISECOND)
  }

  /** Gives a slot back whose send was refused. */
  drop(slot: number): void {
    this.busy[slot] = 0
  }

  /** One row a stage; `received` stands for the whole way from received to acknowledged. */
  summary(): StageSummary[] {
    return STAMPS.map((stage, index) => {
      const row = this.counts.subarray(index * BUCKETS, (index + 1) * BUCKETS)
      const count = row.reduce((sum, n) => sum + n, 0)
      return {
        stage,
        count,
        p50Us: quantile(row, count, 0.5),
        p99Us: quantile(row, count, 0.99),
        p999Us: quantile(row, count, 0.999),
      }
    })
  }

  private book(stamp: number, nanoseconds: number): void {
    Atomics.add(this.counts, stamp * BUCKETS + bucketOf(nanoseconds / NANOSECONDS_PER_MICROSECOND), 1)
  }
}

function bucketOf(microseconds: number): number {
  const whole = Math.min(Math.floor(microseconds), 2 ** 26 - 1)
  if (whole < SUB_BUCKETS) return whole
  const power = 31 - Math.clz32(whole) - 4
  return (power + 1) * SUB_BUCKETS + ((whole >> power) - SUB_BUCKETS)
}

/** Upper edge of a bucket, microseconds. */
function edgeOf(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket + 1
  const power = Math.floor(bucket / SUB_BUCKETS) - 1
  return ((bucket % SUB_BUCKETS) + SUB_BUCKETS + 1) * 2 ** power
}

function quantile(row: Int32Array, count: number, q: number): number {
  let left = Math.ceil(count * q)
  for (let bucket = 0; bucket < row.length; bucket += 1) {
    left -= row[bucket]
    if (left <= 0) return count === 0 ? 0 : edgeOf(bucket)
  }
  return 0
}

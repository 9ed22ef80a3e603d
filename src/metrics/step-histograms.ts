/**
 * How long each step of a message's way took: one histogram a step, in memory that all threads share.
 *
 * Buckets: 16 linear steps per power of two of microseconds, up to about 67 s: an error below 6.25 %.
 * Invariant: one thread writes a step's histogram, any thread reads it. Counts only grow, from the broker's start on: two
 *            exports (encodeCounts) of one broker can be subtracted.
 */
/** In the order of a message's way, see WaterfallStep in bench/results.ts. */
export const STEPS = [
  'claimed',
  'appended',
  'flushed',
  'sent',
  'slaveReceived',
  'slaveAppended',
  'slaveFlushed',
  'reported',
  'reportRead',
  'acknowledged',
  'total',
] as const
export type Step = (typeof STEPS)[number]

const SUB_BUCKETS = 16
const BUCKETS = 23 * SUB_BUCKETS
const NANOSECONDS_PER_MICROSECOND = 1000
const RADIX = 36
const STEP_INDEX = Object.fromEntries(STEPS.map((step, index) => [step, index])) as Record<Step, number>

export const STEP_HISTOGRAMS_BYTES = STEPS.length * BUCKETS * 4

const SLAVE_ROW: Partial<Record<Step, string>> = {
  slaveReceived: 'received',
  slaveAppended: 'appended',
  slaveFlushed: 'flushed',
  reported: 'reported',
}

/** The step's row in the runtime table. */
export function stageRow(step: Step): string {
  const ofSlave = SLAVE_ROW[step]
  return ofSlave === undefined ? `basalt_stage_${step}` : `basalt_slave_stage_${ofSlave}`
}

/** The row of all counts, for whoever asks for it (docs/operations.md). */
export const COUNTS_ROW = 'basalt_stage_counts'

/** Counts by bucket. */
export type StepCounts = Partial<Record<Step, ReadonlyMap<number, number>>>

export interface Percentiles {
  readonly count: number
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
}

export class StepHistograms {
  private readonly counts: Int32Array

  constructor(buffer: SharedArrayBuffer, byteOffset: number) {
    this.counts = new Int32Array(buffer, byteOffset, STEPS.length * BUCKETS)
  }

  book(step: Step, nanoseconds: number): void {
    const bucket = bucketOf(Math.max(0, nanoseconds) / NANOSECONDS_PER_MICROSECOND)
    Atomics.add(this.counts, STEP_INDEX[step] * BUCKETS + bucket, 1)
  }

  /** Steps that nothing was booked for are left out. */
  read(): StepCounts {
    const all: StepCounts = {}
    for (const step of STEPS) {
      const counts = new Map<number, number>()
      for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
        const count = Atomics.load(this.counts, STEP_INDEX[step] * BUCKETS + bucket)
        if (count > 0) counts.set(bucket, count)
      }
      if (counts.size > 0) all[step] = counts
    }
    return all
  }
}

export function percentilesOf(counts: ReadonlyMap<number, number>): Percentiles {
  const sorted = [...counts].sort(([a], [b]) => a - b)
  const count = sorted.reduce((sum, [, n]) => sum + n, 0)
  const quantile = (q: number) => {
    let left = Math.ceil(count * q)
    for (const [bucket, n] of sorted) {
      left -= n
      if (left <= 0) return edgeOf(bucket)
    }
    return 0
  }
  return { count, p50Us: quantile(0.5), p99Us: quantile(0.99), p999Us: quantile(0.999) }
}

/** "claimed:0.2s,1.5 appended:…": of each step pairs of (buckets since the last pair's, count), base 36. */
export function encodeCounts(all: StepCounts): string {
  const parts: string[] = []
  for (const step of STEPS) {
    const counts = all[step]
    if (counts === undefined) continue
    let last = 0
    const pairs = [...counts]
      .sort(([a], [b]) => a - b)
      .map(([bucket, count]) => {
        const gap = bucket - last
        last = bucket
        return `${gap.toString(RADIX)}.${count.toString(RADIX)}`
      })
    parts.push(`${step}:${pairs.join(',')}`)
  }
  return parts.join(' ')
}

/** Steps that this version does not know are passed over. */
export function decodeCounts(text: string): StepCounts {
  const all: StepCounts = {}
  for (const part of text.split(' ')) {
    const colon = part.indexOf(':')
    const step = STEPS.find((name) => name === part.slice(0, colon))
    if (step === undefined) continue
    const counts = new Map<number, number>()
    let bucket = 0
    for (const pair of part.slice(colon + 1).split(',')) {
      const [gap, count] = pair.split('.')
      bucket += Number.parseInt(gap, RADIX)
      counts.set(bucket, Number.parseInt(count, RADIX))
    }
    all[step] = counts
  }
  return all
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

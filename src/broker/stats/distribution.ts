/**
 * How long puts took: the buckets of the runtime table, its maximum and two percentiles. Milliseconds, whole ones.
 */

/** Upper bounds; the last bucket is open. */
const BOUNDS_MS = [0, 10, 50, 100, 200, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 10_000] as const
const LABELS = [
  '[<=0ms]',
  '[0~10ms]',
  '[10~50ms]',
  '[50~100ms]',
  '[100~200ms]',
  '[200~500ms]',
  '[500ms~1s]',
  '[1~2s]',
  '[2~3s]',
  '[3~4s]',
  '[4~5s]',
  '[5~10s]',
  '[10s~]',
] as const
/** Exact below, one bucket an eighth of a power of two above. */
const EXACT_MS = 64

export class PutTimes {
  maxMs = 0
  private readonly buckets = new Float64Array(LABELS.length)
  private readonly fine = new Float64Array(EXACT_MS + 8 * 26)
  private count = 0

  /** `messages` puts that took so long. */
  add(ms: number, messages = 1): void {
    const whole = ms > 0 ? Math.floor(ms) : 0
    let bucket = 0
    while (bucket < BOUNDS_MS.length && whole > BOUNDS_MS[bucket] - (bucket === 0 ? 0 : 1)) bucket++
    this.buckets[bucket] += messages
    this.fine[fineBucket(whole)] += messages
    this.count += messages
    if (whole > this.maxMs) this.maxMs = whole
  }

  /** "[<=0ms]:17 [0~10ms]:18 …", with a blank at the end as in RocketMQ. */
  text(): string {
    return LABELS.map((label, i) => `${label}:${this.buckets[i]} `).join('')
  }

  /** The time that the share (0 to 1) of the puts did not exceed; 0 before the first. */
  percentile(share: number): number {
    const rank = Math.ceil(this.count * share)
    let seen = 0
    for (let i = 0; i < this.fine.length; i++) {
      seen += this.fine[i]
      if (seen >= rank && rank > 0) return fineUpper(i)
    }
    return 0
  }
}

function fineBucket(ms: number): number {
  if (ms < EXACT_MS) return ms
  const bounded = Math.min(ms, 2 ** 31 - 1)
  const power = 31 - Math.clz32(bounded)
  return EXACT_MS + (power - 6) * 8 + ((bounded >>> (power - 3)) & 7)
}

function fineUpper(bucket: number): number {
  if (bucket < EXACT_MS) return bucket
  const power = 6 + ((bucket - EXACT_MS) >> 3)
  const eighth = (bucket - EXACT_MS) & 7
  return 2 ** power + (eighth + 1) * 2 ** (power - 3) - 1
}

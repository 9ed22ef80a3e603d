/**
 * Statistics of benchmark rounds: medians, the bootstrap interval of a ratio, Student's t.
 *
 * Everything is from a fixed seed or closed formulas: the same rounds give the same answer at each run.
 */
const RESAMPLES = 4000

export function median(values: readonly number[]): number {
  const sorted = values.slice().sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export interface RatioInterval {
  ratio: number
  low: number
  high: number
  rounds: number
}

/** ours/theirs: round i of both was run right after each other, so pairs are drawn, and the ratio is that of the medians. */
export function ratioInterval(ours: readonly number[], theirs: readonly number[], confidence = 0.9): RatioInterval {
  const rounds = Math.min(ours.length, theirs.length)
  const next = random(0x9e3779b9)
  const ratios = new Float64Array(RESAMPLES)
  const a = new Array<number>(rounds)
  const b = new Array<number>(rounds)
  for (let sample = 0; sample < RESAMPLES; sample++) {
    for (let index = 0; index < rounds; index++) {
      const pick = Math.floor(next() * rounds)
      a[index] = ours[pick]
      b[index] = theirs[pick]
    }
    ratios[sample] = median(a) / median(b)
  }
  ratios.sort()
  const tail = (1 - confidence) / 2
  return {
    ratio: median(ours) / median(theirs),
    low: ratios[Math.floor(tail * RESAMPLES)],
    high: ratios[Math.min(RESAMPLES - 1, Math.ceil((1 - tail) * RESAMPLES) - 1)],
    rounds,
  }
}

/** xorshift32 in [0, 1); the seed is any integer but 0. */
export function random(seed: number): () => number {
  let state = seed | 0
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

export const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length

/** Of a sample: divided by one less than its size. */
export function variance(values: readonly number[]): number {
  const middle = mean(values)
  return values.reduce((sum, each) => sum + (each - middle) ** 2, 0) / (values.length - 1)
}

/** How likely |t| or more is with `degrees` of freedom where nothing differs. */
export function twoSided(t: number, degrees: number): number {
  if (!Number.isFinite(t)) return 0
  return incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5)
}

/** The t that is passed, in either direction, with probability `p`. */
export function criticalT(p: number, degrees: number): number {
  let low = 0
  let high = 1e6
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    if (twoSided(middle, degrees) > p) low = middle
    else high = middle
  }
  return high
}

/** Regularised, by its continued fraction (Lentz). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a)
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a
  const tiny = 1e-300
  const away = (value: number) => (Math.abs(value) < tiny ? tiny : value)
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let c = 1
  let fraction = d
  for (let m = 1; m <= 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away(1 + even * d)
    c = away(1 + even / c)
    fraction *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away(1 + odd * d)
    c = away(1 + odd / c)
    fraction *= d * c
    if (Math.abs(d * c - 1) < 1e-14) break
  }
  return front * fraction
}

/** Of a positive x: Stirling's series, after the recurrence has made x large. */
function logGamma(x: number): number {
  let value = x
  let below = 0
  while (value < 12) below += Math.log(value++)
  const square = 1 / (value * value)
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / value
  return (value - 0.5) * Math.log(value) - value + 0.5 * Math.log(2 * Math.PI) + series - below
}

/** Derivative of log Γ. */
export function digamma(x: number): number {
  let value = x
  let below = 0
  while (value < 12) below += 1 / value++
  const square = 1 / (value * value)
  return Math.log(value) - 0.5 / value - square * (1 / 12 - square * (1 / 120 - square / 252)) - below
}

/** Second derivative of log Γ. */
export function trigamma(x: number): number {
  let value = x
  let below = 0
  while (value < 12) below += 1 / (value++) ** 2
  const square = 1 / (value * value)
  return (1 + 0.5 / value + square * (1 / 6 - square * (1 / 30 - square / 42))) / value + below
}

// @ts-check
/**
 * Latencies as a log-linear histogram: integer microseconds, 64 steps in each power of two (an error of at most 1.6 %),
 * fixed memory, no allocation a record. The same idea as HdrHistogram, in the thirty lines that we need of it.
 */
const STEP_BITS = 6
const STEPS = 1 << STEP_BITS
const BUCKETS = STEPS * (32 - STEP_BITS)

export class Histogram {
  constructor() {
    this.counts = new Float64Array(BUCKETS)
    this.total = 0
    this.max = 0
  }

  /** @param {number} us microseconds, truncated to an integer */
  record(us) {
    const value = us < 0 ? 0 : us > 0x7fffffff ? 0x7fffffff : us | 0
    if (value > this.max) this.max = value
    this.total++
    if (value < STEPS) {
      this.counts[value]++
      return
    }
    const power = 31 - Math.clz32(value) - STEP_BITS
    this.counts[(power << STEP_BITS) + (value >>> power)]++
  }

  /** The smallest value that `share` (0…1) of the records do not exceed, as the upper edge of its bucket. */
  percentile(/** @type {number} */ share) {
    const wanted = Math.max(1, Math.ceil(share * this.total))
    let seen = 0
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.counts[index]
      if (seen >= wanted) return Math.min(upperEdge(index), this.max)
    }
    return this.max
  }

  /** [upper edge in µs, count] of every bucket that has one, ascending. @returns {[number, number][]} */
  raw() {
    /** @type {[number, number][]} */
    const list = []
    for (let index = 0; index < BUCKETS; index++) {
      if (this.counts[index] > 0) list.push([upperEdge(index), this.counts[index]])
    }
    return list
  }

  reset() {
    this.counts.fill(0)
    this.total = 0
    this.max = 0
  }

  summary() {
    return {
      count: this.total,
      p50: this.percentile(0.5),
      p99: this.percentile(0.99),
      p999: this.percentile(0.999),
      max: this.max,
    }
  }
}

/** @param {number} index */
function upperEdge(index) {
  if (index < STEPS * 2) return index
  const power = (index >>> STEP_BITS) - 1
  const base = (index - (power << STEP_BITS)) * 2 ** power
  return base + 2 ** power - 1
}

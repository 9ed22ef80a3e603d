// @ts-check
/** Ratios of alternating rounds with their 90 % confidence interval, by bootstrap from a fixed seed. */
const RESAMPLES = 4000

/** @param {number[]} values */
export function median(values) {
  const sorted = values.slice().sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * ours/theirs: round i of both was run right after each other, so pairs are drawn, and the ratio is that of the medians.
 * @param {number[]} ours
 * @param {number[]} theirs
 * @returns {{ratio: number, low: number, high: number, rounds: number}}
 */
export function ratioInterval(ours, theirs, confidence = 0.9) {
  const rounds = Math.min(ours.length, theirs.length)
  const next = random(0x9e3779b9)
  const ratios = new Float64Array(RESAMPLES)
  const a = new Array(rounds)
  const b = new Array(rounds)
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

/** xorshift32 in [0, 1). */
function random(/** @type {number} */ seed) {
  let state = seed | 0
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

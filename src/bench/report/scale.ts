/** From values to places: linear and logarithmic scales with ticks that people like. */
export interface Scale {
  (value: number): number
  readonly ticks: readonly number[]
}

const NICE = [1, 2, 5, 10]

/** From 0. */
export function linear(most: number, from: number, to: number, tickCount = 4): Scale {
  const top = most > 0 ? most : 1
  const rough = top / tickCount
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = NICE.find((nice) => nice * power >= rough * 0.999)! * power
  const ticks = []
  for (let tick = 0; tick <= top * 1.0001; tick += step) ticks.push(tick)
  return Object.assign((value: number) => from + (value / top) * (to - from), { ticks })
}

/** Values below `least` are drawn there: a logarithmic scale has no 0. Ends on 1, 2 or 5 of a decade. */
export function logarithmic(least: number, most: number, from: number, to: number, labelsMax = 7): Scale {
  const low = niceBelow(Math.max(least, 1e-3))
  let high = niceAbove(Math.max(most, least, 1e-3))
  if (high <= low) high = low * 10
  const decades = Math.log10(high / low)
  const place = (value: number) => from + (Math.log10(Math.max(value, low) / low) / decades) * (to - from)
  return Object.assign(place, { ticks: logTicks(low, high, labelsMax) })
}

function logTicks(low: number, high: number, labelsMax: number): number[] {
  const first = Math.floor(Math.log10(low) + 1e-9)
  const last = Math.ceil(Math.log10(high) - 1e-9)
  const within = (tick: number) => tick >= low * 0.999 && tick <= high * 1.001
  const decades = Array.from({ length: last - first + 1 }, (_, index) => first + index)
  const dense = decades.flatMap((exponent) => [1, 2, 5].map((nice) => nice * 10 ** exponent)).filter(within)
  if (dense.length <= labelsMax) return dense
  for (let every = 1; ; every++) {
    const ticks = decades.filter((exponent) => exponent % every === 0).map((exponent) => 10 ** exponent)
    const shown = ticks.filter(within)
    if (shown.length <= labelsMax) return shown
  }
}

function niceBelow(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9)
  return NICE.findLast((nice) => nice * power <= value * 1.0001)! * power
}

function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9)
  return NICE.find((nice) => nice * power >= value * 0.9999)! * power
}

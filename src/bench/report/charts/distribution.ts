/** Latency by percentile: the tail has as much room as the middle. A line ends where fewer than ten samples are beyond. */
import { percentile } from '../figures.ts'
import { plain, time } from '../format.ts'
import { logarithmic, type Scale } from '../scale.ts'
import { at, type Load, type Series } from '../selection.ts'
import { curveOf, hueOf, markOf } from '../style.ts'
import { type Chart, circle, group, line, path, text } from '../svg.ts'

const LEFT = 54
const TOP = 12
const RIGHT = 12
const BOTTOM = 26
const HEIGHT = 250
const STEP = 0.05
const SHARES = [
  { share: 0.5, name: '50 %' },
  { share: 0.9, name: '90 %' },
  { share: 0.99, name: '99 %' },
  { share: 0.999, name: '99.9 %' },
  { share: 0.9999, name: '99.99 %' },
]
const nines = (share: number) => -Math.log10(1 - share)

interface Line {
  readonly series: Series
  readonly points: readonly { nines: number; us: number }[]
}

export function linesAt(all: readonly Series[], load: Load): Line[] {
  return all.flatMap((series) => {
    const cell = at(series, load)
    if (cell === undefined) return []
    const points = []
    for (let step = 0; step * STEP <= nines(0.9999) + 1e-9; step++) {
      const us = percentile(cell.histogram, 1 - 10 ** (-step * STEP))
      if (us === undefined) break
      points.push({ nines: step * STEP, us })
    }
    // Less than the median says nothing of a tail.
    return points.length === 0 || points.at(-1)!.nines < nines(0.5) - STEP ? [] : [{ series, points }]
  })
}

/** `extent`: one scale for all loads. */
export function distributionChart(
  lines: readonly Line[],
  load: Load,
  extent: readonly [number, number],
  width = 350,
): Chart {
  const most = Math.max(...lines.map(({ points }) => points.at(-1)!.nines))
  const x = (value: number) => LEFT + (value / most) * (width - RIGHT - LEFT)
  const y = logarithmic(extent[0], extent[1], HEIGHT - BOTTOM, TOP, 6)
  const drawn = lines.map(({ series, points }) => {
    const mark = markOf(series.mode)
    const curve = path(
      points.map((point) => [x(point.nines), y(point.us)]),
      curveOf(series.mode, series.isPull),
    )
    const marked = points.filter((point) => SHARES.some(({ share }) => Math.abs(nines(share) - point.nines) < STEP / 2))
    const dots = marked.map((point) => {
      const share = SHARES.find((each) => Math.abs(nines(each.share) - point.nines) < STEP / 2)!
      return circle(x(point.nines), y(point.us), 3, { class: mark }, `${series.name}, ${share.name}: ${time(point.us)}`)
    })
    return group({ class: hueOf(series.mode) }, curve, ...dots)
  })
  const described = lines.map(
    ({ series, points }) => `${series.name}: ${time(points[0].us)} to ${time(points.at(-1)!.us)}.`,
  )
  return {
    id: `distribution-${load.load}-${Math.round(load.amount)}`,
    title: `Latency by percentile, ${load.name}`,
    description: described.join(' '),
    width,
    height: HEIGHT,
    body: axes(x, y, most, width) + drawn.join(''),
  }
}

function axes(x: (value: number) => number, y: Scale, most: number, width: number): string {
  const across = y.ticks.map(
    (tick) =>
      line(LEFT, y(tick), width - RIGHT, y(tick), 'grid') + text(LEFT - 6, y(tick) + 4, plain(time(tick)), 'm', 'end'),
  )
  const up = SHARES.filter(({ share }) => nines(share) <= most + STEP).map(({ share, name }) => {
    const place = Math.min(x(nines(share)), width - RIGHT)
    return (
      line(place, TOP, place, HEIGHT - BOTTOM, 'grid') +
      text(Math.min(place, width), HEIGHT - 8, name, 'm', place > width - 30 ? 'end' : 'middle')
    )
  })
  return across.join('') + up.join('')
}

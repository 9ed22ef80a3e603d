/** Throughput against latency: a line a mode, a point a load; dotted, the points of one load. Both axes logarithmic. */
import type { Figures, PercentileName } from '../figures.ts'
import { count, plain, time } from '../format.ts'
import { logarithmic, type Scale } from '../scale.ts'
import { loadOf, type Series } from '../selection.ts'
import { curveOf, hueOf, markOf } from '../style.ts'
import { type Chart, circle, group, line, path, spread, text, textWidth } from '../svg.ts'

export interface CurveOptions {
  readonly id: string
  readonly title: string
  readonly percentile: PercentileName
  readonly width: number
  readonly height?: number
  /** Names at the ends of the lines; a page that has a legend on a small screen needs none. */
  readonly hasNames: boolean
  readonly nameOf?: (series: Series) => string
  readonly hueOf?: (series: Series) => string
  /** One pair of scales for charts side by side. */
  readonly extent: Extent
}

export interface Extent {
  readonly rate: readonly [number, number]
  readonly us: readonly [number, number]
}

interface Point {
  readonly cell: Figures
  readonly rate: number
  readonly us: number
}

const pointsOf = (cells: readonly Figures[], percentile: PercentileName): Point[] =>
  cells.flatMap((cell) => {
    const us = cell.latency[percentile]
    return us === undefined || cell.rate <= 0 ? [] : [{ cell, rate: cell.rate, us }]
  })

/** Undefined where there is no point. */
export function extentOf(series: readonly Series[], percentiles: readonly PercentileName[]): Extent | undefined {
  const points = percentiles.flatMap((name) => series.flatMap(({ cells }) => pointsOf(cells, name)))
  if (points.length === 0) return undefined
  const [rates, times] = [points.map(({ rate }) => rate), points.map(({ us }) => us)]
  return { rate: [Math.min(...rates), Math.max(...rates)], us: [Math.min(...times), Math.max(...times)] }
}

const LEFT = 54
const TOP = 22
const BOTTOM = 40
const NAME_GAP = 27

export function curveChart(all: readonly Series[], options: CurveOptions): Chart {
  const { width, percentile, extent, hasNames } = options
  const name = options.nameOf ?? ((series: Series) => series.name)
  const lines = all
    .map((series) => ({ series, points: pointsOf(series.cells, percentile) }))
    .filter(({ points }) => points.length > 0)
  const longest = Math.max(
    ...lines.map(({ series }) => Math.max(...split(name(series)).map((each) => textWidth(each, 11)))),
    0,
  )
  // Names stand beside each other's, however many lines end close together.
  const named = hasNames ? TOP + 8 + NAME_GAP * lines.length + BOTTOM : 0
  const height = Math.max(options.height ?? 330, named)
  const right = width - (hasNames ? longest + 22 : 12)
  const bottom = height - BOTTOM
  const x = logarithmic(extent.rate[0], extent.rate[1], LEFT, right, width < 400 ? 4 : 6)
  const y = logarithmic(extent.us[0], extent.us[1], bottom, TOP, 6)
  const parts = [
    axes(x, y, right, bottom, `${percentile} of a send`),
    guides(
      lines.flatMap(({ points }) => points),
      x,
      y,
    ),
  ]
  const ends = spread(
    lines.map(({ points }) => y(points.at(-1)!.us)),
    hasNames ? NAME_GAP : 0,
    TOP + 8,
    bottom - 12,
  )
  lines.forEach(({ series, points }, index) => {
    const label = hasNames
      ? endLabel(split(name(series)), x(points.at(-1)!.rate), y(points.at(-1)!.us), ends[index], right)
      : ''
    parts.push(drawLine(series, points, x, y, label, options.hueOf?.(series) ?? hueOf(series.mode)))
  })
  const described = lines.map(({ series, points }) => {
    const each = points.map(({ cell, rate, us }) => `${loadOf(cell.key).name} ${count(rate)}/s ${time(us)}`)
    return `${series.system === 'apache' ? 'Apache ' : ''}${series.name}: ${each.join('; ')}.`
  })
  return { id: options.id, title: options.title, description: described.join(' '), width, height, body: parts.join('') }
}

function axes(x: Scale, y: Scale, right: number, bottom: number, name: string): string {
  const across = y.ticks.map(
    (tick) => line(LEFT, y(tick), right, y(tick), 'grid') + text(LEFT - 6, y(tick) + 4, plain(time(tick)), 'm', 'end'),
  )
  const up = x.ticks.map((tick) => {
    const at = x(tick)
    return (
      line(at, TOP, at, bottom, 'grid') +
      text(at, bottom + 16, plain(count(tick)), 'm', at > right - 12 ? 'end' : 'middle')
    )
  })
  return (
    across.join('') + up.join('') + text(0, 11, name, 'm') + text(right, bottom + 33, 'messages a second', 'm', 'end')
  )
}

/** Points of one load, joined, named at the slowest; names that would lie on each other are left to the table. */
function guides(points: readonly Point[], x: Scale, y: Scale): string {
  const loads = new Map<string, Point[]>()
  for (const point of points) {
    const { name } = loadOf(point.cell.key)
    loads.set(name, [...(loads.get(name) ?? []), point])
  }
  let free = LEFT
  const drawn = [...loads]
    .map(([name, of]) => ({ name, of: of.toSorted((a, b) => b.us - a.us) }))
    .sort((a, b) => x(a.of[0].rate) - x(b.of[0].rate))
    .map(({ name, of }) => {
      const places = of.map(({ rate, us }) => [x(rate), y(us)] as const)
      const short = name.replace(/ (in flight|offered)$/, '')
      // Left above the point: there a line that rises to the right leaves room.
      const [x2, y2] = [places[0][0] - 5, places[0][1] - 7]
      const isFree = x2 - textWidth(short, 11) >= free
      if (isFree) free = x2 + 4
      const label = isFree ? text(x2, y2, short, 'm', 'end') : ''
      return (places.length > 1 ? path(places, 'guide') : '') + label
    })
  return drawn.join('')
}

function drawLine(series: Series, points: readonly Point[], x: Scale, y: Scale, label: string, hue: string): string {
  const mark = markOf(series.mode)
  const line = path(
    points.map(({ rate, us }) => [x(rate), y(us)]),
    curveOf(series.mode, series.isPull),
  )
  const dots = points.map(({ cell, rate, us }) =>
    circle(
      x(rate),
      y(us),
      4,
      { class: mark },
      `${series.name}, ${loadOf(cell.key).name}: ${count(rate)}/s, ${time(us)}`,
    ),
  )
  return group({ class: hue }, line, ...dots, label)
}

/** A name in two lines where it is one of two parts. */
const split = (name: string): string[] => name.split(/ (?=\+)/)

function endLabel(lines: readonly string[], x: number, y: number, at: number, right: number): string {
  const lead = line(x + 5, y, right + 8, at, 'lead')
  const first = lines.length === 1 ? at + 4 : at - 2
  return lead + lines.map((each, index) => text(right + 12, first + index * 12, each, 'm')).join('')
}

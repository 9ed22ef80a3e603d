/** How load changes it: throughput against latency, and the tails. */
import { type CurveOptions, curveChart, extentOf } from '../charts/curves.ts'
import { distributionChart, linesAt } from '../charts/distribution.ts'
import { ownSeries } from '../charts/price.ts'
import { PERCENTILES, type PercentileName } from '../figures.ts'
import { count, MISSING, time } from '../format.ts'
import { details, figure, htmlTable, legend, panels, responsive, section } from '../page.ts'
import { loadOf, type Selection, type Series } from '../selection.ts'
import { curveOf, hueOf, markOf } from '../style.ts'
import { circle, line } from '../svg.ts'

const looks = (all: readonly Series[]): string =>
  legend(
    all.map(({ name, mode, isPull }) => {
      return {
        name,
        hue: hueOf(mode),
        mark: line(0, 7, 26, 7, curveOf(mode, isPull)) + circle(13, 7, 4, { class: markOf(mode) }),
      }
    }),
  )

const CHARTS: readonly PercentileName[] = ['p50', 'p99']

export function curvesSection(selection: Selection): string {
  const all = ownSeries(selection)
  const drawn = (['closed', 'open'] as const).flatMap((load) => curvesOf(all, load))
  if (drawn.length === 0) return ''
  const rows = all.flatMap((series) =>
    series.cells.map(({ key, rate, latency }) => [
      series.name,
      loadOf(key).name,
      count(rate),
      time(latency.p50),
      time(latency.p99),
    ]),
  )
  return section(
    'Throughput against latency',
    'Down and right is better. A line is a mode, a point a load; the dotted lines join the points of one load. Both scales are logarithmic, and the same in charts side by side.',
    looks(all),
    ...drawn,
    details('The figures of these charts', htmlTable(['mode', 'load', 'msgs/s', 'p50', 'p99'], rows, [0, 1])),
  )
}

function curvesOf(all: readonly Series[], load: 'closed' | 'open'): string[] {
  const series = all
    .map((each) => ({ ...each, cells: each.cells.filter(({ key }) => key.load === load) }))
    .filter(({ cells }) => cells.length > 0)
  const extent = extentOf(series, CHARTS)
  if (extent === undefined) return []
  const kind = load === 'closed' ? 'messages in flight' : 'open loop: latency from when a message was due'
  const charts = CHARTS.filter((name) => extentOf(series, [name]) !== undefined).map((percentile) => {
    const common = { title: `${percentile} against throughput, ${kind}`, percentile, extent }
    const draw = (rest: Pick<CurveOptions, 'id' | 'width' | 'hasNames'>) => curveChart(series, { ...common, ...rest })
    const id = `curve-${load}-${percentile}`
    const wide = draw({ id: `${id}-wide`, width: 548, hasNames: true })
    return `<div><h3>${percentile}, ${kind}</h3>${responsive(wide, draw({ id: `${id}-narrow`, width: 338, hasNames: false }))}</div>`
  })
  return [panels(charts, 'pair')]
}

export function distributionSection(selection: Selection): string {
  const all = ownSeries(selection)
  const chosen = selection.chosen
    .map((load) => ({ load, lines: linesAt(all, load) }))
    .filter(({ lines }) => lines.length > 0)
  if (chosen.length === 0) return ''
  const times = chosen.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(({ us }) => us)))
  const extent = [Math.min(...times), Math.max(...times)] as const
  const rows = all.flatMap((series) =>
    series.cells.map(({ key, latency, max }) => [
      ...[
        series.name,
        loadOf(key).name,
        ...PERCENTILES.map(({ name }) => time(latency[name])),
        max === undefined ? MISSING : time(max),
      ],
    ]),
  )
  return section(
    'The tails',
    'Latency by percentile: to the right of 99 % is what one send in a hundred takes. A line ends where fewer than ten samples are beyond it.',
    looks(all),
    panels(chosen.map(({ load, lines }) => figure(distributionChart(lines, load, extent), load.name))),
    details(
      'Percentiles of every load',
      htmlTable(['mode', 'load', ...PERCENTILES.map(({ name }) => name), 'max'], rows, [0, 1]),
    ),
  )
}

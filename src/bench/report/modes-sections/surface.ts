/** What a slower disk and a longer link cost: only where several were injected. */

import { grouped } from '../../grouped.ts'
import { isPair, modeName } from '../../results.ts'
import { heatChart, type Surface } from '../charts/heat.ts'
import { ownSeries } from '../charts/price.ts'
import type { Figures } from '../figures.ts'
import { digits, time } from '../format.ts'
import { details, figure, htmlTable, panels, section } from '../page.ts'
import { loadOf, type Selection } from '../selection.ts'

export function surfaceSection(selection: Selection): string {
  const { all, surface, conditions } = selection
  if (surface.length === 0 || conditions === undefined) return ''
  const system = ownSeries(selection)[0].system
  const ours = all.filter(({ key }) => key.system === system && key.bodySize === conditions.bodySize)
  const load = surfaceLoad(ours)
  const replicated = ours.filter(({ key }) => isPair(key.mode))
  const isOne = new Set(replicated.map(({ key }) => key.haTransfer)).size < 2
  const modeOf = ({ key: { mode, haTransfer } }: Figures) =>
    `${modeName(mode)}${isOne || !isPair(mode) || haTransfer === 'stream' ? '' : ' (pull)'}`
  const surfaces: Surface[] = [
    ...grouped(
      ours.filter(({ key }) => loadOf(key).name === load),
      modeOf,
    ).values(),
  ]
    .filter((cells) => cells.length > 1)
    .map((cells) => {
      const { mode, haTransfer } = cells[0].key
      return { series: { system, mode, haTransfer, isPull: false, name: modeOf(cells[0]), cells }, cells }
    })
  if (surfaces.length === 0) return ''
  const times = surfaces.flatMap(({ cells }) =>
    cells.map(({ latency }) => latency.p50).filter((p50) => p50 !== undefined),
  )
  const extent = [Math.min(...times, 1e9), Math.max(...times, 0)] as const
  const rows = surfaces.flatMap(({ series, cells }) =>
    cells.map(({ key, latency }) => [
      series.name,
      digits(key.fdatasyncMs),
      digits(key.rttMs),
      time(latency.p50),
      time(latency.p99),
    ]),
  )
  return section(
    'A slower disk, a longer link',
    `p50 of a send with ${load}, with time added to each fdatasync and to each round trip between master and slave. Darker takes longer; all modes share one scale.`,
    panels(surfaces.map((each) => figure(heatChart(each, extent), each.series.name))),
    details('The figures of these maps', htmlTable(['mode', 'fdatasync +ms', 'link +ms', 'p50', 'p99'], rows)),
  )
}

/** The load that most delays were tried with. */
function surfaceLoad(cells: readonly Figures[]): string {
  const loads = [...grouped(cells, ({ key }) => loadOf(key).name)]
  const delays = (of: readonly Figures[]) => new Set(of.map(({ key }) => `${key.fdatasyncMs} ${key.rttMs}`)).size
  return loads.sort(([, a], [, b]) => delays(b) - delays(a))[0]?.[0] ?? ''
}

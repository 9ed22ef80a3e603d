/** What the price is made of: a panel a mode. */
import { ownSeries } from '../charts/price.ts'
import { type Part, waterfallChart } from '../charts/waterfall.ts'
import { time, whole } from '../format.ts'
import { details, figure, htmlTable, legend, panels, section } from '../page.ts'
import { loadOf, type Selection } from '../selection.ts'
import { STEP_COLOURS } from '../style.ts'
import { rect } from '../svg.ts'

const NAMES: Readonly<Record<Part, string>> = {
  claimed: 'waits for the append thread',
  appended: 'append',
  flushed: 'fdatasync',
  link: 'to the slave and back',
  slave: 'slave: append, report',
  acknowledged: 'answer',
}

export function waterfallSection(selection: Selection): string {
  const own = ownSeries(selection)
  const charts = own.flatMap((series) => {
    const chart = waterfallChart(series)
    return chart === undefined ? [] : [figure(chart, series.name)]
  })
  if (charts.length === 0) return ''
  const items = (Object.keys(NAMES) as Part[]).map((part) => ({
    name: NAMES[part],
    mark: rect(2, 1, 22, 12, { class: 'step', fill: STEP_COLOURS[part].ground }),
  }))
  items.push({
    name: 'pale: not waited for',
    mark: rect(2, 1, 22, 12, { class: 'step later', fill: STEP_COLOURS.flushed.ground }),
  })
  const rows = own.flatMap((series) =>
    series.cells.flatMap((cell) =>
      (cell.cell.waterfall ?? []).map(({ step, count, p50Us, p99Us }) => [
        ...[series.name, loadOf(cell.key).name, step, time(p50Us), time(p99Us), whole(count)],
      ]),
    ),
  )
  return section(
    'What it is made of',
    'The way of a message through the broker by the medians of its steps: the master above, the slave below, side by side as they run. With more in flight many messages share one fdatasync and one report (group commit), while the wait for the append thread grows. The number behind the answer is the median of the whole. Each mode has its own time axis.',
    legend(items),
    panels(charts),
    details('Every step, with its p99', htmlTable(['mode', 'load', 'step', 'p50', 'p99', 'messages'], rows, [0, 1, 2])),
  )
}

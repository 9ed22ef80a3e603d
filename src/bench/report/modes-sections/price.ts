/** What each mode costs, beside what the documents claim. */
import { ownSeries, priceChart } from '../charts/price.ts'
import { claimOf, verdict } from '../claims.ts'
import { count, MISSING, time } from '../format.ts'
import { details, htmlTable, legend, responsive, section } from '../page.ts'
import { at, type Selection } from '../selection.ts'
import { circle, rect } from '../svg.ts'

const LOOKS = legend([
  { name: 'no slave', hue: 'k-none', mark: rect(2, 1, 22, 12, { class: 'bar', rx: 2 }) },
  { name: 'a slave, not waited for', hue: 'k-async', mark: rect(2, 1, 22, 12, { class: 'bar', rx: 2 }) },
  { name: 'waits for the slave', hue: 'k-sync', mark: rect(2, 1, 22, 12, { class: 'bar', rx: 2 }) },
  { name: 'a group of three, waits for a majority', hue: 'k-group', mark: rect(2, 1, 22, 12, { class: 'bar', rx: 2 }) },
  { name: 'filled: waits for the disk', hue: 'k-none', mark: circle(13, 7, 5, { class: 'solid' }) },
  { name: 'hollow, pale: does not', hue: 'k-none', mark: circle(13, 7, 5, { class: 'hollow' }) },
  { name: 'what the documents claim', mark: rect(2, 1, 22, 12, { class: 'claim', rx: 2 }) },
])

export function priceSection(selection: Selection): string {
  const { low, high } = selection
  const rows = ownSeries(selection).map((series) => {
    const [quiet, busy] = [at(series, low), at(series, high)]
    const claim = claimOf(series.mode)
    const { p50, p99 } = quiet?.latency ?? {}
    return [
      ...[
        series.name,
        time(p50),
        time(p99),
        time(quiet?.latency['p99.9']),
        claim?.text ?? 'nothing',
        verdict(claim, p50, p99),
      ],
      ...[busy === undefined ? MISSING : count(busy.rate), time(busy?.latency.p99)],
    ]
  })
  const heads = [
    'mode',
    `p50, ${low?.name}`,
    'p99',
    'p99.9',
    'documents claim',
    'measured is',
    `msgs/s, ${high?.name}`,
    'its p99',
  ]
  return section(
    'The price of a mode',
    '',
    LOOKS,
    responsive(priceChart(selection, 1118), priceChart(selection, 338)),
    details('The figures of this chart', htmlTable(heads, rows, [0, 4, 5])),
  )
}

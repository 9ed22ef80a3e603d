/** Ours beside Apache's, where both were measured: a panel a mode, and the ratios with their intervals. */

import type { Round } from '../../results.ts'
import { ratioInterval } from '../../stats.ts'
import { curveChart, extentOf } from '../charts/curves.ts'
import { type Figures, percentile } from '../figures.ts'
import { count, digits, MISSING, time } from '../format.ts'
import { details, figure, htmlTable, legend, panels, section } from '../page.ts'
import { isLoad, type Load, loadOf, type Selection, type Series } from '../selection.ts'
import { hueOf } from '../style.ts'
import { circle, line } from '../svg.ts'

interface Pair {
  readonly ours: Series
  readonly theirs: Series
}

export function againstSection(selection: Selection): string {
  const pairs = pairsOf(selection.series)
  // An open loop's points would lie on a closed loop's line.
  const drawn = ({ cells, ...rest }: Series): Series => ({
    ...rest,
    cells: cells.filter(({ key }) => key.load === selection.low?.load),
  })
  const extent = extentOf(
    pairs.flatMap(({ ours, theirs }) => [drawn(ours), drawn(theirs)]),
    ['p99'],
  )
  if (pairs.length === 0) return ''
  const look = (hue: string, name: string) => ({
    name,
    hue,
    mark: line(0, 7, 26, 7, 'curve') + circle(13, 7, 4, { class: 'solid' }),
  })
  const charts = pairs.flatMap(({ ours, theirs }) => {
    if (extent === undefined) return []
    const { flush, replication } = ours.mode
    const chart = curveChart([drawn(ours), drawn(theirs)], {
      ...{
        id: `against-${flush}-${replication}-${ours.haTransfer}`,
        title: `${ours.name}: p99 against throughput, Basalt and Apache`,
      },
      ...{ percentile: 'p99', width: 350, height: 250, hasNames: false, extent },
      hueOf: (series) => (series.system === 'apache' ? 'k-apache' : hueOf(series.mode)),
    })
    return [figure(chart, ours.name)]
  })
  return section(
    'Beside Apache RocketMQ',
    'p99 against throughput of both, on one scale: down and right is better. The ratios are Basalt / Apache with their 90 % intervals by bootstrap over the rounds; three rounds at least.',
    legend([
      look('k-apache', 'Apache'),
      look('k-none', 'Basalt without a slave'),
      look('k-async', 'Basalt, ASYNC_MASTER'),
      look('k-sync', 'Basalt, SYNC_MASTER'),
      look('k-group', 'Basalt, DLEDGER'),
    ]),
    panels(charts),
    htmlTable(
      HEADS,
      pairs.flatMap((pair) => rowsOf(pair, selection.chosen)),
      [0, 1],
    ),
    details(
      'The ratios of every load',
      htmlTable(
        HEADS,
        pairs.flatMap((pair) => rowsOf(pair, selection.loads)),
        [0, 1],
      ),
    ),
  )
}

const HEADS = ['mode', 'load', 'msgs/s', 'Apache', 'ratio', 'p50', 'p99', 'Apache', 'p99 ratio', 'CPU ratio']

/** Apache streams; ours that streams stands beside it, else ours that pulls. */
function pairsOf(series: readonly Series[]): Pair[] {
  return series
    .filter(({ system }) => system === 'apache')
    .flatMap((theirs) => {
      const same = series.filter(
        ({ system, mode }) =>
          system === 'basalt' && mode.flush === theirs.mode.flush && mode.replication === theirs.mode.replication,
      )
      const ours = same.find(({ haTransfer }) => haTransfer === 'stream') ?? same[0]
      return ours === undefined ? [] : [{ ours, theirs }]
    })
}

function rowsOf({ ours, theirs }: Pair, loads: readonly Load[]): string[][] {
  return ours.cells.flatMap((our) => {
    const load = loadOf(our.key)
    const their = theirs.cells.find((each) => isLoad(each, load))
    if (their === undefined || !loads.some(({ name }) => name === load.name)) return []
    const ratio = (pick: (round: Round) => number | undefined) => ratioText(our, their, pick)
    return [
      [
        ...[ours.name, load.name, count(our.rate), count(their.rate), ratio((round) => round.ratePerSecond)],
        ...[time(our.latency.p50), time(our.latency.p99), time(their.latency.p99)],
        ...[ratio((round) => percentile(round.latency, 0.99)), ratio((round) => round.masterCpuUs)],
      ],
    ]
  })
}

const ROUNDS_MIN = 3

function ratioText(our: Figures, their: Figures, pick: (round: Round) => number | undefined): string {
  const [a, b] = [our, their].map(
    ({ cell }) => cell.rounds.map(pick).filter((value) => value !== undefined && value > 0) as number[],
  )
  if (Math.min(a.length, b.length) < ROUNDS_MIN) return MISSING
  const { ratio, low, high } = ratioInterval(a, b)
  const text = (value: number) => (value < 9.995 ? value.toFixed(2) : digits(value))
  return `${text(ratio)} [${text(low)}, ${text(high)}]`
}

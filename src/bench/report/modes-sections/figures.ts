/** CPU a message, replication lag, and every cell in figures. */
import { isPair, modeName } from '../../results.ts'
import { type BarRow, barChart } from '../charts/bars.ts'
import { ownSeries } from '../charts/price.ts'
import { PERCENTILES } from '../figures.ts'
import { bytes, count, digits, MISSING, plain, plural, time, whole } from '../format.ts'
import { details, figure, htmlTable, legend, panels, section } from '../page.ts'
import { at, injectedText, loadOf, type Selection, systemName } from '../selection.ts'
import { hueOf } from '../style.ts'
import { rect } from '../svg.ts'

export function costSection(selection: Selection): string {
  const own = ownSeries(selection)
  const charts = selection.chosen.map((load) => {
    const rows: BarRow[] = own.flatMap((series) => {
      const cell = at(series, load)
      if (cell === undefined) return []
      const parts = [{ name: 'master', value: cell.masterCpuUs }]
      if (series.mode.replication !== 'none') parts.push({ name: 'slave', value: cell.slaveCpuUs })
      const label = parts.map(({ value }) => digits(value)).join(' + ')
      return [{ name: series.name, hue: hueOf(series.mode), parts, label: `${label} µs` }]
    })
    return figure(
      barChart(`cpu-${load.load}-${Math.round(load.amount)}`, `CPU a message, ${load.name}`, rows, (us) =>
        plain(time(us)),
      ),
      load.name,
    )
  })
  const rows = own.flatMap((series) =>
    series.cells.map((cell) => [
      ...[
        series.name,
        loadOf(cell.key).name,
        digits(cell.masterCpuUs),
        series.mode.replication === 'none' ? MISSING : digits(cell.slaveCpuUs),
      ],
      ...[digits(cell.generatorCpuUs), digits(cell.masterMiB)],
    ]),
  )
  const bar = (kind: string) => rect(2, 1, 22, 12, { class: kind, rx: 2 })
  return section(
    'CPU a message',
    'User and system time of the whole process, for a message acknowledged.',
    legend([
      { name: 'master', hue: 'k-none', mark: bar('bar') },
      { name: 'slave', hue: 'k-none', mark: bar('bar2') },
    ]),
    panels(charts),
    details(
      'CPU and memory of every load',
      htmlTable(['mode', 'load', 'master µs', 'slave µs', 'generator µs', 'master MiB'], rows, [0, 1]),
    ),
  )
}

/** B, KiB, MiB or GiB: the one of the largest value. */
const unitOf = (rows: readonly BarRow[]): number => {
  const most = Math.max(...rows.map(({ upTo }) => upTo ?? 0), 1)
  return 1024 ** Math.min(3, Math.floor(Math.log2(most) / 10))
}

export function lagSection(selection: Selection): string {
  const own = ownSeries(selection).filter(({ cells }) => cells.some(({ lagBytes }) => lagBytes !== undefined))
  if (own.length === 0) return ''
  const charts = selection.chosen.flatMap((load) => {
    const rows: BarRow[] = own.flatMap((series) => {
      const cell = at(series, load)
      if (cell?.lagBytes === undefined) return []
      const label = `${bytes(cell.lagBytes)}, max ${bytes(cell.lagBytesMax)}`
      return [
        {
          name: series.name,
          hue: hueOf(series.mode),
          parts: [{ name: 'median', value: cell.lagBytes }],
          upTo: cell.lagBytesMax,
          label,
        },
      ]
    })
    const title = `Replication lag, ${load.name}`
    return rows.length === 0
      ? []
      : [
          figure(
            barChart(
              `lag-${load.load}-${Math.round(load.amount)}`,
              title,
              rows,
              (value) => plain(bytes(value)),
              unitOf(rows),
            ),
            load.name,
          ),
        ]
  })
  const rows = own.flatMap((series) =>
    series.cells.map((cell) => [series.name, loadOf(cell.key).name, bytes(cell.lagBytes), bytes(cell.lagBytesMax)]),
  )
  return section(
    'How far behind the slave is',
    'End of the master’s log less what the slave has reported: the bar is the median of the samples, the line goes on to the largest. This is what a lost disk would take with it.',
    panels(charts),
    details('Lag of every load', htmlTable(['mode', 'load', 'median', 'largest'], rows, [0, 1])),
  )
}

export function cellsSection({ all }: Selection): string {
  const hasInjected = all.some(({ key }) => injectedText(key) !== '')
  const hasBodies = new Set(all.map(({ key }) => key.bodySize)).size > 1
  const heads = [
    'mode',
    'server',
    'load',
    'HA',
    'msgs/s',
    'of rounds',
    ...PERCENTILES.map(({ name }) => name),
    'max',
    'not SEND_OK',
    'rounds',
  ]
  const rows = all.map((cell) => {
    const { key } = cell
    const row = [
      modeName(key.mode),
      systemName(key.system),
      loadOf(key).name,
      isPair(key.mode) ? key.haTransfer : MISSING,
    ]
    row.push(count(cell.rate), `${count(cell.rateLow)} to ${count(cell.rateHigh)}`)
    row.push(
      ...PERCENTILES.map(({ name }) => time(cell.latency[name])),
      time(cell.max),
      whole(cell.refused),
      whole(cell.rounds),
    )
    if (hasBodies) row.push(bytes(key.bodySize))
    if (hasInjected) row.push(injectedText(key) || MISSING)
    return row
  })
  if (hasBodies) heads.push('body')
  if (hasInjected) heads.push('injected')
  return section(
    'Every cell',
    '',
    details(plural(all.length, 'cell'), htmlTable(heads, rows, [0, 1, 2, 3, heads.length - 1])),
  )
}

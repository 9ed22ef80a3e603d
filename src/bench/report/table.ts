/** `bench modes` in a terminal: what each mode costs beside what the documents claim, then every cell. */
import { isPair, type ModesResult, modeName } from '../results.ts'
import { claimOf, verdict } from './claims.ts'
import { type Figures, PERCENTILES } from './figures.ts'
import { bytes, count, digits, MISSING, ms, time } from './format.ts'
import { conditionsLine, floorsLine, machineLine, optionsLine, PARTIAL, versionsLine } from './heading.ts'
import { at, loadOf, type Selection, select, systemName } from './selection.ts'
import { type Column, textTable, withoutEmpty, wrap } from './text.ts'

export function terminalTable(result: ModesResult, columns = 120): string {
  const selection = select(result)
  const head = [`bench modes, ${versionsLine(result.machine)}`, machineLine(result.machine), conditionsLine(selection)]
  head.push(floorsLine(result), optionsLine(result))
  if (result.isPartial) head.unshift(PARTIAL, '')
  const parts = [
    head
      .filter((line, index) => line !== '' || index === 1)
      .flatMap((line) => wrap(line, columns))
      .join('\n'),
  ]
  if (selection.all.length > 0) {
    parts.push(priceTable(selection, columns), cellsTable(selection, columns))
    if (selection.all.some((each) => PERCENTILES.some(({ name }) => each.latency[name] === undefined))) {
      parts.push(wrap(`${MISSING}: fewer than ten samples beyond that percentile.`, columns).join('\n'))
    }
  }
  return `${parts.join('\n\n')}\n`
}

function priceTable(selection: Selection, columns: number): string {
  const { series, low, high, hasBothSystems } = selection
  const heads: Column[] = [
    { head: 'mode', left: true },
    { head: hasBothSystems ? 'server' : '', left: true },
    { head: 'p50', keep: 9 },
    { head: 'p99', keep: 9 },
    { head: 'documents claim', keep: 7, left: true },
    { head: 'measured is', keep: 6, left: true },
  ]
  if (high !== low) heads.push({ head: `msgs/s at ${high?.name}`, keep: 8 })
  const rows = series.map((one) => {
    const cell = at(one, low)
    const claim = claimOf(one.mode)
    const row = [
      one.name,
      hasBothSystems ? systemName(one.system) : '',
      time(cell?.latency.p50),
      time(cell?.latency.p99),
    ]
    row.push(claim?.text ?? MISSING, verdict(claim, cell?.latency.p50, cell?.latency.p99))
    const most = at(one, high)
    return high === low ? row : [...row, most === undefined ? MISSING : count(most.rate)]
  })
  const title = `What each mode costs, ${low?.name}`
  return `${title}\n${textTable(...withoutEmpty(heads, rows), columns)}`
}

const COLUMNS: readonly (Column & { of: (cell: Figures) => string })[] = [
  { head: 'mode', left: true, of: ({ key }) => modeName(key.mode) },
  { head: 'server', left: true, of: ({ key }) => systemName(key.system) },
  { head: 'HA', left: true, keep: 5, of: ({ key }) => (isPair(key.mode) ? key.haTransfer : '') },
  { head: 'body', keep: 6, of: ({ key }) => bytes(key.bodySize) },
  { head: 'fdatasync +ms', keep: 20, of: ({ key }) => digits(key.fdatasyncMs) },
  { head: 'link +ms', keep: 20, of: ({ key }) => digits(key.rttMs) },
  { head: 'load', left: true, of: ({ key }) => loadOf(key).name },
  { head: 'msgs/s', of: ({ rate }) => count(rate) },
  { head: 'not SEND_OK', keep: 19, of: ({ refused }) => (refused === 0 ? MISSING : count(refused)) },
  { head: 'p50 ms', of: ({ latency }) => ms(latency.p50) },
  { head: 'p90', keep: 3, of: ({ latency }) => ms(latency.p90) },
  { head: 'p99', keep: 18, of: ({ latency }) => ms(latency.p99) },
  { head: 'p99.9', keep: 10, of: ({ latency }) => ms(latency['p99.9']) },
  { head: 'p99.99', keep: 9, of: ({ latency }) => ms(latency['p99.99']) },
  { head: 'max', keep: 2, of: ({ max }) => ms(max) },
  { head: 'CPU µs', keep: 11, of: ({ masterCpuUs }) => digits(masterCpuUs) },
  {
    head: 'slave µs',
    keep: 8,
    of: ({ key, slaveCpuUs }) => (key.mode.replication === 'none' ? MISSING : digits(slaveCpuUs)),
  },
  { head: 'gen µs', keep: 0, of: ({ generatorCpuUs }) => digits(generatorCpuUs) },
  { head: 'MiB', keep: 4, of: ({ masterMiB }) => digits(masterMiB) },
  { head: 'lag', keep: 7, of: ({ lagBytes }) => bytes(lagBytes) },
  { head: 'rounds', keep: 1, of: ({ rounds }) => String(rounds) },
]
/** Said once in the heading where every cell has the same. */
const SAID_ABOVE = ['server', 'HA', 'body', 'fdatasync +ms', 'link +ms', 'rounds']

function cellsTable({ all }: Selection, columns: number): string {
  const shown = COLUMNS.filter(({ head, of }) => {
    const values = new Set(all.map(of).filter((text) => text !== '' && text !== MISSING))
    return !SAID_ABOVE.includes(head) || values.size > 1
  })
  const rows = all.map((cell) => shown.map(({ of }) => of(cell)))
  return `Every cell\n${textTable(...withoutEmpty(shown, rows), columns)}`
}

/** Results as CSV (RFC 4180): one line a cell, units in the names, empty where nothing is known. */
import type { LossResult, ModesResult, WaterfallStep } from '../results.ts'
import { type Figures, figuresOf, PERCENTILES } from './figures.ts'
import { lossFigures } from './loss-figures.ts'

type Value = string | number | undefined

const STEPS: readonly WaterfallStep['step'][] = [
  ...(['claimed', 'appended', 'flushed', 'sent', 'slaveReceived', 'slaveAppended', 'slaveFlushed'] as const),
  ...(['reported', 'reportRead', 'acknowledged', 'total'] as const),
]

export function csv(result: ModesResult): string {
  const cells = result.cells.map(figuresOf).filter((each) => each !== undefined)
  return lines(cells.map((cell) => ({ ...row(cell), partial: String(result.isPartial) })))
}

function row(cell: Figures): Record<string, Value> {
  const { key } = cell
  const latency = PERCENTILES.map(({ name }) => [`${name.replace('.', '_')}_us`, cell.latency[name]])
  const steps = STEPS.flatMap((step) => {
    const found = cell.cell.waterfall?.find((each) => each.step === step)
    return [
      [`${step}_p50_us`, found?.p50Us],
      [`${step}_p99_us`, found?.p99Us],
    ]
  })
  return {
    system: key.system,
    flush: key.mode.flush,
    replication: key.mode.replication,
    ha_transfer: key.haTransfer,
    load: key.load,
    in_flight: key.load === 'closed' ? key.inFlight : undefined,
    offered_per_second: key.load === 'open' ? key.ratePerSecond : undefined,
    body_bytes: key.bodySize,
    fdatasync_added_ms: key.fdatasyncMs,
    round_trip_added_ms: key.rttMs,
    rounds: cell.rounds,
    seconds: cell.seconds,
    msgs_per_second: cell.rate,
    msgs_per_second_least: cell.rateLow,
    msgs_per_second_most: cell.rateHigh,
    acknowledged: cell.acknowledged,
    not_send_ok: cell.refused,
    ...(Object.fromEntries(latency) as Record<string, Value>),
    max_us: cell.max,
    master_cpu_us: cell.masterCpuUs,
    slave_cpu_us: cell.slaveCpuUs,
    generator_cpu_us: cell.generatorCpuUs,
    master_mib: cell.masterMiB,
    lag_bytes: cell.lagBytes,
    lag_bytes_max: cell.lagBytesMax,
    ...(Object.fromEntries(steps) as Record<string, Value>),
  }
}

export function lossCsv(result: LossResult): string {
  const rows = lossFigures(result).map((cell) => ({
    flush: cell.mode.flush,
    replication: cell.mode.replication,
    failure: cell.failure,
    rounds: cell.rounds,
    acknowledged: cell.acknowledged,
    found: cell.found,
    lost: cell.lost,
    rounds_with_loss: cell.roundsWithLoss,
    longest_run: cell.longestRun,
    duplicates: cell.duplicates,
    reads_back_ms: cell.reads.medianMs,
    reads_not_back_rounds: cell.reads.never,
    writes_back_ms: cell.writes.medianMs,
    writes_not_back_rounds: cell.writes.never,
    served_by: cell.servedBy.join(' '),
    documents_claim_lost: cell.claim,
    partial: String(result.isPartial),
  }))
  return lines(rows)
}

function lines(rows: readonly Record<string, Value>[]): string {
  if (rows.length === 0) return ''
  const names = Object.keys(rows[0])
  return [names, ...rows.map((row) => names.map((name) => row[name]))]
    .map((row) => `${row.map(field).join(',')}\r\n`)
    .join('')
}

function field(value: Value): string {
  if (value === undefined) return ''
  const text = typeof value === 'number' ? String(Math.round(value * 1000) / 1000) : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/**
 * One cell's figures over its rounds: percentiles of all rounds together, medians of what a round has once.
 *
 * Invariant: a percentile with fewer than ten samples beyond it is not there; nobody may draw or print it.
 */
import type { Cell, CellKey, RawHistogram } from '../results.ts'
import { median } from '../stats.ts'

export const PERCENTILES = [
  { name: 'p50', share: 0.5 },
  { name: 'p90', share: 0.9 },
  { name: 'p99', share: 0.99 },
  { name: 'p99.9', share: 0.999 },
  { name: 'p99.99', share: 0.9999 },
] as const
export type PercentileName = (typeof PERCENTILES)[number]['name']

const BEYOND = 10

export interface Figures {
  readonly key: CellKey
  readonly cell: Cell
  readonly rounds: number
  readonly seconds: number
  readonly rate: number
  readonly rateLow: number
  readonly rateHigh: number
  readonly latency: Readonly<Record<PercentileName, number | undefined>>
  readonly max: number | undefined
  readonly histogram: RawHistogram
  readonly acknowledged: number
  /** Answers with another code. */
  readonly refused: number
  readonly masterCpuUs: number
  readonly slaveCpuUs: number
  readonly generatorCpuUs: number
  readonly masterMiB: number
  /** Undefined without a slave. */
  readonly lagBytes: number | undefined
  readonly lagBytesMax: number | undefined
}

/** Undefined for a cell without a round: a run that was ended may have one. */
export function figuresOf(cell: Cell): Figures | undefined {
  const { rounds } = cell
  if (rounds.length === 0) return undefined
  const of = (pick: (round: (typeof rounds)[number]) => number) => median(rounds.map(pick))
  const rates = rounds.map((round) => round.ratePerSecond)
  const histogram = merged(rounds.map((round) => round.latency))
  const lags = rounds.filter((round) => round.lagBytes >= 0)
  const answers = rounds.flatMap((round) => Object.entries(round.answers))
  const sum = (isOk: boolean) => answers.reduce((all, [code, n]) => all + ((code === '0') === isOk ? n : 0), 0)
  return {
    key: cell.key,
    cell,
    rounds: rounds.length,
    seconds: rounds.reduce((all, round) => all + round.seconds, 0),
    rate: median(rates),
    rateLow: Math.min(...rates),
    rateHigh: Math.max(...rates),
    latency: percentilesOf(histogram),
    max: histogram.at(-1)?.[0],
    histogram,
    acknowledged: sum(true),
    refused: sum(false),
    masterCpuUs: of((round) => round.masterCpuUs),
    slaveCpuUs: of((round) => round.slaveCpuUs),
    generatorCpuUs: of((round) => round.generatorCpuUs),
    masterMiB: of((round) => round.masterMiB),
    lagBytes: lags.length === 0 ? undefined : median(lags.map((round) => round.lagBytes)),
    lagBytesMax: lags.length === 0 ? undefined : Math.max(...lags.map((round) => round.lagBytesMax)),
  }
}

export function merged(histograms: readonly RawHistogram[]): RawHistogram {
  const counts = new Map<number, number>()
  for (const [edge, n] of histograms.flat()) counts.set(edge, (counts.get(edge) ?? 0) + n)
  return [...counts].sort(([a], [b]) => a - b)
}

/** The smallest edge that `share` of the samples do not exceed; undefined with fewer than ten samples above that share. */
export function percentile(histogram: RawHistogram, share: number): number | undefined {
  const total = histogram.reduce((sum, [, n]) => sum + n, 0)
  // A share such as 0.9 is no binary number: 100 × (1 − 0.9) must stay 10.
  if (total * (1 - share) < BEYOND - 1e-6) return undefined
  const wanted = Math.ceil(share * total - 1e-6)
  let seen = 0
  for (const [edge, n] of histogram) {
    seen += n
    if (seen >= wanted) return edge
  }
  return undefined
}

function percentilesOf(histogram: RawHistogram): Figures['latency'] {
  const entries = PERCENTILES.map(({ name, share }) => [name, percentile(histogram, share)])
  return Object.fromEntries(entries) as Figures['latency']
}

/**
 * Did a build get slower? Two results of `bench modes`, cell by cell, with the noise of their rounds.
 *
 * For each cell that both have, and each of rate, p50, p99 and CPU a message: Student's t on the logarithms of the rounds' values.
 * With ~24 cells × 4 figures a test at 5 % would give five false alarms, therefore Holm's correction over all of them: the chance
 * of even one false alarm in a whole comparison, better or worse, is 2 %. And a change counts from 5 % on: two runs of one build differ by a few
 * per cent for reasons that no round within a run shows.
 *
 * Five rounds say little about a cell's noise, so it is taken together with that of the other cells (Smyth's moderated t; the noise
 * of each figure apart), but never as less than the cell's own rounds show: one stray round must not raise an alarm.
 *
 * Invariant: the order of cells or files does not matter but for the signs; no random numbers.
 */
import { percentile } from './report/figures.ts'
import { injectedText, loadOf, systemName } from './report/selection.ts'
import { type Cell, type CellKey, isPair, type ModesResult, modeName, type Round } from './results.ts'
import { criticalT, digamma, mean, trigamma, twoSided, variance } from './stats.ts'

export const ROUNDS_MIN = 5
/** Of even one in a whole comparison. */
export const ALARM_CHANCE = 0.02
export const CHANGE_MIN = 0.05
/** A histogram's steps of 1/64 hide differences: a round's value is no better known than that. */
const NOISE_MIN = 1 / 64 / Math.sqrt(12)

export const FIGURES = ['rate', 'p50', 'p99', 'cpu'] as const
export type FigureName = (typeof FIGURES)[number]

const VALUE: Readonly<Record<FigureName, (round: Round) => number | undefined>> = {
  rate: (round) => round.ratePerSecond,
  p50: (round) => percentile(round.latency, 0.5),
  p99: (round) => percentile(round.latency, 0.99),
  cpu: (round) => round.masterCpuUs,
}

export type Verdict = 'better' | 'worse' | 'same' | 'too few rounds' | 'too few samples'

export interface FigureChange {
  readonly figure: FigureName
  readonly verdict: Verdict
  /** Geometric means of the rounds; undefined where no round has the figure. */
  readonly before: number | undefined
  readonly after: number | undefined
  /** after / before; with its 95 % interval where it was tested. */
  readonly ratio: number | undefined
  readonly low: number | undefined
  readonly high: number | undefined
  /** After Holm's correction. */
  readonly p: number | undefined
}

export interface CellChange {
  readonly name: string
  readonly key: CellKey
  readonly rounds: readonly [number, number]
  readonly figures: readonly FigureChange[]
}

export interface Comparison {
  readonly cells: readonly CellChange[]
  readonly isWorse: boolean
  readonly counts: Readonly<Record<Verdict, number>>
  readonly onlyBefore: readonly string[]
  readonly onlyAfter: readonly string[]
  /** What makes the two hard to compare: another machine, another Node, a run that was ended. */
  readonly warnings: readonly string[]
}

interface Sample {
  readonly figure: FigureName
  readonly before: number[]
  readonly after: number[]
  readonly rounds: readonly [number, number]
  p?: number
  adjusted?: number
  low?: number
  high?: number
}

export function compare(a: ModesResult, b: ModesResult): Comparison {
  const [before, after] = [byName(a), byName(b)]
  const shared = [...before.keys()].filter((name) => after.has(name))
  const samples = shared.map((name) => samplesOf(before.get(name)!, after.get(name)!))
  for (const figure of FIGURES) testFigure(samples.flat().filter((each) => each.figure === figure && isTestable(each)))
  correct(samples.flat().filter(({ p }) => p !== undefined))
  const cells = shared.map((name, index) => {
    const { key, rounds } = before.get(name)!
    const both = [rounds.length, after.get(name)!.rounds.length] as const
    return { name, key, rounds: both, figures: samples[index].map(changeOf) }
  })
  const all = cells.flatMap((cell) => cell.figures)
  const number = (verdict: Verdict) => all.filter((each) => each.verdict === verdict).length
  return {
    cells,
    isWorse: all.some(({ verdict }) => verdict === 'worse'),
    counts: {
      ...{ better: number('better'), worse: number('worse'), same: number('same') },
      ...{ 'too few rounds': number('too few rounds'), 'too few samples': number('too few samples') },
    },
    onlyBefore: [...before.keys()].filter((name) => !after.has(name)),
    onlyAfter: [...after.keys()].filter((name) => !before.has(name)),
    warnings: warningsOf(a, b),
  }
}

const byName = ({ cells }: ModesResult) =>
  new Map(cells.filter(({ rounds }) => rounds.length > 0).map((cell) => [cellName(cell.key), cell]))

export function cellName(key: CellKey): string {
  const parts = [modeName(key.mode), loadOf(key).name, `${key.bodySize} bytes`]
  if (isPair(key.mode) && key.haTransfer === 'pull') parts.push('pull')
  const injected = injectedText(key)
  if (injected !== '') parts.push(injected)
  return `${key.system === 'apache' ? `${systemName(key.system)} ` : ''}${parts.join(', ')}`
}

function samplesOf(before: Cell, after: Cell): Sample[] {
  return FIGURES.map((figure) => {
    const values = ({ rounds }: Cell) => rounds.map(VALUE[figure]).filter((value) => value !== undefined && value > 0)
    const rounds = [before.rounds.length, after.rounds.length] as const
    return { figure, before: values(before) as number[], after: values(after) as number[], rounds }
  })
}

const isTestable = ({ before, after }: Sample) => Math.min(before.length, after.length) >= ROUNDS_MIN

/** Fills p and the interval of every sample of one figure. */
function testFigure(samples: readonly Sample[]): void {
  const own = samples.map((each) => {
    const [a, b] = [each.before.map(Math.log), each.after.map(Math.log)]
    const degrees = a.length + b.length - 2
    const pooled = ((a.length - 1) * variance(a) + (b.length - 1) * variance(b)) / degrees
    return {
      degrees,
      variance: Math.max(pooled, NOISE_MIN ** 2),
      change: mean(b) - mean(a),
      per: 1 / a.length + 1 / b.length,
    }
  })
  const prior = priorOf(own)
  const passed = new Map<number, number>()
  samples.forEach((sample, index) => {
    const { degrees, variance: noise, change, per } = own[index]
    const together = (prior.degrees * prior.variance + degrees * noise) / (prior.degrees + degrees)
    const error = Math.sqrt(Math.max(together, noise) * per)
    const freedom = prior.degrees + degrees
    if (!passed.has(freedom)) passed.set(freedom, criticalT(0.05, freedom))
    const margin = passed.get(freedom)! * error
    sample.p = twoSided(change / error, freedom)
    sample.low = Math.exp(change - margin)
    sample.high = Math.exp(change + margin)
  })
}

interface Noise {
  readonly degrees: number
  readonly variance: number
}

/** How alike the noise of the cells is, as a variance and the rounds it is worth (Smyth 2004, by moments of log variance). */
function priorOf(own: readonly Noise[]): Noise {
  if (own.length < 3) return { degrees: 0, variance: 0 }
  const logs = own.map(({ variance: noise, degrees }) => Math.log(noise) - digamma(degrees / 2) + Math.log(degrees / 2))
  const beyondChance = variance(logs) - mean(own.map(({ degrees }) => trigamma(degrees / 2)))
  // Cells as noisy as each other as far as one sees: worth many rounds, but not infinitely many.
  const half = beyondChance <= 0 ? DEGREES_MAX / 2 : Math.min(inverseTrigamma(beyondChance), DEGREES_MAX / 2)
  return { degrees: 2 * half, variance: Math.exp(mean(logs) + digamma(half) - Math.log(half)) }
}

const DEGREES_MAX = 30

/** Falls from infinity to 0, so halving finds it. */
function inverseTrigamma(value: number): number {
  let low = 1e-3
  let high = 1e6
  for (let step = 0; step < 200; step++) {
    const middle = Math.sqrt(low * high)
    if (trigamma(middle) > value) low = middle
    else high = middle
  }
  return high
}

/** Holm: the smallest p times the number of tests, the next times one less, never falling. */
function correct(samples: readonly Sample[]): void {
  let least = 0
  samples
    .toSorted((a, b) => a.p! - b.p!)
    .forEach((sample, index) => {
      least = Math.max(least, Math.min(1, sample.p! * (samples.length - index)))
      sample.adjusted = least
    })
}

function changeOf(sample: Sample): FigureChange {
  const { figure, adjusted: p, low, high } = sample
  const middle = (values: readonly number[]) => (values.length === 0 ? undefined : Math.exp(mean(values.map(Math.log))))
  const [before, after] = [middle(sample.before), middle(sample.after)]
  const ratio = before === undefined || after === undefined ? undefined : after / before
  return { figure, verdict: verdictOf(sample, ratio), before, after, ratio, low, high, p }
}

function verdictOf({ figure, rounds, adjusted }: Sample, ratio: number | undefined): Verdict {
  if (Math.min(...rounds) < ROUNDS_MIN) return 'too few rounds'
  if (adjusted === undefined || ratio === undefined) return 'too few samples'
  const isChange = adjusted < ALARM_CHANCE && Math.abs(Math.log(ratio)) >= Math.log1p(CHANGE_MIN)
  if (!isChange) return 'same'
  return ratio > 1 === (figure === 'rate') ? 'better' : 'worse'
}

function warningsOf(a: ModesResult, b: ModesResult): string[] {
  const warnings = []
  const facts = ['cpu', 'cores', 'memoryGiB', 'system', 'fileSystem', 'node', 'apache', 'java'] as const
  for (const fact of facts) {
    const [before, after] = [a.machine[fact], b.machine[fact]]
    if (before !== after) warnings.push(`${fact} differs: ${before ?? 'none'} before, ${after ?? 'none'} after`)
  }
  for (const [name, value] of Object.entries(a.options)) {
    if (b.options[name] !== value)
      warnings.push(`option ${name} differs: ${value} before, ${b.options[name] ?? 'none'} after`)
  }
  for (const name of Object.keys(b.options)) {
    if (a.options[name] === undefined) warnings.push(`option ${name} differs: none before, ${b.options[name]} after`)
  }
  if (a.isPartial) warnings.push('the run before was ended before its end')
  if (b.isPartial) warnings.push('the run after was ended before its end')
  return warnings
}

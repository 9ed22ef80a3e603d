/** One cell of the loss experiment over its rounds: counts added up, the longest run of any round, median times. */
import { grouped } from '../grouped.ts'
import { FAILURES, type Failure, failuresOf, type LossResult, type LossRound, type Mode, modeName } from '../results.ts'
import { median } from '../stats.ts'
import { claimedLoss } from './claims.ts'
import { modeOrder } from './selection.ts'

export interface Back {
  /** Of the rounds in which it came back; undefined when it never did. */
  readonly medianMs: number | undefined
  readonly never: number
}

export interface LossFigures {
  readonly mode: Mode
  readonly failure: Failure
  readonly rounds: number
  readonly acknowledged: number
  readonly found: number
  readonly lost: number
  readonly roundsWithLoss: number
  readonly longestRun: number
  readonly duplicates: number
  readonly reads: Back
  readonly writes: Back
  readonly servedBy: readonly LossRound['servedBy'][]
  readonly claim: 'nothing' | 'some' | 'all'
}

export const FAILURE_NAMES: Readonly<Record<Failure, string>> = {
  'process-crash': 'process crash',
  'machine-crash': 'machine crash',
  'disk-lost': 'disk lost',
  'majority-crash': 'two of three machines crash',
}

/** In the order of modes and failures; cells without a round are left out. */
export function lossFigures({ cells }: LossResult): LossFigures[] {
  return cells
    .filter(({ rounds }) => rounds.length > 0)
    .map(({ mode, failure, rounds }) => {
      const sum = (pick: (round: LossRound) => number) => rounds.reduce((all, round) => all + pick(round), 0)
      return {
        mode,
        failure,
        rounds: rounds.length,
        acknowledged: sum((round) => round.acknowledged),
        found: sum((round) => round.found),
        lost: sum((round) => round.lost),
        roundsWithLoss: rounds.filter((round) => round.lost > 0).length,
        longestRun: Math.max(...rounds.map((round) => round.longestRun)),
        duplicates: sum((round) => round.duplicates),
        reads: back(rounds.map((round) => round.readsBackMs)),
        writes: back(rounds.map((round) => round.writesBackMs)),
        servedBy: [...new Set(rounds.map((round) => round.servedBy))],
        claim: claimedLoss(mode, failure),
      }
    })
    .sort((a, b) => modeOrder(a.mode) - modeOrder(b.mode) || FAILURES.indexOf(a.failure) - FAILURES.indexOf(b.failure))
}

function back(times: readonly number[]): Back {
  const there = times.filter((ms) => ms >= 0)
  return { medianMs: there.length === 0 ? undefined : median(there), never: times.length - there.length }
}

/** Modes that lost nothing in any failure, of those for which all that they can meet were tried. */
export function keepsAll(figures: readonly LossFigures[]): { kept: string[]; tried: string[] } {
  const modes = [...grouped(figures, ({ mode }) => modeName(mode))].filter(
    ([, of]) => of.length === failuresOf(of[0].mode).length,
  )
  const kept = modes.filter(([, of]) => of.every(({ lost }) => lost === 0))
  return { kept: kept.map(([name]) => name), tried: modes.map(([name]) => name) }
}

/** Failures that were tried on any mode: the columns of the matrix. */
export const triedFailures = (figures: readonly LossFigures[]): Failure[] =>
  FAILURES.filter((failure) => figures.some((cell) => cell.failure === failure))

/** How a cell stands beside the documents: a loss where they promise none is the one that matters. */
export function lossVerdict({
  claim,
  lost,
}: LossFigures): 'as claimed' | 'LOST, claimed: nothing' | 'nothing lost here' {
  if (claim === 'nothing') return lost === 0 ? 'as claimed' : 'LOST, claimed: nothing'
  return lost === 0 ? 'nothing lost here' : 'as claimed'
}

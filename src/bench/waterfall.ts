/**
 * Where the time of a message goes, from the runtime tables (request 28) of a master and of the slave that follows it.
 *
 *   parseStageRows(table)       the rows that anybody sees: since each broker's start
 *   waterfall(before, after)    a window: the tables asked for with STAGE_COUNTS_ASK, subtracted
 *
 * Pure. Rows: metrics/step-histograms.ts; what each step is: docs/operations.md "Where the time goes".
 */
import {
  COUNTS_ROW,
  decodeCounts,
  percentilesOf,
  STEPS,
  type Step,
  type StepCounts,
  stageRow,
} from '../metrics/step-histograms.ts'
import type { WaterfallStep } from './results.ts'

type Table = Readonly<Record<string, string>>

export interface Tables {
  readonly master: Table
  readonly slave?: Table
}

/** Fields of a request 28 whose answer is to carry the counts. */
export const STAGE_COUNTS_ASK = { stageCounts: 'true' } as const

const ROW = /^count=(\d+) p50=(\d+)us p99=(\d+)us /

/** Rows of one table, or of a master's and its slave's laid together: their names differ. */
export function parseStageRows(table: Table): WaterfallStep[] {
  return STEPS.flatMap((step): WaterfallStep[] => {
    const match = ROW.exec(table[stageRow(step)] ?? '')
    return match === null ? [] : [{ step, count: Number(match[1]), p50Us: Number(match[2]), p99Us: Number(match[3]) }]
  })
}

/** Steps of what passed between the two. A broker that was started again in between begins at its start. */
export function waterfall(before: Tables, after: Tables): WaterfallStep[] {
  const from = [countsOf(before.master), countsOf(before.slave)]
  const to = [countsOf(after.master), countsOf(after.slave)]
  return STEPS.flatMap((step): WaterfallStep[] => {
    for (const [i, counts] of to.entries()) {
      const left = subtract(step, counts, from[i])
      if (left.size === 0) continue
      const { count, p50Us, p99Us } = percentilesOf(left)
      return [{ step, count, p50Us, p99Us }]
    }
    return []
  })
}

function countsOf(table: Table | undefined): StepCounts {
  return decodeCounts(table?.[COUNTS_ROW] ?? '')
}

function subtract(step: Step, to: StepCounts, from: StepCounts): Map<number, number> {
  const [ends, starts] = [to[step], from[step]]
  const left = new Map(ends)
  if (starts === undefined) return left
  // Counts only grow: one that is smaller is of another process.
  for (const [bucket, count] of starts) if ((ends?.get(bucket) ?? 0) < count) return left
  for (const [bucket, count] of starts) {
    const rest = left.get(bucket)! - count
    if (rest === 0) left.delete(bucket)
    else left.set(bucket, rest)
  }
  return left
}

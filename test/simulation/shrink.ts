/** A failed history made small: the fewest faults that still break it the same way, and what then happened, in words. */
import { type Fault, tell } from './faults.ts'
import { type HistoryOptions, type HistoryResult, runHistory } from './world.ts'

/** Reruns at most: a history takes some milliseconds. */
const RERUNS_MAX = 400

export function shrink(options: HistoryOptions, failed: HistoryResult): { keep: number[]; result: HistoryResult } {
  let keep = options.keep === undefined ? failed.faults.map((_, i) => i) : [...options.keep]
  let reruns = 0
  const stillFails = (fewer: number[]): boolean => {
    reruns++
    const { violation } = runHistory({ ...options, keep: fewer })
    return violation !== undefined && kindOf(violation) === kindOf(failed.violation!)
  }
  for (let size = Math.ceil(keep.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let from = 0; from < keep.length && reruns < RERUNS_MAX; ) {
      const fewer = [...keep.slice(0, from), ...keep.slice(from + size)]
      if (fewer.length < keep.length && stillFails(fewer)) keep = fewer
      else from += size
    }
  return { keep, result: runHistory({ ...options, keep, traced: true }) }
}

export function report(options: HistoryOptions, failed: HistoryResult, traceLines = 60): string {
  const { keep, result } = shrink(options, failed)
  const faults = keep.map((i) => `  ${i}: ${tell(failed.faults[i] as Fault)}`)
  return [
    `SIM_SEED=${options.seed}: ${failed.violation}`,
    `again, with the fewest faults: npm run simulate -- --seed ${options.seed} --replay --keep ${keep.join(',') || 'none'}`,
    `${keep.length} of ${failed.faults.length} faults:`,
    ...faults,
    `the last ${traceLines} of what happened:`,
    ...result.trace.filter((line) => !line.includes('HEART_BEAT')).slice(-traceLines),
    `then: ${result.violation}`,
  ].join('\n')
}

/** What was broken, without the numbers. */
function kindOf(violation: string): string {
  return violation
    .split('\n')[0]!
    .replace(/[0-9]+/g, '#')
    .slice(0, 40)
}

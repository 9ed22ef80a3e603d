/** What of the acknowledged messages is there after a failure. Blocks on nothing. */
import type { LossRound } from '../results.ts'
import type { Ledger, ReadMessage } from './ledger.ts'

export type LossCounts = Pick<
  LossRound,
  'acknowledged' | 'found' | 'lost' | 'longestRun' | 'duplicates' | 'foundOnMaster'
>

/** What could be read from each machine that still serves; undefined of one that does not. */
export interface ReadFrom {
  readonly master?: readonly ReadMessage[] | undefined
  readonly slave?: readonly ReadMessage[] | undefined
}

/**
 * A message is lost when no machine has it any more. Both machines having it is what replication is for, and no duplicate; twice
 * in the queues of one machine is.
 */
export function countLoss(ledger: Ledger, { master, slave }: ReadFrom): LossCounts {
  const sides = [master, slave].filter((side) => side !== undefined)
  const there = new Set<number>()
  let duplicates = 0
  for (const side of sides) {
    const here = new Set<number>()
    for (const { number } of side) {
      // Not of this load: what the cluster sent to see whether it serves.
      if (!ledger.wasSent(number)) continue
      if (here.has(number)) duplicates += 1
      here.add(number)
      there.add(number)
    }
  }
  let lost = 0
  let run = 0
  let longestRun = 0
  for (const number of ledger.acknowledged.keys()) {
    run = there.has(number) ? 0 : run + 1
    if (run > 0) lost += 1
    longestRun = Math.max(longestRun, run)
  }
  const acknowledged = ledger.acknowledged.size
  const counts = { acknowledged, found: acknowledged - lost, lost, longestRun, duplicates }
  if (master === undefined) return counts
  const onMaster = new Set(master.map(({ number }) => number))
  return { ...counts, foundOnMaster: [...ledger.acknowledged.keys()].filter((number) => onMaster.has(number)).length }
}

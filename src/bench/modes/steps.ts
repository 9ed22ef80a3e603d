/** The steps of a message's way while a cell was measured, from the stage clocks of master and slave; ours only. */
import type { Cluster } from '../cluster.ts'
import type { WaterfallStep } from '../results.ts'
import { median } from '../stats.ts'
import { STAGE_COUNTS_ASK, type Tables, waterfall } from '../waterfall.ts'

/** Undefined for Apache's brokers, which have no such clocks. */
export async function stageTables({ system, master, slave }: Cluster): Promise<Tables | undefined> {
  if (system !== 'basalt') return undefined
  const [ofMaster, ofSlave] = await Promise.all([master.runtime(STAGE_COUNTS_ASK), slave?.runtime(STAGE_COUNTS_ASK)])
  if (ofMaster === undefined) return undefined
  return { master: ofMaster, ...(ofSlave === undefined ? {} : { slave: ofSlave }) }
}

/** What passed in between. */
export function stepsBetween(before: Tables | undefined, after: Tables | undefined): readonly WaterfallStep[] {
  return before === undefined || after === undefined ? [] : waterfall(before, after)
}

/** Of all rounds: medians of the rounds' percentiles, all their counts. */
export function stepsOfRounds(rounds: readonly (readonly WaterfallStep[])[]): WaterfallStep[] {
  const names = [...new Set(rounds.flat().map(({ step }) => step))]
  return names.map((step) => {
    const found = rounds.flat().filter((each) => each.step === step)
    return {
      step,
      count: found.reduce((sum, { count }) => sum + count, 0),
      p50Us: median(found.map(({ p50Us }) => p50Us)),
      p99Us: median(found.map(({ p99Us }) => p99Us)),
    }
  })
}

/**
 * How far retention may go: the original looks at age and disk only; a follower that is behind then has to be filled from the leader's
 * first entry, and its ConsumeQueues get a hole. Here a leader keeps what a follower that lives still lacks, as long as there is room.
 */
import { type Core, neededFrom } from './core/index.ts'
import type { DLedgerLog } from './log/index.ts'

/** A follower that has not answered for so long is not waited for. */
const LIVE_MS = 60_000

/** The position below which files may go, if those below `wanted` are to. `isOverLimit`: the disk is too full to be considerate. */
export function retainedBelow(core: Core, log: DLedgerLog, wanted: number, isOverLimit: boolean): number {
  const committed = log.positionOf(core.commitIndex + 1)
  const below = Math.min(wanted, committed)
  return isOverLimit ? below : Math.min(below, log.positionOf(neededFrom(core, LIVE_MS)))
}

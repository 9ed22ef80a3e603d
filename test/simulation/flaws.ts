/** The deliberate bugs, what each one is, and the seed from which the search for it begins (any seed would do; these are near one). */
import type { Flaws } from '../../src/dledger/core/index.ts'

export const FLAWS: { [K in keyof Flaws]: { is: string; from: number } } = {
  doubleVote: { is: 'a voter gives its vote of a term to two candidates', from: 0 },
  voteWithoutLogCheck: { is: 'a voter does not look at the candidate’s log', from: 0 },
  answerBeforePersist: { is: 'votes and terms are told before they are durable', from: 0 },
  halfIsQuorum: { is: 'half of the members are taken for a majority', from: 0 },
  commitOldTermByCount: { is: 'entries of earlier terms are committed by counting (Raft’s figure 8)', from: 240 },
  ackBeforeAppend: { is: 'a follower acknowledges entries that are still on their way into its log', from: 0 },
  ackBeforeFlush: { is: 'a follower acknowledges before the sync', from: 0 },
  leaderCountsUnflushed: { is: 'a leader counts its own entries before the sync', from: 0 },
  truncateAcknowledged: { is: 'a late or doubled TRUNCATE cuts what was acknowledged or committed', from: 100 },
  staleTermAccepted: { is: 'heartbeats and pushes of an older term are taken', from: 840 },
  appendWithoutCompare: { is: 'APPEND is sent and taken without COMPARE', from: 100 },
  commitUnverified: { is: 'a follower believes the commit index beyond what it has compared', from: 0 },
  leadSameTermAgain: { is: 'a member may be elected twice in one term', from: 0 },
  staleFlushCounts: { is: 'a sync that began before a truncation counts for what was written after it', from: 380 },
  gateStaysOpen: { is: 'local writers go on after the step-down', from: 0 },
}

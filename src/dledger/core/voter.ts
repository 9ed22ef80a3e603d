/**
 * The VOTE handler. First match wins, in DLedger's order: the log is looked at before the terms (spec §4.4).
 *
 * Stricter than the original: a larger term is adopted and voted for in the same call, and the answer leaves when both are durable
 * (D7, D13); whoever hears a leader of this term says so even if it has a vote to give, so that a candidate which asks in the
 * current term learns that there is nothing to elect.
 */
import { assert } from '../../assert.ts'
import type { VoteResult } from './codes.ts'
import { CODES } from './codes.ts'
import type { VoteRequest } from './messages.ts'
import { answer, setTerm } from './outbox.ts'
import { adoptTerm, votePause } from './roles.ts'
import type { Core } from './state.ts'

export function onVoteRequest(core: Core, token: number, request: VoteRequest): void {
  const voteResult = judge(core, request)
  answer(core, token, {
    kind: 'VOTE',
    group: request.group,
    remoteId: request.remoteId,
    localId: request.localId,
    leaderId: request.leaderId,
    code: CODES.SUCCESS,
    term: core.term,
    voteResult,
  })
}

function judge(core: Core, request: VoteRequest): VoteResult {
  const { leaderId, term } = request
  const { log } = core
  const { flaws } = core.settings
  if (leaderId === undefined || !core.settings.peers.includes(leaderId)) return 'REJECT_UNKNOWN_LEADER'
  if (leaderId === core.selfId) return 'REJECT_UNEXPECTED_LEADER'
  if (!flaws.voteWithoutLogCheck) {
    if (request.ledgerEndTerm < log.endTerm) return 'REJECT_EXPIRED_LEDGER_TERM'
    if (request.ledgerEndTerm === log.endTerm && request.ledgerEndIndex < log.endIndex)
      return 'REJECT_SMALL_LEDGER_END_INDEX'
  }
  if (term < core.term) return 'REJECT_EXPIRED_VOTE_TERM'
  if (term === core.term) {
    if (core.leaderId !== undefined && core.leaderId !== leaderId) return 'REJECT_ALREADY_HAS_LEADER'
    // This term had its leader: even the same one is not elected in it again (D10).
    const isGiven = core.voteFor !== undefined && core.voteFor !== leaderId && !flaws.doubleVote
    if (core.follower.followedTerm === term || isGiven) {
      giveWay(core, request)
      return 'REJECT_ALREADY_VOTED'
    }
  } else adoptTerm(core, term)
  if (isTakingLeadership(core) && request.ledgerEndTerm === log.endTerm && log.endIndex >= request.ledgerEndIndex)
    return 'REJECT_TAKING_LEADERSHIP'
  assert(core.role === 'CANDIDATE' && term === core.term, 'a vote is given by who has no leader, in its term')
  setTerm(core, term, leaderId)
  // Whoever got this vote should have the time to use it.
  core.candidate.round = undefined
  core.candidate.nextVoteAt = Math.max(core.candidate.nextVoteAt, core.now + votePause(core))
  return 'ACCEPT'
}

/** Whoever asks in a term whose votes are given will ask in the next: of two candidates the better one goes first. */
function giveWay(core: Core, request: VoteRequest): void {
  const { candidate, log, selfId } = core
  if (core.role !== 'CANDIDATE' || candidate.gaveWay || candidate.round?.probe === false) return
  const isLonger = request.ledgerEndTerm > log.endTerm || request.ledgerEndIndex > log.endIndex
  if (!isLonger && request.leaderId! > selfId) return
  candidate.gaveWay = true
  candidate.round = undefined
  candidate.nextVoteAt = Math.max(candidate.nextVoteAt, core.now + votePause(core))
}

/** A preferred leader that was asked to take over in this term gives its vote to nobody else. */
function isTakingLeadership(core: Core): boolean {
  return core.settings.preferredLeaderIds.includes(core.selfId) && core.taking?.takeTerm === core.term
}

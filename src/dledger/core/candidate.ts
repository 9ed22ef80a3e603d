/**
 * Vote rounds.
 *
 *   follower times out ─▶ round in the current term ─┬─ some voter hears a leader: wait, same term
 *                                                    ├─ too few voters, or my log is behind: again, same term
 *                                                    └─ nothing speaks against it ─▶ round in the next term ─▶ LEADER
 *
 * The first round asks in the current term, as DLedger's do. Where this member has no vote left in it, the round is a probe:
 * what Raft calls pre-vote, in words that JVM members understand and that disturb nobody. A member that cannot win keeps its term.
 * Of two that probe at once the one with the shorter log, or the larger id, lets the other go first, once: else both raise the
 * term together, and while the disk is busy they would do it again and again.
 * Source: spec §4.3, §4.7.
 */
import { CODES } from './codes.ts'
import type { VoteResponse } from './messages.ts'
import { baseFor, isDurable, send, setTerm } from './outbox.ts'
import { adoptTerm, becomeCandidate, dropCalls, votePause } from './roles.ts'
import type { Core, Round } from './state.ts'
import { logIsQuiet } from './state.ts'

/** How long until voters that were not ready in this term are asked again: their next step is ~10 ms away. */
const REVOTE_MS = 12

/** True when the round that ended made this member leader: the caller makes it so. */
export function candidateTick(core: Core): boolean {
  const { round } = core.candidate
  if (round !== undefined) return evaluate(core, round, core.now >= round.deadline)
  if (core.now < core.candidate.nextVoteAt) return false
  // A leader starts from the end that it claimed: nothing may be on its way into the log.
  if (!logIsQuiet(core)) return false
  return startRound(core)
}

export function followerTick(core: Core): void {
  if (core.now - core.follower.lastHeardAt >= core.follower.electionMs) becomeCandidate(core, core.now)
}

function startRound(core: Core): boolean {
  const { candidate } = core
  if (candidate.raiseTerm) {
    candidate.raiseTerm = false
    setTerm(core, core.term + 1, core.selfId)
  } else if (
    core.voteFor === undefined &&
    core.term !== candidate.closedTerm &&
    core.term !== core.follower.followedTerm
  )
    setTerm(core, core.term, core.selfId)
  const probe = core.voteFor !== core.selfId || core.term === candidate.closedTerm
  const round: Round = {
    probe,
    deadline: core.now + core.settings.timers.voteRoundMs,
    answered: 1,
    accepted: probe ? 0 : 1,
    notReady: 0,
    valid: 1,
    biggerLedger: 0,
    free: 0,
    hasLeader: false,
    maxTerm: -1,
  }
  candidate.round = round
  if (!probe) candidate.gaveWay = false
  const { log } = core
  for (let peer = 0; peer < core.settings.peers.length; peer++) {
    if (peer === core.settings.self) continue
    send(
      core,
      peer,
      { kind: 'vote', peer, deadline: round.deadline, round },
      { kind: 'VOTE', ...baseFor(core, peer), ledgerEndIndex: log.endIndex, ledgerEndTerm: log.endTerm },
    )
  }
  return evaluate(core, round, false)
}

export function onVoteResponse(core: Core, round: Round, response: VoteResponse | undefined): boolean {
  if (round !== core.candidate.round) return false
  round.answered++
  if (response !== undefined && response.code === CODES.SUCCESS && response.voteResult !== 'UNKNOWN')
    count(round, response)
  return evaluate(core, round, false)
}

function count(round: Round, response: VoteResponse): void {
  round.valid++
  switch (response.voteResult) {
    case 'ACCEPT':
      round.accepted++
      break
    case 'REJECT_TERM_NOT_READY':
      round.notReady++
      break
    case 'REJECT_ALREADY_HAS_LEADER':
      round.hasLeader = true
      break
    case 'REJECT_ALREADY_VOTED':
      round.free++
      break
    case 'REJECT_EXPIRED_LEDGER_TERM':
    case 'REJECT_SMALL_LEDGER_END_INDEX':
      round.biggerLedger++
      break
    case 'REJECT_EXPIRED_VOTE_TERM':
    case 'REJECT_TERM_SMALL_THAN_LEDGER':
      round.maxTerm = Math.max(round.maxTerm, response.term)
      break
  }
}

function evaluate(core: Core, round: Round, isOver: boolean): boolean {
  const { quorum, candidate } = core
  const all = core.settings.peers.length
  const goodEnough = round.accepted >= quorum || round.accepted + round.notReady >= quorum
  // A majority without a leader: whoever else would answer need not be waited for.
  const isFree = round.probe && 1 + round.free >= quorum && round.maxTerm <= core.term
  if (!round.hasLeader && !goodEnough && !isFree && round.answered < all && !isOver) return false
  // The own vote counts when it is durable; `persisted` comes back here.
  if (!round.probe && round.accepted >= quorum && !isDurable(core) && !isOver) return false
  const pause = votePause(core)
  endRound(core)
  if (round.maxTerm > core.term) {
    adoptTerm(core, round.maxTerm)
    return false
  }
  if (round.hasLeader) candidate.nextVoteAt = core.now + pause + core.settings.timers.hasLeaderMs
  else if (round.valid < quorum || round.valid - round.biggerLedger < quorum) candidate.nextVoteAt = core.now + pause
  else if (!round.probe && round.accepted >= quorum && isDurable(core)) return true
  else if (!round.probe && goodEnough) candidate.nextVoteAt = core.now + Math.min(REVOTE_MS, pause)
  else {
    candidate.raiseTerm = true
    // After a probe nobody else has been asked to wait: the random time was in the follower's time-out.
    candidate.nextVoteAt = round.probe ? core.now : core.now + pause
  }
  return false
}

function endRound(core: Core): void {
  core.candidate.round = undefined
  dropCalls(core, (call) => call.kind === 'vote')
}

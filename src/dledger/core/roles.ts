/**
 * Changes of role and term, and what each leaves behind: the gate, answers that wait, calls under way.
 *
 * A leader that steps down closes the gate at once; until `gateClosed` says which end stands, nothing of a new leader is put
 * into the log (the fence of ARCHITECTURE.md), and it stands for no election.
 */
import { CODES } from './codes.ts'
import type { PushRequest, PushResponse } from './messages.ts'
import { answer, setTerm } from './outbox.ts'
import type { Call, Core } from './state.ts'

export function becomeCandidate(core: Core, nextVoteAt: number): void {
  const changes = core.role !== 'CANDIDATE' || core.leaderId !== undefined
  leaveRole(core)
  core.role = 'CANDIDATE'
  core.leaderId = undefined
  core.candidate.round = undefined
  core.candidate.raiseTerm = false
  core.candidate.nextVoteAt = nextVoteAt
  if (changes) tellRole(core)
}

export function becomeFollower(core: Core, leaderId: string): void {
  leaveRole(core)
  core.role = 'FOLLOWER'
  core.leaderId = leaderId
  core.follower.followedTerm = core.term
  core.candidate.round = undefined
  core.candidate.raiseTerm = false
  hearLeader(core)
  tellRole(core)
  if (core.taking?.campaigning) endTaking(core, CODES.TAKE_LEADERSHIP_FAILED)
}

/** A larger term: no leader, no vote, and room for whoever brought it. */
export function adoptTerm(core: Core, term: number): void {
  setTerm(core, term, undefined)
  becomeCandidate(core, core.now + votePause(core))
  if (core.taking !== undefined && term > core.taking.takeTerm) endTaking(core, CODES.EXPIRED_TERM)
}

export function hearLeader(core: Core): void {
  const { timers } = core.settings
  core.follower.lastHeardAt = core.now
  core.follower.electionMs = timers.electionMsMin + core.random * (timers.electionMsMax - timers.electionMsMin)
}

export function votePause(core: Core): number {
  const { timers } = core.settings
  return timers.voteMsMin + core.random * (timers.voteMsMax - timers.voteMsMin)
}

export function tellRole(core: Core): void {
  core.out.push({ kind: 'role', role: core.role, term: core.term, leaderId: core.leaderId })
}

export function endTaking(core: Core, code: number): void {
  if (core.taking === undefined) return
  answer(core, core.taking.token, { kind: 'LEADERSHIP_TRANSFER', code, term: core.term })
  core.taking = undefined
}

function leaveRole(core: Core): void {
  if (core.role === 'LEADER') leaveLeading(core)
  refuseWaiting(core)
  core.follower.verifiedIndex = -1
  core.follower.leaderCommit = -1
  core.candidate.gaveWay = false
  dropCalls(core, (call) => call.kind === 'vote')
}

function leaveLeading(core: Core): void {
  core.leading = undefined
  core.candidate.closedTerm = core.settings.flaws.leadSameTermAgain ? -1 : core.term
  dropCalls(core, (call) => call.kind !== 'transfer')
  if (core.gate !== 'open' && core.gate !== 'opening') return
  if (core.settings.flaws.gateStaysOpen && core.gate === 'open') {
    core.gate = 'closed'
    return
  }
  core.gate = 'closing'
  core.out.push({ kind: 'closeGate' })
}

/** What a leader asked for and waits for: it starts over, with COMPARE, if it still leads. */
export function refuseWaiting(core: Core): void {
  const { follower } = core
  for (const ack of follower.acks) answer(core, ack.token, pushResponse(core, ack.request, CODES.INCONSISTENT_STATE))
  for (const gap of follower.gaps.values())
    answer(core, gap.token, pushResponse(core, gap.request, CODES.INCONSISTENT_STATE))
  follower.acks.length = 0
  follower.gaps.clear()
}

export function pushResponse(core: Core, request: PushRequest, code: number): PushResponse {
  const isEmpty = core.log.endIndex < 0
  return {
    kind: 'PUSH',
    group: request.group,
    code,
    term: request.term,
    index: request.entries?.firstIndex,
    beginIndex: isEmpty ? -1 : core.log.beginIndex,
    endIndex: core.log.endIndex,
    count: request.entries?.count ?? 0,
  }
}

export function dropCalls(core: Core, which: (call: Call) => boolean): void {
  for (const [id, call] of core.calls) if (which(call)) core.calls.delete(id)
}

/**
 * Heartbeats: the leader's side (sending, counting, stepping down) and the handler.
 *
 * Stricter than the original: a follower takes over a larger term in the same call (200 instead of 416, D7); a leader that one
 * member tells of a larger term steps down at once (D11); a new leader has a full time-out to be heard (spec §4.5).
 */
import { CODES } from './codes.ts'
import type { HeartBeatRequest, HeartBeatResponse } from './messages.ts'
import { answer, baseFor, send } from './outbox.ts'
import { hear, restartCompare } from './progress.ts'
import { adoptTerm, becomeCandidate, becomeFollower, hearLeader, votePause } from './roles.ts'
import type { Core, Leading } from './state.ts'

/** A JVM follower that was not ready is in its next step ~10 ms later. */
const NOT_READY_MS = 10

export function onHeartBeatRequest(core: Core, token: number, request: HeartBeatRequest): void {
  const code = judge(core, request)
  const term = code === CODES.SUCCESS || code === CODES.INCONSISTENT_LEADER ? -1 : core.term
  answer(core, token, { kind: 'HEART_BEAT', code, term })
}

function judge(core: Core, request: HeartBeatRequest): number {
  const { leaderId, term } = request
  if (leaderId === undefined || !core.settings.peers.includes(leaderId)) return CODES.UNKNOWN_MEMBER
  if (leaderId === core.selfId) return CODES.UNEXPECTED_MEMBER
  if (term < core.term) return core.settings.flaws.staleTermAccepted ? CODES.SUCCESS : CODES.EXPIRED_TERM
  return followLeader(core, leaderId, term) ? CODES.SUCCESS : CODES.INCONSISTENT_LEADER
}

/** False when this term has another leader. */
export function followLeader(core: Core, leaderId: string, term: number): boolean {
  if (term > core.term) adoptTerm(core, term)
  if (core.leaderId === undefined) becomeFollower(core, leaderId)
  if (core.leaderId !== leaderId) return false
  hearLeader(core)
  return true
}

export function heartbeatTick(core: Core, leading: Leading): void {
  const { timers } = core.settings
  let heard = 1
  for (let peer = 0; peer < leading.peers.length; peer++) {
    if (peer === core.settings.self) continue
    const progress = leading.peers[peer]!
    if (core.now - progress.lastOkAt < timers.leaderLeakMs) heard++
    if (core.now < progress.nextHeartbeatAt) continue
    progress.nextHeartbeatAt = core.now + timers.heartbeatMs
    send(
      core,
      peer,
      { kind: 'heartbeat', peer, deadline: core.now + timers.callMs },
      { kind: 'HEART_BEAT', ...baseFor(core, peer) },
    )
  }
  if (heard < core.quorum) becomeCandidate(core, core.now + votePause(core))
}

export function onHeartBeatResponse(core: Core, peer: number, response: HeartBeatResponse | undefined): void {
  const { leading } = core
  if (leading === undefined) return
  const progress = leading.peers[peer]!
  if (response === undefined) {
    // It may be another process when it is heard again: its log is compared anew.
    progress.follows = false
    restartCompare(core, peer, 0)
    return
  }
  switch (response.code) {
    case CODES.SUCCESS:
      hear(core, progress)
      progress.follows = true
      break
    case CODES.EXPIRED_TERM:
      if (response.term > core.term) adoptTerm(core, response.term)
      break
    case CODES.INCONSISTENT_LEADER:
      becomeCandidate(core, core.now + votePause(core))
      break
    case CODES.TERM_NOT_READY:
      progress.nextHeartbeatAt = core.now + NOT_READY_MS
      break
  }
}

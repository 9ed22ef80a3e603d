/**
 * Taking the lead: the no-op, then the gate, then pushes.
 *
 *   elected ─▶ appendNoop ─▶ written ─▶ openGate, COMPARE to whoever follows ─▶ a majority holds the no-op ─▶ commit all
 *
 * The no-op is what lets entries of earlier terms be committed safely (spec D2); JVM members store it and dispatch skips it.
 */
import { assert } from '../../assert.ts'
import { CODES } from './codes.ts'
import { leaderCommit } from './commit.ts'
import type { LogEnd } from './effects.ts'
import { heartbeatTick } from './heartbeat.ts'
import { newProgress } from './progress.ts'
import { pumpAll } from './replicate.ts'
import { becomeCandidate, endTaking, tellRole, votePause } from './roles.ts'
import type { Core } from './state.ts'
import { logIsQuiet } from './state.ts'
import { preferredTick } from './transfer.ts'

export function becomeLeader(core: Core): void {
  assert(core.role === 'CANDIDATE', 'a candidate becomes leader')
  assert(logIsQuiet(core), 'a leader starts from the end that it claimed')
  core.role = 'LEADER'
  core.leaderId = core.selfId
  core.follower.followedTerm = core.term
  core.leading = {
    termStart: -1,
    peers: core.settings.peers.map(() => newProgress(core)),
    nextPreferredCheckAt: core.now + core.settings.timers.preferredCheckMs,
  }
  tellRole(core)
  core.gate = 'opening'
  core.out.push({ kind: 'appendNoop', epoch: core.log.epoch, term: core.term })
  if (core.taking !== undefined)
    endTaking(core, core.taking.takeTerm === core.term ? CODES.SUCCESS : CODES.EXPIRED_TERM)
  heartbeatTick(core, core.leading)
}

export function leaderTick(core: Core): void {
  if (core.leading !== undefined) heartbeatTick(core, core.leading)
  if (core.leading === undefined) return
  preferredTick(core)
  pumpAll(core)
}

/** The own log has grown: the no-op, or entries of local writers. */
export function onOwnAppend(core: Core, end: LogEnd): void {
  const { log, leading } = core
  assert(end.endIndex >= log.appendedIndex, 'a log grows')
  log.appendedIndex = end.endIndex
  log.appendedTerm = end.endTerm
  if (end.endIndex > log.endIndex) {
    log.endIndex = end.endIndex
    log.endTerm = end.endTerm
  }
  if (leading === undefined) return
  if (leading.termStart < 0 && end.endTerm === core.term) {
    leading.termStart = end.endIndex
    core.gate = 'open'
    core.out.push({ kind: 'openGate', epoch: log.epoch, term: core.term })
  }
  leaderCommit(core)
  pumpAll(core)
}

/** The no-op cannot be written: whoever cannot write cannot lead. */
export function onOwnAppendFailed(core: Core): void {
  const { timers } = core.settings
  becomeCandidate(core, core.now + timers.hasLeaderMs + votePause(core))
}

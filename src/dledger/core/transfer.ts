/**
 * Leadership transfer, at the leader (asked by an administrator or by the preferred-leader check) and at the transferee.
 *
 *   leader: gate closes ─▶ 51005 with the end that stands ─▶ transferee: has it? ─▶ term + 1, votes ─▶ answers at its next role
 *
 * While the gate is closed for it, appends are refused with 506; if the transferee fails, the gate opens again in the same term.
 * Source: spec §4.8. The transferee votes at once; the original waits 30–1000 ms.
 */
import { CODES } from './codes.ts'
import type { TransferRequest, TransferResponse } from './messages.ts'
import { answer, baseFor, send } from './outbox.ts'
import { becomeCandidate, endTaking } from './roles.ts'
import type { Core } from './state.ts'

export function onTransferRequest(core: Core, token: number, request: TransferRequest): void {
  if (request.transferId === core.selfId) {
    const code = startTransfer(core, token, request.transfereeId, request.term)
    if (code !== CODES.SUCCESS) refuse(core, token, request, code)
  } else if (request.transfereeId === core.selfId) take(core, token, request)
  else reply(core, token, CODES.UNEXPECTED_ARGUMENT)
}

function startTransfer(core: Core, token: number, transfereeId: string | undefined, term: number): number {
  const { leading, settings } = core
  const peer = settings.peers.indexOf(transfereeId ?? '')
  if (peer < 0) return CODES.UNKNOWN_MEMBER
  if (term !== core.term) return CODES.INCONSISTENT_TERM
  if (leading === undefined || peer === settings.self) return CODES.NOT_LEADER
  if (core.log.endIndex - leading.peers[peer]!.matchIndex >= settings.limits.transferBehind)
    return CODES.FALL_BEHIND_TOO_MUCH
  if (core.transfer !== undefined || core.gate !== 'open') return CODES.LEADER_TRANSFERRING
  core.transfer = { token, peer, term, call: 0 }
  core.gate = 'closing'
  core.out.push({ kind: 'closeGate' })
  return CODES.SUCCESS
}

/** The gate is closed, the end stands: the transferee may have it. */
export function continueTransfer(core: Core): void {
  const { transfer } = core
  if (transfer === undefined || transfer.call !== 0) return
  if (core.leading === undefined || core.term !== transfer.term) {
    endTransfer(core, CODES.EXPIRED_TERM)
    return
  }
  const { peer } = transfer
  transfer.call = send(
    core,
    peer,
    { kind: 'transfer', peer, deadline: core.now + core.settings.timers.callMs },
    {
      kind: 'LEADERSHIP_TRANSFER',
      ...baseFor(core, peer),
      transferId: core.selfId,
      transfereeId: core.settings.peers[peer],
      takeLeadershipLedgerIndex: core.log.endIndex,
    },
  )
}

export function onTransferResponse(core: Core, call: number, response: TransferResponse | undefined): void {
  if (core.transfer?.call !== call) return
  endTransfer(core, response?.code ?? CODES.TIMEOUT, response?.term)
}

function endTransfer(core: Core, code: number, term = core.term): void {
  const { transfer } = core
  core.transfer = undefined
  if (transfer!.token >= 0) reply(core, transfer!.token, code, term)
  if (core.leading === undefined || core.gate !== 'closed') return
  core.gate = 'open'
  core.out.push({ kind: 'openGate', epoch: core.log.epoch, term: core.term })
}

function take(core: Core, token: number, request: TransferRequest): void {
  if (core.role !== 'FOLLOWER' || request.transferId !== core.leaderId) {
    reply(core, token, CODES.INCONSISTENT_LEADER)
    return
  }
  if (core.taking !== undefined) {
    reply(core, token, CODES.LEADER_TRANSFERRING)
    return
  }
  core.taking = {
    token,
    term: request.term,
    takeTerm: request.term + 1,
    needsIndex: request.takeLeadershipLedgerIndex,
    deadline: core.now + core.settings.timers.transferWaitMs,
    campaigning: false,
  }
  takingTick(core)
}

export function takingTick(core: Core): void {
  const { taking } = core
  if (taking === undefined) return
  if (taking.campaigning) {
    // Neither elected nor overtaken in the time that the leader waits.
    if (core.now >= taking.deadline) endTaking(core, CODES.TAKE_LEADERSHIP_FAILED)
    return
  }
  if (core.term !== taking.term) {
    endTaking(core, CODES.INCONSISTENT_TERM)
    return
  }
  if (core.role !== 'FOLLOWER') {
    endTaking(core, CODES.TAKE_LEADERSHIP_FAILED)
    return
  }
  if (core.log.appendedIndex < taking.needsIndex || core.follower.verifiedIndex < taking.needsIndex) {
    if (core.now >= taking.deadline) endTaking(core, CODES.TAKE_LEADERSHIP_FAILED)
    return
  }
  taking.campaigning = true
  taking.deadline = core.now + core.settings.timers.callMs
  becomeCandidate(core, core.now)
  core.candidate.raiseTerm = true
}

/** A leader that is not preferred hands over to the preferred member that is alive and least behind. */
export function preferredTick(core: Core): void {
  const { leading, settings } = core
  if (leading === undefined || core.now < leading.nextPreferredCheckAt) return
  leading.nextPreferredCheckAt = core.now + settings.timers.preferredCheckMs
  if (settings.preferredLeaderIds.length === 0 || settings.preferredLeaderIds.includes(core.selfId)) return
  let best: string | undefined
  let bestIndex = -1
  for (const id of settings.preferredLeaderIds) {
    const progress = leading.peers[settings.peers.indexOf(id)]
    if (progress === undefined || core.now - progress.lastOkAt >= settings.timers.leaderLeakMs) continue
    if (progress.matchIndex <= bestIndex) continue
    best = id
    bestIndex = progress.matchIndex
  }
  if (best !== undefined) startTransfer(core, -1, best, core.term)
}

/** Refused before anything was done: with the request's base, as the original answers. */
function refuse(core: Core, token: number, request: TransferRequest, code: number): void {
  const { group, remoteId, localId, term } = request
  const { leaderId } = core
  answer(core, token, { kind: 'LEADERSHIP_TRANSFER', group, remoteId, localId, leaderId, code, term })
}

function reply(core: Core, token: number, code: number, term = core.term): void {
  answer(core, token, { kind: 'LEADERSHIP_TRANSFER', code, term })
}

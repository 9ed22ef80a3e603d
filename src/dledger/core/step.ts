/**
 * The state machine's one door.
 *
 * step(core, input, now, random, out) changes `core` and appends effects to `out`. `now` is a monotonic time in ms, `random` a number in
 * [0, 1) that is new in each call: all time and chance there is. The same inputs give the same effects.
 */
import { candidateTick, followerTick, onVoteResponse } from './candidate.ts'
import { leaderCommit } from './commit.ts'
import type { Effect, Input, LogEnd } from './effects.ts'
import {
  gapTick,
  onAppended,
  onAppendFailed,
  onCompared,
  onPushRequest,
  onTruncated,
  setEnd,
  settle,
} from './follower.ts'
import { onHeartBeatRequest, onHeartBeatResponse } from './heartbeat.ts'
import { becomeLeader, leaderTick, onOwnAppend, onOwnAppendFailed } from './leader.ts'
import type { MemberRequest, MemberResponse } from './messages.ts'
import { persistChanges, persisted } from './outbox.ts'
import { restartCompare } from './progress.ts'
import { onPushResponse, onRead, pumpAll } from './replicate.ts'
import type { Core } from './state.ts'
import { continueTransfer, onTransferRequest, onTransferResponse, takingTick } from './transfer.ts'
import { onVoteRequest } from './voter.ts'

export function step(core: Core, input: Input, now: number, random: number, out: Effect[]): void {
  // A clock that goes back stands still here.
  core.now = Math.max(core.now, now)
  core.random = random
  core.out = out
  take(core, input)
  persistChanges(core)
}

function take(core: Core, input: Input): void {
  switch (input.kind) {
    case 'tick':
      onTick(core)
      return
    case 'request':
      onRequest(core, input.token, input.request)
      return
    case 'response':
      onCallEnd(core, input.peer, input.call, input.response)
      return
    case 'callFailed':
      onCallEnd(core, input.peer, input.call, undefined)
      return
    case 'reached':
      onReached(core, input.peer)
      return
    case 'persisted':
      persisted(core, input.sequence)
      candidateTickNow(core)
      return
    case 'localEnd':
    case 'appended':
      onLogGrown(core, input)
      return
    case 'appendFailed':
      if (input.epoch !== core.log.epoch) return
      if (core.leading === undefined) {
        onAppendFailed(core, input)
        return
      }
      core.log.epoch++
      setEnd(core, input)
      if (core.leading.termStart < 0) onOwnAppendFailed(core)
      return
    case 'truncated':
    case 'truncateFailed':
      if (core.log.truncating === undefined || input.epoch !== core.log.epoch) return
      onTruncated(core, input, input.beginIndex, input.kind === 'truncated')
      return
    case 'flushed':
      onFlushed(core, input.epoch, input.index)
      return
    case 'compared':
      onCompared(core, input.ticket, input.equal)
      return
    case 'read':
      onRead(core, input.ticket, input.entries)
      return
    case 'gateClosed':
      onGateClosed(core, input)
      return
    case 'began':
      core.log.beginIndex = input.beginIndex
      return
  }
}

function onTick(core: Core): void {
  for (const [id, call] of core.calls) if (core.now >= call.deadline) onCallEnd(core, call.peer, id, undefined)
  takingTick(core)
  if (core.role === 'LEADER') leaderTick(core)
  else if (core.role === 'FOLLOWER') {
    gapTick(core)
    followerTick(core)
  }
  candidateTickNow(core)
}

function candidateTickNow(core: Core): void {
  if (core.role === 'CANDIDATE' && candidateTick(core)) becomeLeader(core)
}

function onRequest(core: Core, token: number, request: MemberRequest): void {
  switch (request.kind) {
    case 'VOTE':
      onVoteRequest(core, token, request)
      return
    case 'HEART_BEAT':
      onHeartBeatRequest(core, token, request)
      return
    case 'PUSH':
      onPushRequest(core, token, request)
      return
    case 'LEADERSHIP_TRANSFER':
      onTransferRequest(core, token, request)
      candidateTickNow(core)
      return
  }
}

/** An answer, or that there is none. One that comes after its call was given up is nobody's. */
function onCallEnd(core: Core, peer: number, id: number, response: MemberResponse | undefined): void {
  const call = core.calls.get(id)
  if (call === undefined || call.peer !== peer) return
  core.calls.delete(id)
  switch (call.kind) {
    case 'vote':
      if (onVoteResponse(core, call.round, response?.kind === 'VOTE' ? response : undefined)) becomeLeader(core)
      else candidateTickNow(core)
      return
    case 'heartbeat':
      onHeartBeatResponse(core, peer, response?.kind === 'HEART_BEAT' ? response : undefined)
      pumpAll(core)
      return
    case 'append':
    case 'negotiate':
    case 'commit':
      onPushResponse(core, call, response?.kind === 'PUSH' ? response : undefined)
      return
    case 'transfer':
      onTransferResponse(core, id, response?.kind === 'LEADERSHIP_TRANSFER' ? response : undefined)
      return
  }
}

/** A new connection: the peer may be a new process with another log. */
function onReached(core: Core, peer: number): void {
  const progress = core.leading?.peers[peer]
  if (progress === undefined) return
  progress.follows = false
  progress.nextHeartbeatAt = core.now
  restartCompare(core, peer, 0)
}

function onLogGrown(core: Core, input: LogEnd & { epoch: number }): void {
  if (input.epoch !== core.log.epoch) return
  // A follower's late local writers are told by gateClosed; until then its end is not known.
  if (core.leading !== undefined || core.gate === 'closing') onOwnAppend(core, input)
  else onAppended(core, input)
  takingTick(core)
  candidateTickNow(core)
}

function onFlushed(core: Core, epoch: number, index: number): void {
  const { log } = core
  if (epoch !== log.epoch && !core.settings.flaws.staleFlushCounts) return
  if (log.truncating !== undefined) return
  log.flushedIndex = Math.max(log.flushedIndex, index)
  leaderCommit(core)
  pumpAll(core)
  settle(core)
}

function onGateClosed(core: Core, end: LogEnd): void {
  core.gate = 'closed'
  if (core.leading !== undefined) {
    onOwnAppend(core, end)
    continueTransfer(core)
    return
  }
  setEnd(core, end)
  continueTransfer(core)
  const { deferred } = core.follower
  core.follower.deferred = []
  for (const { token, request } of deferred) onPushRequest(core, token, request)
  candidateTickNow(core)
}

/**
 * The PUSH handler.
 *
 * Stricter than the original (spec §4.9): term and leader are checked for every type (D4); APPEND is taken only where the own log was
 * compared with this leader's in this term, so never after a restart or a new leader without COMPARE (D3); TRUNCATE never cuts
 * what is committed (D5) or what this leader was told to be equal (a doubled or late one); with flushBeforeAck the answer waits
 * for the sync (D1). A push of a larger term is as good as a heartbeat.
 */
import { CODES } from './codes.ts'
import { followerCommit } from './commit.ts'
import type { LogEnd } from './effects.ts'
import { followLeader } from './heartbeat.ts'
import type { EntryBatch, PushRequest } from './messages.ts'
import { lastIndexOf } from './messages.ts'
import { answer } from './outbox.ts'
import { pushResponse, refuseWaiting } from './roles.ts'
import type { Core } from './state.ts'

export function onPushRequest(core: Core, token: number, request: PushRequest): void {
  const { follower, settings } = core
  const { leaderId, term } = request
  if (leaderId === undefined || leaderId === core.selfId || !settings.peers.includes(leaderId)) {
    refuse(core, token, request)
    return
  }
  if (term < core.term && !settings.flaws.staleTermAccepted) {
    refuse(core, token, request)
    return
  }
  if (core.role === 'LEADER' && term <= core.term) {
    reply(core, token, request, CODES.NOT_FOLLOWER)
    return
  }
  if (!followLeader(core, leaderId, term) && !settings.flaws.staleTermAccepted) {
    refuse(core, token, request)
    return
  }
  if (core.gate === 'closing') {
    if (follower.deferred.length >= settings.limits.gapPushes) {
      refuse(core, token, request)
      return
    }
    follower.deferred.push({ token, request })
    return
  }
  if (request.type === 'COMMIT') {
    onCommit(core, token, request)
    return
  }
  if (request.entries === undefined || request.entries.count < 1) {
    reply(core, token, request, CODES.UNEXPECTED_ARGUMENT)
    return
  }
  if (core.log.truncating !== undefined) {
    refuse(core, token, request)
    return
  }
  if (request.type === 'APPEND') {
    onAppend(core, token, request, request.entries)
    return
  }
  if (request.type === 'COMPARE') {
    onCompare(core, token, request, request.entries)
    return
  }
  onTruncate(core, token, request, request.entries)
}

function onCommit(core: Core, token: number, request: PushRequest): void {
  if (core.follower.verifiedIndex < 0 && core.log.endIndex >= 0) {
    refuse(core, token, request)
    return
  }
  learnCommit(core, request)
  reply(core, token, request, CODES.SUCCESS)
}

function learnCommit(core: Core, request: PushRequest): void {
  core.follower.leaderCommit = Math.max(core.follower.leaderCommit, request.commitIndex)
  followerCommit(core)
}

function onAppend(core: Core, token: number, request: PushRequest, entries: EntryBatch): void {
  const { follower, log, settings } = core
  const last = lastIndexOf(entries)
  const isVerified = follower.verifiedIndex === log.endIndex || settings.flaws.appendWithoutCompare
  if (last <= follower.verifiedIndex) {
    // Sent again: it is in the log, as this leader has it.
    learnCommit(core, request)
    acknowledge(core, token, request, last)
    return
  }
  if (!isVerified || entries.firstIndex <= log.endIndex) {
    refuse(core, token, request)
    return
  }
  if (entries.firstIndex > log.endIndex + 1) {
    holdBehindGap(core, token, request, entries)
    return
  }
  submit(core, token, request, entries)
  for (let next = follower.gaps.get(log.endIndex + 1); next !== undefined; next = follower.gaps.get(log.endIndex + 1)) {
    follower.gaps.delete(log.endIndex + 1)
    submit(core, next.token, next.request, next.request.entries!)
  }
}

function submit(core: Core, token: number, request: PushRequest, entries: EntryBatch): void {
  const { follower, log } = core
  core.out.push({ kind: 'append', epoch: log.epoch, entries })
  log.endIndex = lastIndexOf(entries)
  log.endTerm = entries.lastTerm
  follower.verifiedIndex = log.endIndex
  learnCommit(core, request)
  acknowledge(core, token, request, log.endIndex)
}

function holdBehindGap(core: Core, token: number, request: PushRequest, entries: EntryBatch): void {
  const { gaps } = core.follower
  if (gaps.has(entries.firstIndex)) {
    reply(core, token, request, CODES.REPEATED_PUSH)
    return
  }
  if (gaps.size >= core.settings.limits.gapPushes) {
    refuse(core, token, request)
    return
  }
  gaps.set(entries.firstIndex, { token, request, since: core.now })
}

/** A push whose predecessor did not come: the refusal sends the leader to COMPARE, which brings all others again. */
export function gapTick(core: Core): void {
  for (const gap of core.follower.gaps.values())
    if (core.now - gap.since >= core.settings.timers.gapMs) {
      refuseWaiting(core)
      return
    }
}

function onCompare(core: Core, token: number, request: PushRequest, entries: EntryBatch): void {
  const ticket = core.nextId++
  core.follower.comparing.set(ticket, { token, request, epoch: core.log.epoch })
  core.out.push({ kind: 'compare', ticket, entries })
}

export function onCompared(core: Core, ticket: number, equal: boolean): void {
  const { follower, log } = core
  const asked = follower.comparing.get(ticket)
  if (asked === undefined) return
  follower.comparing.delete(ticket)
  const { token, request } = asked
  const index = request.entries!.firstIndex
  if (!equal || !isCurrent(core, request) || asked.epoch !== log.epoch || index > log.endIndex) {
    refuse(core, token, request)
    return
  }
  follower.verifiedIndex = Math.max(follower.verifiedIndex, index)
  learnCommit(core, request)
  acknowledge(core, token, request, index)
}

function onTruncate(core: Core, token: number, request: PushRequest, entries: EntryBatch): void {
  const { follower, log, settings } = core
  const index = entries.firstIndex
  if (settings.flaws.truncateAcknowledged) {
    // Nothing is asked.
  } else if (index < core.commitIndex) {
    const what = `the leader ${request.leaderId} of term ${request.term} truncates to ${index}, but ${core.commitIndex} is committed here`
    core.out.push({ kind: 'alarm', what })
    refuse(core, token, request)
    return
  } else if (index < follower.verifiedIndex) {
    refuse(core, token, request)
    return
  }
  refuseWaiting(core)
  const mustEqual = index <= Math.max(core.commitIndex, follower.verifiedIndex) && !settings.flaws.truncateAcknowledged
  log.truncating = { token, request }
  log.epoch++
  log.endIndex = index
  log.endTerm = entries.lastTerm
  log.appendedIndex = Math.min(log.appendedIndex, index)
  log.flushedIndex = Math.min(log.flushedIndex, index)
  follower.verifiedIndex = -1
  core.out.push({ kind: 'truncate', epoch: log.epoch, entry: entries, mustEqual })
}

/** `isDone` false: the log stands as it was found, and is told whole. */
export function onTruncated(core: Core, end: LogEnd, beginIndex: number, isDone: boolean): void {
  const { follower, log } = core
  const { token, request } = log.truncating!
  log.truncating = undefined
  log.beginIndex = beginIndex
  setEnd(core, end)
  log.flushedIndex = end.endIndex
  if (!isDone || !isCurrent(core, request)) {
    refuse(core, token, request)
    return
  }
  follower.verifiedIndex = end.endIndex
  learnCommit(core, request)
  reply(core, token, request, CODES.SUCCESS)
}

export function onAppended(core: Core, end: LogEnd): void {
  core.log.appendedIndex = end.endIndex
  core.log.appendedTerm = end.endTerm
  followerCommit(core)
  settle(core)
}

/** Disk full, or a position that does not fit: what was not written is asked for again by the leader, after COMPARE. */
export function onAppendFailed(core: Core, end: LogEnd): void {
  refuseWaiting(core)
  core.log.epoch++
  setEnd(core, end)
  core.follower.verifiedIndex = -1
}

export function setEnd(core: Core, end: LogEnd): void {
  const { log } = core
  log.endIndex = end.endIndex
  log.endTerm = end.endTerm
  log.appendedIndex = end.endIndex
  log.appendedTerm = end.endTerm
  log.flushedIndex = Math.min(log.flushedIndex, end.endIndex)
}

/** Answers that waited for the log. */
export function settle(core: Core): void {
  const { acks } = core.follower
  const mark = ackMark(core)
  let count = 0
  while (count < acks.length && acks[count]!.needs <= mark) {
    const ack = acks[count++]!
    reply(core, ack.token, ack.request, CODES.SUCCESS)
  }
  if (count > 0) acks.splice(0, count)
}

function acknowledge(core: Core, token: number, request: PushRequest, needs: number): void {
  const { acks } = core.follower
  if (needs <= ackMark(core)) {
    reply(core, token, request, CODES.SUCCESS)
    return
  }
  let at = acks.length
  while (at > 0 && acks[at - 1]!.needs > needs) at--
  acks.splice(at, 0, { token, request, needs })
}

function ackMark(core: Core): number {
  const { flaws, flushBeforeAck } = core.settings
  if (flaws.ackBeforeAppend) return core.log.endIndex
  const { appendedIndex, flushedIndex } = core.log
  return flushBeforeAck && !flaws.ackBeforeFlush ? Math.min(flushedIndex, appendedIndex) : appendedIndex
}

function isCurrent(core: Core, request: PushRequest): boolean {
  return core.role === 'FOLLOWER' && request.term === core.term && request.leaderId === core.leaderId
}

function refuse(core: Core, token: number, request: PushRequest): void {
  reply(core, token, request, CODES.INCONSISTENT_STATE)
}

function reply(core: Core, token: number, request: PushRequest, code: number): void {
  answer(core, token, pushResponse(core, request, code))
}

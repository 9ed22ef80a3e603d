/**
 * The leader's pushes: reads asked of the log, entries sent in batches, several under way to each peer.
 *
 * A push takes what is there when the former has left, up to the limits: batches grow with load by themselves. Nothing here is
 * per entry. Pushes go out in order, each behind the one before it; the first that fails sends the peer back to COMPARE.
 * Source: spec §5.2–§5.5. JVM members take batches of any size below their frame limit, whatever enableBatchPush says.
 */
import type { PushType } from './codes.ts'
import { CODES } from './codes.ts'
import { leaderCommit } from './commit.ts'
import type { EntryBatch, PushResponse } from './messages.ts'
import { lastIndexOf } from './messages.ts'
import { baseFor, send } from './outbox.ts'
import { compared, hear, restartCompare, startAppend } from './progress.ts'
import type { Call, Core, Progress } from './state.ts'

export function pumpAll(core: Core): void {
  const { leading, settings } = core
  if (leading === undefined || leading.termStart < 0) return
  for (let peer = 0; peer < leading.peers.length; peer++) if (peer !== settings.self) pump(core, peer)
}

function pump(core: Core, peer: number): void {
  const progress = core.leading!.peers[peer]!
  const { log } = core
  if (!progress.follows || progress.reading !== 0 || core.now < progress.pauseUntil) return
  if (progress.mode === 'append') {
    if (progress.nextIndex > log.appendedIndex) {
      sendCommit(core, peer, progress)
      return
    }
    if (progress.pushesInFlight >= core.settings.limits.pushesInFlight) return
    if (progress.nextIndex < log.beginIndex) {
      restartCompare(core, peer, 0)
      return
    }
    const to = Math.min(log.appendedIndex, progress.nextIndex + core.settings.limits.pushEntries - 1)
    read(core, progress, progress.nextIndex, to, core.settings.limits.pushBytes)
    return
  }
  if (progress.negotiation !== 0) return
  // Retention went past it: what was found out about the peer is of no use any more.
  if (progress.askIndex < log.beginIndex) restartCompare(core, peer, 0)
  read(core, progress, progress.askIndex, progress.askIndex, 1)
}

function read(core: Core, progress: Progress, from: number, to: number, bytesMax: number): void {
  progress.reading = core.nextId++
  core.out.push({ kind: 'read', ticket: progress.reading, from, to, bytesMax })
}

export function onRead(core: Core, ticket: number, entries: EntryBatch | undefined): void {
  const peer = core.leading?.peers.findIndex((progress) => progress.reading === ticket) ?? -1
  if (peer < 0) return
  const progress = core.leading!.peers[peer]!
  progress.reading = 0
  if (entries === undefined) {
    restartCompare(core, peer, core.settings.timers.retryMs)
    return
  }
  const deadline = core.now + core.settings.timers.callMs
  if (progress.mode === 'append') {
    const lastIndex = lastIndexOf(entries)
    push(core, peer, 'APPEND', { kind: 'append', peer, deadline, lastIndex }, entries)
    progress.nextIndex = lastIndex + 1
    progress.pushesInFlight++
    pump(core, peer)
    return
  }
  const truncate = progress.mode === 'truncate'
  const call: Call = { kind: 'negotiate', peer, deadline, index: entries.firstIndex, truncate }
  progress.negotiation = push(core, peer, truncate ? 'TRUNCATE' : 'COMPARE', call, entries)
}

function push(core: Core, peer: number, type: PushType, call: Call, entries: EntryBatch | undefined): number {
  const progress = core.leading!.peers[peer]!
  if (type === 'APPEND' || type === 'COMMIT') {
    progress.commitSent = core.commitIndex
    progress.commitDueAt = Number.POSITIVE_INFINITY
  }
  return send(core, peer, call, { kind: 'PUSH', ...baseFor(core, peer), type, commitIndex: core.commitIndex, entries })
}

/** An idle follower learns of a commit soon (the original: after a second), and not with each single one under load. */
function sendCommit(core: Core, peer: number, progress: Progress): void {
  if (progress.pushesInFlight > 0 || progress.commitSent >= core.commitIndex || core.now < progress.commitDueAt) return
  push(core, peer, 'COMMIT', { kind: 'commit', peer, deadline: core.now + core.settings.timers.callMs }, undefined)
}

/** `response` undefined: no answer came. */
export function onPushResponse(core: Core, call: Call, response: PushResponse | undefined): void {
  const { leading } = core
  if (leading === undefined) return
  const { peer } = call
  const progress = leading.peers[peer]!
  const isGood = response?.code === CODES.SUCCESS
  if (isGood) hear(core, progress)
  switch (call.kind) {
    case 'append':
      if (!isGood) {
        restartCompare(core, peer, pauseAfter(core, response))
        return
      }
      progress.pushesInFlight--
      progress.matchIndex = Math.max(progress.matchIndex, call.lastIndex)
      leaderCommit(core)
      break
    case 'commit':
      if (response === undefined || isGood) break
      restartCompare(core, peer, core.settings.timers.retryMs)
      return
    case 'negotiate':
      progress.negotiation = 0
      if (response === undefined || !onNegotiated(core, peer, call, response)) {
        restartCompare(core, peer, core.settings.timers.retryMs)
        return
      }
      break
  }
  pump(core, peer)
}

/** False when the talk has to start again. */
function onNegotiated(core: Core, peer: number, call: Call & { kind: 'negotiate' }, response: PushResponse): boolean {
  const isGood = response.code === CODES.SUCCESS
  const progress = core.leading!.peers[peer]!
  if (call.truncate) {
    if (!isGood) return false
    startAppend(progress, call.index + 1)
    progress.matchIndex = Math.max(progress.matchIndex, call.index)
  } else {
    if (!isGood && response.code !== CODES.INCONSISTENT_STATE) return false
    if (!compared(core, peer, call.index, response)) return true
  }
  // The follower has to be told what is committed, even if no entry follows.
  progress.commitDueAt = core.now
  leaderCommit(core)
  return true
}

/** A refused push is asked about at once; one without an answer, or from a peer in another state, after a pause. */
function pauseAfter(core: Core, response: PushResponse | undefined): number {
  return response?.code === CODES.INCONSISTENT_STATE ? core.settings.timers.commitMs : core.settings.timers.retryMs
}

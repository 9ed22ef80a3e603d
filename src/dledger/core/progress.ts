/**
 * The leader's view of one peer, and the talk that finds where the logs part.
 *
 *   COMPARE at my end ─┬─ 200, and it is the peer's end too ─▶ APPEND from there
 *                      └─ 406 or the peer has more: walk back by 1, 2, 4 …, then bisect, until the last equal entry is
 *                         known; it is the peer's end ─▶ APPEND; else TRUNCATE to it ─▶ APPEND
 *
 * Source: spec §5.2; the walk is shorter than the original's one index a call (D15).
 */
import { CODES } from './codes.ts'
import type { PushResponse } from './messages.ts'
import { dropCalls } from './roles.ts'
import type { Core, Progress } from './state.ts'

export function newProgress(core: Core): Progress {
  return {
    mode: core.settings.flaws.appendWithoutCompare ? 'append' : 'compare',
    follows: false,
    matchIndex: -1,
    nextIndex: core.log.endIndex + 1,
    equalIndex: -1,
    differsIndex: Number.MAX_SAFE_INTEGER,
    stride: 1,
    askIndex: -1,
    pauseUntil: 0,
    pushesInFlight: 0,
    negotiation: 0,
    reading: 0,
    commitSent: -1,
    commitDueAt: Number.POSITIVE_INFINITY,
    lastOkAt: core.now,
    isHeard: false,
    nextHeartbeatAt: core.now,
  }
}

/** Forgets where the peer was and asks again, after a pause. What is on its way to it is not waited for. */
export function restartCompare(core: Core, peer: number, pauseMs: number): void {
  const progress = core.leading?.peers[peer]
  if (progress === undefined) return
  progress.mode = 'compare'
  progress.equalIndex = -1
  progress.differsIndex = Number.MAX_SAFE_INTEGER
  progress.stride = 1
  progress.askIndex = core.log.appendedIndex
  progress.pauseUntil = core.now + pauseMs
  progress.pushesInFlight = 0
  progress.negotiation = 0
  progress.reading = 0
  dropCalls(core, (call) => call.peer === peer && (call.kind === 'append' || call.kind === 'negotiate'))
}

export function hear(core: Core, progress: Progress): void {
  progress.lastOkAt = core.now
  progress.isHeard = true
}

/** The lowest entry that a peer which answered in the last `liveMs` lacks, or may lack; Infinity at who does not lead. */
export function neededFrom(core: Core, liveMs: number): number {
  let lowest = Number.POSITIVE_INFINITY
  core.leading?.peers.forEach((progress, peer) => {
    if (peer === core.settings.self || !progress.isHeard || core.now - progress.lastOkAt >= liveMs) return
    lowest = Math.min(lowest, progress.matchIndex + 1)
  })
  return lowest
}

export function startAppend(progress: Progress, from: number): void {
  progress.mode = 'append'
  progress.nextIndex = from
  progress.pushesInFlight = 0
  progress.commitSent = -1
  progress.pauseUntil = 0
}

/** What a COMPARE at `asked` brought. True when the peer is known to hold `matchIndex` now. */
export function compared(core: Core, peer: number, asked: number, response: PushResponse): boolean {
  const progress = core.leading!.peers[peer]!
  const { log } = core
  const { beginIndex, endIndex } = response
  if (response.code === CODES.SUCCESS) {
    if (asked === endIndex) {
      startAppend(progress, asked + 1)
      progress.matchIndex = Math.max(progress.matchIndex, asked)
      return true
    }
    progress.equalIndex = Math.max(progress.equalIndex, asked)
  } else progress.differsIndex = Math.min(progress.differsIndex, asked)
  const hasCommon = endIndex >= log.beginIndex && beginIndex <= log.appendedIndex && endIndex >= 0
  const lowest = Math.max(log.beginIndex, beginIndex)
  const highest = Math.min(log.appendedIndex, endIndex, progress.differsIndex - 1)
  if (!hasCommon || highest < lowest) truncateTo(progress, log.beginIndex)
  else if (progress.equalIndex >= highest) truncateTo(progress, progress.equalIndex)
  else if (asked > highest + 1) progress.askIndex = highest
  else if (progress.equalIndex >= lowest) progress.askIndex = Math.ceil((progress.equalIndex + highest) / 2)
  else {
    progress.askIndex = Math.max(lowest, highest + 1 - progress.stride)
    progress.stride *= 2
  }
  return false
}

function truncateTo(progress: Progress, index: number): void {
  progress.mode = 'truncate'
  progress.askIndex = index
}

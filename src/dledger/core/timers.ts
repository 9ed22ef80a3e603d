/** When the core has to be ticked next, if nothing else happens: the driver sleeps until then. */
import type { Core, Progress } from './state.ts'
import { logIsQuiet } from './state.ts'

export function nextTickAt(core: Core): number {
  let at = Number.POSITIVE_INFINITY
  for (const call of core.calls.values()) at = Math.min(at, call.deadline)
  if (core.taking !== undefined) at = Math.min(at, core.taking.deadline)
  switch (core.role) {
    case 'CANDIDATE':
      return Math.min(at, candidateAt(core))
    case 'FOLLOWER':
      for (const gap of core.follower.gaps.values()) at = Math.min(at, gap.since + core.settings.timers.gapMs)
      return Math.min(at, core.follower.lastHeardAt + core.follower.electionMs)
    case 'LEADER':
      return Math.min(at, leaderAt(core))
  }
}

function candidateAt(core: Core): number {
  const { candidate } = core
  if (candidate.round !== undefined) return candidate.round.deadline
  // Otherwise the log's next completion wakes it.
  return logIsQuiet(core) ? candidate.nextVoteAt : Number.POSITIVE_INFINITY
}

function leaderAt(core: Core): number {
  const { leading, settings } = core
  if (leading === undefined) return Number.POSITIVE_INFINITY
  let at = settings.preferredLeaderIds.length > 0 ? leading.nextPreferredCheckAt : Number.POSITIVE_INFINITY
  for (let peer = 0; peer < leading.peers.length; peer++) {
    if (peer === settings.self) continue
    const progress = leading.peers[peer]!
    at = Math.min(at, progress.nextHeartbeatAt)
    if (owesCommit(core, progress)) at = Math.min(at, progress.commitDueAt)
    const leak = progress.lastOkAt + settings.timers.leaderLeakMs
    if (leak > core.now) at = Math.min(at, leak)
    if (progress.follows && progress.pauseUntil > core.now) at = Math.min(at, progress.pauseUntil)
  }
  return at
}

/** COMMIT (replicate.ts) has something to say and only waits for its time. Whoever does not follow is not told. */
function owesCommit(core: Core, { follows, mode, pushesInFlight, commitSent }: Progress): boolean {
  return follows && mode === 'append' && pushesInFlight === 0 && commitSent < core.commitIndex
}

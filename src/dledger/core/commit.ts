/**
 * What is committed: at the leader by counting, at a follower by being told.
 *
 * Stricter than the original: only an entry of the own term is committed by counting, and all before it with it (D2); a follower
 * believes the leader's index only as far as it has compared its log with the leader's (Raft's rule, D4).
 */
import { assert } from '../../assert.ts'
import type { Core } from './state.ts'

const marks: number[] = []

/** The own log's mark: what counts as held by this member. */
function ownMark(core: Core): number {
  const { flushBeforeAck, flaws } = core.settings
  const { appendedIndex, flushedIndex } = core.log
  return flushBeforeAck && !flaws.leaderCountsUnflushed ? Math.min(flushedIndex, appendedIndex) : appendedIndex
}

export function leaderCommit(core: Core): void {
  const { leading, settings } = core
  if (leading === undefined || leading.termStart < 0) return
  marks.length = 0
  for (let peer = 0; peer < leading.peers.length; peer++)
    marks.push(peer === settings.self ? ownMark(core) : leading.peers[peer]!.matchIndex)
  marks.sort((a, b) => b - a)
  const index = Math.min(marks[core.quorum - 1]!, core.log.appendedIndex)
  if (index < leading.termStart && !settings.flaws.commitOldTermByCount) return
  if (!commitTo(core, index)) return
  for (const progress of leading.peers) progress.commitDueAt = core.now + settings.timers.commitMs
}

export function followerCommit(core: Core): void {
  const { follower, log } = core
  const known = core.settings.flaws.commitUnverified ? log.appendedIndex : follower.verifiedIndex
  commitTo(core, Math.min(follower.leaderCommit, known, log.appendedIndex))
}

function commitTo(core: Core, index: number): boolean {
  if (index <= core.commitIndex) return false
  assert(index <= core.log.appendedIndex, 'committed what is not written')
  core.commitIndex = index
  core.out.push({ kind: 'commit', index })
  return true
}

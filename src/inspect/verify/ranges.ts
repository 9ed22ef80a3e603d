/**
 * The log in ranges that threads take one by one, and their results in one again.
 *
 * A range that begins within a segment looks for the first record itself. It counts only if the range before ended just there:
 * what a body holds may look like a record to who does not come from in front of it.
 */
import type { Segment } from '../../store/commitlog/index.ts'
import type { InspectSettings } from '../geometry.ts'
import type { LogBounds } from '../log-end.ts'
import type { Findings } from './finding.ts'
import { type LogRangeResult, noEntries, type RangeEntries, type RangeQueue } from './log-range.ts'

export interface PlannedRange {
  from: number
  to: number
  /** A record, or a blank, starts at `from`. */
  isExact: boolean
}

export interface Joined {
  recordCount: number
  damaged: { from: number; to: number }[]
  /** By `topic/queueId`. */
  queues: Map<string, RangeQueue>
  keysMissing: number
  keysMissingFrom: number
  keysMissingTo: number
  entries: RangeEntries
}

export const nothingJoined = (): Joined => ({
  recordCount: 0,
  damaged: [],
  queues: new Map(),
  keysMissing: 0,
  keysMissingFrom: -1,
  keysMissingTo: -1,
  entries: noEntries(),
})

export function planRanges(
  segments: readonly Segment[],
  size: number,
  bounds: LogBounds,
  step: number,
): PlannedRange[] {
  const ranges: PlannedRange[] = []
  for (const { start } of segments) {
    const end = Math.min(start + size, bounds.end)
    for (let from = start; from < end; from += step)
      ranges.push({ from, to: Math.min(from + step, end), isExact: from === start })
  }
  return ranges
}

/** `again` runs a range anew. Findings of the ranges that count are added. */
export async function joinRanges(
  ranges: readonly PlannedRange[],
  results: readonly LogRangeResult[],
  again: (range: PlannedRange) => Promise<LogRangeResult>,
  findings: Findings,
  settings: InspectSettings,
): Promise<Joined> {
  const joined = nothingJoined()
  let next = ranges[0]?.from ?? 0
  let timesBack = 0
  for (const [i, range] of ranges.entries()) {
    let result = results[i]
    if (next >= range.to) continue
    // Nothing of a segment that is missing was planned.
    if (range.isExact && next < range.from) next = range.from
    if (result.startedAt !== next) result = await again({ from: next, to: range.to, isExact: true })
    checkChain(joined, result, findings, settings)
    add(joined, result)
    timesBack += result.timesBack
    findings.list.push(...result.findings)
    findings.more += result.more
    next = Math.max(next, result.next)
  }
  if (timesBack > 0)
    findings.add('TIME_BACK', `store times go back ${timesBack} times along the log`, settings.storePathCommitLog)
  return joined
}

/** Within a range the walk sees it; here from one to the next. */
function checkChain(
  joined: Joined,
  { entries, damaged }: LogRangeResult,
  findings: Findings,
  settings: InspectSettings,
) {
  const { last } = joined.entries
  const { first } = entries
  if (last === undefined || first === undefined || damaged.length + joined.damaged.length > 0) return
  if (first.index === last.index + 1 && first.term >= last.term) return
  const what = `entry ${first.index} of term ${first.term} stands behind entry ${last.index} of term ${last.term}`
  findings.inLog('RECORD_DAMAGED', what, settings, first.position)
}

function add(joined: Joined, result: LogRangeResult): void {
  const { entries } = joined
  entries.count += result.entries.count
  entries.foreign += result.entries.foreign
  entries.unindexed += result.entries.unindexed
  entries.first ??= result.entries.first
  entries.last = result.entries.last ?? entries.last
  joined.recordCount += result.recordCount
  joined.damaged.push(...result.damaged)
  if (result.keysMissing > 0) {
    if (joined.keysMissing === 0) joined.keysMissingFrom = result.keysMissingFrom
    joined.keysMissing += result.keysMissing
    joined.keysMissingTo = result.keysMissingTo
  }
  for (const queue of result.queues) {
    const key = `${queue.topic}/${queue.queueId}`
    const known = joined.queues.get(key)
    if (known === undefined) {
      joined.queues.set(key, { ...queue })
      continue
    }
    if (known.missing === 0) known.missingAt = queue.missingAt
    for (const name of ['matched', 'missing', 'older', 'superseded'] as const) known[name] += queue[name]
    known.lastAt = Math.max(known.lastAt, queue.lastAt)
    known.hasFiles ||= queue.hasFiles
  }
}

/**
 * Up to where a member of a DLedger group knew its log to be committed, by its checkpoint: what is behind it may still be cut, and
 * belongs into no ConsumeQueue.
 */
import { LogFolders } from '../store/commitlog/index.ts'
import { logBounds } from './log-end.ts'
import { LogWalk } from './log-walk.ts'
import { memberState } from './member-state.ts'
import type { InspectedStore } from './open-store.ts'

/** End of the last entry that is committed, at most that of the log; 0: it knows of none. */
export function committedEnd(store: InspectedStore): number {
  const { files, settings } = store
  if (files.member === undefined) return 0
  const { committedIndex } = memberState(files.member)
  const bounds = logBounds(store, false)
  if (committedIndex < 0 || bounds.lastEntry === undefined) return 0
  if (committedIndex >= bounds.lastEntry.index) return bounds.end
  const segmentStarts = files.segments.map(({ start }) => start)
  const { divide } = new LogFolders(settings)
  using walk = new LogWalk({ settings, segmentStarts, from: bounds.min, limit: bounds.end, checkCRC: false })
  const indexAt = (start: number) => {
    walk.moveTo(start)
    walk.step()
    return walk.entry?.index
  }
  const from = segmentStarts.findLast((start) => start >= divide && (indexAt(start) ?? Infinity) <= committedIndex)
  if (from === undefined) return 0
  walk.moveTo(from)
  for (let step = walk.step(); step !== 'end'; step = walk.step())
    if (walk.entry !== undefined && walk.entry.index >= committedIndex) return walk.next
  return bounds.end
}

/**
 * Where the log begins and ends, found without reading all of it: the last record that a ConsumeQueue or our positions know of,
 * and from there record by record.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { LogFolders } from '../store/commitlog/index.ts'
import { isReal, physicalOffsetAt, queueFileSize, UNIT, UNIT_SIZE } from '../store/consumequeue/index.ts'
import type { InspectedEntryHead } from './entry.ts'
import { LogWalk } from './log-walk.ts'
import type { InspectedStore } from './open-store.ts'

export interface LogBounds {
  min: number
  end: number
  /** Store times of the first and the last record, ms; 0 without records. */
  firstTime: number
  lastTime: number
  /** Bytes behind the end, up to the last one that is not zero. */
  behind: number
  /** What stands at the end, where that is more than nothing. */
  problem: string
  /** Damage that was passed on the way to the end. */
  isDamaged: boolean
  /** Of a DLedger log that has entries. */
  firstEntry?: InspectedEntryHead | undefined
  lastEntry?: InspectedEntryHead | undefined
}

const BEHIND_MAX = 1024 * 1024

export function logBounds(store: InspectedStore, checkCRC = true): LogBounds {
  const { files, settings, use } = store
  const segmentStarts = files.segments.map(({ start }) => start)
  const first = segmentStarts[0]
  if (first === undefined)
    return { min: 0, end: 0, firstTime: 0, lastTime: 0, behind: 0, problem: '', isDamaged: false }
  using walk = new LogWalk({
    settings,
    segmentStarts,
    from: first,
    isLive: use.isInUse,
    durable: durableOf(store),
    checkCRC,
  })
  let firstTime = walk.step() === 'record' ? walk.record.storeTimestamp : 0
  let lastTime = firstTime
  const isOwn = settings.enableDLegerCommitLog
  let firstEntry = walk.entry
  let lastEntry = firstEntry
  let isDamaged = false
  walk.moveTo(scanFrom(store, walk))
  for (;;) {
    const step = walk.step()
    if (step === 'end') break
    if (isOwn && step !== 'damage') lastEntry = walk.entry ?? lastEntry
    if (step === 'damage') isDamaged = true
    else if (step === 'record') {
      lastTime = walk.record.storeTimestamp
      if (firstTime === 0) firstTime = lastTime
    }
  }
  const { at: end, problem } = walk
  // Beside a running broker what stands behind the end is what it has just written.
  const behind = use.isInUse ? 0 : bytesBehind(walk, end, segmentStarts)
  const bounds = { min: first, end, firstTime, lastTime, behind, problem, isDamaged }
  if (!isOwn) return bounds
  firstEntry ??= firstOf(store, walk)
  return { ...bounds, firstEntry, lastEntry: lastEntry ?? firstEntry }
}

/** Behind the CommitLog that a DLedger log goes on from. */
function firstOf({ files, settings }: InspectedStore, walk: LogWalk): InspectedEntryHead | undefined {
  const { divide } = new LogFolders(settings)
  if (files.segments.length === 0 || divide === 0 || !Number.isFinite(divide)) return undefined
  walk.moveTo(divide)
  walk.step()
  return walk.entry
}

/** Records below it were written for certain. */
function durableOf(store: InspectedStore): number {
  const { positions } = store
  // Of a DLedger log only what is committed is known to stay, and nothing else is dispatched.
  if (store.settings.enableDLegerCommitLog) {
    const newest = newestUnits(store)[0]
    return newest === undefined ? 0 : newest.offset + newest.size
  }
  if (positions === undefined || positions.trust === 'none') return 0
  return positions.trust === 'live' ? positions.slot.appended : positions.slot.flushed
}

/** A record from which the log can be followed to its end: of the newest units, or the start of the last file that has any. */
function scanFrom(store: InspectedStore, walk: LogWalk): number {
  const { files, settings } = store
  const { scanner } = walk
  let from = files.segments[0].start
  for (let i = files.segments.length - 1; i > 0; i -= 1) {
    const { start } = files.segments[i]
    if (scanner.check(start) === 'end') continue
    from = start
    break
  }
  const size = settings.mappedFileSizeCommitLog
  for (const { offset, size: recordSize } of newestUnits(store)) {
    const isInLast = offset > from && Math.floor(offset / size) === Math.floor(from / size)
    const { headerSize } = scanner.layoutAt(offset)
    const at = offset - headerSize
    if (isInLast && scanner.check(at) === 'ok' && scanner.entrySize === headerSize + recordSize) return at
  }
  return from
}

/** The last real unit of each queue, the one with the largest offset first. */
export function newestUnits({ files, settings }: InspectedStore): { offset: number; size: number }[] {
  const fileSize = queueFileSize(settings)
  const found: { offset: number; size: number }[] = []
  for (const { files: queueFiles } of files.queues) {
    const last = queueFiles.at(-1)
    const unit = last === undefined ? undefined : lastUnit(last.path, Math.min(last.size, fileSize))
    if (unit !== undefined) found.push(unit)
  }
  return found.sort((a, b) => b.offset - a.offset).slice(0, 8)
}

/** By halves: units are written in order. Holes only make the scan of the log longer. */
function lastUnit(path: string, size: number): { offset: number; size: number } | undefined {
  const bytes = Buffer.alloc(UNIT_SIZE)
  const view = new DataView(bytes.buffer, bytes.byteOffset, UNIT_SIZE)
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return undefined
  }
  try {
    const isWritten = (unit: number) =>
      readSync(fd, bytes, 0, UNIT_SIZE, unit * UNIT_SIZE) === UNIT_SIZE && view.getInt32(UNIT.size) > 0
    let low = 0
    let high = Math.floor(size / UNIT_SIZE)
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (isWritten(middle)) low = middle + 1
      else high = middle
    }
    if (low === 0 || !isWritten(low - 1) || !isReal(view, 0)) return undefined
    return { offset: physicalOffsetAt(view, 0), size: view.getInt32(UNIT.size) }
  } finally {
    closeSync(fd)
  }
}

function bytesBehind(walk: LogWalk, end: number, segmentStarts: number[]): number {
  const { window, scanner } = walk
  const left = scanner.segmentEnd(end) - end
  if (!segmentStarts.some((start) => start <= end && end < start + window.segmentSize)) return 0
  if (left < 1 || scanner.check(end) === 'blank') return 0
  const length = Math.min(BEHIND_MAX, left)
  const index = window.index(end, length)
  let last = index + length
  while (last > index && window.bytes[last - 1] === 0) last -= 1
  return last - index
}

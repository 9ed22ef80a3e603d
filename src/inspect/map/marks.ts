/**
 * How far the log is on disk and in queues, and which segments go next: by the positions that Basalt keeps, else by what
 * Apache's checkpoint lets one say.
 */
import { statSync } from 'node:fs'
import { LogReader, type Segment } from '../../store/commitlog/index.ts'
import { QueueReader, QueueReaders } from '../../store/consumequeue/index.ts'
import { diskUse } from '../../store/retention/disk-use.ts'
import { decide, HOUR_MS, hoursOf } from '../../store/retention/retention-rules.ts'
import type { LogBounds } from '../log-end.ts'
import type { InspectedStore } from '../open-store.ts'
import { tryRead } from '../try-read.ts'
import { queueEnd, queueStart } from './read-units.ts'

export interface Mark {
  /** Undefined: nobody knows. */
  offset: number | undefined
  /** Why that is known, or not. */
  source: string
}

/** What is on disk for certain. */
export function flushedMark(store: InspectedStore, { min, end }: LogBounds): Mark {
  const { positions, isUnclean, use } = store
  if (!isUnclean && !use.isInUse) return { offset: end, source: 'stopped cleanly' }
  if (positions !== undefined) {
    const { slot, trust, reason } = positions
    if (trust === 'live') return { offset: Math.min(end, Math.max(min, slot.flushed)), source: 'basalt/positions' }
    if (trust === 'durable') return { offset: end, source: 'the machine was started again: what is there was on disk' }
    return { offset: undefined, source: reason ?? 'basalt/positions cannot be trusted' }
  }
  if (store.isOurs) return { offset: undefined, source: 'basalt/positions cannot be read' }
  const time = store.checkpoint.physicMsgTimestamp
  if (time <= 0) return { offset: undefined, source: 'no checkpoint tells' }
  const offset = tryRead(() => endOfTime(store, time, min, end))
  return offset === undefined
    ? { offset: undefined, source: 'the checkpoint’s time is not found in the log' }
    : { offset, source: 'checkpoint: at least so far' }
}

const QUEUES_ASKED_MAX = 64

/** Behind the last record, of those that queues know, that was stored before `time`. */
function endOfTime(store: InspectedStore, time: number, min: number, end: number): number | undefined {
  const { settings, files } = store
  const readers = new QueueReaders(settings, 8)
  using log = new LogReader(settings, 0)
  let found: number | undefined
  try {
    for (const queue of files.queues.slice(0, QUEUES_ASKED_MAX)) {
      const reader = new QueueReader({ settings, topic: queue.topic, queueId: queue.queueId, shared: readers })
      let low = queueStart(queue)
      let high = queueEnd(queue, readers)
      while (low < high) {
        const middle = Math.floor((low + high) / 2)
        const units = reader.read(middle, 1, Number.MAX_SAFE_INTEGER)
        const offset = units.count === 1 && !units.isBlank(0) ? units.physicalOffset(0) : -1
        if (offset < 0) {
          high = middle
          continue
        }
        const size = units.size(0)
        const stored = offset < min ? 0 : storedAt(log, offset, end)
        if (stored !== undefined && stored < time) {
          low = middle + 1
          if (offset >= min && offset + size <= end) found = Math.max(found ?? 0, offset + size)
        } else high = middle
      }
    }
  } finally {
    readers.close()
  }
  return found
}

const HEAD = 88
const BORN_V6 = 16
const STORE_TIME = 56
const V6_MORE = 12

function storedAt(log: LogReader, offset: number, end: number): number | undefined {
  const head = offset + HEAD <= end ? log.readCold(offset, HEAD) : undefined
  if (head === undefined || head.length < HEAD) return undefined
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const isV6 = (view.getInt32(36) & BORN_V6) !== 0
  return Number(view.getBigInt64(STORE_TIME + (isV6 ? V6_MORE : 0)))
}

/** Records below have their units. `newest`: behind the last record that a queue points at. */
export function dispatchedMark({ positions }: InspectedStore, { end, min }: LogBounds, newest: number): Mark {
  if (positions !== undefined && positions.trust !== 'none') {
    const { slot, trust } = positions
    const offset = trust === 'live' ? slot.dispatched : slot.settled
    return { offset: Math.min(end, Math.max(min, offset, newest)), source: 'basalt/positions' }
  }
  return { offset: Math.min(end, Math.max(min, newest)), source: 'the newest unit of its queues' }
}

export interface RetentionOutlook {
  reservedHours: number
  deleteWhen: string
  /** `default`: RocketMQ's; -c or --set tell this broker's. */
  isDefault: boolean
  /** Segments whose time is over: they go at the next hour of deleteWhen, or when the disk is full. */
  expired: { from: number; to: number; segments: number }
  /** The next full hour of deleteWhen, local time; undefined where it names none. */
  nextRoundAt: number | undefined
  /** When the oldest segment that stays will have expired; undefined without one that may go. */
  nextExpiryAt: number | undefined
  disk: { usedPercent: number; freeBytes: number } | undefined
  /** Expired segments go now, whatever the hour; with `isForced` those that are not expired, too. */
  isSpaceShort: boolean
  isForced: boolean
}

/** In percent: diskMaxUsedSpaceRatio, and from where on segments go whatever their age. */
const DISK_MAX = 75
const DISK_FORCED = 85

export function retentionOutlook(
  store: InspectedStore,
  segments: readonly Segment[],
  end: number,
  now: number,
): RetentionOutlook {
  const { known, root } = store
  const reservedHours = known.fileReservedTime ?? 72
  const deleteWhen = known.deleteWhen ?? '04'
  const from = segments[0]?.start ?? 0
  let to = from
  let count = 0
  let nextExpiryAt: number | undefined
  // The one in use stays, and those that are made ahead.
  for (const [i, { path, start }] of segments.entries()) {
    const following = segments[i + 1]
    if (following === undefined || following.start > end) break
    const changedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now
    const expiresAt = changedAt + reservedHours * HOUR_MS
    if (expiresAt > now) {
      nextExpiryAt = expiresAt
      break
    }
    to = Math.max(start, following.start)
    count += 1
  }
  const disk = tryRead(() => diskUse(root))
  const percent = disk?.usedPercent ?? 0
  const settings = {
    deleteWhen,
    diskMaxUsedSpaceRatio: known.diskMaxUsedSpaceRatio ?? DISK_MAX,
    diskSpaceCleanForciblyRatio: known.diskSpaceCleanForciblyRatio ?? DISK_FORCED,
    cleanFileForciblyEnable: known.cleanFileForciblyEnable ?? true,
  }
  const { reason, isForced } = decide(
    { hour: -1, logPercent: percent, queuePercent: percent, isManual: false },
    settings,
  )
  return {
    reservedHours,
    deleteWhen,
    isDefault: known.fileReservedTime === undefined && known.deleteWhen === undefined,
    expired: { from, to, segments: count },
    nextRoundAt: nextRound(hoursOf(deleteWhen), now),
    nextExpiryAt,
    disk: disk === undefined ? undefined : { usedPercent: disk.usedPercent, freeBytes: disk.freeBytes },
    isSpaceShort: reason === 'space',
    isForced,
  }
}

/** The clock hour that comes next; within one of them: now. */
function nextRound(hours: readonly number[], now: number): number | undefined {
  if (hours.length === 0) return undefined
  const date = new Date(now)
  for (let ahead = 0; ahead <= 24; ahead += 1) {
    const at = new Date(date.getFullYear(), date.getMonth(), date.getDate(), date.getHours() + ahead)
    if (hours.includes(at.getHours())) return Math.max(now, at.getTime())
  }
  return undefined
}

/**
 * The queue offset for a moment (SEARCH_OFFSET_BY_TIMESTAMP): a task of the pool, paths and numbers in, a number out.
 *
 * As RocketMQ 4.9.8 answers: a unit with exactly this store time, else the nearer neighbour, a tie to the left; later than
 * all: the last unit; earlier than all: the first. RocketMQ chooses the file by its modification time first, which a copied
 * store has wrong; here all units are searched, and of equal times the first is taken.
 *
 * Source: spec/store-format.md §12 "Offset by time".
 */
import { LogReader, type LogReaderSettings } from '../commitlog/log-reader.ts'
import { FIELD, readInt64, SYS_FLAG } from '../commitlog/record.ts'
import type { QueueSettings } from './queue-files.ts'
import { QueueReader } from './queue-reader.ts'

const HEAD_SIZE = 80

export interface OffsetByTimeTask {
  settings: QueueSettings & LogReaderSettings
  topic: string
  queueId: number
  /** Store time in milliseconds. */
  timestamp: number
  /** Queue offsets [min, max) are searched. */
  min: number
  max: number
  /** Records below are gone. */
  logMin: number
}

export async function offsetByTime(task: OffsetByTimeTask): Promise<number> {
  return offsetByTimeSync(task)
}

export function offsetByTimeSync(task: OffsetByTimeTask): number {
  const { settings, topic, queueId, timestamp, min, max, logMin } = task
  const reader = new QueueReader({ settings, topic, queueId })
  using log = new LogReader(settings, 0)
  /** Store time of the first unit at or behind `from` that has a record; undefined when none below `max` has. */
  const timeAt = (from: number): { unit: number; time: number } | undefined => {
    for (let unit = from; unit < max; ) {
      const batch = reader.read(unit, unit === from ? 1 : 800, max)
      for (let index = 0; index < batch.count; index += 1) {
        if (batch.isBlank(index) || batch.physicalOffset(index) < logMin) continue
        const time = storeTime(log, batch.physicalOffset(index))
        if (time !== undefined) return { unit: unit + index, time }
      }
      unit = batch.count > 0 ? unit + batch.count : reader.nextFile(unit)
    }
    return undefined
  }
  try {
    let low = min
    let high = max
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2)
      const found = timeAt(middle)
      if (found === undefined || found.time >= timestamp) high = middle
      else low = found.unit + 1
    }
    const right = timeAt(low)
    const left = low > min ? timeAt(low - 1) : undefined
    if (right === undefined) return left?.unit ?? 0
    if (right.time === timestamp || left === undefined || left.unit >= low) return right.unit
    return timestamp - left.time <= right.time - timestamp ? left.unit : right.unit
  } finally {
    reader.close()
  }
}

/** Store time of the record that starts there; undefined when none does. */
export function storeTime(log: LogReader, offset: number): number | undefined {
  const head = log.readCold(offset, HEAD_SIZE)
  if (head === undefined || head.length < HEAD_SIZE) return undefined
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const bornHost = (view.getInt32(FIELD.sysFlag) & SYS_FLAG.bornHostV6) === 0 ? 8 : 20
  const time = readInt64(view, FIELD.bornHost + bornHost)
  return time > 0 ? time : undefined
}

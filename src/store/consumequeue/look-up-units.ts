/**
 * What administrators ask about units, as tasks of the pool.
 *
 *   lookUpUnits  where the records of given units are and when they were stored; statistics ask for the last message of
 *                thousands of queues at a time (202, 208, 303, 317), so that it takes a list
 *   firstUnits   the first queue offset whose record is at or above a place of the log, of each queue
 *   listUnits    the units themselves, side by side (321)
 */
import { LogReader, type LogReaderSettings } from '../commitlog/log-reader.ts'
import type { ExtSettings } from './ext-files.ts'
import { storeTime } from './offset-by-time.ts'
import { type QueueSettings, queueFileSize, queueFolder } from './queue-files.ts'
import { firstUnitAtOrAbove } from './queue-min.ts'
import { QueueReader, QueueReaders } from './queue-reader.ts'

export interface UnitPlace {
  topic: string
  queueId: number
  queueOffset: number
}

export interface LookUpUnitsTask {
  settings: QueueSettings & LogReaderSettings
  places: readonly UnitPlace[]
  /** Records below are gone. */
  logMin: number
  /** Store times cost a read of the log each. */
  withTimes: boolean
}

/** One entry a place, -1 where nothing is. */
export interface FoundUnits {
  physicalOffsets: Float64Array
  storeTimes: Float64Array
}

export async function lookUpUnits(task: LookUpUnitsTask): Promise<FoundUnits> {
  const { settings, places, logMin, withTimes } = task
  const physicalOffsets = new Float64Array(places.length).fill(-1)
  const storeTimes = new Float64Array(places.length).fill(-1)
  const shared = new QueueReaders(settings, 4)
  using log = new LogReader(settings, 0)
  try {
    for (const [i, { topic, queueId, queueOffset }] of places.entries()) {
      const units = new QueueReader({ settings, topic, queueId, shared }).read(queueOffset, 1, queueOffset + 1)
      if (units.count === 0 || units.isBlank(0) || units.physicalOffset(0) < logMin) continue
      physicalOffsets[i] = units.physicalOffset(0)
      if (withTimes) storeTimes[i] = storeTime(log, physicalOffsets[i]) ?? -1
    }
    return { physicalOffsets, storeTimes }
  } finally {
    shared.close()
  }
}

export interface FirstUnitsTask {
  settings: QueueSettings
  /** `end`: the answer where no unit below it qualifies. */
  queues: readonly { topic: string; queueId: number; end: number }[]
  physicalOffset: number
}

export async function firstUnits({ settings, queues, physicalOffset }: FirstUnitsTask): Promise<Float64Array> {
  const size = queueFileSize(settings)
  return Float64Array.from(queues, ({ topic, queueId, end }) =>
    firstUnitAtOrAbove(queueFolder(settings, topic, queueId), size, end, physicalOffset),
  )
}

export interface ListUnitsTask {
  settings: QueueSettings & ExtSettings
  topic: string
  queueId: number
  from: number
  count: number
  /** Units at and above it are not there. */
  max: number
}

export interface ListedUnit {
  physicalOffset: number
  size: number
  tagsCode: bigint
}

/** Units from `from` on, across files; those that stand for no record are in the list too. */
export async function listUnits({ settings, topic, queueId, from, count, max }: ListUnitsTask): Promise<ListedUnit[]> {
  const reader = new QueueReader({ settings, topic, queueId })
  const listed: ListedUnit[] = []
  const end = Math.min(max, from + count)
  try {
    for (let offset = from; offset < end; ) {
      const units = reader.read(offset, end - offset, max)
      for (let i = 0; i < units.count; i += 1) {
        const tagsCode = (BigInt(units.tagsCodeHigh(i)) << 32n) | BigInt(units.tagsCodeLow(i) >>> 0)
        listed.push({ physicalOffset: units.physicalOffset(i), size: units.size(i), tagsCode })
      }
      offset = units.count > 0 ? offset + units.count : reader.nextFile(offset)
    }
    return listed
  } finally {
    reader.close()
  }
}

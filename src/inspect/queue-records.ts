/** Units of one queue, each with the record that it points at. */
import { LogReader } from '../store/commitlog/index.ts'
import {
  BLANK_UNIT_SIZE,
  type ListedUnit,
  QueueReader,
  queueFileSize,
  UNIT,
  UNIT_SIZE,
} from '../store/consumequeue/index.ts'
import { type InspectedMessage, messageAt } from './message.ts'
import type { InspectedStore } from './open-store.ts'
import { unitChunks } from './queue-units.ts'
import { listQueue } from './store-files.ts'

export interface InspectedUnit extends ListedUnit {
  queueOffset: number
  /** `blank`: this store never had the message. `empty`: never written, between units that were. */
  kind: 'record' | 'blank' | 'empty'
  /** Undefined where the unit points at no record. */
  message: InspectedMessage | undefined
  /** Why the record is not the one that the unit promises. */
  problem: string | undefined
}

/** Records are small; a damaged unit may claim a GiB. */
const RECORD_MAX = 64 * 1024 * 1024

export interface QueueQuery {
  topic: string
  queueId: number
  /** Queue offsets, [from, to). */
  from?: number | undefined
  to?: number | undefined
}

export function* queueUnits(store: InspectedStore, query: QueueQuery): Generator<InspectedUnit> {
  const { settings } = store
  const { topic, queueId } = query
  const fileSize = queueFileSize(settings)
  const { files } = listQueue(store.root, topic, queueId)
  const end = Math.min(query.to ?? Number.MAX_SAFE_INTEGER, endOf(files, fileSize))
  const reader = new QueueReader({ settings, topic, queueId })
  using log = new LogReader(settings, 0)
  try {
    const first = (files[0]?.start ?? 0) / UNIT_SIZE
    for (let offset = Math.max(query.from ?? 0, first); offset < end; ) {
      const units = reader.read(offset, Math.min(256, end - offset), end)
      for (let i = 0; i < units.count; i += 1) {
        const tagsCode = (BigInt(units.tagsCodeHigh(i)) << 32n) | BigInt(units.tagsCodeLow(i) >>> 0)
        const unit = { physicalOffset: units.physicalOffset(i), size: units.size(i), tagsCode }
        yield inspectedUnit(log, unit, { topic, queueId, queueOffset: offset + i })
      }
      offset = units.count > 0 ? offset + units.count : reader.nextFile(offset)
    }
  } finally {
    reader.close()
  }
}

function inspectedUnit(
  log: LogReader,
  unit: ListedUnit,
  place: { topic: string; queueId: number; queueOffset: number },
): InspectedUnit {
  const { queueOffset } = place
  const { physicalOffset, size } = unit
  const nothing = { ...unit, queueOffset, message: undefined, problem: undefined }
  if (size === BLANK_UNIT_SIZE && physicalOffset === 0) return { ...nothing, kind: 'blank' }
  if (size === 0 && physicalOffset === 0) return { ...nothing, kind: 'empty' }
  const isPlausible = physicalOffset >= 0 && size > 0 && size <= RECORD_MAX
  const bytes = isPlausible ? log.readCold(physicalOffset, size) : undefined
  const message = bytes === undefined || bytes.length < size ? undefined : messageAt(bytes)
  return { ...nothing, kind: 'record', message, problem: problemOf(message, unit, place) }
}

function problemOf(
  message: InspectedMessage | undefined,
  unit: ListedUnit,
  place: { topic: string; queueId: number; queueOffset: number },
): string | undefined {
  if (message === undefined) return 'no record is there'
  if (message.size !== unit.size) return `the record there has ${message.size} bytes`
  const isIts =
    message.topic === place.topic && message.queueId === place.queueId && message.queueOffset === place.queueOffset
  return isIts ? undefined : `that is record ${message.queueOffset} of ${message.topic}/${message.queueId}`
}

/** One behind the last unit that was written. */
function endOf(files: Parameters<typeof unitChunks>[0], fileSize: number): number {
  for (const file of [...files].reverse()) {
    let end = -1
    for (const { first, count, view } of unitChunks([file], fileSize)) {
      for (let index = 0; index < count; index += 1) {
        if (view.getInt32(index * UNIT_SIZE + UNIT.size) !== 0) end = first + index + 1
      }
    }
    if (end >= 0) return end
  }
  return 0
}

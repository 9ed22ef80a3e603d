/**
 * A queue of which the log has no record any more: it cannot be built again, and its next queue offset must not fall back. What can
 * be right of its files is kept, the rest of them becomes blank up to the last right unit, and zero behind it.
 */
import { mkdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import {
  BLANK_UNIT_SIZE,
  isReal,
  physicalOffsetAt,
  queueFilePath,
  queueFileSize,
  UNIT,
  UNIT_SIZE,
  writeUnit,
} from '../../store/consumequeue/index.ts'
import { writeSynced } from '../../store/metadata/durable-file.ts'
import { FOLDERS } from '../../store/settings.ts'
import type { InspectedStore } from '../open-store.ts'
import { unitChunks } from '../queue-units.ts'

export interface Salvaged {
  folder: string
  /** Next queue offset. */
  end: number
}

/** Undefined where the queue has no files. `logMin`: records below have expired. */
export function salvage(
  store: InspectedStore,
  into: string,
  { topic, queueId }: { topic: string; queueId: number },
  logMin: number,
): Salvaged | undefined {
  const queue = store.files.queues.find((each) => each.topic === topic && each.queueId === queueId)
  const fileSize = queueFileSize(store.settings)
  const files = queue?.files.filter(({ start, size }) => start % fileSize === 0 && size <= fileSize) ?? []
  if (files.length === 0) return undefined
  const first = files[0].start / UNIT_SIZE
  let end = first
  for (const { unit } of right(files, fileSize, logMin)) end = unit + 1
  const folder = join(into, FOLDERS.consumeQueue, topic, String(queueId))
  mkdirSync(folder, { recursive: true })
  const perFile = fileSize / UNIT_SIZE
  const units = right(files, fileSize, logMin)
  let next = units.next()
  for (let start = first; start < Math.max(end, first + 1); start += perFile) {
    const bytes = Buffer.alloc(Math.max(0, Math.min(perFile, end - start)) * UNIT_SIZE)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at < bytes.length; at += UNIT_SIZE) {
      const unit = start + at / UNIT_SIZE
      if (!next.done && next.value.unit === unit) {
        const { offset, size, tagsHigh, tagsLow } = next.value
        writeUnit(view, at, offset, size, tagsHigh, tagsLow)
        next = units.next()
      } else writeUnit(view, at, 0, BLANK_UNIT_SIZE, 0, 0)
    }
    const path = queueFilePath(folder, start * UNIT_SIZE)
    writeSynced(path, bytes)
    truncateSync(path, fileSize)
  }
  return { folder, end }
}

/** Units of expired records that rise, in order. */
function* right(files: Parameters<typeof unitChunks>[0], fileSize: number, logMin: number) {
  let reached = 0
  for (const { first, count, view } of unitChunks(files, fileSize)) {
    for (let index = 0; index < count; index += 1) {
      const at = index * UNIT_SIZE
      const offset = physicalOffsetAt(view, at)
      const size = view.getInt32(at + UNIT.size)
      if (!isReal(view, at) || offset < reached || offset + size > logMin) continue
      reached = offset + size
      const [tagsHigh, tagsLow] = [view.getInt32(at + UNIT.tagsCode), view.getInt32(at + UNIT.tagsCode + 4)]
      yield { unit: first + index, offset, size, tagsHigh, tagsLow }
    }
  }
}

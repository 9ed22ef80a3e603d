/**
 * All units of a queue, file by file in large reads; parts of files that were never written are skipped.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { nextData } from '../native/index.ts'
import { isReal, physicalOffsetAt, type QueueFile, UNIT, UNIT_SIZE } from '../store/consumequeue/index.ts'
import type { QueueFiles } from './store-files.ts'

const CHUNK_UNITS = 3276
const bytes = Buffer.alloc(CHUNK_UNITS * UNIT_SIZE)

export interface UnitChunk {
  file: QueueFile
  /** Queue offset of the first unit. */
  first: number
  count: number
  /** Valid until the next one. */
  view: DataView
}

export const chunkView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** `from`: queue offset to begin at. Units between chunks are zeros. */
export function* unitChunks(files: QueueFile[], fileSize: number, from = 0): Generator<UnitChunk> {
  for (const file of files) {
    if (file.start + fileSize <= from * UNIT_SIZE) continue
    let fd: number
    try {
      fd = openSync(file.path, 'r')
    } catch {
      // Removed by retention meanwhile.
      continue
    }
    try {
      const size = Math.min(file.size, fileSize)
      let at = Math.max(0, from * UNIT_SIZE - file.start)
      while (at < size) {
        at = Math.max(at, dataFrom(fd, at, size))
        const length = readSync(fd, bytes, 0, Math.min(bytes.length, size - at), at)
        const count = Math.floor(length / UNIT_SIZE)
        if (count === 0) break
        yield { file, first: (file.start + at) / UNIT_SIZE, count, view: chunkView }
        at += count * UNIT_SIZE
      }
    } finally {
      closeSync(fd)
    }
  }
}

/** Start of the unit that holds the first byte at or above `at` that may not be zero. */
function dataFrom(fd: number, at: number, size: number): number {
  try {
    const found = nextData(fd, at)
    return Math.min(found - (found % UNIT_SIZE), size)
  } catch {
    return at
  }
}

export interface QueueStats {
  topic: string
  queueId: number
  /** First queue offset whose record is in the log, and the next one that is given out. */
  min: number
  max: number
  /** Units of records that are in the log, and the bytes of those records. */
  count: number
  bytes: number
  firstPhysicalOffset: number
  lastPhysicalOffset: number
}

/** `logEnd`: units of records behind it are not counted: they came later, or are damage. */
export function queueStats(queue: QueueFiles, fileSize: number, logMin: number, logEnd: number): QueueStats {
  const { topic, queueId, files } = queue
  const stats: QueueStats = {
    topic,
    queueId,
    min: -1,
    max: 0,
    count: 0,
    bytes: 0,
    firstPhysicalOffset: -1,
    lastPhysicalOffset: -1,
  }
  for (const { first, count, view } of unitChunks(files, fileSize)) {
    for (let index = 0; index < count; index += 1) {
      const at = index * UNIT_SIZE
      const size = view.getInt32(at + UNIT.size)
      if (size <= 0) continue
      const offset = physicalOffsetAt(view, at)
      const real = isReal(view, at)
      if (real && offset + size > logEnd) continue
      stats.max = first + index + 1
      if (!real || offset < logMin) continue
      if (stats.min < 0) {
        stats.min = first + index
        stats.firstPhysicalOffset = offset
      }
      stats.lastPhysicalOffset = offset
      stats.count += 1
      stats.bytes += size
    }
  }
  if (stats.min < 0) stats.min = stats.max
  return stats
}

/**
 * The smallest queue offset whose record still exists: the first real unit that points at or above the log's start.
 *
 * Units point forward, so that files and units are searched by halves; blanks and units that were never written are
 * stepped over. RocketMQ 4.9.8 looks into the first file only; the answer is the same where that has one.
 * Source: spec/store-format.md §4 "minLogicOffset".
 */
import { realDisk, type StoreDisk } from '../disk.ts'
import { listQueueFiles, type QueueFile } from './queue-files.ts'
import { isReal, physicalOffsetAt, UNIT_SIZE } from './unit.ts'

const STEP = 512
const bytes = Buffer.alloc(STEP * UNIT_SIZE)
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** `end` when no unit below it qualifies. `files` may be given when they are known. */
export function firstUnitAtOrAbove(
  folder: string,
  fileSize: number,
  end: number,
  logMin: number,
  files?: QueueFile[],
  disk: StoreDisk = realDisk,
): number {
  for (const file of files ?? listQueueFiles(folder, undefined, disk)) {
    const start = file.start / UNIT_SIZE
    const last = Math.min(start + fileSize / UNIT_SIZE, end)
    const found = searchFile(disk, file.path, start, last, logMin)
    if (found !== undefined) return found
  }
  return end
}

function searchFile(disk: StoreDisk, path: string, start: number, end: number, logMin: number): number | undefined {
  let fd: number
  try {
    fd = disk.open(path, 'r')
  } catch {
    return undefined
  }
  try {
    // The first real unit at or behind a unit qualifies, or there is none: true from some unit on.
    let low = start
    let high = end
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2)
      const real = nextReal(disk, fd, start, middle, end)
      if (real === undefined || real.physicalOffset >= logMin) high = middle
      else low = real.unit + 1
    }
    return nextReal(disk, fd, start, low, end)?.unit
  } finally {
    disk.close(fd)
  }
}

function nextReal(
  disk: StoreDisk,
  fd: number,
  start: number,
  from: number,
  end: number,
): { unit: number; physicalOffset: number } | undefined {
  // Most often the unit itself is real: a short read first.
  let step = 16
  for (let unit = from; unit < end; ) {
    const wanted = Math.min(step, end - unit)
    const count = Math.floor(disk.read(fd, bytes, 0, wanted * UNIT_SIZE, (unit - start) * UNIT_SIZE) / UNIT_SIZE)
    for (let index = 0; index < count; index += 1) {
      const at = index * UNIT_SIZE
      if (isReal(view, at)) return { unit: unit + index, physicalOffset: physicalOffsetAt(view, at) }
    }
    if (count < wanted) return undefined
    unit += count
    step = STEP
  }
  return undefined
}

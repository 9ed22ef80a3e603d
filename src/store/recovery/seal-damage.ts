/**
 * Makes a range that no reader can pass passable, so that what is behind it is served: by us, by slaves, and by a broker
 * of Apache's that opens the store later (which would delete everything behind it instead).
 *
 *   to the end of a segment   a blank
 *   elsewhere                 records of transaction type "rollback": every broker of 4.x and 5.x keeps and replicates
 *                             them, and leaves them out of ConsumeQueue and index
 *
 * The bytes that were there are kept in <root>/basalt/damaged/<offset>-<length> first. If they cannot be kept (disk
 * full) nothing is sealed, and the damage is only reported.
 */
import { dirname, join } from 'node:path'
import { forgetChecksums } from '../checksums/checksum-file.ts'
import { CLASSIC_LAYOUT, type LogLayout } from '../commitlog/log-layout.ts'
import { RECORD_SIZE_MIN, SYS_FLAG, writeRecord } from '../commitlog/record.ts'
import { segmentName, segmentPath, segmentStart } from '../commitlog/segments.ts'
import type { LogWindow } from './log-window.ts'

/** Of the records that fill a range. No broker makes a queue for it. */
export const DAMAGED_TOPIC = 'BASALT_DAMAGED'
const TOPIC_SIZE = DAMAGED_TOPIC.length
const FILLER_SIZE_MIN = RECORD_SIZE_MIN + TOPIC_SIZE
/** One filler is at most twice this; readers load records whole. */
const FILLER_SIZE = 256 * 1024
const CHUNK = 1024 * 1024
const NOBODY = { address: Buffer.alloc(4), port: 0 }

export interface SealOptions {
  window: LogWindow
  layout: LogLayout
  ownFolder: string
  /** Range of the log. */
  from: number
  to: number
  /** Of the record before, so that times do not go back. */
  storeTimestamp: number
}

/** True when readers can pass the range now. */
export function sealDamage(options: SealOptions): boolean {
  const { window, from, to } = options
  // DLedger's entries carry an index and a term that cannot be made up.
  if (options.layout !== CLASSIC_LAYOUT) return false
  for (const piece of pieces(from, to, window.segmentSize)) {
    const reachesEnd = piece.to % window.segmentSize === 0
    if (piece.to - piece.from < (reachesEnd ? 8 : FILLER_SIZE_MIN)) return false
  }
  try {
    keepCopy(options)
  } catch {
    return false
  }
  for (const piece of pieces(from, to, window.segmentSize)) sealPiece(options, piece.from, piece.to)
  window.forget()
  return true
}

function* pieces(from: number, to: number, segmentSize: number): Generator<{ from: number; to: number }> {
  for (let at = from; at < to; ) {
    const end = Math.min(to, segmentStart(at, segmentSize) + segmentSize)
    yield { from: at, to: end }
    at = end
  }
}

function keepCopy({ window, ownFolder, from, to }: SealOptions): void {
  const folder = join(ownFolder, 'damaged')
  const { disk } = window
  disk.makeFolder(folder)
  const fd = disk.open(join(folder, `${segmentName(from)}-${to - from}`), 'w')
  try {
    for (const piece of pieces(from, to, window.segmentSize)) {
      for (let at = piece.from; at < piece.to; ) {
        const length = Math.min(CHUNK, piece.to - at)
        const index = window.index(at, length)
        disk.write(fd, window.bytes, index, length)
        at += length
      }
    }
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
  disk.syncFolder(folder)
}

function sealPiece({ window, layout, ownFolder, storeTimestamp }: SealOptions, from: number, to: number): void {
  const start = segmentStart(from, window.segmentSize)
  const { disk } = window
  forgetChecksums(dirname(ownFolder), start, disk)
  const fd = disk.open(segmentPath(window.folder, start), 'r+')
  try {
    if (to === start + window.segmentSize) {
      const blank = Buffer.alloc(8)
      layout.writeBlank(new DataView(blank.buffer, blank.byteOffset), 0, to - from)
      disk.write(fd, blank, 0, blank.length, from - start)
    } else {
      for (let at = from; at < to; ) {
        const left = to - at
        const size = left < 2 * FILLER_SIZE ? left : FILLER_SIZE
        disk.write(fd, filler(at, size, storeTimestamp), 0, size, at - start)
        at += size
      }
    }
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
}

function filler(physicalOffset: number, size: number, storeTimestamp: number): Buffer {
  const bytes = Buffer.alloc(size)
  writeRecord(bytes, new DataView(bytes.buffer, bytes.byteOffset, size), 0, {
    queueId: 0,
    physicalOffset,
    sysFlag: SYS_FLAG.rollback,
    bornTimestamp: storeTimestamp,
    bornHost: NOBODY,
    storeTimestamp,
    storeHost: NOBODY,
    body: Buffer.alloc(size - FILLER_SIZE_MIN),
    topic: DAMAGED_TOPIC,
    properties: '',
  })
  return bytes
}

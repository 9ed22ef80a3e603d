/**
 * Makes a range that no reader can pass passable, so that what is behind it is served: by us, by slaves, and by a broker
 * of Apache's that opens the store later (which would delete everything behind it instead).
 *
 *   to the end of a segment   a blank
 *   elsewhere                 records of transaction type "rollback": every broker of 4.x and 5.x keeps and replicates
 *                             them, and leaves them out of ConsumeQueue and index
 *
 * The bytes that were there are kept in <root>/basalt/damaged/<offset>-<length> first, those of many ranges in one file. If they
 * cannot be kept (disk full) nothing is sealed, and the damage is only reported. All ranges of a recovery are sealed together: a
 * sync for the copies and one a segment, however many they are.
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

/** So many copies have a file each; more go into one, or each would cost a sync. */
const OWN_FILES_MAX = 4

export interface DamagedRange {
  /** Of the log. */
  from: number
  to: number
  /** Of the record before, so that times do not go back. */
  storeTimestamp: number
}

export interface SealOptions {
  window: LogWindow
  layout: LogLayout
  ownFolder: string
  ranges: readonly DamagedRange[]
}

/** Those that readers can pass now. */
export function sealDamage(options: SealOptions): Set<DamagedRange> {
  const { window, layout, ownFolder } = options
  const fitting = options.ranges.filter((range) => canSeal(range, window, layout))
  const kept = fitting.length === 0 ? [] : keepCopies(fitting, window, ownFolder)
  const bySegment = new Map<number, DamagedRange[]>()
  for (const { from, to, storeTimestamp } of kept) {
    for (const piece of pieces(from, to, window.segmentSize)) {
      const start = segmentStart(piece.from, window.segmentSize)
      const own = bySegment.get(start) ?? []
      if (own.length === 0) bySegment.set(start, own)
      own.push({ ...piece, storeTimestamp })
    }
  }
  for (const [start, own] of bySegment) sealPieces(options, start, own)
  if (kept.length > 0) window.forget()
  return new Set(kept)
}

function canSeal({ from, to }: DamagedRange, { segmentSize }: LogWindow, layout: LogLayout): boolean {
  // DLedger's entries carry an index and a term that cannot be made up.
  if (layout !== CLASSIC_LAYOUT) return false
  for (const piece of pieces(from, to, segmentSize)) {
    const reachesEnd = piece.to % segmentSize === 0
    if (piece.to - piece.from < (reachesEnd ? 8 : FILLER_SIZE_MIN)) return false
  }
  return true
}

function* pieces(from: number, to: number, segmentSize: number): Generator<{ from: number; to: number }> {
  for (let at = from; at < to; ) {
    const end = Math.min(to, segmentStart(at, segmentSize) + segmentSize)
    yield { from: at, to: end }
    at = end
  }
}

/** On disk when it returns, before the first byte of the log is changed; those that could be kept. */
function keepCopies(ranges: readonly DamagedRange[], window: LogWindow, ownFolder: string): DamagedRange[] {
  const folder = join(ownFolder, 'damaged')
  const { disk } = window
  try {
    disk.makeFolder(folder)
    const kept = ranges.length <= OWN_FILES_MAX ? keepEach(ranges, window, folder) : keepAll(ranges, window, folder)
    if (kept.length > 0) disk.syncFolder(folder)
    return kept
  } catch {
    return []
  }
}

function keepEach(ranges: readonly DamagedRange[], window: LogWindow, folder: string): DamagedRange[] {
  return ranges.filter((range) => {
    try {
      keep(window, join(folder, `${segmentName(range.from)}-${range.to - range.from}`), (fd) => copy(window, fd, range))
      return true
    } catch {
      return false
    }
  })
}

/** In `<offset>-<length>.ranges`: a line with offset and length before each. */
function keepAll(ranges: readonly DamagedRange[], window: LogWindow, folder: string): DamagedRange[] {
  const { from } = ranges[0]
  const { to } = ranges[ranges.length - 1]
  keep(window, join(folder, `${segmentName(from)}-${to - from}.ranges`), (fd) => {
    for (const range of ranges) {
      const line = Buffer.from(`${range.from} ${range.to - range.from}\n`)
      window.disk.write(fd, line, 0, line.length)
      copy(window, fd, range)
    }
  })
  return [...ranges]
}

function keep({ disk }: LogWindow, path: string, write: (fd: number) => void): void {
  const fd = disk.open(path, 'w')
  try {
    write(fd)
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
}

function copy(window: LogWindow, fd: number, { from, to }: DamagedRange): void {
  for (const piece of pieces(from, to, window.segmentSize)) {
    for (let at = piece.from; at < piece.to; ) {
      const length = Math.min(CHUNK, piece.to - at)
      const index = window.index(at, length)
      window.disk.write(fd, window.bytes, index, length)
      at += length
    }
  }
}

/** All of one segment, and one sync. */
function sealPieces({ window, layout, ownFolder }: SealOptions, start: number, ranges: readonly DamagedRange[]): void {
  const { disk, segmentSize } = window
  forgetChecksums(dirname(ownFolder), start, disk)
  const fd = disk.open(segmentPath(window.folder, start), 'r+')
  try {
    for (const { from, to, storeTimestamp } of ranges) {
      if (to === start + segmentSize) {
        const blank = Buffer.alloc(8)
        layout.writeBlank(new DataView(blank.buffer, blank.byteOffset), 0, to - from)
        disk.write(fd, blank, 0, blank.length, from - start)
        continue
      }
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

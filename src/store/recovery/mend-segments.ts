/**
 * Makes the files of a log whole again before it is read: every segment from the oldest to the last one that holds
 * anything is there and has its full size.
 *
 *   a short file      is filled up with zeros; the scan finds out what is missing of it
 *   a missing file    becomes a file that is one blank, which every reader passes (RocketMQ's too)
 *   behind the last   empty and short files of a size that a crash leaves: the cut of the tail removes them
 *
 * A file that is short but ends in a blank of exactly its own size belongs to a store of another segment size: that is
 * refused, for filling it up would bury the mistake.
 */
import { StoreError } from '../../errors.ts'
import { forgetChecksums } from '../checksums/checksum-file.ts'
import type { LogLayout } from '../commitlog/log-layout.ts'
import { BLANK_SIZE, RecordView } from '../commitlog/record.ts'
import { allocateBlocks } from '../commitlog/segment-allocator.ts'
import { type Segment, segmentPath } from '../commitlog/segments.ts'
import type { StoreDisk } from '../disk.ts'
import type { Findings } from './finding.ts'
import type { LogWindow } from './log-window.ts'

export interface Mended {
  segments: Segment[]
  /** Scan at least from here: files below it were whole. */
  doubtfulFrom: number
}

/** `root`: of the store; side checksums of what is mended there are forgotten. */
export function mendSegments(
  window: LogWindow,
  layout: LogLayout,
  found: Segment[],
  findings: Findings,
  root: string,
): Mended {
  const { segmentSize } = window
  const last = lastWritten(window, found)
  const segments: Segment[] = []
  let doubtfulFrom = Number.POSITIVE_INFINITY
  for (const [index, segment] of found.entries()) {
    const expected = segments.length === 0 ? segment.start : segments[segments.length - 1].start + segmentSize
    if (index <= last) {
      for (let start = expected; start < segment.start; start += segmentSize) {
        forgetChecksums(root, start, window.disk)
        segments.push(fillGap(window, start, layout, findings))
      }
    }
    // The one behind the last may be where the next record goes.
    const mayBeTail = index <= last || (index === last + 1 && segment.start === expected)
    if (mayBeTail && segment.size < segmentSize) {
      refuseOtherSize(window, layout, segment)
      forgetChecksums(root, segment.start, window.disk)
      fillUp(window.disk, segment, segmentSize, findings)
      doubtfulFrom = Math.min(doubtfulFrom, segment.start)
    }
    segments.push(segment)
  }
  window.forget()
  return { segments, doubtfulFrom }
}

/** Index of the last segment that has a byte other than zero in the first MiB that was ever written; 0 where none has. */
function lastWritten(window: LogWindow, segments: Segment[]): number {
  for (let i = segments.length - 1; i > 0; i--) {
    const { start } = segments[i]
    const from = window.nextData(start)
    const length = Math.min(ZEROS.length, start + window.segmentSize - from)
    if (length === 0) continue
    const index = window.index(from, length)
    if (!isZero(window.bytes.subarray(index, index + length))) return i
  }
  return 0
}

const ZEROS = Buffer.alloc(1024 * 1024)

export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const length = Math.min(ZEROS.length, bytes.length - at)
    if (bytes.compare(ZEROS, 0, length, at, at + length) !== 0) return false
  }
  return true
}

function fillUp(disk: StoreDisk, segment: Segment, segmentSize: number, findings: Findings): void {
  const what =
    `the segment has ${segment.size} of ${segmentSize} bytes and was filled up with zeros; ` +
    'if mappedFileSizeCommitLog was changed, set it back'
  const level = segment.size === 0 ? 'warn' : 'error'
  findings.add('SEGMENT_SHORT', level, segment.start + segment.size, segment.start + segmentSize, what)
  const fd = disk.open(segment.path, 'r+')
  try {
    disk.truncate(fd, segmentSize)
    allocateBlocks(fd, segment.size, segmentSize - segment.size, disk)
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
  segment.size = segmentSize
}

function fillGap(window: LogWindow, start: number, layout: LogLayout, findings: Findings): Segment {
  const { folder, segmentSize: size, disk } = window
  const path = segmentPath(folder, start)
  const what =
    'a segment is missing between others; an empty one takes its place (to restore it, stop and copy it back)'
  findings.add('SEGMENT_MISSING', 'error', start, start + size, what)
  const fd = disk.open(path, 'wx')
  try {
    const blank = Buffer.alloc(BLANK_SIZE)
    layout.writeBlank(new DataView(blank.buffer, blank.byteOffset, BLANK_SIZE), 0, size)
    // Sparse: nothing is ever written to it again.
    disk.truncate(fd, size)
    disk.write(fd, blank, 0, BLANK_SIZE, 0)
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
  disk.syncFolder(folder)
  return { start, path, size }
}

function refuseOtherSize(window: LogWindow, layout: LogLayout, segment: Segment): void {
  const record = new RecordView()
  const index = window.index(segment.start, Math.min(segment.size, window.segmentSize))
  const end = index + segment.size
  for (let at = index; at < end; ) {
    const kind = layout.read(record, window.bytes, window.view, at, end)
    if (kind === 'blank' && record.totalSize === end - at) {
      throw new StoreError('SEGMENT_SIZE', {
        what: `CommitLog segment was made with a size of ${segment.size} bytes, mappedFileSizeCommitLog is ${window.segmentSize}`,
        where: segment.path,
        todo: `set mappedFileSizeCommitLog=${segment.size}`,
      })
    }
    if (kind !== 'record') return
    at += layout.headerSize + record.totalSize
  }
}

/**
 * What recovery writes at the end of the log.
 *
 *   cutTail       zeros behind the last record, to the end of its segment; later segments are removed. RocketMQ leaves the
 *                 bytes: new records over them may end just where an old one starts, and after the next crash it is back.
 *   rewriteRange  the doubtful range again, and a sync: after a failed sync or a crash a page may look clean that never
 *                 reached the disk, and only a page that is dirty gets there.
 */
import { StoreError } from '../../errors.ts'
import { pageSize } from '../../native/index.ts'
import { allocateBlocks, writeZeros } from '../commitlog/segment-allocator.ts'
import { type Segment, segmentPath, segmentStart } from '../commitlog/segments.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import { isZero } from './mend-segments.ts'

const CHUNK = 1024 * 1024

/** Zeros [end, end of its segment) and removes the segments behind. Both are on disk when it returns. */
export function cutTail(
  folder: string,
  segmentSize: number,
  segments: Segment[],
  end: number,
  disk: StoreDisk = realDisk,
): Segment[] {
  const kept = segments.filter((segment) => segment.start <= end)
  for (const segment of segments) if (segment.start > end) disk.unlink(segment.path)
  if (kept.length < segments.length) disk.syncFolder(folder)
  const last = kept[kept.length - 1]
  if (last !== undefined && end < last.start + segmentSize) zeroRest(disk, last, segmentSize, end - last.start)
  return kept
}

function zeroRest(disk: StoreDisk, segment: Segment, segmentSize: number, from: number): void {
  const fd = disk.open(segment.path, 'r+')
  try {
    const page = pageSize()
    const wholePages = Math.min(segmentSize, Math.ceil(from / page) * page)
    writeZeros(fd, from, wholePages - from, disk)
    if (wholePages < segmentSize) {
      try {
        // Cheaper than zeros, and than reading a GiB to see that they are there already; then the blocks again.
        disk.punch(fd, wholePages, segmentSize - wholePages)
        allocateBlocks(fd, wholePages, segmentSize - wholePages, disk)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw noRoom(segment, segmentSize, error)
        writeZerosWhereNeeded(disk, fd, wholePages, segmentSize)
      }
    }
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
}

function noRoom(segment: Segment, segmentSize: number, cause: unknown): StoreError {
  return new StoreError('DISK_FULL', {
    what: `disk full: no room for the CommitLog segment's ${segmentSize} bytes`,
    where: segment.path,
    todo: 'make room and start again',
    retriable: true,
    cause,
  })
}

function writeZerosWhereNeeded(disk: StoreDisk, fd: number, from: number, to: number): void {
  const bytes = Buffer.allocUnsafeSlow(CHUNK)
  for (let at = from; at < to; at += CHUNK) {
    const read = disk.read(fd, bytes, 0, Math.min(CHUNK, to - at), at)
    if (!isZero(bytes.subarray(0, read))) writeZeros(fd, at, read, disk)
  }
}

/** Reads, writes and syncs [from, to) of the log. Throws when the disk refuses: nothing above `from` is to be believed. */
export function rewriteRange(
  folder: string,
  segmentSize: number,
  from: number,
  to: number,
  disk: StoreDisk = realDisk,
): void {
  for (let at = from; at < to; ) {
    const start = segmentStart(at, segmentSize)
    const end = Math.min(to, start + segmentSize)
    disk.rewrite(segmentPath(folder, start), at - start, end - start)
    at = end
  }
}

/**
 * The files of a log: each named by its first offset in 20 digits, all of one size, one behind the other.
 *
 * listSegments() takes every state that a crash or a foreign hand may leave and says what it is; what must stop a start
 * (a file that is no segment, another segment size) is a StoreError that names the file. Short and missing files are
 * left to recovery, which mends them.
 * Format: spec/store-format.md §1 "File names", §10 "Load rule".
 */
import { join } from 'node:path'
import { StoreError } from '../../errors.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import { offsetName } from '../offset-name.ts'
import type { StoreSettings } from '../settings.ts'

export interface Segment {
  /** Offset of the file's first byte. */
  start: number
  path: string
  /** Bytes of the file as it is; less than the segment size after a truncation by somebody else. */
  size: number
}

/** The folder of the segments. Several paths joined by commas are RocketMQ's multi-path log: only the first is used. */
export function commitLogFolder(settings: Pick<StoreSettings, 'storePathCommitLog'>): string {
  return settings.storePathCommitLog.split(',')[0]
}

/** `1073741824` → `00000000001073741824`. */
export function segmentName(offset: number): string {
  return offsetName(offset)
}

export function segmentPath(folder: string, start: number): string {
  return join(folder, segmentName(start))
}

/** Start of the segment that holds `offset`. */
export function segmentStart(offset: number, segmentSize: number): number {
  return offset - (offset % segmentSize)
}

/** All segments of a folder, oldest first; none when the folder does not exist. */
export function listSegments(folder: string, segmentSize: number, disk: StoreDisk = realDisk): Segment[] {
  const segments: Segment[] = []
  for (const name of namesIn(folder, disk)) {
    const path = join(folder, name)
    const status = disk.stat(path)
    if (status === undefined) throw gone(path)
    const start = Number(name)
    if (!/^\d{20}$/.test(name) || !status.isFile || !Number.isSafeInteger(start)) {
      throw new StoreError('STRAY_FILE', {
        what: `"${name}" is not a CommitLog segment, and a broker of Apache's would not start with it either`,
        where: path,
        todo: 'move it out of the folder',
      })
    }
    if (status.size > segmentSize || start % segmentSize !== 0) {
      throw new StoreError('SEGMENT_SIZE', {
        what: `CommitLog segment of ${status.size} bytes starts at ${start}, but mappedFileSizeCommitLog is ${segmentSize}`,
        where: path,
        todo: 'set mappedFileSizeCommitLog to the size that the store was made with',
      })
    }
    segments.push({ start, path, size: status.size })
  }
  segments.sort((a, b) => a.start - b.start)
  return segments
}

function gone(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or directory, stat '${path}'`), { code: 'ENOENT', path })
}

/** None where there is no folder. */
export function namesIn(folder: string, disk: StoreDisk = realDisk): string[] {
  try {
    return disk.list(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

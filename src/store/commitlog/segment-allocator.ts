/**
 * Makes segments before they are needed, whole: with all their blocks, under their final name only when they are complete.
 *
 *   <root>/basalt/<name>.new ─ fallocate ─ fsync ─ rename ─▶ commitlog/<name> ─ sync of the folder
 *
 * A crash between leaves nothing in commitlog/ that is not a segment of full size (an empty or short file there would
 * stop a broker of Apache's), and a full disk is an error here instead of a SIGBUS at a store into the map.
 * Called by: stages/housekeeping.ts; recovery, for a missing file. Blocks on: the disk.
 */
import { dirname, join } from 'node:path'
import { StoreError } from '../../errors.ts'
import { forgetChecksums } from '../checksums/checksum-file.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import { type Segment, segmentName } from './segments.ts'

const ZEROS = 1024 * 1024

export interface AllocateOptions {
  /** The CommitLog's folder. */
  folder: string
  /** `<root>/basalt`, on the same file system. */
  ownFolder: string
  /** First offset of the segment, a multiple of its size. */
  start: number
  size: number
}

/**
 * Makes a segment of zeros with its blocks and returns it; one that is there already is kept as it is. Throws
 * StoreError DISK_FULL (retriable; path and bytes in the text) when there is no room: nothing is left behind then.
 */
export function allocateSegment(options: AllocateOptions, disk: StoreDisk = realDisk): Segment {
  const { folder, ownFolder, start, size } = options
  const path = join(folder, segmentName(start))
  if (disk.stat(path)?.size === size) return { start, path, size }
  disk.makeFolder(folder)
  disk.makeFolder(ownFolder)
  // Of a segment that once had this name.
  forgetChecksums(dirname(ownFolder), start, disk)
  const temporary = join(ownFolder, `${segmentName(start)}.new`)
  try {
    buildFile(disk, temporary, size)
    moveInto(disk, temporary, path, size)
  } catch (error) {
    disk.remove(temporary)
    throw asStoreError(error, path, size)
  }
  disk.syncFolder(folder)
  disk.syncFolder(ownFolder)
  return { start, path, size }
}

/** Removes what a crash left of segments that were being built. */
export function removeUnfinishedSegments(ownFolder: string, names: string[], disk: StoreDisk = realDisk): void {
  for (const name of names) if (/^\d{20}\.new$/.test(name)) disk.remove(join(ownFolder, name))
}

/** Allocates the blocks of [offset, offset + length) of an open file, by writing zeros where the file system cannot. */
export function allocateBlocks(fd: number, offset: number, length: number, disk: StoreDisk = realDisk): void {
  try {
    disk.allocate(fd, offset, length)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    writeZeros(fd, offset, length, disk)
  }
}

export function writeZeros(fd: number, offset: number, length: number, disk: StoreDisk = realDisk): void {
  const zeros = Buffer.alloc(Math.min(ZEROS, length))
  for (let done = 0; done < length; ) {
    done += disk.write(fd, zeros, 0, Math.min(zeros.length, length - done), offset + done)
  }
}

function buildFile(disk: StoreDisk, path: string, size: number): void {
  const fd = disk.open(path, 'w')
  try {
    allocateBlocks(fd, 0, size, disk)
    disk.sync(fd)
  } finally {
    disk.close(fd)
  }
}

/** Renames; where storePathCommitLog is another file system, builds the file in its place. */
function moveInto(disk: StoreDisk, temporary: string, path: string, size: number): void {
  try {
    disk.rename(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    disk.unlink(temporary)
    try {
      buildFile(disk, path, size)
    } catch (failure) {
      disk.remove(path)
      throw failure
    }
  }
}

function asStoreError(error: unknown, path: string, size: number): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new StoreError('DISK_FULL', {
    what: `disk full: no room for a CommitLog segment of ${size} bytes`,
    where: path,
    todo: `make room in ${dirname(path)}; sends go on by themselves then`,
    retriable: true,
    cause: error,
  })
}

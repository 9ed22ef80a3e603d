/**
 * Makes segments before they are needed, whole: with all their blocks, under their final name only when they are complete.
 *
 *   <root>/basalt/<name>.new ─ fallocate ─ fsync ─ rename ─▶ commitlog/<name> ─ sync of the folder
 *
 * A crash between leaves nothing in commitlog/ that is not a segment of full size (an empty or short file there would
 * stop a broker of Apache's), and a full disk is an error here instead of a SIGBUS at a store into the map.
 * Called by: stages/housekeeping.ts; recovery, for a missing file. Blocks on: the disk.
 */
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { StoreError } from '../../errors.ts'
import { fallocate, syncFolder } from '../../native/index.ts'
import { forgetChecksums } from '../checksums/checksum-file.ts'
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
export function allocateSegment(options: AllocateOptions): Segment {
  const { folder, ownFolder, start, size } = options
  const path = join(folder, segmentName(start))
  if (existsSync(path) && statSync(path).size === size) return { start, path, size }
  mkdirSync(folder, { recursive: true })
  mkdirSync(ownFolder, { recursive: true })
  // Of a segment that once had this name.
  forgetChecksums(dirname(ownFolder), start)
  const temporary = join(ownFolder, `${segmentName(start)}.new`)
  try {
    buildFile(temporary, size)
    moveInto(temporary, path, size)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw asStoreError(error, path, size)
  }
  syncFolder(folder)
  syncFolder(ownFolder)
  return { start, path, size }
}

/** Removes what a crash left of segments that were being built. */
export function removeUnfinishedSegments(ownFolder: string, names: string[]): void {
  for (const name of names) if (/^\d{20}\.new$/.test(name)) rmSync(join(ownFolder, name), { force: true })
}

/** Allocates the blocks of [offset, offset + length) of an open file, by writing zeros where the file system cannot. */
export function allocateBlocks(fd: number, offset: number, length: number): void {
  try {
    fallocate(fd, offset, length)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    writeZeros(fd, offset, length)
  }
}

export function writeZeros(fd: number, offset: number, length: number): void {
  const zeros = Buffer.alloc(Math.min(ZEROS, length))
  for (let done = 0; done < length; ) {
    done += writeSync(fd, zeros, 0, Math.min(zeros.length, length - done), offset + done)
  }
}

function buildFile(path: string, size: number): void {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o644)
  try {
    allocateBlocks(fd, 0, size)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Renames; where storePathCommitLog is another file system, builds the file in its place. */
function moveInto(temporary: string, path: string, size: number): void {
  try {
    renameSync(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    rmSync(temporary)
    try {
      buildFile(path, size)
    } catch (failure) {
      rmSync(path, { force: true })
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

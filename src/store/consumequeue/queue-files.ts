/**
 * The files of ConsumeQueues: `consumequeue/<topic>/<queueId>/<start byte, 20 digits>`, all of one size.
 *
 * A file is made in our own folder, given its full size (sparse) and a first chunk of blocks, and renamed into place, so
 * that a crash never leaves a short file where RocketMQ 4.9.8 refuses to start. Blocks are allocated before they are
 * written: a full disk is an error here and never a SIGBUS in a map.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, renameSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, StoreError } from '../../errors.ts'
import { fallocate } from '../../native/index.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import { offsetName } from '../offset-name.ts'
import { FOLDERS, type StoreSettings } from '../settings.ts'
import { UNIT_SIZE } from './unit.ts'

export type QueueSettings = Pick<StoreSettings, 'storePathRootDir' | 'mappedFileSizeConsumeQueue'>

/** First chunk of a new file, and the largest by which it grows. */
const CHUNK_MIN = 4 * 1024
const CHUNK_MAX = 1024 * 1024
const NAME = /^\d{20}$/

export interface QueueFile {
  /** Byte of the queue at which the file starts: its name. */
  start: number
  path: string
  /** Bytes it has, which may be less than it should after a crash. */
  size: number
}

/** Bytes of each file: the configured size, rounded up to whole units. */
export function queueFileSize(settings: QueueSettings): number {
  return Math.ceil(settings.mappedFileSizeConsumeQueue / UNIT_SIZE) * UNIT_SIZE
}

export function queueFolder(settings: QueueSettings, topic: string, queueId: number): string {
  return join(settings.storePathRootDir, FOLDERS.consumeQueue, topic, String(queueId))
}

export function queueFilePath(folder: string, start: number): string {
  return join(folder, offsetName(start))
}

/** Files of one queue, oldest first. What is not a ConsumeQueue file is left out and told to `onStray`. */
export function listQueueFiles(
  folder: string,
  onStray?: (path: string) => void,
  disk: StoreDisk = realDisk,
): QueueFile[] {
  const files: QueueFile[] = []
  for (const name of namesIn(folder, disk)) {
    const path = join(folder, name)
    const stat = disk.stat(path)
    if (stat === undefined) continue
    if (NAME.test(name) && stat.isFile) files.push({ start: Number(name), path, size: stat.size })
    else onStray?.(path)
  }
  return files.sort((a, b) => a.start - b.start)
}

/** All queues that have a folder. Folders that are not a number are none, as in RocketMQ 4.9.8. */
export function findQueues(settings: QueueSettings, disk: StoreDisk = realDisk): { topic: string; queueId: number }[] {
  const root = join(settings.storePathRootDir, FOLDERS.consumeQueue)
  const found: { topic: string; queueId: number }[] = []
  for (const topic of namesIn(root, disk)) {
    for (const name of namesIn(join(root, topic), disk)) {
      const queueId = Number(name)
      if (/^\d+$/.test(name) && Number.isSafeInteger(queueId)) found.push({ topic, queueId })
    }
  }
  return found
}

export function namesIn(folder: string, disk: StoreDisk = realDisk): string[] {
  try {
    return disk.list(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}

/** Allocates blocks of files that grow; `isDiskFull` is a fault switch of tests. */
export class ChunkAllocator {
  private readonly isDiskFull: () => boolean

  constructor(isDiskFull: () => boolean = () => false) {
    this.isDiskFull = isDiskFull
  }

  /** Bytes that a file which has `allocated` should have next, in doubling steps, to hold at least `needed`. */
  next(allocated: number, needed: number, fileSize: number): number {
    const step = Math.min(Math.max(allocated, CHUNK_MIN), CHUNK_MAX)
    return Math.min(Math.max(allocated + step, needed), fileSize)
  }

  /** Throws StoreError DISK_FULL. */
  allocate(fd: number, path: string, from: number, to: number): void {
    try {
      if (this.isDiskFull()) throw Object.assign(new Error('ENOSPC: no space left (fault)'), { code: 'ENOSPC' })
      fallocate(fd, from, to - from, true)
    } catch (error) {
      throw allocationError(error, path, to - from)
    }
  }
}

export function allocationError(error: unknown, path: string, bytes: number): StoreError {
  const code = (error as NodeJS.ErrnoException).code
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  return new StoreError(isFull ? 'DISK_FULL' : 'STORE_WRITE_FAILED', {
    what: isFull ? `disk full: ${bytes} bytes cannot be allocated` : `the file cannot be written: ${describe(error)}`,
    where: path,
    todo: isFull ? 'make room; the broker goes on by itself' : 'check the disk and the rights of the folder',
    retriable: true,
    cause: error,
  })
}

/**
 * Makes a sparse file of `size` bytes whose first `chunk` bytes have blocks, under `path`, in one step.
 * Returns the open descriptor. Throws StoreError DISK_FULL or STORE_WRITE_FAILED, and then leaves nothing under that name.
 */
export function createFileInPlace(
  settings: Pick<StoreSettings, 'storePathRootDir'>,
  path: string,
  size: number,
  chunk: number,
  allocator: ChunkAllocator,
): number {
  const own = join(settings.storePathRootDir, FOLDERS.own)
  const building = join(own, 'dispatch.building')
  let fd = -1
  try {
    mkdirSync(own, { recursive: true })
    mkdirSync(join(path, '..'), { recursive: true })
    fd = openSync(building, 'w+')
    ftruncateSync(fd, size)
    allocator.allocate(fd, path, 0, Math.min(chunk, size))
    renameSync(building, path)
    return fd
  } catch (error) {
    if (fd >= 0) {
      closeSync(fd)
      removeIfPossible(building)
    }
    throw error instanceof StoreError ? error : allocationError(error, path, chunk)
  }
}

/** What is in the way of the file is in the way of its removal too: a disk that became read-only. The next one begins it anew. */
function removeIfPossible(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // The error that led here is told.
  }
}

export const QUEUE_CHUNK_MIN = CHUNK_MIN

/**
 * <root>/checkpoint: 4096 bytes, from which RocketMQ takes the start of abnormal recovery.
 *
 *   0  int64 physicMsgTimestamp   all records stored up to then are in the CommitLog on disk
 *   8  int64 logicsMsgTimestamp   … and in ConsumeQueues on disk
 *  16  int64 indexMsgTimestamp    … end time of the newest index file that is on disk
 *  24  two int64 of 5.x (masterFlushedOffset, confirmPhyOffset), left as they are
 *
 * Milliseconds. Recovery subtracts 3 s of margin. Ours starts from positions (positions-file.ts); this file is written for
 * a RocketMQ broker that opens the store.
 * Format: spec/store-format.md §6.
 */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, StoreError } from '../../errors.ts'
import { errnoOf, isDiskFull, syncFolder } from '../metadata/durable-file.ts'

export const CHECKPOINT_SIZE = 4096
const TIMES_SIZE = 24

export interface Checkpoint {
  physicMsgTimestamp: number
  logicsMsgTimestamp: number
  indexMsgTimestamp: number
}

export class CheckpointFile {
  readonly path: string

  constructor(root: string) {
    this.path = join(root, 'checkpoint')
  }

  /** Zeros where the file is missing or short, as RocketMQ takes it. */
  read(): Checkpoint {
    const bytes = Buffer.alloc(TIMES_SIZE)
    try {
      const fd = openSync(this.path, 'r')
      try {
        readSync(fd, bytes, 0, TIMES_SIZE, 0)
      } finally {
        closeSync(fd)
      }
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw failure(this.path, 'read', error)
    }
    return {
      physicMsgTimestamp: timeAt(bytes, 0),
      logicsMsgTimestamp: timeAt(bytes, 8),
      indexMsgTimestamp: timeAt(bytes, 16),
    }
  }

  /** On disk when it returns. One sector is written in place, so that no crash can tear it. */
  write(checkpoint: Checkpoint): void {
    const bytes = Buffer.alloc(TIMES_SIZE)
    bytes.writeBigInt64BE(BigInt(checkpoint.physicMsgTimestamp), 0)
    bytes.writeBigInt64BE(BigInt(checkpoint.logicsMsgTimestamp), 8)
    bytes.writeBigInt64BE(BigInt(checkpoint.indexMsgTimestamp), 16)
    try {
      const { fd, isNew } = openOrCreate(this.path)
      try {
        if (fstatSync(fd).size < CHECKPOINT_SIZE) ftruncateSync(fd, CHECKPOINT_SIZE)
        writeSync(fd, bytes, 0, TIMES_SIZE, 0)
        fdatasyncSync(fd)
      } finally {
        closeSync(fd)
      }
      if (isNew) syncFolder(dirname(this.path))
    } catch (error) {
      throw failure(this.path, 'written', error)
    }
  }
}

function openOrCreate(path: string): { fd: number; isNew: boolean } {
  try {
    return { fd: openSync(path, 'r+'), isNew: false }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    return { fd: openSync(path, 'wx+', 0o644), isNew: true }
  }
}

/** A negative or absurd time is damage; 0 only makes recovery start earlier. */
function timeAt(bytes: Buffer, at: number): number {
  const time = Number(bytes.readBigInt64BE(at))
  return Number.isSafeInteger(time) && time > 0 ? time : 0
}

function failure(path: string, verb: string, error: unknown): StoreError {
  if (isDiskFull(error)) {
    return new StoreError('DISK_FULL', {
      what: `disk full: no room to write the checkpoint: ${describe(error)}`,
      where: path,
      todo: 'free space on this file system; it is written by itself then',
      retriable: true,
      cause: error,
    })
  }
  return new StoreError('CHECKPOINT_FAILED', {
    what: `the checkpoint cannot be ${verb}: ${describe(error)}`,
    where: path,
    todo: 'check the folder’s owner, permissions and disk',
    cause: error,
  })
}

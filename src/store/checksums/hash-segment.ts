/**
 * Hashes one sealed segment for the first time, in small steps, and checks each record of it by the store's own code on the way:
 * damage that is there already is named, and not blessed by a checksum.
 *
 * Blocks on: the disk, and only for what is not in memory (segment-reader.ts).
 */
import { statSync } from 'node:fs'
import type { MapSlot } from '../../native/index.ts'
import { type LogFolderSettings, LogFolders } from '../commitlog/log-folders.ts'
import { type VerifiedLog, verifyLog } from '../recovery/verify.ts'
import { type BlockHash, HASHED_BLOCK } from './block-hash.ts'
import { blockCount, type SegmentChecksums } from './checksum-file.ts'
import { HashedWindow } from './hashed-window.ts'
import { SegmentReader } from './segment-reader.ts'

export interface ReadingTools {
  settings: LogFolderSettings
  hash: BlockHash
  /** Two blocks (segment-reader.ts alignedBlocks), and address space for a segment. */
  buffer: Uint8Array
  slot: MapSlot
}

/**
 * hashed    the segment's checksums         damaged   ranges of it are not what was written, or cannot be read
 * changed   somebody wrote to it, or it is gone: nothing can be said of it now
 */
export type Hashed =
  | { kind: 'hashed'; checksums: SegmentChecksums }
  | { kind: 'damaged'; damaged: VerifiedLog['damaged'] }
  | { kind: 'changed' }

/** 0.2 ms of work: a thread that waits for the processor is not held up longer, whatever the system's scheduler thinks of nice. */
const STEP_BYTES = 128 * 1024

export class SegmentHashing implements Disposable {
  readonly start: number
  readonly reader: SegmentReader
  /** Offset in the log up to which records were checked. */
  at: number
  private readonly tools: ReadingTools
  private readonly window: HashedWindow
  private readonly path: string
  private readonly damaged: VerifiedLog['damaged'] = []

  /** Throws the system's error. */
  constructor(tools: ReadingTools, start: number) {
    const { settings, hash, buffer, slot } = tools
    const { mappedFileSizeCommitLog: segmentSize } = settings
    const folders = new LogFolders(settings)
    const folder = folders.folderAt(start)
    this.tools = tools
    this.start = start
    this.at = start
    this.path = folders.pathAt(start)
    this.reader = new SegmentReader(this.path, segmentSize, slot)
    const source = (block: number, into: Uint8Array) => this.reader.nearest(block, into)
    this.window = new HashedWindow({
      ...{ folder, segmentSize, start, hash, buffer, source },
      ...{ first: 0, end: blockCount(segmentSize) },
    })
  }

  /** Bytes of the segment that are done; 0 when all are. */
  step(): number {
    const { settings } = this.tools
    const end = this.start + settings.mappedFileSizeCommitLog
    if (this.at >= end) return this.window.advance() ? HASHED_BLOCK : 0
    const { damaged, next } = verifyLog(settings, this.at, end, undefined, STEP_BYTES, this.window)
    this.damaged.push(...damaged)
    // Behind the last record there is nothing to check.
    const bytes = Math.min(next - this.at, STEP_BYTES)
    this.at = next
    return bytes
  }

  /** After the last step. `now`: milliseconds since 1970. */
  result(now: number): Hashed {
    const { start, reader, window, damaged } = this
    const { mtimeNs: modifiedAt, ino: inode } = reader.status
    // A reader that finds no file reads zeros, which looks like damage.
    const there = statSync(this.path, { bigint: true, throwIfNoEntry: false })
    if (there?.ino !== inode || !reader.isUnchanged()) return { kind: 'changed' }
    const problem = 'the disk cannot read it, or the file ends before'
    for (const [block, hash] of window.hashes.entries()) {
      const from = start + block * HASHED_BLOCK
      if (hash === undefined) damaged.push({ from, to: from + HASHED_BLOCK, problem })
    }
    if (damaged.length > 0) return { kind: 'damaged', damaged }
    const hashes = BigUint64Array.from(window.hashes as bigint[])
    const size = this.tools.settings.mappedFileSizeCommitLog
    return { kind: 'hashed', checksums: { start, size, hashedAt: now, modifiedAt, inode, hashes } }
  }

  [Symbol.dispose](): void {
    this.window.close()
    this.reader[Symbol.dispose]()
  }
}

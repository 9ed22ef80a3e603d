/**
 * A window over the log that hashes, block by block, the bytes that the records of one segment are checked with: they are read
 * once for both.
 *
 *   block source ─▶ one of two block buffers ─▶ hash
 *                                           └▶ window ─▶ scanner
 *
 * What lies outside the wanted blocks, or was passed already, is read as by any window. Blocks that the scanner leaves out (the
 * end of a segment behind its blank) are read by finish(). Blocks on: the disk.
 */
import type { LogFolders } from '../commitlog/log-folders.ts'
import { LogWindow } from '../recovery/log-window.ts'
import { type BlockHash, HASHED_BLOCK } from './block-hash.ts'

/** Bytes of block `block` of the segment, into the buffer: as many as the file has of it. */
export type BlockSource = (block: number, into: Uint8Array) => number

export interface HashedWindowOptions {
  folder: string | LogFolders
  segmentSize: number
  /** Of the segment. */
  start: number
  /** Blocks of it: [first, end). */
  first: number
  end: number
  hash: BlockHash
  source: BlockSource
  /** Of two blocks. */
  buffer?: Uint8Array
}

export class HashedWindow extends LogWindow {
  /** By block, from `first` on; undefined where the file ends too early or the disk did not give it. */
  readonly hashes: (bigint | undefined)[] = []
  private readonly options: HashedWindowOptions
  private readonly buffer: Uint8Array
  /** Bytes in each half of the buffer, of block `next` - 1 and `next` - 2. */
  private readonly got = [0, 0]
  private next: number

  constructor(options: HashedWindowOptions) {
    super(options.folder, options.segmentSize)
    this.options = options
    this.buffer = options.buffer ?? Buffer.allocUnsafeSlow(2 * HASHED_BLOCK)
    this.next = options.first
  }

  /** Reads and hashes one block more; false when there is none. */
  advance(): boolean {
    const { end, first, hash, source, segmentSize } = this.options
    if (this.next >= end) return false
    const block = this.next
    const half = block % 2
    const into = this.buffer.subarray(half * HASHED_BLOCK, (half + 1) * HASHED_BLOCK)
    const wanted = Math.min(HASHED_BLOCK, segmentSize - block * HASHED_BLOCK)
    let read = 0
    try {
      read = Math.min(wanted, source(block, into))
    } catch (error) {
      // Which pages of it are lost is found out by reading them one by one.
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
    }
    this.next = block + 1
    this.got[half] = read
    this.hashes[block - first] = read === wanted ? hash(into.subarray(0, wanted)) : undefined
    return true
  }

  finish(): void {
    while (this.advance()) {}
  }

  protected override read(fd: number, index: number, length: number, position: number): number {
    const { start, first, end } = this.options
    const block = Math.floor(position / HASHED_BLOCK)
    if (this.opened !== start || block < first || block >= end || block < this.next - 2)
      return super.read(fd, index, length, position)
    while (this.next <= block) this.advance()
    const from = position - block * HASHED_BLOCK
    const half = block % 2
    const count = Math.min(length, this.got[half] - from)
    if (count <= 0) return super.read(fd, index, length, position)
    this.bytes.set(this.buffer.subarray(half * HASHED_BLOCK + from, half * HASHED_BLOCK + from + count), index)
    return count
  }
}

/**
 * The log's only writer. The append thread asks for a place, copies a record there and patches it where it lies:
 *
 *   open(start, writeFrom) ─▶ place(length) → index … ─▶ flushBatch() ─▶ … blank(left) ─▶ open(next start, 0)
 *
 *   map      index is a byte of the segment: the copy is the write. A store into a page under writeback can stall.
 *   pwrite   index is a byte of a staging buffer: one write a batch, two copies of each byte, no page faults.
 *
 *            1 KiB records, batches of 64, another thread in fdatasync every 500 ms (2 busy cores, ext4, Linux 6.18):
 *            map     0.7–1.9 µs CPU a record, p99.9 of a batch 21–67 ms
 *            pwrite  0.33–0.41 µs CPU a record, p99.9 of a batch 4–9 ms
 *
 * Owns:      one open segment. Called by: stages/append.ts only.
 * Invariant: after flushBatch() every placed byte is in the page cache, where kill -9 cannot take it back.
 * Blocks on: the kernel, for a page (map) or inside write (pwrite). Allocates nothing per record.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { assert } from '../../assert.ts'
import { StoreError } from '../../errors.ts'
import { MapSlot } from '../../native/index.ts'
import type { StoreSettings } from '../settings.ts'
import { CLASSIC_LAYOUT, type LogLayout } from './log-layout.ts'
import { BLANK_SIZE } from './record.ts'
import { commitLogFolder, segmentPath } from './segments.ts'

/** Bytes of a batch that is written though nobody asked: above it the second copy leaves the L2 cache. */
export const STAGING_BYTES = 1024 * 1024

export interface TailWriter {
  /** Where place() points into. May be another buffer after each place(): read it then. */
  readonly bytes: Buffer
  readonly view: DataView
  /** Goes to the segment that starts at `start` and writes from its byte `writeFrom` on. It is allocated already. */
  open(start: number, writeFrom: number): void
  /** Takes the next `length` bytes of the segment and returns their index in `bytes`. The caller fills all of them. */
  place(length: number): number
  /** Writes the blank that ends a segment of which `left` bytes are free. Nothing is placed in it afterwards. */
  blank(left: number): void
  /** All placed bytes are in the page cache when this returns. */
  flushBatch(): void
  close(): void
}

export type TailSettings = Pick<StoreSettings, 'storePathCommitLog' | 'mappedFileSizeCommitLog' | 'tailWriter'>

export function createTailWriter(settings: TailSettings, layout: LogLayout = CLASSIC_LAYOUT): TailWriter {
  const folder = commitLogFolder(settings)
  const size = settings.mappedFileSizeCommitLog
  return settings.tailWriter === 'map' ? new MappedTail(folder, size, layout) : new PwriteTail(folder, size, layout)
}

export class MappedTail implements TailWriter {
  readonly bytes: Buffer
  readonly view: DataView
  private readonly slot: MapSlot
  private readonly folder: string
  private readonly size: number
  private readonly layout: LogLayout
  private next = 0

  constructor(folder: string, segmentSize: number, layout: LogLayout = CLASSIC_LAYOUT) {
    this.folder = folder
    this.size = segmentSize
    this.layout = layout
    this.slot = new MapSlot(segmentSize)
    this.bytes = this.slot.bytes
    this.view = this.slot.view
  }

  open(start: number, writeFrom: number): void {
    assert(writeFrom >= 0 && writeFrom <= this.size, 'the tail lies in its segment')
    const fd = openSegment(this.folder, start)
    try {
      this.slot.map(fd, 0, this.size, true)
    } finally {
      closeSync(fd)
    }
    this.next = writeFrom
  }

  place(length: number): number {
    const at = this.next
    assert(at + length <= this.size, 'a record lies in one segment')
    this.next = at + length
    return at
  }

  blank(left: number): void {
    assert(this.next + left === this.size && left >= BLANK_SIZE, 'a blank fills its segment')
    this.layout.writeBlank(this.view, this.next, left)
    this.next = this.size
  }

  flushBatch(): void {}

  close(): void {
    this.slot.close()
  }
}

export class PwriteTail implements TailWriter {
  bytes: Buffer
  view: DataView
  private readonly folder: string
  private readonly size: number
  private readonly layout: LogLayout
  private fd = -1
  /** Byte of the segment where the staged bytes go. */
  private writeFrom = 0
  private staged = 0

  constructor(folder: string, segmentSize: number, layout: LogLayout = CLASSIC_LAYOUT, stagingBytes = STAGING_BYTES) {
    this.folder = folder
    this.size = segmentSize
    this.layout = layout
    this.bytes = Buffer.alloc(stagingBytes)
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, stagingBytes)
  }

  open(start: number, writeFrom: number): void {
    assert(writeFrom >= 0 && writeFrom <= this.size, 'the tail lies in its segment')
    this.flushBatch()
    this.closeFile()
    this.fd = openSegment(this.folder, start)
    this.writeFrom = writeFrom
  }

  place(length: number): number {
    if (this.staged + length > this.bytes.length) this.makeRoom(length)
    const at = this.staged
    this.staged = at + length
    assert(this.writeFrom + this.staged <= this.size, 'a record lies in one segment')
    return at
  }

  blank(left: number): void {
    assert(this.writeFrom + this.staged + left === this.size && left >= BLANK_SIZE, 'a blank fills its segment')
    this.layout.writeBlank(this.view, this.place(BLANK_SIZE), left)
    this.flushBatch()
    this.writeFrom = this.size
  }

  flushBatch(): void {
    for (let written = 0; written < this.staged; ) {
      written += writeSync(this.fd, this.bytes, written, this.staged - written, this.writeFrom + written)
    }
    this.writeFrom += this.staged
    this.staged = 0
  }

  close(): void {
    this.flushBatch()
    this.closeFile()
  }

  private makeRoom(length: number): void {
    this.flushBatch()
    if (length <= this.bytes.length) return
    // A batch request whose records are longer than the staging buffer: rare, so it simply grows.
    this.bytes = Buffer.alloc(2 ** Math.ceil(Math.log2(length)))
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  }

  private closeFile(): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
  }
}

function openSegment(folder: string, start: number): number {
  const path = segmentPath(folder, start)
  try {
    return openSync(path, 'r+')
  } catch (cause) {
    throw new StoreError('SEGMENT_MISSING', {
      what: 'the CommitLog segment to write to cannot be opened',
      where: path,
      todo: 'nothing but the broker may change its store while it runs',
      cause,
    })
  }
}

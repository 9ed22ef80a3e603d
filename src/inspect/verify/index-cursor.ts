/**
 * Index entries for a walk along the log: they stand in the order of its records, over all files, so that both are read side by
 * side once.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { ENTRY, getInt64, type IndexHeader, type IndexLayout } from '../../store/index/index.ts'

export interface IndexFileHead {
  name: string
  path: string
  header: IndexHeader
}

const CHUNK_ENTRIES = 4096
const INT32_MAX = 0x7fff_ffff
/** A damaged entry may mislead the search by halves: so many in front of its result are looked at. */
const LOOK_BACK = 4

export class IndexCursor implements Disposable {
  entry = 0
  private readonly files: readonly IndexFileHead[]
  private readonly layout: IndexLayout
  private readonly bytes = Buffer.alloc((CHUNK_ENTRIES + 1) * ENTRY.size)
  private readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  private fileIndex = 0
  private fd = -1
  private chunkStart = 0
  private chunkCount = 0
  private at = 0
  private reached = 0

  /** The first entry of a record at or above `from`. */
  constructor(files: readonly IndexFileHead[], layout: IndexLayout, from: number) {
    this.files = files
    this.layout = layout
    this.fileIndex = files.findIndex(({ header }) => header.indexCount > 1 && header.endPhyOffset >= from)
    if (this.fileIndex < 0) this.fileIndex = files.length
    this.reached = from
    this.openFile()
    if (this.fileIndex < files.length) this.seek(this.search(from))
    while (!this.isAtEnd && this.physicalOffset < from) this.advance()
  }

  get isAtEnd(): boolean {
    return this.fileIndex >= this.files.length
  }

  get file(): IndexFileHead {
    return this.files[this.fileIndex]
  }

  get physicalOffset(): number {
    return this.isAtEnd ? Number.POSITIVE_INFINITY : getInt64(this.view, this.at + ENTRY.physicalOffset)
  }

  get keyHash(): number {
    return this.view.getInt32(this.at)
  }

  /** Byte of the entry in its file. */
  get offset(): number {
    return this.layout.entriesAt + this.entry * ENTRY.size
  }

  /** Whether the entry's seconds are those of a record stored then. */
  isTimeOf(storeTimestamp: number): boolean {
    const seconds = this.view.getInt32(this.at + ENTRY.seconds)
    if (seconds === secondsBetween(this.file.header.beginTimestamp, storeTimestamp)) return true
    // The first entry of a file that follows a full one counts from the end of that.
    if (this.entry !== 1) return false
    const before = this.files[this.fileIndex - 1]
    return before === undefined ? seconds >= 0 : seconds === secondsBetween(before.header.endTimestamp, storeTimestamp)
  }

  /** On to the next entry that stands in order; those that do not are findings of the file's own check. */
  advance(): void {
    this.reached = Math.max(this.reached, this.physicalOffset)
    do {
      this.entry += 1
      this.load()
    } while (!this.isAtEnd && this.isOutOfOrder())
  }

  [Symbol.dispose](): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
  }

  /** Before what has been passed, or behind the entry that follows it. */
  private isOutOfOrder(): boolean {
    const own = this.physicalOffset
    if (own < this.reached) return true
    const isLast = this.entry + 1 >= this.file.header.indexCount
    const next = isLast
      ? this.file.header.endPhyOffset
      : getInt64(this.view, this.at + ENTRY.size + ENTRY.physicalOffset)
    return !isLast && next >= this.reached && next < own
  }

  private search(from: number): number {
    const { indexCount } = this.file.header
    let low = 1
    let high = indexCount
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.offsetOf(middle) < from) low = middle + 1
      else high = middle
    }
    let first = low
    for (let back = 1; back <= LOOK_BACK && low - back >= 1; back += 1)
      if (this.offsetOf(low - back) >= from) first = low - back
    return first
  }

  private offsetOf(entry: number): number {
    const bytes = Buffer.alloc(8)
    readSync(this.fd, bytes, 0, 8, this.layout.entriesAt + entry * ENTRY.size + ENTRY.physicalOffset)
    return Number(bytes.readBigInt64BE())
  }

  private seek(entry: number): void {
    this.entry = entry
    this.load()
  }

  private openFile(): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = this.fileIndex < this.files.length ? openSync(this.file.path, 'r') : -1
    this.chunkCount = 0
  }

  /** Makes `at` the place of the entry; goes to the next file behind the last one. */
  private load(): void {
    while (!this.isAtEnd && this.entry >= Math.min(this.file.header.indexCount, this.layout.entryCount)) {
      this.fileIndex += 1
      this.entry = 1
      this.openFile()
    }
    if (this.isAtEnd) return
    if (this.chunkCount === 0 || this.entry < this.chunkStart || this.entry >= this.chunkStart + this.chunkCount) {
      const read = readSync(this.fd, this.bytes, 0, this.bytes.length, this.offset)
      this.bytes.fill(0, read)
      this.chunkStart = this.entry
      // One more is there, to compare the last one with.
      this.chunkCount = CHUNK_ENTRIES
    }
    this.at = (this.entry - this.chunkStart) * ENTRY.size
  }
}

export function secondsBetween(begin: number, time: number): number {
  if (begin <= 0) return 0
  return Math.min(Math.max(Math.trunc((time - begin) / 1000), 0), INT32_MAX)
}

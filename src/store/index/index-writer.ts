/**
 * Adds entries to the newest index file, through one map, and starts the next file when it is full.
 *
 *   file  | header | slots, all with blocks | entries … count | allocated | sparse … full size |
 *
 * Order of stores for one entry: the entry, its slot, the header. A process that dies in between leaves at most a slot that
 * points at an entry which the header does not count, which readers take for empty and index-recovery.ts mends.
 *
 * Owns:      the newest file in index/. Called by: Dispatcher.
 * Invariant: a record is indexed once: what is at or below the newest entry's offset is not taken again.
 * Errors:    StoreError DISK_FULL / STORE_WRITE_FAILED before the entry; put the same record again later, it goes on where
 *            it was.
 * Format:    spec/store-format.md §5.
 */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { failpoint } from '../../faults.ts'
import { MapSlot } from '../../native/index.ts'
import { allocationError, ChunkAllocator, createFileInPlace } from '../consumequeue/queue-files.ts'
import { indexFolder, listIndexFiles, nextIndexName, readIndexHeader } from './index-files.ts'
import {
  ENTRY,
  HEADER,
  type IndexLayout,
  type IndexSettings,
  indexLayout,
  readHeader,
  SLOT_SIZE,
  setInt64,
  writeHeader,
} from './layout.ts'

const HIGH = 0x1_0000_0000
const INT32_MAX = 0x7fff_ffff

export interface IndexWriterOptions {
  settings: IndexSettings
  /** Names the files. */
  clock: Clock
  isDiskFull?: () => boolean
}

export class IndexWriter {
  /** Entries written since the start, and files begun. */
  entryCount = 0
  filesBegun = 0

  private readonly settings: IndexSettings
  private readonly layout: IndexLayout
  private readonly folder: string
  private readonly clock: Clock
  private readonly allocator: ChunkAllocator
  private slot: MapSlot | undefined
  private view: DataView
  private path = ''
  private newestName: string | undefined
  /** The newest file, when it has room and is not mapped yet. */
  private unfinished: string | undefined

  /** Number of the next entry, and the first number without room: a new file or more blocks are needed there. */
  private count = 0
  private roomEnd = 0
  private slotsUsed = 0
  private beginTimestamp = 0
  private endTimestamp = 0
  private endPhyOffset = 0
  private allocated = 0
  /** Records below are indexed. */
  private next = 0
  /** Keys that are already in of the record at `next`, after an error. */
  private keysDone = 0

  constructor(options: IndexWriterOptions) {
    this.settings = options.settings
    this.layout = indexLayout(options.settings)
    this.folder = indexFolder(options.settings)
    this.clock = options.clock
    this.allocator = new ChunkAllocator(options.isDiskFull)
    this.view = new DataView(new ArrayBuffer(0))
    this.findNewest()
  }

  /** False for a record that has been indexed. */
  wants(position: number): boolean {
    return position >= this.next
  }

  /** Adds one entry for each of keyHashes[0, keyCount). */
  put(keyHashes: Int32Array, keyCount: number, position: number, storeTimestamp: number): void {
    if (position < this.next) return
    for (let key = this.keysDone; key < keyCount; key += 1) {
      if (this.count >= this.roomEnd) this.makeRoom(key)
      this.putKey(keyHashes[key], position, storeTimestamp)
    }
    this.keysDone = 0
    if (keyCount > 0) this.next = position + 1
  }

  /** Path of the file that is written, once there is one. */
  get currentPath(): string | undefined {
    return this.path === '' ? undefined : this.path
  }

  close(): void {
    this.slot?.close()
    this.slot = undefined
    this.roomEnd = 0
  }

  private putKey(keyHash: number, position: number, storeTimestamp: number): void {
    const { view, layout, count } = this
    const slotAt = HEADER.size + (keyHash % layout.slotCount) * SLOT_SIZE
    const held = view.getInt32(slotAt)
    const previous = held > 0 && held < count ? held : 0
    const at = layout.entriesAt + count * ENTRY.size
    const high = (position / HIGH) | 0
    view.setInt32(at + ENTRY.keyHash, keyHash)
    view.setInt32(at + ENTRY.physicalOffset, high)
    view.setInt32(at + ENTRY.physicalOffset + 4, position | 0)
    view.setInt32(at + ENTRY.seconds, this.secondsOf(storeTimestamp))
    view.setInt32(at + ENTRY.previous, previous)
    view.setInt32(slotAt, count)
    if (count === 1) {
      this.beginTimestamp = storeTimestamp
      setInt64(view, HEADER.beginTimestamp, storeTimestamp)
      setInt64(view, HEADER.beginPhyOffset, position)
    }
    if (previous === 0) {
      this.slotsUsed += 1
      view.setInt32(HEADER.hashSlotCount, this.slotsUsed)
    }
    this.count = count + 1
    view.setInt32(HEADER.indexCount, count + 1)
    view.setInt32(HEADER.endPhyOffset, high)
    view.setInt32(HEADER.endPhyOffset + 4, position | 0)
    if (storeTimestamp !== this.endTimestamp || count === 1) {
      this.endTimestamp = storeTimestamp
      setInt64(view, HEADER.endTimestamp, storeTimestamp)
    }
    this.endPhyOffset = position
    this.entryCount += 1
  }

  private secondsOf(storeTimestamp: number): number {
    if (this.beginTimestamp <= 0) return 0
    const seconds = Math.trunc((storeTimestamp - this.beginTimestamp) / 1000)
    return Math.min(Math.max(seconds, 0), INT32_MAX)
  }

  private findNewest(): void {
    const newest = listIndexFiles(this.folder).at(-1)
    if (newest === undefined) return
    this.newestName = newest.name
    const header = readIndexHeader(newest.path)
    if (header === undefined) return
    this.endTimestamp = header.endTimestamp
    this.endPhyOffset = header.endPhyOffset
    this.next = header.indexCount > 1 || header.endPhyOffset > 0 ? header.endPhyOffset + 1 : 0
    if (header.indexCount < this.layout.entryCount) this.unfinished = newest.path
  }

  /** Afterwards count < roomEnd. */
  private makeRoom(keysDone: number): void {
    this.keysDone = keysDone
    if (this.unfinished !== undefined) {
      this.mapFile(this.unfinished, openSync(this.unfinished, 'r+'))
      this.unfinished = undefined
    } else if (this.path === '' || this.count >= this.layout.entryCount) {
      this.beginFile()
    }
    if (this.count >= this.roomEnd) this.grow()
    this.keysDone = 0
  }

  /** The next file begins with the end values of the one before. */
  private beginFile(): void {
    const { layout } = this
    const name = nextIndexName(this.clock.now(), this.newestName)
    const path = join(this.folder, name)
    const chunk = layout.entriesAt + ENTRY.size
    const fd = createFileInPlace(this.settings, path, layout.fileSize, chunk, this.allocator)
    this.newestName = name
    this.filesBegun += 1
    failpoint('index-roll')
    this.unfinished = path
    this.mapFile(path, fd)
    this.unfinished = undefined
  }

  /** Maps the file and closes the descriptor. */
  private mapFile(path: string, fd: number): void {
    const { layout } = this
    try {
      this.slot ??= new MapSlot(layout.fileSize)
      this.roomEnd = 0
      this.slot.map(fd, 0, layout.fileSize, true)
      // Slots are hit at random; read-ahead would bring in megabytes of zeros at the first messages, 1 ms and more each.
      this.slot.advise(0, layout.fileSize, 'random')
      this.view = this.slot.view
      const header = readHeader(this.view)
      this.count = Math.max(header.indexCount, 1)
      this.allocated = layout.entriesAt + this.count * ENTRY.size
      // Also for files that somebody else made without blocks: every store below has them from here on.
      this.allocator.allocate(fd, path, 0, this.allocated)
      this.slotsUsed = header.hashSlotCount
      this.beginTimestamp = header.beginTimestamp
      if (header.indexCount < 1) this.writeFirstHeader()
      this.path = path
    } finally {
      closeSync(fd)
    }
  }

  private writeFirstHeader(): void {
    const { endTimestamp, endPhyOffset } = this
    this.beginTimestamp = endTimestamp
    this.slotsUsed = 0
    writeHeader(this.view, {
      beginTimestamp: endTimestamp,
      endTimestamp,
      beginPhyOffset: endPhyOffset,
      endPhyOffset,
      hashSlotCount: 0,
      indexCount: 1,
    })
  }

  private grow(): void {
    const { layout } = this
    const needed = layout.entriesAt + (this.count + 1) * ENTRY.size
    const to = this.allocator.next(this.allocated, needed, layout.fileSize)
    let fd: number
    try {
      fd = openSync(this.path, 'r+')
    } catch (error) {
      throw allocationError(error, this.path, to - this.allocated)
    }
    try {
      this.allocator.allocate(fd, this.path, this.allocated, to)
    } finally {
      closeSync(fd)
    }
    this.allocated = to
    this.roomEnd = Math.min(layout.entryCount, Math.floor((to - layout.entriesAt) / ENTRY.size))
  }
}

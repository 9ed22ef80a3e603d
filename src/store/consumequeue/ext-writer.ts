/**
 * Writes ConsumeQueueExt units of one queue, one pwrite each: the feature is off by default, and this is simple.
 *
 * Called by: QueueWriter, before the ConsumeQueue unit that holds the address.
 * Format:    ext-files.ts.
 */
import { readSync, unlinkSync } from 'node:fs'
import { addressIn, EXT, EXT_UNIT_SIZE, type ExtSettings, extFolder, readExtUnit } from './ext-files.ts'
import { createFileInPlace, listQueueFiles, queueFilePath } from './queue-files.ts'
import type { QueueStore } from './queue-store.ts'
import { physicalOffsetAt, UNIT } from './unit.ts'

const END_OF_FILE = -1
const END_SIZE = 4
const HIGH = 0x1_0000_0000
const WALK_BYTES = 64 * 1024

export class ExtWriter {
  private readonly settings: ExtSettings
  private readonly store: QueueStore
  private readonly folder: string
  private readonly fileSize: number
  private readonly unit = Buffer.alloc(EXT_UNIT_SIZE)
  private readonly present = Buffer.alloc(EXT_UNIT_SIZE)
  private end: number
  /** The record whose unit was appended last, and where. */
  private lastPosition = -1
  private lastOffset = -1

  constructor(store: QueueStore, settings: ExtSettings, topic: string, queueId: number) {
    this.store = store
    this.settings = settings
    this.folder = extFolder(settings, topic, queueId)
    this.fileSize = settings.mappedFileSizeConsumeQueueExt
    this.end = this.findEnd()
  }

  /**
   * Makes sure that a record has its ext unit and returns the unit's byte. `present`: the record's ConsumeQueue unit where
   * there is one. Throws StoreError DISK_FULL or STORE_WRITE_FAILED.
   */
  place(
    present: DataView | undefined,
    position: number,
    size: number,
    tagsHigh: number,
    tagsLow: number,
    storeTime: number,
  ): number {
    const isSame =
      present !== undefined && physicalOffsetAt(present, 0) === position && present.getInt32(UNIT.size) === size
    let offset = isSame ? addressIn(present) : -1
    // The ConsumeQueue unit found no room when the record came for the first time.
    if (offset < 0 && position === this.lastPosition) offset = this.lastOffset
    if (offset >= 0) {
      this.put(offset, tagsHigh, tagsLow, storeTime)
      return offset
    }
    this.lastOffset = this.append(tagsHigh, tagsLow, storeTime)
    this.lastPosition = position
    return this.lastOffset
  }

  private append(tagsHigh: number, tagsLow: number, storeTime: number): number {
    this.fill(tagsHigh, tagsLow, storeTime)
    const used = this.end % this.fileSize
    if (EXT_UNIT_SIZE > this.fileSize - used - END_SIZE) {
      const mark = Buffer.alloc(2)
      mark.writeInt16BE(END_OF_FILE)
      this.writeAt(this.end, mark)
      this.end += this.fileSize - used
    }
    const offset = this.end
    this.writeAt(offset, this.unit)
    this.end += EXT_UNIT_SIZE
    return offset
  }

  /** The unit at a byte holds this, or does now. */
  private put(offset: number, tagsHigh: number, tagsLow: number, storeTime: number): void {
    this.fill(tagsHigh, tagsLow, storeTime)
    const isThere = readExtUnit(this.store.fds, this.folder, this.fileSize, offset, this.present, 'r+')
    // A unit with a bit map is RocketMQ's: what comes before the bit map's size is compared.
    if (isThere && this.present.compare(this.unit, EXT.tagsCode, EXT.bitMapSize, EXT.tagsCode, EXT.bitMapSize) === 0)
      return
    this.writeAt(offset, this.unit)
    this.end = Math.max(this.end, offset + EXT_UNIT_SIZE)
  }

  /** Removes files that lie wholly below the byte; the newest stays. */
  expireBelow(offset: number): void {
    for (const { start, path } of listQueueFiles(this.folder).slice(0, -1)) {
      if (start + this.fileSize > offset) return
      this.store.fds.drop(path)
      unlinkSync(path)
    }
  }

  private fill(tagsHigh: number, tagsLow: number, storeTime: number): void {
    this.unit.writeInt16BE(EXT_UNIT_SIZE, EXT.size)
    this.unit.writeInt32BE(tagsHigh, EXT.tagsCode)
    this.unit.writeInt32BE(tagsLow, EXT.tagsCode + 4)
    this.unit.writeInt32BE(Math.floor(storeTime / HIGH), EXT.storeTime)
    this.unit.writeInt32BE(storeTime | 0, EXT.storeTime + 4)
    this.unit.writeInt16BE(0, EXT.bitMapSize)
  }

  private writeAt(offset: number, bytes: Buffer): void {
    const start = offset - (offset % this.fileSize)
    const path = queueFilePath(this.folder, start)
    this.ensureFile(path)
    this.store.write(path, bytes, bytes.length, offset - start)
  }

  private ensureFile(path: string): void {
    const { fds, allocator } = this.store
    try {
      fds.get(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      fds.put(path, createFileInPlace(this.settings, path, this.fileSize, EXT_UNIT_SIZE, allocator))
    }
  }

  /** Behind the last unit of the newest file that has one. */
  private findEnd(): number {
    const newest = listQueueFiles(this.folder).at(-1)
    if (newest === undefined) return 0
    const fd = this.store.fds.get(newest.path)
    const bytes = Buffer.alloc(WALK_BYTES)
    let at = 0
    let chunkAt = -WALK_BYTES
    while (at + EXT_UNIT_SIZE <= newest.size) {
      if (at + 2 > chunkAt + WALK_BYTES || chunkAt < 0) {
        chunkAt = at
        bytes.fill(0, readSync(fd, bytes, 0, WALK_BYTES, at))
      }
      const size = bytes.readInt16BE(at - chunkAt)
      if (size === END_OF_FILE) return newest.start + this.fileSize
      if (size < EXT_UNIT_SIZE) break
      at += size
    }
    return newest.start + at
  }
}

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
  private unit = Buffer.alloc(EXT_UNIT_SIZE)
  private readonly present = Buffer.alloc(EXT_UNIT_SIZE)
  private end: number
  /** The record whose unit was appended last, and where. */
  private lastPosition = -1
  private lastOffset = -1

  /** `last`: the queue's last ConsumeQueue unit; where it points, a unit is, even if the walk there is broken. */
  constructor(store: QueueStore, settings: ExtSettings, topic: string, queueId: number, last?: DataView) {
    this.store = store
    this.settings = settings
    this.folder = extFolder(settings, topic, queueId)
    this.fileSize = settings.mappedFileSizeConsumeQueueExt
    const lastOffset = last === undefined ? -1 : addressIn(last)
    this.end = Math.max(this.findEnd(), lastOffset < 0 ? 0 : lastOffset + this.sizeAt(lastOffset))
  }

  /**
   * Makes sure that a record has its ext unit and returns the unit's byte. `present`: the record's ConsumeQueue unit where
   * there is one. `bits`: the record's bit map, which a unit gets when it is new; a unit that is there keeps its own. Throws
   * StoreError DISK_FULL or STORE_WRITE_FAILED.
   */
  place(
    present: DataView | undefined,
    position: number,
    size: number,
    tagsHigh: number,
    tagsLow: number,
    storeTime: number,
    bits?: Uint8Array,
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
    this.lastOffset = this.append(tagsHigh, tagsLow, storeTime, bits)
    this.lastPosition = position
    return this.lastOffset
  }

  private append(tagsHigh: number, tagsLow: number, storeTime: number, bits: Uint8Array | undefined): number {
    this.fill(tagsHigh, tagsLow, storeTime, bits)
    const size = this.unit.length
    const used = this.end % this.fileSize
    if (size > this.fileSize - used - END_SIZE) {
      const mark = Buffer.alloc(2)
      mark.writeInt16BE(END_OF_FILE)
      this.writeAt(this.end, mark)
      this.end += this.fileSize - used
    }
    const offset = this.end
    this.writeAt(offset, this.unit)
    this.end += size
    return offset
  }

  /** The unit at a byte holds this, or does now: without a bit map, which might not fit before the next unit. */
  private put(offset: number, tagsHigh: number, tagsLow: number, storeTime: number): void {
    this.fill(tagsHigh, tagsLow, storeTime, undefined)
    const isThere = readExtUnit(this.store.fds, this.folder, this.fileSize, offset, this.present, 'r+')
    // What comes before the bit map's size is compared: the unit may have one.
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

  private fill(tagsHigh: number, tagsLow: number, storeTime: number, bits: Uint8Array | undefined): void {
    const size = EXT_UNIT_SIZE + (bits?.length ?? 0)
    if (this.unit.length !== size) this.unit = Buffer.alloc(size)
    this.unit.writeInt16BE(size, EXT.size)
    this.unit.writeInt32BE(tagsHigh, EXT.tagsCode)
    this.unit.writeInt32BE(tagsLow, EXT.tagsCode + 4)
    this.unit.writeInt32BE(Math.floor(storeTime / HIGH), EXT.storeTime)
    this.unit.writeInt32BE(storeTime | 0, EXT.storeTime + 4)
    this.unit.writeInt16BE(size - EXT_UNIT_SIZE, EXT.bitMapSize)
    if (bits !== undefined) this.unit.set(bits, EXT.bitMap)
  }

  private sizeAt(offset: number): number {
    const { fds } = this.store
    const isThere = readExtUnit(fds, this.folder, this.fileSize, offset, this.present, 'r+')
    return isThere ? this.present.readInt16BE(EXT.size) : EXT_UNIT_SIZE
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

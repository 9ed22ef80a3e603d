/**
 * Writes the units of one queue, each at the place that its record's queueOffset names.
 *
 *   file   |<-------- written -------->|<-- allocated -->|<-- sparse up to the file's full size -->|
 *          fileStart                   end               roomEnd
 *
 * A mapped queue stores into its map; one without a map stages up to STAGED_UNITS_MAX and writes them at the end of the batch.
 * Either way `view`, `base` and `roomEnd` say where the next unit goes, so that the usual put is five stores.
 *
 * Owns:      the queue's files, on the dispatch thread. Called by: Dispatcher.
 * Invariant: a unit that is there and right is not written again; putting the same records twice changes no byte.
 *            Every unit between the start of a file and the queue's end has been written: what is missing is blank.
 * Errors:    StoreError DISK_FULL / STORE_WRITE_FAILED, before the unit counts: put it again later.
 * Format:    spec/store-format.md §4.
 */
import { closeSync, fstatSync, openSync, unlinkSync } from 'node:fs'
import type { MapSlot } from '../../native/index.ts'
import { addressHigh, addressIn } from './ext-files.ts'
import { ExtWriter } from './ext-writer.ts'
import { PlacedUnits, type PutResult } from './placed-units.ts'
import {
  allocationError,
  createFileInPlace,
  listQueueFiles,
  QUEUE_CHUNK_MIN,
  queueFilePath,
  queueFolder,
} from './queue-files.ts'
import { HEAT_TO_MAP, type QueueStore, type SlotHolder } from './queue-store.ts'
import { BLANK_UNIT_SIZE, GAP_UNITS_MAX, UNIT_SIZE, writeUnit } from './unit.ts'
import { walkQueue } from './walk-queue.ts'

/** Of a queue without a map, in a batch: thousands of queues get a few, and one that fills its buffer gets a larger one. */
const STAGED_UNITS_MIN = 16
const STAGED_UNITS_MAX = 64
const NO_VIEW = new DataView(new ArrayBuffer(0))

/** Where a queue stands, as recovery found it; see recover-queues.ts. */
export interface QueueEnd {
  /** Next queue offset, by the files. */
  end: number
  /** End of the record that the last real unit points at. */
  maxPhysical: number
}

export class QueueWriter implements SlotHolder {
  readonly topic: string
  readonly queueId: number
  readonly folder: string
  /** Integer of the queue in the shared table, -1 until the network thread has given one. */
  integer = -1
  /** Number of the batch that touched it last. */
  batch = -1
  /** Queue offset of the next unit. */
  end: number
  /** End of the record that the last unit points at; records below it are in the queue. */
  maxPhysical: number
  /** Next queue offset as recovery has read it from the log: records that name one at or above it are damaged. */
  limit = Number.POSITIVE_INFINITY
  /** It has begun at another queue offset since somebody looked: its smallest one has moved. */
  hasBegunAnew = false
  heat = 0
  heatEpoch = 0

  private readonly store: QueueStore
  /** Where the next unit goes: at origin + (end - base) * 20 of view, while end < roomEnd. */
  private view: DataView = NO_VIEW
  private base = 0
  private origin = 0
  private roomEnd = 0
  /** First unit that does not lie wholly in the mapped window. */
  private windowEnd = 0

  private slot: MapSlot | undefined
  private stagedUnits = STAGED_UNITS_MIN
  private staged: Buffer | undefined
  private stagedView: DataView | undefined
  /** First unit of the open file; -1 while none is open. */
  private fileStart = -1
  private path = ''
  /** Bytes of the open file that have blocks. */
  private allocated = 0
  private counted: number
  private ext: ExtWriter | undefined
  private readonly placed: PlacedUnits

  constructor(store: QueueStore, topic: string, queueId: number, known?: QueueEnd) {
    this.store = store
    this.topic = topic
    this.queueId = queueId
    this.folder = queueFolder(store.settings, topic, queueId)
    this.placed = new PlacedUnits(store, this.folder)
    const { end, maxPhysical } = known ?? walkQueue(this.folder, store.fileSize)
    this.end = end
    this.maxPhysical = maxPhysical
    this.counted = end
  }

  /** Puts the unit of one record. Halves of tagsCode are int32. */
  put(queueOffset: number, position: number, size: number, tagsHigh: number, tagsLow: number): PutResult {
    if (queueOffset !== this.end || queueOffset >= this.roomEnd || position < this.maxPhysical) {
      const result = this.prepare(queueOffset, position, size, tagsHigh, tagsLow)
      if (result !== undefined) return result
    }
    writeUnit(this.view, this.origin + (queueOffset - this.base) * UNIT_SIZE, position, size, tagsHigh, tagsLow)
    this.end = queueOffset + 1
    this.maxPhysical = position + size
    return 'written'
  }

  /**
   * As put(), through ConsumeQueueExt: tagsCode and store time go there, and the unit holds the address. A unit that is
   * there keeps its address.
   */
  putExt(
    q: number,
    position: number,
    size: number,
    tagsHigh: number,
    tagsLow: number,
    storeTime: number,
    bits?: Uint8Array,
  ): PutResult {
    if (q < 0 || (q >= this.end && position < this.maxPhysical)) return this.put(q, position, size, tagsHigh, tagsLow)
    this.flush()
    const present = q < this.end ? this.placed.unit(q, this.end) : undefined
    const offset = this.extWriter().place(present, position, size, tagsHigh, tagsLow, storeTime, bits)
    return this.put(q, position, size, addressHigh(offset), offset | 0)
  }

  /** Files of ext units below that of the queue offset can go. */
  expireExt(minOffset: number): void {
    if (this.store.ext === undefined || minOffset >= this.end || minOffset < 0) return
    this.flush()
    const offset = addressIn(this.placed.unit(minOffset, this.end))
    if (offset >= 0) this.extWriter().expireBelow(offset)
  }

  /** Ends a batch: all units put so far are in the page cache. Returns how many are new since the last call. */
  endBatch(): number {
    this.flush()
    const units = this.end - this.counted
    if (units <= 0) return 0
    this.counted = this.end
    this.store.warm(this, units)
    if (this.slot === undefined && this.heat >= HEAT_TO_MAP && this.fileStart >= 0) this.tryMap()
    return units
  }

  /**
   * Lets the queue end at `end`: what is missing is blank. For queues whose last records went with old segments, or were
   * lost, so that queue offsets go on where they were, with RocketMQ too. False when that would be too many.
   */
  fillTo(end: number): boolean {
    if (end <= this.end) return true
    if (this.isBare()) this.startAt(end)
    if (end - this.end > GAP_UNITS_MAX) return false
    // A queue that starts with the next file has no unit to show for it.
    if (end === this.end) {
      this.openFile(end)
      if (this.slot === undefined) this.stage()
    }
    while (this.end < end) this.appendBlank()
    return true
  }

  get isMapped(): boolean {
    return this.slot !== undefined
  }

  slotTaken(): void {
    this.slot = undefined
    this.stage()
  }

  /** Writes what is staged and gives map and descriptor back. The writer can go on. */
  close(): void {
    this.flush()
    if (this.slot !== undefined) this.store.giveSlot(this.slot)
    this.slot = undefined
    this.leaveFile()
    this.store.fds.dropFolder(this.folder)
  }

  /** Makes everything ready for a store at `queueOffset`; otherwise the result of the put. */
  private prepare(q: number, position: number, size: number, tagsHigh: number, tagsLow: number): PutResult | undefined {
    if (q < 0 || !Number.isSafeInteger(q) || q >= this.limit) return 'misplaced'
    if (q < this.end) {
      this.flush()
      return this.placed.put(q, this.end, position, size, tagsHigh, tagsLow)
    }
    if (position < this.maxPhysical) return 'present'
    if (q > this.end) {
      if (this.isBare()) this.startAt(q)
      else if (q - this.end > GAP_UNITS_MAX) return 'misplaced'
      while (this.end < q) this.appendBlank()
    }
    this.placed.forget()
    this.makeRoom()
    return undefined
  }

  private extWriter(): ExtWriter {
    const { store } = this
    if (store.ext === undefined) throw new Error('ConsumeQueueExt is not enabled')
    if (this.ext === undefined) {
      const last = this.end > 0 && this.hasFiles() ? this.placed.unit(this.end - 1, this.end) : undefined
      this.ext = new ExtWriter(store, store.ext, this.topic, this.queueId, last)
    }
    return this.ext
  }

  /** No record of it exists: it may go on at any queue offset, as when a member was away while its group deleted what it lacks. */
  private isBare(): boolean {
    return this.end === 0 || this.maxPhysical <= this.store.logMin || !this.hasFiles()
  }

  private hasFiles(): boolean {
    return this.fileStart >= 0 || listQueueFiles(this.folder).length > 0
  }

  /** The queue begins with the file that holds `queueOffset`; what is before in that file becomes blank. */
  private startAt(queueOffset: number): void {
    this.leaveFile()
    for (const empty of listQueueFiles(this.folder)) unlinkSync(empty.path)
    this.end = queueOffset - (queueOffset % this.store.unitsPerFile)
    this.counted = this.end
    this.hasBegunAnew = true
  }

  private appendBlank(): void {
    this.makeRoom()
    writeUnit(this.view, this.origin + (this.end - this.base) * UNIT_SIZE, 0, BLANK_UNIT_SIZE, 0, 0)
    this.end += 1
  }

  /** Afterwards end < roomEnd. */
  private makeRoom(): void {
    const { unitsPerFile } = this.store
    if (this.end < this.roomEnd) return
    if (this.slot === undefined) this.flush()
    const fileStart = this.end - (this.end % unitsPerFile)
    if (fileStart !== this.fileStart) this.openFile(fileStart)
    const needed = (this.end + 1 - fileStart) * UNIT_SIZE
    if (needed > this.allocated) this.growOpenFile(needed)
    if (this.slot === undefined) this.stage()
    else if (this.end >= this.windowEnd) this.withFile((fd) => this.mapWindow(fd))
    else this.roomEnd = Math.min(this.windowEnd, this.allocatedEnd())
  }

  private openFile(fileStart: number): void {
    const { store } = this
    if (store.isCatchingUp && this.fileStart >= 0) store.markRewritten(this.path)
    this.leaveFile()
    const path = queueFilePath(this.folder, fileStart * UNIT_SIZE)
    const fd = this.openOrCreate(path)
    this.path = path
    this.fileStart = fileStart
    // Pages below the end have blocks; a file that RocketMQ wrote may have none behind it.
    const at = (this.end - fileStart) * UNIT_SIZE
    this.allocated = at - (at % store.pageSize)
    try {
      this.grow(at + UNIT_SIZE, fd)
      this.slot ??= store.takeSlot(this)
      if (this.slot !== undefined) this.mapWindow(fd)
    } catch (error) {
      this.leaveFile()
      throw error
    } finally {
      if (this.slot === undefined && this.fileStart >= 0) store.fds.put(path, fd)
      else closeSync(fd)
    }
  }

  private openOrCreate(path: string): number {
    const { store } = this
    store.fds.drop(path)
    try {
      const fd = openSync(path, 'r+')
      if (fstatSync(fd).size >= store.fileSize) return fd
      closeSync(fd)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw allocationError(error, path, 0)
    }
    return createFileInPlace(store.settings, path, store.fileSize, QUEUE_CHUNK_MIN, store.allocator)
  }

  /** A mapped queue needs its file for a moment only, any other one at the end of each batch. */
  private withFile(use: (fd: number) => void): void {
    const { fds } = this.store
    if (this.slot === undefined) use(fds.get(this.path))
    else fds.lend(this.path, use)
  }

  /** A file that somebody else has removed is served from its map, as far as that goes; the next start builds it again. */
  private growOpenFile(needed: number): void {
    try {
      this.withFile((fd) => this.grow(needed, fd))
    } catch (error) {
      if (this.slot === undefined || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      this.allocated = Math.max(needed, (this.windowEnd - this.fileStart) * UNIT_SIZE)
    }
  }

  private grow(needed: number, fd: number): void {
    const { allocator, fileSize } = this.store
    const to = allocator.next(this.allocated, needed, fileSize)
    allocator.allocate(fd, this.path, this.allocated, to)
    this.allocated = to
  }

  /** Maps the pages from the one that holds the next unit on. */
  private mapWindow(fd: number): void {
    const { slot, store } = this
    if (slot === undefined) return
    const at = (this.end - this.fileStart) * UNIT_SIZE
    const from = at - (at % store.pageSize)
    const length = Math.min(store.windowSize, store.fileSize - from)
    try {
      slot.map(fd, from, length, true)
      // Otherwise the first store into a sparse file fills the page cache with its zeros, as far as the disk's read-ahead
      // goes: 1.4 ms with 8 MiB of it (measured), and 15 us without.
      slot.advise(0, length, 'random')
    } catch {
      // The kernel's table of maps is full: this queue does without.
      this.slot = undefined
      store.giveSlot(slot)
      this.stage()
      return
    }
    this.view = slot.view
    this.base = this.end
    this.origin = at - from
    this.windowEnd = this.fileStart + Math.floor((from + length) / UNIT_SIZE)
    this.roomEnd = Math.min(this.windowEnd, this.allocatedEnd())
  }

  /** First unit of the open file that has no blocks. */
  private allocatedEnd(): number {
    return this.fileStart + Math.floor(this.allocated / UNIT_SIZE)
  }

  private tryMap(): void {
    const slot = this.store.takeSlot(this)
    if (slot === undefined) {
      this.heat /= 2
      return
    }
    this.slot = slot
    this.withFile((fd) => this.mapWindow(fd))
    if (this.isMapped) this.store.fds.drop(this.path)
  }

  /** Stages units from `end` on. */
  private stage(): void {
    if (this.fileStart < 0) return
    this.staged ??= Buffer.alloc(this.stagedUnits * UNIT_SIZE)
    this.stagedView ??= new DataView(this.staged.buffer, this.staged.byteOffset, this.staged.length)
    this.view = this.stagedView
    this.base = this.end
    this.origin = 0
    this.roomEnd = Math.min(this.end + this.stagedUnits, this.allocatedEnd())
  }

  private flush(): void {
    if (this.slot !== undefined || this.staged === undefined || this.fileStart < 0 || this.end <= this.base) return
    const units = this.end - this.base
    this.store.write(this.path, this.staged, units * UNIT_SIZE, (this.base - this.fileStart) * UNIT_SIZE)
    if (units === this.stagedUnits && units < STAGED_UNITS_MAX) {
      this.stagedUnits = STAGED_UNITS_MAX
      this.staged = undefined
      this.stagedView = undefined
    }
    this.stage()
  }

  /** Lets go of the open file; a slot is kept for the next one. */
  private leaveFile(): void {
    if (this.fileStart >= 0) this.store.fds.drop(this.path)
    this.slot?.release()
    this.fileStart = -1
    this.view = NO_VIEW
    this.base = this.end
    this.origin = 0
    this.roomEnd = 0
    this.windowEnd = 0
  }
}

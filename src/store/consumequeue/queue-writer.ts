/**
 * Writes the units of one queue, each at the place that its record's queueOffset names.
 *
 *   file   |<-------- written -------->|<-- allocated -->|<-- sparse up to the file's full size -->|
 *          fileStart                   end               roomEnd
 *
 * A mapped queue stores into its map; one without a map stages up to STAGED_UNITS and writes them at the end of the batch.
 * Either way `view`, `base` and `roomEnd` say where the next unit goes, so that the usual put is five stores.
 *
 * Owns:      the queue's files, on the dispatch thread. Called by: Dispatcher.
 * Invariant: a unit that is there and right is not written again; putting the same records twice changes no byte.
 *            Every unit between the start of a file and the queue's end has been written: what is missing is blank.
 * Errors:    StoreError DISK_FULL / STORE_WRITE_FAILED, before the unit counts: put it again later.
 * Format:    spec/store-format.md §4.
 */
import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import type { MapSlot } from '../../native/index.ts'
import {
  allocationError,
  createFileInPlace,
  listQueueFiles,
  QUEUE_CHUNK_MIN,
  queueFilePath,
  queueFolder,
} from './queue-files.ts'
import { HEAT_TO_MAP, type QueueStore, type SlotHolder } from './queue-store.ts'
import { BLANK_UNIT_SIZE, isReal, physicalOffsetAt, UNIT_SIZE, writeUnit } from './unit.ts'
import { walkQueue } from './walk-queue.ts'

const STAGED_UNITS = 64
/** Units read at a time while records that were dispatched before come again. */
const REREAD_UNITS = 204
/** A queueOffset further ahead than this is damage in the record, not a gap. */
const GAP_UNITS_MAX = 4_000_000
const NO_VIEW = new DataView(new ArrayBuffer(0))

export type PutResult = 'written' | 'present' | 'misplaced'

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
  private staged: Buffer | undefined
  private stagedView: DataView | undefined
  /** First unit of the open file; -1 while none is open. */
  private fileStart = -1
  private path = ''
  /** Bytes of the open file that have blocks. */
  private allocated = 0
  private counted: number
  /** Units [rereadStart, rereadEnd) as they are in the file, while records come again. */
  private reread: Buffer | undefined
  private rereadStart = -1
  private rereadEnd = -1

  constructor(store: QueueStore, topic: string, queueId: number, known?: QueueEnd) {
    this.store = store
    this.topic = topic
    this.queueId = queueId
    this.folder = queueFolder(store.settings, topic, queueId)
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
    if (this.end === 0 || !this.hasFiles()) this.startAt(end)
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
  }

  /** Makes everything ready for a store at `queueOffset`; otherwise the result of the put. */
  private prepare(q: number, position: number, size: number, tagsHigh: number, tagsLow: number): PutResult | undefined {
    if (q < 0 || !Number.isSafeInteger(q)) return 'misplaced'
    if (q < this.end) return this.putAgain(q, position, size, tagsHigh, tagsLow)
    if (position < this.maxPhysical) return 'present'
    if (q > this.end) {
      if (this.end === 0 || !this.hasFiles()) this.startAt(q)
      else if (q - this.end > GAP_UNITS_MAX) return 'misplaced'
      while (this.end < q) this.appendBlank()
    }
    this.reread = undefined
    this.makeRoom()
    return undefined
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
    if (needed > this.allocated) this.grow(needed)
    if (this.slot === undefined) this.stage()
    else if (this.end >= this.windowEnd) this.mapWindow()
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

  private grow(needed: number, fd = this.store.fds.get(this.path)): void {
    const { store } = this
    const to = store.allocator.next(this.allocated, needed, store.fileSize)
    store.allocator.allocate(fd, this.path, this.allocated, to)
    this.allocated = to
    if (this.slot !== undefined) store.fds.drop(this.path)
  }

  /** Maps the pages from the one that holds the next unit on. */
  private mapWindow(fd = this.store.fds.get(this.path)): void {
    const { slot, store } = this
    if (slot === undefined) return
    const at = (this.end - this.fileStart) * UNIT_SIZE
    const from = at - (at % store.pageSize)
    const length = Math.min(store.windowSize, store.fileSize - from)
    try {
      slot.map(fd, from, length, true)
    } catch {
      // The kernel's table of maps is full: this queue does without.
      this.slot = undefined
      store.giveSlot(slot)
      this.stage()
      return
    }
    store.fds.drop(this.path)
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
    this.mapWindow()
  }

  /** Stages units from `end` on. */
  private stage(): void {
    if (this.fileStart < 0) return
    this.staged ??= Buffer.alloc(STAGED_UNITS * UNIT_SIZE)
    this.stagedView ??= new DataView(this.staged.buffer, this.staged.byteOffset, this.staged.length)
    this.view = this.stagedView
    this.base = this.end
    this.origin = 0
    this.roomEnd = Math.min(this.end + STAGED_UNITS, this.allocatedEnd())
  }

  private flush(): void {
    if (this.slot !== undefined || this.staged === undefined || this.fileStart < 0 || this.end <= this.base) return
    const length = (this.end - this.base) * UNIT_SIZE
    this.writeAt(this.path, this.staged, length, (this.base - this.fileStart) * UNIT_SIZE)
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

  /**
   * A record whose place is taken: nothing is written where its unit stands. A unit that points further into the log
   * stays: two records then claim one queue offset (RocketMQ 4.9.8 after damage), and the younger one holds it.
   */
  private putAgain(q: number, position: number, size: number, tagsHigh: number, tagsLow: number): PutResult {
    this.flush()
    const fileStart = q - (q % this.store.unitsPerFile)
    const at = (this.load(q, fileStart) - this.rereadStart) * UNIT_SIZE
    const units = this.reread!
    const view = new DataView(units.buffer, units.byteOffset, units.length)
    if (isReal(view, at) && physicalOffsetAt(view, at) > position) return 'present'
    const right = Buffer.alloc(UNIT_SIZE)
    writeUnit(new DataView(right.buffer, right.byteOffset, UNIT_SIZE), 0, position, size, tagsHigh, tagsLow)
    if (right.compare(units, at, at + UNIT_SIZE) === 0) return 'present'
    const path = queueFilePath(this.folder, fileStart * UNIT_SIZE)
    this.writeAt(path, right, UNIT_SIZE, (q - fileStart) * UNIT_SIZE)
    this.store.markRewritten(path)
    right.copy(units, at)
    return 'written'
  }

  /** Reads the units around q into a buffer, making their file if it is gone. Returns q. */
  private load(q: number, fileStart: number): number {
    if (this.reread !== undefined && q >= this.rereadStart && q < this.rereadEnd) return q
    this.reread ??= Buffer.alloc(REREAD_UNITS * UNIT_SIZE)
    const fileEnd = fileStart + this.store.unitsPerFile
    this.rereadStart = q
    this.rereadEnd = Math.min(q + REREAD_UNITS, fileEnd, this.end)
    this.reread.fill(0)
    const fd = this.descriptor(queueFilePath(this.folder, fileStart * UNIT_SIZE), q - fileStart)
    readSync(fd, this.reread, 0, (this.rereadEnd - q) * UNIT_SIZE, (q - fileStart) * UNIT_SIZE)
    return q
  }

  /** Descriptor of a file of this queue. A file that is missing is made, with `blanks` blank units at its start. */
  private descriptor(path: string, blanks: number): number {
    const { store } = this
    try {
      return store.fds.get(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw allocationError(error, path, 0)
    }
    const length = blanks * UNIT_SIZE
    const fd = createFileInPlace(store.settings, path, store.fileSize, length + UNIT_SIZE, store.allocator)
    store.fds.put(path, fd)
    const bytes = Buffer.alloc(length)
    const view = new DataView(bytes.buffer, bytes.byteOffset, length)
    for (let at = 0; at < length; at += UNIT_SIZE) writeUnit(view, at, 0, BLANK_UNIT_SIZE, 0, 0)
    writeSync(fd, bytes, 0, length, 0)
    return fd
  }

  private writeAt(path: string, bytes: Buffer, length: number, at: number): void {
    try {
      const written = writeSync(this.store.fds.get(path), bytes, 0, length, at)
      if (written !== length)
        throw Object.assign(new Error(`${written} of ${length} bytes written`), { code: 'ENOSPC' })
    } catch (error) {
      throw allocationError(error, path, length)
    }
  }
}

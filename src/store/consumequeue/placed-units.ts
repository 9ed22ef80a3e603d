/**
 * Units that have been written: looked up and put right when their records are dispatched again.
 *
 * Nothing is written where a unit is right. A unit that points further into the log stays: two records then claim one
 * queue offset (RocketMQ 4.9.8 after damage), and the younger one holds it. A file that is gone is made again, blank up to
 * the first unit that comes.
 *
 * Called by: QueueWriter. Reads and writes with pread and pwrite, which maps of the same file see.
 */
import { readSync, writeSync } from 'node:fs'
import { allocationError, createFileInPlace, queueFilePath } from './queue-files.ts'
import type { QueueStore } from './queue-store.ts'
import { BLANK_UNIT_SIZE, isReal, physicalOffsetAt, UNIT_SIZE, writeUnit } from './unit.ts'

export type PutResult = 'written' | 'present' | 'misplaced'

/** Records come again in order: so many units are read at a time. */
const UNITS_READ = 204

export class PlacedUnits {
  private readonly store: QueueStore
  private readonly folder: string
  private units: Buffer | undefined
  private start = -1
  private end = -1

  constructor(store: QueueStore, folder: string) {
    this.store = store
    this.folder = folder
  }

  /** The unit of queue offset q, which is below the queue's end. Valid until the next call. */
  unit(q: number, queueEnd: number): DataView {
    const units = this.load(q, queueEnd)
    return new DataView(units.buffer, units.byteOffset + (q - this.start) * UNIT_SIZE, UNIT_SIZE)
  }

  put(q: number, queueEnd: number, position: number, size: number, tagsHigh: number, tagsLow: number): PutResult {
    const present = this.unit(q, queueEnd)
    if (isReal(present, 0) && physicalOffsetAt(present, 0) > position) return 'present'
    const right = Buffer.alloc(UNIT_SIZE)
    writeUnit(new DataView(right.buffer, right.byteOffset, UNIT_SIZE), 0, position, size, tagsHigh, tagsLow)
    const at = (q - this.start) * UNIT_SIZE
    if (right.compare(this.units!, at, at + UNIT_SIZE) === 0) return 'present'
    const fileStart = q - (q % this.store.unitsPerFile)
    const path = queueFilePath(this.folder, fileStart * UNIT_SIZE)
    this.store.write(path, right, UNIT_SIZE, (q - fileStart) * UNIT_SIZE)
    this.store.markRewritten(path)
    right.copy(this.units!, at)
    return 'written'
  }

  /** What was read may change: the queue grows again. */
  forget(): void {
    this.units = undefined
  }

  private load(q: number, queueEnd: number): Buffer {
    if (this.units !== undefined && q >= this.start && q < this.end) return this.units
    const { unitsPerFile } = this.store
    this.units ??= Buffer.alloc(UNITS_READ * UNIT_SIZE)
    const fileStart = q - (q % unitsPerFile)
    this.start = q
    this.end = Math.min(q + UNITS_READ, fileStart + unitsPerFile, queueEnd)
    this.units.fill(0)
    const fd = this.descriptor(queueFilePath(this.folder, fileStart * UNIT_SIZE), q - fileStart)
    readSync(fd, this.units, 0, (this.end - q) * UNIT_SIZE, (q - fileStart) * UNIT_SIZE)
    return this.units
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
    store.markRewritten(path)
    return fd
  }
}

/**
 * What the ConsumeQueue writers of one thread share: a few maps, a few descriptors, the batch.
 *
 * A map costs address space and an entry in the kernel's table (65,530 a process), so only so many queues hold
 * one; the others stage their units and pwrite them once a batch (with a new open where descriptors are short: 17 us a
 * record measured, 0.9 with a map). A queue takes a map from the least busy holder when it has been busier itself. "Busy" is
 * units written, halved every EPOCH_UNITS.
 */
import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { fdatasync, MapSlot, pageSize, syncFolder } from '../../native/index.ts'
import type { ExtSettings } from './ext-files.ts'
import { allocationError, ChunkAllocator, type QueueSettings, queueFileSize } from './queue-files.ts'
import { UNIT_SIZE } from './unit.ts'

const EPOCH_UNITS = 65_536
const SLOTS_MAX = 4096
const FDS_MAX = 128
/**
 * Bytes of a file that are mapped at a time: 6,553 units. V8 counts the address space of a slot as memory of its heap: a
 * slot for a whole file of 6 MB costs 300 us of garbage collection to make (measured), one of this size about 20.
 */
const WINDOW_SIZE = 128 * 1024
/** A cold queue asks for a map after it has written a page of units. */
export const HEAT_TO_MAP = 256

/** Who holds a slot. */
export interface SlotHolder {
  heat: number
  heatEpoch: number
  /** The slot goes to somebody else: stop storing into it. */
  slotTaken(): void
}

export interface QueueStoreOptions {
  settings: QueueSettings & Partial<ExtSettings & { enableConsumeQueueExt: boolean }>
  /** Maps at most; 0 stages everything. */
  slotCount?: number
  /** Descriptors kept open for queues without a map. */
  fdCount?: number
  isDiskFull?: () => boolean
}

export class QueueStore {
  readonly settings: QueueSettings
  /** Set when units go through ConsumeQueueExt. */
  readonly ext: ExtSettings | undefined
  readonly fileSize: number
  readonly unitsPerFile: number
  readonly windowSize: number
  readonly pageSize = pageSize()
  readonly allocator: ChunkAllocator
  readonly fds: FdCache
  /** Records below are gone. */
  logMin = 0
  /** While the log is dispatched again at start: files that are left behind are not those that housekeeping syncs. */
  isCatchingUp = false
  private readonly rewritten = new Set<string>()
  private slotCount: number
  private readonly free: MapSlot[] = []
  private readonly held = new Map<MapSlot, SlotHolder>()
  private unitsInEpoch = 0
  private epoch = 0

  constructor(options: QueueStoreOptions) {
    const { settings } = options
    this.settings = settings
    if (settings.enableConsumeQueueExt === true && settings.mappedFileSizeConsumeQueueExt !== undefined) {
      const { storePathRootDir, mappedFileSizeConsumeQueueExt } = settings
      this.ext = { storePathRootDir, mappedFileSizeConsumeQueueExt }
    }
    this.fileSize = queueFileSize(options.settings)
    this.unitsPerFile = this.fileSize / UNIT_SIZE
    this.windowSize = Math.min(WINDOW_SIZE, this.fileSize)
    this.allocator = new ChunkAllocator(options.isDiskFull)
    this.fds = new FdCache(options.fdCount ?? FDS_MAX)
    this.slotCount = options.slotCount ?? SLOTS_MAX
  }

  get mapCount(): number {
    return this.held.size
  }

  /** A slot that nobody holds, or that of a holder less than half as busy; undefined when all are busier. */
  takeSlot(holder: SlotHolder): MapSlot | undefined {
    const slot = this.free.pop() ?? this.makeSlot() ?? this.steal(holder)
    if (slot !== undefined) this.held.set(slot, holder)
    return slot
  }

  giveSlot(slot: MapSlot): void {
    slot.release()
    this.held.delete(slot)
    this.free.push(slot)
  }

  /** Counts units that the holder wrote since the last call. */
  warm(holder: SlotHolder, units: number): void {
    this.cool(holder)
    holder.heat += units
    this.unitsInEpoch += units
    if (this.unitsInEpoch < EPOCH_UNITS) return
    this.unitsInEpoch = 0
    this.epoch += 1
  }

  /** Throws StoreError DISK_FULL or STORE_WRITE_FAILED. */
  write(path: string, bytes: Buffer, length: number, at: number): void {
    try {
      const written = writeSync(this.fds.get(path), bytes, 0, length, at)
      if (written !== length)
        throw Object.assign(new Error(`${written} of ${length} bytes written`), { code: 'ENOSPC' })
    } catch (error) {
      throw allocationError(error, path, length)
    }
  }

  /** A file was written to that is not the queue's newest: housekeeping would not sync it. */
  markRewritten(path: string): void {
    this.rewritten.add(path)
  }

  get hasRewritten(): boolean {
    return this.rewritten.size > 0
  }

  /** Puts those files on the disk, and their names. Before `dispatched` says that they are whole. */
  syncRewritten(): void {
    const folders = new Set<string>()
    for (const path of this.rewritten) {
      // Retention or the end of a topic may have taken it meanwhile.
      if (!existsSync(path)) continue
      fdatasync(this.fds.get(path))
      folders.add(dirname(path))
    }
    for (const folder of folders) syncFolder(folder)
    this.rewritten.clear()
  }

  close(): void {
    for (const slot of this.held.keys()) slot.close()
    for (const slot of this.free) slot.close()
    this.held.clear()
    this.free.length = 0
    this.fds.close()
  }

  private makeSlot(): MapSlot | undefined {
    if (this.held.size + this.free.length >= this.slotCount) return undefined
    try {
      return new MapSlot(this.windowSize)
    } catch (error) {
      // No address space: the rest is staged. Without any slot it is the addon that is missing.
      if (this.held.size === 0) throw error
      this.slotCount = this.held.size
      return undefined
    }
  }

  private steal(taker: SlotHolder): MapSlot | undefined {
    this.cool(taker)
    let coldest: MapSlot | undefined
    let heat = taker.heat / 2
    for (const [slot, holder] of this.held) {
      this.cool(holder)
      if (holder.heat >= heat) continue
      heat = holder.heat
      coldest = slot
    }
    if (coldest === undefined) return undefined
    this.held.get(coldest)!.slotTaken()
    coldest.release()
    return coldest
  }

  private cool(holder: SlotHolder): void {
    const epochs = this.epoch - holder.heatEpoch
    if (epochs === 0) return
    holder.heat = epochs > 30 ? 0 : holder.heat / 2 ** epochs
    holder.heatEpoch = this.epoch
  }
}

interface OpenFile {
  readonly fd: number
  used: number
}

/**
 * Open descriptors by path, the least recently used closed first.
 *
 * Each has the number of its last use, and none is put in again: the table of a Map that lives long is old, and V8 makes each
 * table that takes its place in the old generation too, where it stays until the next collection (40 to 155 bytes for an entry
 * that is put in and taken out, measured).
 */
export class FdCache {
  private readonly limit: number
  private readonly files = new Map<string, OpenFile>()
  private uses = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** Descriptor of the file, open for reading and, unless told otherwise, writing. Throws what openSync throws. */
  get(path: string, flags = 'r+'): number {
    const known = this.files.get(path)
    if (known === undefined) return this.keep(path, openSync(path, flags))
    this.uses += 1
    known.used = this.uses
    return known.fd
  }

  /** For a moment: a descriptor that is not open is closed again. */
  lend(path: string, use: (fd: number) => void): void {
    const known = this.files.get(path)
    const fd = known?.fd ?? openSync(path, 'r+')
    try {
      use(fd)
    } finally {
      if (known === undefined) closeSync(fd)
    }
  }

  put(path: string, fd: number): void {
    this.drop(path)
    this.keep(path, fd)
  }

  /** Closes all files of a folder: they may be removed, and others made in their place. */
  dropFolder(folder: string): void {
    for (const path of [...this.files.keys()]) if (dirname(path) === folder) this.drop(path)
  }

  drop(path: string): void {
    const known = this.files.get(path)
    if (known === undefined) return
    this.files.delete(path)
    closeSync(known.fd)
  }

  close(): void {
    for (const { fd } of this.files.values()) closeSync(fd)
    this.files.clear()
  }

  private keep(path: string, fd: number): number {
    this.uses += 1
    this.files.set(path, { fd, used: this.uses })
    if (this.files.size > this.limit) this.dropOldest()
    return fd
  }

  private dropOldest(): void {
    let oldest = ''
    let least = Number.POSITIVE_INFINITY
    for (const [path, { used }] of this.files) {
      if (used >= least) continue
      least = used
      oldest = path
    }
    this.drop(oldest)
  }
}

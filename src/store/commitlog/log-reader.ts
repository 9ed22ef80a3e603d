/**
 * Reads the log: hot segments through read-only maps in a few slots, cold ones by pread.
 *
 * A slot is a range of this thread's address space; a segment stays in it until another one needs the slot (the least
 * recently used goes first) or retention drops it. What is leased is never unmapped: whoever keeps bytes of a segment
 * beyond one call (a socket write in flight) takes a lease first and gives it back when the write's callback comes.
 *
 * Owns:      its slots and file descriptors. One reader a thread.
 * Invariant: bytes that were handed out under a lease show the same segment until unlease().
 * Blocks on: a page that is not in memory: ask resident() first where that matters. The caller knows how far it may
 *            read (a position); the reader does not.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { assert } from '../../assert.ts'
import { MapSlot } from '../../native/index.ts'
import { type LogFolderSettings, LogFolders } from './log-folders.ts'
import type { LogLayout } from './log-layout.ts'
import { segmentPath, segmentStart } from './segments.ts'

export interface MappedSegment {
  /** Offset of the log at index 0 of `bytes`. */
  readonly start: number
  /** Offset behind the segment's last byte. */
  readonly end: number
  readonly bytes: Buffer
  readonly view: DataView
  /** How records lie in it; a DLedger store may have older segments of the other kind. Left out by sources that know one. */
  readonly layout?: LogLayout
}

interface Mapped extends MappedSegment {
  readonly slot: MapSlot
  leases: number
  used: number
  /** Retention took it while it was leased: it goes with the last lease. */
  dropped: boolean
}

export type LogReaderSettings = LogFolderSettings

const SLOTS = 4
const FILES = 4

export class LogReader {
  private readonly folders: LogFolders
  private readonly segmentSize: number
  private readonly slotsMax: number
  private readonly free: MapSlot[] = []
  private readonly mapped: Mapped[] = []
  private readonly files = new Map<number, number>()
  private slotCount = 0
  private uses = 0
  private retained = 0
  /** The segment that was asked for last: most calls end here. */
  private current: Mapped | undefined

  constructor(settings: LogReaderSettings, slotsMax = SLOTS) {
    this.folders = new LogFolders(settings)
    this.segmentSize = settings.mappedFileSizeCommitLog
    this.slotsMax = slotsMax
  }

  /**
   * The segment that holds `offset`, mapped; undefined when it does not exist (retired, or not made yet) or when all slots
   * are leased: the caller then reads it cold. Valid until the next call unless it is leased.
   */
  segmentAt(offset: number): MappedSegment | undefined {
    const { current } = this
    if (current !== undefined && offset >= current.start && offset < current.end) return current
    return this.find(offset)
  }

  /** How records lie at `offset`. */
  layoutAt(offset: number): LogLayout {
    return this.folders.layoutAt(offset)
  }

  /** Whether all pages of the range are in memory. False when its segment is not mapped or ends before the range does. */
  resident(offset: number, length: number): boolean {
    const segment = this.segmentAt(offset) as Mapped | undefined
    if (segment === undefined || offset + length > segment.end) return false
    return segment.slot.resident(offset - segment.start, length)
  }

  /** Keeps the segment that starts at `start` mapped until the matching unlease(). It is mapped now. */
  lease(start: number): void {
    const segment = this.mapped.find((each) => each.start === start && !each.dropped)
    assert(segment !== undefined, 'only a mapped segment is leased')
    segment.leases += 1
  }

  unlease(start: number): void {
    const index = this.mapped.findIndex((each) => each.start === start && each.leases > 0)
    assert(index >= 0, 'a lease is given back once')
    const segment = this.mapped[index]
    segment.leases -= 1
    if (segment.dropped && segment.leases === 0) this.release(index)
  }

  /** Lets go of all segments that end at or below `retained`; leased ones when their last lease ends. */
  dropBelow(retained: number): void {
    this.retained = Math.max(this.retained, retained)
    for (let i = this.mapped.length - 1; i >= 0; i--) {
      const segment = this.mapped[i]
      if (segment.end > retained) continue
      segment.dropped = true
      if (segment === this.current) this.current = undefined
      if (segment.leases === 0) this.release(i)
    }
    for (const [start, fd] of this.files) {
      if (start + this.segmentSize > retained) continue
      closeSync(fd)
      this.files.delete(start)
    }
  }

  /**
   * A copy of the range by pread, cut at the end of its segment; undefined when the segment does not exist any more. For
   * threads that may wait.
   */
  readCold(offset: number, length: number): Buffer | undefined {
    const start = segmentStart(offset, this.segmentSize)
    const fd = this.fileOf(start)
    if (fd === undefined) return undefined
    const wanted = Math.min(length, start + this.segmentSize - offset)
    const bytes = Buffer.allocUnsafeSlow(wanted)
    let done = 0
    while (done < wanted) {
      const read = readSync(fd, bytes, done, wanted - done, offset - start + done)
      if (read === 0) break
      done += read
    }
    return done === wanted ? bytes : bytes.subarray(0, done)
  }

  close(): void {
    for (const segment of this.mapped) segment.slot.close()
    for (const slot of this.free) slot.close()
    for (const fd of this.files.values()) closeSync(fd)
    this.mapped.length = 0
    this.free.length = 0
    this.files.clear()
    this.current = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private find(offset: number): Mapped | undefined {
    this.uses += 1
    for (const segment of this.mapped) {
      if (offset < segment.start || offset >= segment.end || segment.dropped) continue
      segment.used = this.uses
      this.current = segment
      return segment
    }
    if (offset < this.retained) return undefined
    return this.map(segmentStart(offset, this.segmentSize))
  }

  private map(start: number): Mapped | undefined {
    const fd = this.openFile(start)
    if (fd === undefined) return undefined
    try {
      const slot = this.takeSlot()
      if (slot === undefined) return undefined
      try {
        slot.map(fd, 0, this.segmentSize, false)
      } catch (error) {
        this.free.push(slot)
        throw error
      }
      const end = start + this.segmentSize
      const segment: Mapped = {
        start,
        end,
        bytes: slot.bytes,
        view: slot.view,
        layout: this.folders.layoutAt(start),
        slot,
        leases: 0,
        used: this.uses,
        dropped: false,
      }
      this.mapped.push(segment)
      this.current = segment
      return segment
    } finally {
      closeSync(fd)
    }
  }

  /** A free slot, a new one, or that of the segment which nobody leases and which was used longest ago. */
  private takeSlot(): MapSlot | undefined {
    const free = this.free.pop()
    if (free !== undefined) return free
    if (this.slotCount < this.slotsMax) {
      this.slotCount += 1
      return new MapSlot(this.segmentSize)
    }
    let oldest = -1
    for (let i = 0; i < this.mapped.length; i++) {
      if (this.mapped[i].leases > 0) continue
      if (oldest < 0 || this.mapped[i].used < this.mapped[oldest].used) oldest = i
    }
    if (oldest < 0) return undefined
    this.release(oldest)
    return this.free.pop()
  }

  private release(index: number): void {
    const [segment] = this.mapped.splice(index, 1)
    if (segment === this.current) this.current = undefined
    segment.slot.release()
    this.free.push(segment.slot)
  }

  /** An open file of the segment; the one opened first goes when there are too many. */
  private fileOf(start: number): number | undefined {
    const known = this.files.get(start)
    if (known !== undefined) return known
    const fd = this.openFile(start)
    if (fd === undefined) return undefined
    if (this.files.size >= FILES) {
      const [oldest, oldestFd] = this.files.entries().next().value as [number, number]
      closeSync(oldestFd)
      this.files.delete(oldest)
    }
    this.files.set(start, fd)
    return fd
  }

  /** In the log's folder; what is older than a DLedger log, in that of the CommitLog before it. */
  private openFile(start: number): number | undefined {
    const { folders } = this
    const fd = open(segmentPath(folders.folder, start))
    if (fd !== undefined || folders.classicFolder === undefined || start >= folders.divide) return fd
    return open(segmentPath(folders.classicFolder, start))
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

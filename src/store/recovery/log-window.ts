/**
 * A sliding window over the segments of a log, filled by big preads: what recovery reads through.
 *
 * pread and not a map: a damaged disk answers EIO here, where a map would be a SIGBUS, and what is missing of a short
 * file reads as zeros. Pages that cannot be read are zeros too, and remembered in `unreadable`.
 */
import type { LogFolders } from '../commitlog/log-folders.ts'
import { segmentPath, segmentStart } from '../commitlog/segments.ts'
import { realDisk, type StoreDisk } from '../disk.ts'

/** 1 MiB: the bodies are still in the L2 cache when their CRC is computed. */
const CHUNK = 1024 * 1024
const PAGE = 4096

export interface Range {
  from: number
  to: number
}

export class LogWindow {
  bytes: Buffer
  view: DataView
  readonly folder: string
  readonly segmentSize: number
  readonly disk: StoreDisk
  /** Ranges of the log that the disk did not give. */
  readonly unreadable: Range[] = []
  private readonly folders: LogFolders | undefined
  private from = 0
  private filled = 0
  private fd = -1
  private fdStart = -1

  /** `place`: folder of all segments, or where each is. */
  constructor(place: string | LogFolders, segmentSize: number, disk: StoreDisk = realDisk) {
    this.disk = disk
    this.folder = typeof place === 'string' ? place : place.folder
    this.folders = typeof place === 'string' ? undefined : place
    this.segmentSize = segmentSize
    this.bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK, segmentSize))
    this.view = new DataView(this.bytes.buffer)
  }

  /**
   * Index in `bytes` of offset `at`, with `length` bytes behind it there; they lie in one segment. May move the window:
   * earlier indexes are void then.
   */
  index(at: number, length: number): number {
    if (at < this.from || at + length > this.from + this.filled) this.load(at, length)
    return at - this.from
  }

  /**
   * The first offset at or above `at` that may hold something else than zeros, at most the end of its segment. Asks the
   * file system where it has written blocks: a GiB of allocated space is passed in microseconds.
   */
  nextData(at: number): number {
    const start = segmentStart(at, this.segmentSize)
    if (this.fdStart !== start) this.openFile(start)
    if (this.fd < 0) return start + this.segmentSize
    try {
      return Math.min(start + this.disk.nextData(this.fd, at - start), start + this.segmentSize)
    } catch {
      // A file system that cannot tell: everything may hold something.
      return at
    }
  }

  /** Forgets what was read: the files have changed. */
  forget(): void {
    this.filled = 0
    this.closeFile()
  }

  close(): void {
    this.forget()
  }

  /** Bytes of the open file to `index` of `bytes`; fewer than `length` are asked for again. For what has them already. */
  protected read(fd: number, index: number, length: number, position: number): number {
    return this.disk.read(fd, this.bytes, index, length, position)
  }

  /** Start of the segment whose file is open. */
  protected get opened(): number {
    return this.fdStart
  }

  private load(at: number, length: number): void {
    const start = segmentStart(at, this.segmentSize)
    const wanted = Math.min(Math.max(length, CHUNK), start + this.segmentSize - at)
    if (wanted > this.bytes.length) {
      this.bytes = Buffer.allocUnsafeSlow(wanted)
      this.view = new DataView(this.bytes.buffer)
    }
    if (this.fdStart !== start) this.openFile(start)
    this.from = at
    this.filled = wanted
    const read = this.fd < 0 ? 0 : this.fill(at - start, wanted)
    this.bytes.fill(0, read, wanted)
  }

  private fill(position: number, wanted: number): number {
    let done = 0
    while (done < wanted) {
      let read: number
      try {
        read = this.read(this.fd, done, wanted - done, position + done)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
        read = this.skipUnreadablePage(position + done, done, wanted)
      }
      if (read === 0) break
      done += read
    }
    return done
  }

  /** Reads up to the next page; where even that fails the page counts as zeros. */
  private skipUnreadablePage(position: number, done: number, wanted: number): number {
    const length = Math.min(PAGE - (position % PAGE), wanted - done)
    try {
      return this.disk.read(this.fd, this.bytes, done, length, position)
    } catch {
      this.bytes.fill(0, done, done + length)
      this.unreadable.push({ from: this.fdStart + position, to: this.fdStart + position + length })
      return length
    }
  }

  private openFile(start: number): void {
    this.closeFile()
    this.fdStart = start
    try {
      this.fd = this.disk.open(this.folders?.pathAt(start) ?? segmentPath(this.folder, start), 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  private closeFile(): void {
    if (this.fd >= 0) this.disk.close(this.fd)
    this.fd = -1
    this.fdStart = -1
  }
}

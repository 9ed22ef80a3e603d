/**
 * The index: 32 bytes an entry, at index · 32.
 *
 *   0 magic(4)  4 pos(8)  12 size(4)  16 index(8)  24 term(8)
 *
 * Owns:      the index files and their descriptors. Files have their full size at once and blocks only where units are, a MiB ahead
 *            of them: a full disk is an error of ensure() then, before the entry is written.
 * Invariant: only a help: every unit can be made again from the data, and is where recovery finds another one. It is synced
 *            when a data file is full and at the end, not with each entry.
 * Format:    spec/dledger.md §2.3. Blocks on: the disk.
 */
import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { StoreError } from '../../errors.ts'
import { fallocate, fdatasync, nextData, pageSize, punchHole, syncFolder } from '../../native/index.ts'
import { readInt64, writeInt64 } from '../../store/commitlog/record.ts'
import { writeZeros } from '../../store/commitlog/segment-allocator.ts'
import { listSegments, segmentName } from '../../store/commitlog/segments.ts'
import { ENTRY_MAGIC } from '../wire/index.ts'
import { OpenFiles } from './open-files.ts'
import { retireFile } from './retired-files.ts'
import { INDEX_UNIT_SIZE } from './settings.ts'

export interface IndexUnit {
  pos: number
  size: number
  index: number
  term: number
}

/** What `view` begins with, if that is the unit of the entry. */
export function unitIn(view: DataView, index: number): IndexUnit | undefined {
  if (view.getInt32(0) !== ENTRY_MAGIC || readInt64(view, 16) !== index) return undefined
  return { pos: readInt64(view, 4), size: view.getInt32(12), index, term: readInt64(view, 24) }
}

const AHEAD = 1024 * 1024
const STAGED_MAX = 2048

export class IndexFiles {
  private readonly folder: string
  private readonly ownFolder: string
  private readonly fileSize: number
  private readonly files = new Set<number>()
  private readonly opened: OpenFiles
  private readonly dirty = new Set<number>()
  private readonly staged = Buffer.alloc(STAGED_MAX * INDEX_UNIT_SIZE)
  private readonly stagedView = new DataView(this.staged.buffer, this.staged.byteOffset, this.staged.length)
  private stagedFrom = 0
  private stagedCount = 0
  /** Blocks exist below it, in the file of the last unit. */
  private allocated = -1
  private readonly unit = Buffer.alloc(INDEX_UNIT_SIZE)
  private readonly unitView = new DataView(this.unit.buffer, this.unit.byteOffset, INDEX_UNIT_SIZE)

  constructor(folder: string, ownFolder: string, fileSize: number) {
    this.folder = folder
    this.ownFolder = ownFolder
    this.fileSize = fileSize
    this.opened = new OpenFiles((start) => join(folder, segmentName(start)))
    mkdirSync(folder, { recursive: true })
    for (const { start, size, path } of listSegments(folder, fileSize)) {
      // One that is too short would end a member of the JVM; its units are made again.
      if (size < fileSize) unlinkSync(path)
      else this.files.add(start)
    }
  }

  /** Makes room for the units up to `index`. Throws StoreError DISK_FULL: nothing was changed. */
  ensure(index: number): void {
    const end = (index + 1) * INDEX_UNIT_SIZE
    if (end <= this.allocated && this.files.has(this.startOf(index))) return
    const start = this.startOf(index)
    try {
      if (!this.files.has(start)) this.create(start)
      const to = Math.min(start + this.fileSize, Math.ceil(end / AHEAD) * AHEAD)
      const from = Math.max(start, index * INDEX_UNIT_SIZE - ((index * INDEX_UNIT_SIZE) % pageSize()))
      allocateKept(this.opened.fd(start), from - start, to - from)
      this.allocated = to
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
      throw new StoreError('DISK_FULL', {
        what: 'disk full: no room for the index of the DLedger log',
        where: join(this.folder, segmentName(start)),
        todo: 'make room; appends go on by themselves then',
        retriable: true,
        cause: error,
      })
    }
  }

  /** Behind ensure(). In the file with the next flush(). */
  put(index: number, term: number, pos: number, size: number): void {
    const follows = this.stagedCount > 0 && index === this.stagedFrom + this.stagedCount
    if (!follows || this.stagedCount === STAGED_MAX) {
      this.flush()
      this.stagedFrom = index
    }
    const at = this.stagedCount++ * INDEX_UNIT_SIZE
    this.stagedView.setInt32(at, ENTRY_MAGIC)
    writeInt64(this.stagedView, at + 4, pos)
    this.stagedView.setInt32(at + 12, size)
    writeInt64(this.stagedView, at + 16, index)
    writeInt64(this.stagedView, at + 24, term)
  }

  flush(): void {
    let done = 0
    const length = this.stagedCount * INDEX_UNIT_SIZE
    this.stagedCount = 0
    while (done < length) {
      const at = this.stagedFrom * INDEX_UNIT_SIZE + done
      const start = at - (at % this.fileSize)
      const part = Math.min(length - done, start + this.fileSize - at)
      this.dirty.add(start)
      done += writeSync(this.opened.fd(start), this.staged, done, part, at - start)
    }
  }

  /** The unit of an entry; undefined where it is none. */
  read(index: number): IndexUnit | undefined {
    const start = this.startOf(index)
    if (index < 0 || !this.files.has(start)) return undefined
    if (
      readSync(this.opened.fd(start), this.unit, 0, INDEX_UNIT_SIZE, index * INDEX_UNIT_SIZE - start) < INDEX_UNIT_SIZE
    )
      return undefined
    return unitIn(this.unitView, index)
  }

  /** Nothing but zeros from the unit of `index` on. */
  cut(index: number): void {
    this.flush()
    const at = index * INDEX_UNIT_SIZE
    for (const start of [...this.files]) if (start > at || (start === at && index > 0)) this.remove(start)
    this.allocated = -1
    const start = this.startOf(index)
    if (!this.files.has(start)) return
    const fd = this.opened.fd(start)
    const from = at - start
    if (nextData(fd, from) >= this.fileSize) return
    this.dirty.add(start)
    const page = pageSize()
    const wholePages = Math.min(this.fileSize, Math.ceil(from / page) * page)
    writeZeros(fd, from, wholePages - from)
    if (wholePages < this.fileSize) zeroPages(fd, wholePages, this.fileSize)
  }

  /** Files that hold only units below `index` go, oldest first. */
  dropBefore(index: number): void {
    const keep = this.startOf(index)
    for (const start of [...this.files].sort((a, b) => a - b)) if (start < keep) this.retire(start)
  }

  /** All files go: the log begins with `index` now. */
  clear(): void {
    this.stagedCount = 0
    this.allocated = -1
    for (const start of [...this.files]) this.remove(start)
  }

  sync(): void {
    this.flush()
    for (const start of this.dirty) if (this.files.has(start)) this.opened.syncNow(start)
    this.dirty.clear()
  }

  /** The same by the pool, of what was flushed by now. */
  async syncSoon(): Promise<void> {
    const starts = [...this.dirty]
    this.dirty.clear()
    for (const start of starts) {
      // One that a truncation has removed.
      if (this.files.has(start)) await this.opened.syncSoon(start)
    }
  }

  close(): void {
    this.sync()
    this.opened.close()
  }

  private startOf(index: number): number {
    const at = index * INDEX_UNIT_SIZE
    return at - (at % this.fileSize)
  }

  private create(start: number): void {
    mkdirSync(this.ownFolder, { recursive: true })
    const temporary = join(this.ownFolder, `index-${segmentName(start)}.new`)
    const fd = openSync(temporary, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o644)
    try {
      ftruncateSync(fd, this.fileSize)
      fdatasync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, join(this.folder, segmentName(start)))
    syncFolder(this.folder)
    this.files.add(start)
  }

  private remove(start: number): void {
    this.forget(start)
    unlinkSync(join(this.folder, segmentName(start)))
  }

  private retire(start: number): void {
    this.forget(start)
    retireFile(join(this.folder, segmentName(start)), this.ownFolder)
  }

  private forget(start: number): void {
    this.opened.forget(start)
    this.dirty.delete(start)
    this.files.delete(start)
  }
}

/** Blocks without writing: the range may hold units already. */
function allocateKept(fd: number, offset: number, length: number): void {
  try {
    fallocate(fd, offset, length)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Where the file system cannot, the write itself finds out.
    if (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
  }
}

function zeroPages(fd: number, from: number, to: number): void {
  try {
    punchHole(fd, from, to - from)
  } catch {
    for (let at = nextData(fd, from); at < to; at = nextData(fd, at)) {
      const length = Math.min(AHEAD, to - at)
      writeZeros(fd, at, length)
      at += length
    }
  }
}

/**
 * The data files: entries one behind the other, each file of full size from its first byte on.
 *
 *   place(size) ─▶ pos        the file's rest becomes a blank where the entry does not fit
 *   write(entry) … flush()    one write for all of a batch
 *   sync()                    fdatasync by the pool, for all files written since the last one
 *
 * Owns:      the files, the tail, and which files are not synced yet.
 * Invariant: everything behind the end is zero, in the last file; there is no file behind it (recovery and cut() see to it). But for the
 *            last two, each file is synced: recovery takes a log that ends earlier than that for damaged.
 * Format:    spec/dledger.md §2.1, §2.2. Blocks on: the disk (all but sync()).
 */
import { mkdirSync, readSync, unlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { assert } from '../../assert.ts'
import { syncFolder } from '../../native/index.ts'
import { forgetChecksums } from '../../store/checksums/checksum-file.ts'
import { BLANK_SIZE, DLEDGER_LAYOUT, PwriteTail } from '../../store/commitlog/index.ts'
import { allocateSegment } from '../../store/commitlog/segment-allocator.ts'
import { type Segment, segmentPath, segmentStart } from '../../store/commitlog/segments.ts'
import { cutTail } from '../../store/recovery/tail.ts'
import { type DLedgerEntry, writeEntry } from '../wire/index.ts'
import { OpenFiles } from './open-files.ts'
import { retireFile } from './retired-files.ts'
import { SpareFile } from './spare-file.ts'

export class DataFiles {
  readonly fileSize: number
  private readonly folder: string
  private readonly ownFolder: string
  /** Oldest first, one behind the other. */
  private segments: Segment[]
  private end: number
  private tail: PwriteTail
  /** Start of the file that the tail is in; −1: none yet. */
  private tailStart = -1
  private readonly files: OpenFiles
  private dirty = new Set<number>()
  /** Files whose sync is under way. */
  private syncing = new Set<number>()
  private readonly spare: SpareFile
  /** Files that came into the folder, and how many of them when it was synced. */
  private added = 0
  private addedSynced = 0

  constructor(folder: string, ownFolder: string, fileSize: number, segments: Segment[], end: number) {
    this.folder = folder
    this.ownFolder = ownFolder
    this.fileSize = fileSize
    this.segments = segments
    this.end = end
    mkdirSync(folder, { recursive: true })
    this.tail = new PwriteTail(folder, fileSize, DLEDGER_LAYOUT)
    this.spare = new SpareFile(ownFolder, fileSize)
    this.files = new OpenFiles((start) => segmentPath(folder, start))
  }

  get endPos(): number {
    return this.end
  }

  get beginFile(): number {
    return this.segments[0]?.start ?? segmentStart(this.end, this.fileSize)
  }

  /** Whether an entry can ever be stored. */
  holds(size: number): boolean {
    return size + BLANK_SIZE <= this.fileSize
  }

  /** Where an entry of `size` bytes goes. */
  placeOf(size: number): number {
    const left = this.fileSize - (this.end % this.fileSize)
    return DLEDGER_LAYOUT.fits(size, left) ? this.end : this.nextFile()
  }

  /** First position behind the file of the end. */
  nextFile(): number {
    return segmentStart(this.end, this.fileSize) + this.fileSize
  }

  /** Makes the file of `pos`. Throws StoreError DISK_FULL: nothing was changed. */
  ensure(pos: number): void {
    const start = segmentStart(pos, this.fileSize)
    const last = this.segments[this.segments.length - 1]
    if (last !== undefined && start <= last.start) return
    assert(last === undefined || start === last.start + this.fileSize, 'data files are one behind the other')
    const { folder, ownFolder, fileSize: size } = this
    this.syncBefore(start - size)
    // Files come to be there in their order.
    this.syncFolderNow()
    const path = segmentPath(folder, start)
    if (this.spare.take(path)) {
      // Of a file that once had this name.
      forgetChecksums(dirname(ownFolder), start)
      this.added++
      this.segments.push({ start, path, size })
    } else this.segments.push(allocateSegment({ folder, ownFolder, start, size }))
  }

  /** A sync that is under way has no say: nobody knows how far it is. Rare: a file was filled while the one before was synced. */
  private syncBefore(end: number): void {
    for (const start of [...this.dirty, ...this.syncing].filter((it) => it < end)) {
      this.tail.flushBatch()
      if (this.segments.some((it) => it.start === start)) this.files.syncNow(start)
      this.dirty.delete(start)
    }
  }

  /** Behind ensure(), at the end or the start of the next file. In the page cache after flush(). */
  write(entry: DLedgerEntry, size: number): void {
    const start = segmentStart(entry.pos, this.fileSize)
    if (start !== this.tailStart) {
      const endsIn = segmentStart(this.end, this.fileSize)
      if (entry.pos !== this.end) {
        assert(entry.pos === this.nextFile(), 'an entry goes to the end, or to the next file')
        if (this.tailStart !== endsIn) this.tail.open(endsIn, this.end - endsIn)
        this.dirty.add(endsIn)
        this.tail.blank(this.fileSize - (this.end - endsIn))
      }
      this.tail.open(start, entry.pos - start)
      this.tailStart = start
    }
    assert(entry.pos === this.end || entry.pos === start, 'entries leave no gap')
    this.dirty.add(start)
    const at = this.tail.place(size)
    writeEntry(this.tail.view, this.tail.bytes, at, entry)
    this.end = entry.pos + size
  }

  flush(): void {
    this.tail.flushBatch()
    if (this.end % this.fileSize > this.fileSize / 2) this.spare.prepare()
  }

  /** Reads up to `length` bytes at `pos`, within one file. */
  read(pos: number, into: Buffer, length: number): number {
    const start = segmentStart(pos, this.fileSize)
    const part = Math.min(length, start + this.fileSize - pos)
    return readSync(this.files.fd(start), into, 0, part, pos - start)
  }

  /** Everything from `pos` on is erased, and that is on disk. */
  cut(pos: number): void {
    this.tail.flushBatch()
    this.tailStart = -1
    for (const { start } of this.segments) if (start > pos) this.forget(start)
    this.segments = cutTail(this.folder, this.fileSize, this.segments, pos)
    this.end = pos
  }

  /** The log begins anew at `pos`, in a file of its own or behind its end; the caller writes there next. */
  jump(pos: number): void {
    const start = segmentStart(pos, this.fileSize)
    this.tail.flushBatch()
    const { folder, ownFolder, fileSize: size } = this
    if (!this.segments.some((it) => it.start === start))
      this.segments.push(allocateSegment({ folder, ownFolder, start, size }))
    this.tail.open(start, pos - start)
    this.tailStart = start
    this.end = pos
  }

  /** The files that end at or below `below`, but never that of the end. */
  retirable(below: number): number {
    const stop = Math.min(below, segmentStart(this.end, this.fileSize))
    let count = 0
    while (count < this.segments.length - 1 && this.segments[count]!.start + this.fileSize <= stop) count++
    return count
  }

  /** Where the log begins once `count` files have gone. */
  startOf(count: number): number {
    return this.segments[count]!.start
  }

  /** The oldest `count` files go, one after the other: what a crash leaves is a log that begins earlier. */
  retire(count: number): void {
    for (const { start, path } of this.segments.splice(0, count)) {
      this.forget(start)
      retireFile(path, this.ownFolder)
      syncFolder(this.folder)
    }
  }

  /** All files before the one of `pos` go. */
  dropBefore(pos: number): void {
    const start = segmentStart(pos, this.fileSize)
    const dropped = this.segments.filter((it) => it.start !== start)
    for (const it of dropped) {
      this.forget(it.start)
      unlinkSync(it.path)
    }
    this.segments = this.segments.filter((it) => it.start === start)
    syncFolder(this.folder)
  }

  get isDirty(): boolean {
    return this.dirty.size > 0
  }

  /** All that is written now is on disk when it resolves. A failure is final. One at a time. */
  async sync(): Promise<void> {
    assert(this.syncing.size === 0, 'one sync at a time')
    this.syncing = this.dirty
    this.dirty = new Set()
    for (const start of this.syncing) {
      // One that a truncation has removed: it has synced what it left.
      if (this.segments.some((it) => it.start === start)) await this.files.syncSoon(start)
    }
    this.syncing = new Set()
    await this.syncFolderSoon()
  }

  /** The same at once, for truncations: of a sync under way nobody knows how far it is. */
  syncNow(): void {
    this.tail.flushBatch()
    for (const start of new Set([...this.dirty, ...this.syncing]))
      if (this.segments.some((it) => it.start === start)) this.files.syncNow(start)
    this.dirty.clear()
    this.syncFolderNow()
  }

  close(): void {
    this.spare.close()
    this.syncNow()
    this.tail.close()
    this.files.close()
  }

  private syncFolderNow(): void {
    if (this.addedSynced === this.added) return
    syncFolder(this.folder)
    this.addedSynced = this.added
  }

  private async syncFolderSoon(): Promise<void> {
    const { added } = this
    if (this.addedSynced === added) return
    const handle = await open(this.folder, 'r')
    await handle.sync().finally(() => handle.close())
    this.addedSynced = Math.max(this.addedSynced, added)
  }

  private forget(start: number): void {
    this.files.forget(start)
    this.dirty.delete(start)
  }
}

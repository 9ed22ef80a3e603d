/**
 * The log of a member: entries by index, in data files that are the same bytes at every member.
 *
 *   appendOwn(term, bodies)    a leader's: index, term and position are given here
 *   appendBatch(entries)       a follower's: index and position must be what they would be here
 *   truncate(entry)            the entry becomes the last; synced when it returns
 *   sync()                     what is written by now is on disk when it resolves
 *   retire(below)              the oldest files go; the log begins later
 *
 * Owns:      the files under `folder`/data and index, and where the log begins and ends.
 * Invariant: what is at or below endIndex can be read; behind endPos there are only zeros; term never falls from entry to entry.
 * Called by: the one thread that drives the core. Blocks on: the disk (all but sync()).
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { StoreError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { syncFolder } from '../../native/index.ts'
import { crcOfBody } from '../../store/commitlog/index.ts'
import { removeUnfinishedSegments } from '../../store/commitlog/segment-allocator.ts'
import { type DLedgerEntry, ENTRY_HEADER_SIZE, ENTRY_MAGIC, isSameEntry, WireBatch } from '../wire/index.ts'
import { DataFiles } from './data-files.ts'
import { readHead } from './entry-check.ts'
import { IndexFiles } from './index-files.ts'
import { readEntries } from './read-entries.ts'
import { type Found, recover } from './recover.ts'
import { doesNotFit, isTooLong, isUnequal, isUnreadable } from './refusals.ts'
import { removeLeftOvers } from './retired-files.ts'
import type { LogSettings } from './settings.ts'
import { StateFiles } from './state-files.ts'

/** Why an entry was not taken; everything in front of it was. Undefined: all were. */
export type AppendFailure = StoreError | undefined

export class DLedgerLog {
  readonly state: StateFiles
  /** By recovery. */
  readonly found: Readonly<Found>
  beginIndex: number
  endIndex: number
  endTerm: number
  private readonly settings: LogSettings
  private readonly data: DataFiles
  private readonly index: IndexFiles
  private beginPos: number
  /** A data file was begun since the last sync: the units of those before it are synced with the next. */
  private hasNewFile = false

  /** Recovers, or goes on from what was recovered and not touched since. Throws StoreError when the files are not to be trusted. */
  constructor(settings: LogSettings, log: Log, known?: Found) {
    const { ownFolder, dataFolder, indexFolder, fileSize, indexFileSize } = settings
    mkdirSync(ownFolder, { recursive: true })
    // A vote in a folder that a power loss takes away would be none.
    for (const folder of [settings.folder, dirname(settings.folder), dirname(dirname(settings.folder))])
      syncFolder(folder)
    removeUnfinishedSegments(ownFolder, readdirSync(ownFolder))
    removeLeftOvers(ownFolder)
    this.settings = settings
    this.state = new StateFiles(settings.folder, ownFolder)
    this.index = new IndexFiles(indexFolder, ownFolder, indexFileSize)
    const found = known ?? recover(settings, this.index, this.state, log)
    this.found = found
    this.data = new DataFiles(dataFolder, ownFolder, fileSize, found.segments, found.endPos)
    this.beginIndex = found.beginIndex
    this.beginPos = found.beginPos
    this.endIndex = found.endIndex
    this.endTerm = found.endTerm
  }

  /** Where its first entry stands, or will stand. */
  get beginsAt(): number {
    return this.beginPos
  }

  get endPos(): number {
    return this.data.endPos
  }

  /** Whether an entry with so long a body can ever be stored. */
  holds(bodyLength: number): boolean {
    return this.data.holds(ENTRY_HEADER_SIZE + bodyLength)
  }

  get isDirty(): boolean {
    return this.data.isDirty
  }

  /**
   * Appends bodies under a leader's term. `patch` sees each body with its position before it is written (a record holds its own
   * offset). Returns the entries that were written; fewer than bodies when `failure` is set.
   */
  appendOwn(
    term: number,
    bodies: readonly Uint8Array[],
    patch?: (body: Uint8Array, pos: number) => void,
  ): { entries: DLedgerEntry[]; failure: AppendFailure } {
    const entries: DLedgerEntry[] = []
    let failure: AppendFailure
    for (const body of bodies) {
      const size = ENTRY_HEADER_SIZE + body.length
      const pos = this.data.placeOf(size)
      patch?.(body, pos)
      const bodyCrc = this.settings.fillsBodyCrc ? crcOfBody(body) : 0
      const entry = {
        magic: ENTRY_MAGIC,
        size,
        index: this.endIndex + 1,
        term,
        pos,
        channel: 0,
        chainCrc: 0,
        bodyCrc,
        body,
      }
      failure = this.write(entry)
      if (failure !== undefined) break
      entries.push(entry)
    }
    this.flush()
    return { entries, failure }
  }

  appendBatch(entries: readonly DLedgerEntry[]): AppendFailure {
    let failure: AppendFailure
    for (const entry of entries) {
      failure = this.fits(entry) ? this.write(entry) : doesNotFit(entry, this)
      if (failure !== undefined) break
    }
    this.flush()
    return failure
  }

  /**
   * The entry becomes the last: kept where it equals the own one, else the log is cut in front of it and it is written; with
   * `mustEqual` an unequal one is refused. One that would leave a gap makes the log begin with it. What stands is on disk.
   */
  truncate(entry: DLedgerEntry, mustEqual: boolean): AppendFailure {
    const failure = this.truncateTo(entry, mustEqual)
    // Refused, too: the core takes what is told behind a truncation for flushed.
    this.data.syncNow()
    return failure
  }

  private truncateTo(entry: DLedgerEntry, mustEqual: boolean): AppendFailure {
    const own = this.entryAt(entry.index)
    if (own !== undefined && isSameEntry(own, entry)) {
      this.cutTo(own.index, own.term, own.pos + own.size)
      return undefined
    }
    if (mustEqual) return isUnequal(entry)
    if (own === undefined && entry.index !== this.endIndex + 1) return this.beginWith(entry)
    const before = entry.index === this.beginIndex ? undefined : this.entryAt(entry.index - 1)
    if (this.endIndex >= 0 && entry.index > this.beginIndex && before === undefined) return isUnequal(entry)
    const end = before === undefined ? this.beginPos : before.pos + before.size
    if (before !== undefined && entry.term < before.term) return isUnequal(entry)
    const isEmpty = before === undefined
    // The end is where the entry goes, or the file before it is full there.
    const nextFile = end - (end % this.settings.fileSize) + this.settings.fileSize
    if (entry.pos !== end && (isEmpty || entry.pos !== nextFile))
      return this.endIndex < 0 ? this.beginWith(entry) : isUnequal(entry)
    this.cutTo(before?.index ?? -1, before?.term ?? -1, end)
    const failure = this.fits(entry) ? this.write(entry) : doesNotFit(entry, this)
    this.flush()
    return failure
  }

  /** Are these entries in the log as they are? */
  isEqual(entries: readonly DLedgerEntry[]): boolean {
    return entries.every((entry) => {
      const own = this.entryAt(entry.index)
      return own !== undefined && isSameEntry(own, entry)
    })
  }

  /**
   * Entries from `from` to at most `to`, at most `bytesMax` bytes but at least one; undefined when the log does not go there.
   * Throws StoreError ENTRY_UNREADABLE where it does, and the file says otherwise.
   */
  read(from: number, to: number, bytesMax: number): WireBatch | undefined {
    if (from < this.beginIndex || from > this.endIndex || this.endIndex < 0) return undefined
    const unit = this.index.read(from)
    const entries = unit === undefined ? [] : readEntries(this.data, unit, Math.min(to, this.endIndex), bytesMax)
    if (entries.length === 0) throw isUnreadable(from, this.settings.folder)
    return new WireBatch(entries)
  }

  entryAt(index: number): DLedgerEntry | undefined {
    return this.read(index, index, 1)?.entries[0]
  }

  /** End of an entry of this log. */
  endOf(index: number): number {
    if (index === this.endIndex) return this.endPos
    const unit = this.index.read(index)
    if (unit === undefined) throw isUnreadable(index, this.settings.folder)
    return unit.pos + unit.size
  }

  /** The last entry that ends at or below a position; −1: none does. */
  lastEndingBy(pos: number): number {
    if (this.endIndex < 0 || this.endOf(this.beginIndex) > pos) return -1
    let low = this.beginIndex
    let high = this.endIndex
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.endOf(middle) <= pos) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Where an entry begins; of one that is not here any more the begin of the log, of one that is not here yet its end. */
  positionOf(index: number): number {
    if (index > this.endIndex || this.endIndex < 0) return this.endPos
    if (index <= this.beginIndex) return this.beginPos
    return this.index.read(index)?.pos ?? this.beginPos
  }

  /**
   * Whole data files that end at or below `below` go, never the one of the end; returns how many. The caller knows that everything
   * below is committed. Throws StoreError ENTRY_UNREADABLE when the first file that would stay does not begin with an entry.
   */
  retire(below: number): number {
    const count = this.endIndex < 0 ? 0 : this.data.retirable(below)
    if (count === 0) return 0
    const start = this.data.startOf(count)
    const header = Buffer.alloc(ENTRY_HEADER_SIZE)
    this.data.read(start, header, ENTRY_HEADER_SIZE)
    const head = readHead(new DataView(header.buffer, header.byteOffset, header.length), 0, start)
    if (head === undefined || head.index > this.endIndex) throw isUnreadable(this.beginIndex, this.settings.folder)
    this.data.retire(count)
    this.beginIndex = head.index
    this.beginPos = start
    this.index.dropBefore(head.index)
    return count
  }

  /** One at a time. A failure is final: what was written is not to be believed. */
  async sync(): Promise<void> {
    const { hasNewFile } = this
    this.hasNewFile = false
    await this.data.sync()
    if (hasNewFile) await this.index.syncSoon()
  }

  close(): void {
    this.data.close()
    this.index.close()
  }

  private fits(entry: DLedgerEntry): boolean {
    const isNext = entry.index === this.endIndex + 1 && entry.term >= this.endTerm && entry.magic === ENTRY_MAGIC
    if (!isNext) return false
    const place = this.data.placeOf(entry.size)
    // A leader that crashed behind a blank may go on in the next file although the entry would have fitted.
    return entry.pos === place || (this.endIndex >= 0 && entry.pos === this.data.nextFile())
  }

  private write(entry: DLedgerEntry): AppendFailure {
    const { index, term, pos, size } = entry
    if (!this.data.holds(size)) return isTooLong(size, this.settings.fileSize)
    try {
      this.data.ensure(pos)
      this.index.ensure(index)
    } catch (error) {
      if (error instanceof StoreError && error.code === 'DISK_FULL') return error
      throw error
    }
    this.data.write(entry, size)
    this.index.put(index, term, pos, size)
    if (pos % this.settings.fileSize === 0) this.hasNewFile = true
    if (this.endIndex < 0) {
      this.beginIndex = index
      this.beginPos = pos
    }
    this.endIndex = index
    this.endTerm = term
    return undefined
  }

  private flush(): void {
    this.data.flush()
    this.index.flush()
  }

  private cutTo(index: number, term: number, endPos: number): void {
    this.data.syncNow()
    if (endPos < this.data.endPos || index < this.endIndex) {
      this.data.cut(endPos)
      this.index.cut(index + 1)
    }
    this.endIndex = index
    this.endTerm = term
    if (index < 0) this.beginIndex = -1
  }

  /** Steps that a crash may divide: what was begun is removed by recovery until the entry is there and known to be. */
  private beginWith(entry: DLedgerEntry): AppendFailure {
    const { index, pos, size } = entry
    const { fileSize } = this.settings
    const start = pos - (pos % fileSize)
    const isBehind = pos >= this.data.endPos || start < this.data.beginFile || this.endIndex < 0
    if (!isBehind || !this.data.holds(size) || pos + size + 8 > start + fileSize) return doesNotFit(entry, this)
    this.data.syncNow()
    if (this.endIndex < 0) this.data.cut(this.data.endPos)
    this.state.saveBegin({ index, pos, isDone: false })
    try {
      this.data.jump(pos)
    } catch (error) {
      if (error instanceof StoreError && error.code === 'DISK_FULL') return error
      throw error
    }
    this.data.write(entry, size)
    this.data.syncNow()
    this.state.saveBegin({ index, pos, isDone: true })
    this.data.dropBefore(pos)
    this.index.clear()
    this.index.ensure(index)
    this.index.put(index, entry.term, pos, size)
    this.index.flush()
    this.beginIndex = index
    this.beginPos = pos
    this.endIndex = index
    this.endTerm = entry.term
    return undefined
  }
}

/**
 * Makes the index whole at start: the newest file is cut back to what is proven and goes on from there; nothing is thrown
 * away that the log could not give back.
 *
 *   entries  1 … B−1: offsets below the proven position       B … count−1: dropped, and dispatched again
 *   slots    that point at B or beyond get their newest entry below B
 *
 * Proven is what a position says (dispatched after a process crash, settled after a power cut, all of it after a clean stop).
 * Without one (a store of RocketMQ's that was killed) every entry of the first file that the checkpoint does not cover is
 * checked against its neighbours, all its slots are computed anew, and younger files are built again; RocketMQ itself
 * deletes all of them and indexes only what it recovers.
 *
 * Runs in:   the start of the broker, before the dispatch thread. Blocks on the disk.
 * Errors:    none for any content of the files; a file that is no index is removed and rebuilt from the log.
 * Source:    spec/store-format.md §5, §10; weaknesses in §15.
 */
import { CLASSIC_LAYOUT, type LogLayout } from '../commitlog/log-layout.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import type { LogSource } from '../dispatch/dispatcher.ts'
import { recordKeysAt } from '../dispatch/record-keys.ts'
import { type IndexFile, indexFolder, listIndexFiles, readIndexHeader } from './index-files.ts'
import {
  ENTRY,
  getInt64,
  HEADER,
  type IndexHeader,
  type IndexLayout,
  type IndexSettings,
  indexLayout,
  SLOT_SIZE,
  writeHeader,
} from './layout.ts'

export interface IndexRecoveryOptions {
  settings: IndexSettings
  source: LogSource
  logMin: number
  logEnd: number
  /** All keys of records below are in files that can be believed; undefined when nothing says so. */
  provenTo: number | undefined
  /** `clean`: the last stop was one. `process`: it died, the page cache did not. `power`: pages may be missing. */
  lastEnd: LastEnd
  /** indexMsgTimestamp of the checkpoint: files that ended before that time are on disk. 0 when unknown. */
  syncedUntil: number
  disk?: StoreDisk
}

export type LastEnd = 'clean' | 'process' | 'power'

export interface IndexRecovery {
  /** Position from which records must be dispatched (again) for the index to be whole. */
  resumeFrom: number
  findings: string[]
}

/** How far a record with a key is looked for behind the newest entry, to see whether a file is missing. */
const PROBE_RECORDS = 10_000
const CHUNK_ENTRIES = 50_000

export function recoverIndex(options: IndexRecoveryOptions): IndexRecovery {
  const { settings, logEnd, disk = realDisk } = options
  const layout = indexLayout(settings)
  const findings: string[] = []
  const files = listIndexFiles(indexFolder(settings), disk)
  // After a clean stop of any broker everything is in its files, whatever older marks say.
  const proven = options.lastEnd === 'clean' ? logEnd : options.provenTo
  let provenTo = proven === undefined ? undefined : Math.min(proven, logEnd)
  if (provenTo === undefined) dropUnsynced(disk, files, layout, options.syncedUntil, findings)
  while (files.length > 0) {
    const file = files[files.length - 1]
    const header = readIndexHeader(file.path, disk)
    const isWhole = header !== undefined && file.size >= layout.fileSize
    if (!isPlausible(header, layout) || (provenTo !== undefined && header.beginPhyOffset >= provenTo)) {
      findings.push(`index file ${file.name} holds nothing that is proven: removed, its keys come from the log again`)
      disk.unlink(file.path)
      files.pop()
      if (isPlausible(header, layout)) continue
      // Nobody knows what it held: the file before says how far the index is right. After a power cut it may be torn as well,
      // so that the mark still counts, and the search for a record without keys finds what was lost below it.
      if (options.lastEnd !== 'power') provenTo = undefined
      continue
    }
    using mender = new IndexMender(options, layout, file, header)
    if (!isWhole) provenTo = undefined
    const cut = mender.mend(provenTo, findings)
    if (cut !== undefined) return { resumeFrom: probe(options, mender.lastOffset, cut, findings), findings }
    disk.unlink(file.path)
    files.pop()
  }
  return { resumeFrom: probe(options, -1, provenTo ?? options.logMin, findings), findings }
}

/** Of the files that may not be on disk the oldest is mended; nothing says that those behind it are whole. */
function dropUnsynced(
  disk: StoreDisk,
  files: IndexFile[],
  layout: IndexLayout,
  syncedUntil: number,
  findings: string[],
): void {
  const first = files.findIndex(({ path }, index) => {
    const header = readIndexHeader(path, disk)
    const isFull = header !== undefined && (header.indexCount >= layout.entryCount || index === files.length - 1)
    return !isPlausible(header, layout) || !isFull || header.endTimestamp >= syncedUntil
  })
  if (first < 0) return
  for (const { name, path } of files.splice(first + 1)) {
    findings.push(`index file ${name} may not be whole: removed, its keys come from the log again`)
    disk.unlink(path)
  }
}

function isPlausible(header: IndexHeader | undefined, layout: IndexLayout): header is IndexHeader {
  if (header === undefined) return false
  // A file of entry count 1 is empty: it is made again when it is needed.
  return header.indexCount > 1 && header.indexCount <= layout.entryCount && header.beginPhyOffset >= 0
}

/**
 * The first record with a key behind the newest entry has to be at `cut` or later; if not, files are missing and the
 * index is built from there.
 */
function probe(options: IndexRecoveryOptions, lastOffset: number, cut: number, findings: string[]): number {
  const { source, logMin, logEnd } = options
  let position = Math.max(logMin, lastOffset < 0 ? 0 : entryOf(source, lastOffset))
  for (let count = 0; count < PROBE_RECORDS && position < cut; count += 1) {
    const layout = layoutAt(source, position)
    const keys = recordKeysAt(source, position, logEnd, layout)
    if (keys === undefined) return cut
    if (keys === 'blank') {
      position = source.segmentAt(position)!.end
      continue
    }
    if (position + layout.headerSize > lastOffset && keys.keyCount > 0) {
      findings.push(`the index has no keys from ${position} on: built from the log`)
      return position
    }
    position += keys.size
  }
  return cut
}

function layoutAt(source: LogSource, position: number): LogLayout {
  return source.segmentAt(position)?.layout ?? CLASSIC_LAYOUT
}

/** The index has records; dispatch goes on at the start of an entry, which in DLedger's log is its header. */
function entryOf(source: LogSource, recordOffset: number): number {
  return recordOffset - layoutAt(source, recordOffset).headerSize
}

interface BrokenSlots {
  /** 1 for a slot that has to be computed. */
  marks: Uint8Array
  count: number
  all: boolean
}

class IndexMender {
  lastOffset = -1
  private readonly options: IndexRecoveryOptions
  private readonly layout: IndexLayout
  private readonly file: IndexFile
  private readonly header: IndexHeader
  private readonly fd: number
  private readonly disk: StoreDisk
  private readonly bytes = Buffer.alloc(CHUNK_ENTRIES * ENTRY.size)
  private readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  private chunkStart = -1

  constructor(options: IndexRecoveryOptions, layout: IndexLayout, file: IndexFile, header: IndexHeader) {
    this.options = options
    this.disk = options.disk ?? realDisk
    this.layout = layout
    this.file = file
    this.header = header
    this.fd = this.disk.open(file.path, 'r+')
    if (this.disk.statOf(this.fd).size < layout.fileSize) this.disk.truncate(this.fd, layout.fileSize)
  }

  [Symbol.dispose](): void {
    this.disk.close(this.fd)
  }

  /** Cuts the file; returns the position up to which the index is whole then, undefined when nothing is left of it. */
  mend(provenTo: number | undefined, findings: string[]): number | undefined {
    const { indexCount } = this.header
    const mustCheck = provenTo === undefined
    const { source } = this.options
    let cut = provenTo ?? this.consistentTo()
    let resume = provenTo ?? entryOf(source, cut)
    let count = this.entriesBelow(cut, indexCount)
    if (count <= 1) return undefined
    const part = this.partOfRecord(count)
    if (part > 0) {
      count -= part
      cut = this.offsetOf(count)
      resume = entryOf(source, cut)
    }
    this.lastOffset = this.offsetOf(count - 1)
    if (count === indexCount && this.options.lastEnd === 'clean' && !mustCheck) return resume
    const slots = this.readSlots()
    const slotView = new DataView(slots.buffer, slots.byteOffset, slots.length)
    const broken = this.brokenSlots(slotView, count, mustCheck)
    this.mendSlots(slotView, broken, count)
    // A header of which a part did not reach the disk: the writer would take for indexed what is up to its end offset.
    const isHeaderTorn = this.header.endPhyOffset !== this.lastOffset
    if (count !== indexCount || broken.count > 0 || isHeaderTorn) {
      const header = isHeaderTorn && count === indexCount ? ', its header written again' : ''
      findings.push(
        `index file ${this.file.name}: ${indexCount - count} entries dropped, ${broken.count} slots computed${header}`,
      )
      this.zero(count, Math.min(indexCount + 1, this.layout.entryCount))
      this.writeBack(slots, slotView, count)
    }
    return resume
  }

  /** Walks all entries while they fit together; the record of the last one may be in it only in part. */
  private consistentTo(): number {
    const { beginPhyOffset, indexCount } = this.header
    let previousOffset = beginPhyOffset
    for (let entry = 1; entry < indexCount; entry += 1) {
      const at = this.load(entry)
      const offset = getInt64(this.view, at + ENTRY.physicalOffset)
      const previous = this.view.getInt32(at + ENTRY.previous)
      const isRight =
        offset >= previousOffset &&
        offset < this.options.logEnd &&
        previous >= 0 &&
        previous < entry &&
        this.view.getInt32(at) >= 0
      if (!isRight) break
      previousOffset = offset
    }
    return previousOffset
  }

  /** Number of the first entry whose record is at `cut` or beyond. Entries above may be anything. */
  private entriesBelow(cut: number, indexCount: number): number {
    const { beginPhyOffset } = this.header
    let entry = indexCount - 1
    for (; entry >= 1; entry -= 1) {
      const at = this.load(entry)
      const offset = getInt64(this.view, at + ENTRY.physicalOffset)
      if (offset < beginPhyOffset || offset >= cut) continue
      if (this.isOfRecord(this.view.getInt32(at + ENTRY.keyHash), offset)) break
    }
    return entry + 1
  }

  /** The log says that the record at `offset` has such a key; what the log no longer holds is believed. */
  private isOfRecord(keyHash: number, offset: number): boolean {
    const { source, logMin, logEnd } = this.options
    if (offset < logMin) return true
    const keys = recordKeysAt(source, offset, logEnd)
    if (keys === undefined || keys === 'blank') return false
    return keys.keyHashes.subarray(0, keys.keyCount).includes(keyHash)
  }

  /** How many entries the last record has when not all its keys are there: the file behind is gone that had the others. */
  private partOfRecord(count: number): number {
    const { source, logMin, logEnd } = this.options
    const offset = this.offsetOf(count - 1)
    let first = count - 1
    while (first > 1 && this.offsetOf(first - 1) === offset) first -= 1
    // The first record of a file may have begun in the file before.
    if (first === 1 || offset < logMin) return 0
    const keys = recordKeysAt(source, offset, logEnd)
    return keys !== undefined && keys !== 'blank' && keys.keyCount > count - first ? count - first : 0
  }

  private offsetOf(entry: number): number {
    return getInt64(this.view, this.load(entry) + ENTRY.physicalOffset)
  }

  private readSlots(): Buffer {
    const slots = Buffer.alloc(this.layout.slotCount * SLOT_SIZE)
    this.disk.read(this.fd, slots, 0, slots.length, HEADER.size)
    return slots
  }

  /** Slots that point where no entry is any more; all of them when nothing is known about the file's pages. */
  private brokenSlots(slots: DataView, count: number, all: boolean): BrokenSlots {
    const marks = new Uint8Array(this.layout.slotCount)
    let broken = 0
    for (let slot = 0; slot < marks.length; slot += 1) {
      const value = slots.getInt32(slot * SLOT_SIZE)
      if (!all && value >= 0 && value < count) continue
      marks[slot] = 1
      broken += 1
    }
    return { marks, count: broken, all }
  }

  private mendSlots(slots: DataView, broken: BrokenSlots, count: number): void {
    const { marks } = broken
    const followsChains = this.options.lastEnd !== 'power' && !broken.all
    let left = broken.count
    for (let slot = 0; slot < marks.length && left > 0; slot += 1) {
      if (marks[slot] === 0) continue
      const at = slot * SLOT_SIZE
      const value = followsChains ? this.follow(slot, slots.getInt32(at), count) : undefined
      slots.setInt32(at, value ?? 0)
      if (value === undefined) continue
      marks[slot] = 0
      left -= 1
    }
    for (let entry = count - 1; entry >= 1 && left > 0; entry -= 1) {
      const slot = this.view.getInt32(this.load(entry)) % marks.length
      if (marks[slot] === 0) continue
      marks[slot] = 0
      left -= 1
      slots.setInt32(slot * SLOT_SIZE, entry)
    }
  }

  /** Goes back along the chain of a slot to the newest entry below `count`; undefined when the chain is broken. */
  private follow(slot: number, from: number, count: number): number | undefined {
    let entry = from
    while (entry >= count) {
      // The entry at indexCount may be there with its slot, and the header not yet.
      if (entry > this.header.indexCount || entry >= this.layout.entryCount) return undefined
      const at = this.load(entry)
      if (this.view.getInt32(at) % this.layout.slotCount !== slot) return undefined
      const previous = this.view.getInt32(at + ENTRY.previous)
      if (previous < 0 || previous >= entry) return undefined
      entry = previous
    }
    return entry < 0 ? undefined : entry
  }

  private zero(from: number, to: number): void {
    const zeros = Buffer.alloc(CHUNK_ENTRIES * ENTRY.size)
    for (let entry = from; entry < to; entry += CHUNK_ENTRIES) {
      const length = Math.min(CHUNK_ENTRIES, to - entry) * ENTRY.size
      this.disk.write(this.fd, zeros, 0, length, this.layout.entriesAt + entry * ENTRY.size)
    }
    this.chunkStart = -1
  }

  private writeBack(slots: Buffer, slotView: DataView, count: number): void {
    let hashSlotCount = 0
    for (let slot = 0; slot < this.layout.slotCount; slot += 1) {
      if (slotView.getInt32(slot * SLOT_SIZE) !== 0) hashSlotCount += 1
    }
    const at = this.load(count - 1)
    const endPhyOffset = this.offsetOf(count - 1)
    const seconds = this.view.getInt32(at + ENTRY.seconds)
    const keys = recordKeysAt(this.options.source, endPhyOffset, this.options.logEnd)
    const known = endPhyOffset >= this.options.logMin && keys !== undefined && keys !== 'blank'
    const endTimestamp = known ? keys.storeTimestamp : this.header.beginTimestamp + seconds * 1000
    const header = Buffer.alloc(HEADER.size)
    writeHeader(new DataView(header.buffer, header.byteOffset, header.length), {
      ...this.header,
      endTimestamp,
      endPhyOffset,
      hashSlotCount,
      indexCount: count,
    })
    this.disk.write(this.fd, slots, 0, slots.length, HEADER.size)
    this.disk.write(this.fd, header, 0, header.length, 0)
  }

  /** Index in `view` of the entry, read in chunks that end (walking back) or begin (walking on) near it. */
  private load(entry: number): number {
    if (this.chunkStart < 0 || entry < this.chunkStart || entry >= this.chunkStart + CHUNK_ENTRIES) {
      const isBack = this.chunkStart >= 0 && entry < this.chunkStart
      this.chunkStart = isBack || this.chunkStart < 0 ? Math.max(0, entry - CHUNK_ENTRIES + 1) : entry
      const read = this.disk.read(
        this.fd,
        this.bytes,
        0,
        this.bytes.length,
        this.layout.entriesAt + this.chunkStart * ENTRY.size,
      )
      this.bytes.fill(0, read)
    }
    return (entry - this.chunkStart) * ENTRY.size
  }
}

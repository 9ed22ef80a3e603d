/**
 * The entry index of a DLedger log, unit by unit beside the entries: 32 bytes each at index · 32, in files of one size.
 *
 * Format: spec/dledger.md §2.3. Every unit can be made again from the data, and is, by the next start of a member: what is wrong in
 * one is worth a word, and costs no message. Blocks on: the disk.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { readInt64, type Segment } from '../../store/commitlog/index.ts'
import type { InspectedEntryHead } from '../entry.ts'
import type { Findings } from './finding.ts'

export const ENTRY_UNIT = 32
const CHUNK = 4096 * ENTRY_UNIT
const TOLD_MAX = 20
const FIELDS = ['magic', 'position', 'size', 'index', 'term'] as const

export class EntryIndex implements Disposable {
  /** Units that are not those of their entries, and entries that have none. */
  wrong = 0
  missing = 0
  private readonly files: readonly Segment[]
  private readonly findings: Findings
  private readonly bytes = Buffer.alloc(CHUNK)
  private readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, CHUNK)
  private from = 0
  private filled = 0
  private file: Segment | undefined
  private fd = -1

  constructor(files: readonly Segment[], findings: Findings) {
    this.files = files
    this.findings = findings
  }

  check(entry: InspectedEntryHead): void {
    const place = entry.index * ENTRY_UNIT
    const at = this.find(place)
    if (at < 0) {
      this.missing += 1
      return
    }
    const { view } = this
    const found = [view.getInt32(at), readInt64(view, at + 4), view.getInt32(at + 12)]
    found.push(readInt64(view, at + 16), readInt64(view, at + 24))
    const wanted = [1, entry.position, entry.size, entry.index, entry.term]
    // Not written yet, or never: units come behind their entries.
    if (found.every((value) => value === 0)) {
      this.missing += 1
      return
    }
    const field = found.findIndex((value, i) => value !== wanted[i])
    if (field < 0) return
    this.wrong += 1
    if (this.wrong > TOLD_MAX) return
    const what = `the unit of entry ${entry.index} has the ${FIELDS[field]} ${found[field]}; its entry has ${wanted[field]}`
    this.findings.add('ENTRY_INDEX', what, this.file!.path, place - this.file!.start)
  }

  [Symbol.dispose](): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
  }

  /** Index in `bytes` of the unit at that place of the index; −1 where no file has it. */
  private find(place: number): number {
    if (place >= this.from && place + ENTRY_UNIT <= this.from + this.filled) return place - this.from
    const file = this.files.find(({ start, size }) => place >= start && place + ENTRY_UNIT <= start + size)
    if (file === undefined) return -1
    if (file !== this.file) {
      this[Symbol.dispose]()
      this.fd = openSync(file.path, 'r')
      this.file = file
    }
    this.from = place
    this.filled = readSync(this.fd, this.bytes, 0, CHUNK, place - file.start)
    this.filled -= this.filled % ENTRY_UNIT
    return this.filled >= ENTRY_UNIT ? 0 : -1
  }
}

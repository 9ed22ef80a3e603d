/** Entries out of the data files: one read of what is asked for, files followed over their blanks. Blocks on: the disk. */
import { type DLedgerEntry, ENTRY_HEADER_SIZE, readEntry } from '../wire/index.ts'
import type { DataFiles } from './data-files.ts'
import type { IndexUnit } from './index-files.ts'

/** An entry and its neighbours; more is asked for by whoever pushes. */
const READ_MIN = 16 * 1024

/** From the entry of `unit` to entry `to`, at most `bytesMax` bytes but at least one. Ends early at the first that is not as it should be. */
export function readEntries(data: DataFiles, unit: IndexUnit, to: number, bytesMax: number): DLedgerEntry[] {
  const entries: DLedgerEntry[] = []
  let bytes = 0
  let pos = unit.pos
  for (let index = unit.index; index <= to; ) {
    const isOne = index === to || bytesMax <= 1
    const wanted =
      index === unit.index ? Math.max(unit.size, isOne ? 0 : Math.min(bytesMax, data.endPos - pos)) : bytesMax - bytes
    const buffer = Buffer.allocUnsafe(Math.max(wanted, isOne ? unit.size : READ_MIN))
    const length = data.read(pos, buffer, Math.min(buffer.length, data.endPos - pos))
    const part = buffer.subarray(0, length)
    const view = new DataView(part.buffer, part.byteOffset, part.length)
    let at = 0
    let isBlank = false
    while (index <= to) {
      if (at + 8 <= length && view.getInt32(at) === -1) {
        isBlank = true
        break
      }
      const entry = at + ENTRY_HEADER_SIZE <= length ? readEntry(view, part, at) : undefined
      if (entry === undefined || entry.index !== index || entry.pos !== pos + at) break
      if (entries.length > 0 && bytes + entry.size > bytesMax) return entries
      entries.push(entry)
      bytes += entry.size
      at += entry.size
      index++
    }
    if (bytes >= bytesMax || (at === 0 && !isBlank)) return entries
    pos = isBlank ? pos - (pos % data.fileSize) + data.fileSize : pos + at
  }
  return entries
}

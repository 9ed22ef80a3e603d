/**
 * Walks the entries of one data file, as recovery does.
 *
 * Takes an entry only if it follows the one before it: position its own, index one more, term not less, header and body of one size.
 * The first that does not ends the log; nothing behind it is believed, whatever it looks like (old bytes of a tail cut off may stand there).
 * Format: spec/dledger.md §2.1, §2.2, §2.6.
 */
import { type DLedgerEntry, readEntry } from '../wire/index.ts'

const BLANK_MAGIC = -1
/** Bytes of a blank's head; as many are always left at the end of a file. */
const BLANK_SIZE = 8

export interface ScanEnd {
  /** Bytes of the file that hold entries. */
  length: number
  /** A blank closes the file: the log goes on in the next one. */
  goesOn: boolean
}

/** `before`: the last entry of the file before this one, if the log begins there. */
export function scanFile(
  bytes: Uint8Array,
  filePos: number,
  before: { index: number; term: number } | undefined,
  found: (entry: DLedgerEntry) => void,
): ScanEnd {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let last = before
  let at = 0
  while (at + BLANK_SIZE <= bytes.length) {
    if (view.getInt32(at) === BLANK_MAGIC) return { length: at, goesOn: view.getInt32(at + 4) === bytes.length - at }
    const entry = readEntry(view, bytes, at)
    if (entry === undefined || entry.pos !== filePos + at) break
    if (last !== undefined && (entry.index !== last.index + 1 || entry.term < last.term)) break
    found(entry)
    last = entry
    at += entry.size
  }
  return { length: at, goesOn: false }
}

/**
 * The blank that fills the rest of a segment, in either layout: what two logs hold behind its first 8 bytes is no difference.
 *
 * Format: spec/store-format.md §2 "Blank", spec/dledger.md §2.2.
 */
import { BLANK_MAGIC, BLANK_SIZE } from '../../store/commitlog/index.ts'

const DLEDGER_BLANK = -1
/** The word that says so, and where it stands in the blank; the other one is the count of bytes left. */
const MARKS = [
  { word: wordOf(BLANK_MAGIC), at: 4 },
  { word: wordOf(DLEDGER_BLANK), at: 0 },
]

/** Whether a blank of `left` bytes begins at index `at`. */
export function isBlank(bytes: Buffer, at: number, left: number): boolean {
  const [first, second] = [bytes.readInt32BE(at), bytes.readInt32BE(at + 4)]
  return (first === left && second === BLANK_MAGIC) || (first === DLEDGER_BLANK && second === left)
}

/** Index of the last blank that ends where the bytes end. */
export function lastBlank(bytes: Buffer): number | undefined {
  const found = MARKS.map(({ word, at }) => {
    for (let next = bytes.lastIndexOf(word); next >= at; next = next === 0 ? -1 : bytes.lastIndexOf(word, next - 1)) {
      const begin = next - at
      if (begin + BLANK_SIZE <= bytes.length && isBlank(bytes, begin, bytes.length - begin)) return begin
    }
    return -1
  })
  const last = Math.max(...found)
  return last < 0 ? undefined : last
}

function wordOf(value: number): Buffer {
  const word = Buffer.alloc(4)
  word.writeInt32BE(value)
  return word
}

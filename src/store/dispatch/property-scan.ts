/**
 * What dispatch needs of a message's properties, hashed straight from the stored bytes: nothing is allocated.
 *
 *   TAGS \x01 TagA \x02 KEYS \x01 k1 k2 \x02 UNIQ_KEY \x01 FD00… \x02 …
 *        └ tagsHash        └ keyHashes, each of `topic#k1`  └ the first of keyHashes
 *
 * Pairs are read as RocketMQ 4.9.8 reads them: an empty name or value makes the pair vanish, the last pair of a name wins.
 * Hashes are Java's String.hashCode over UTF-16; a value with other than ASCII bytes goes the slow way through a string.
 * Source: spec/store-format.md §4 (tagsCode), §5 (keys indexed).
 */
import { javaHashOfBytes } from '../commitlog/java-hash.ts'

const NAME_END = 0x01
const PAIR_END = 0x02
const SPACE = 0x20
/** 31^2, 31^3, 31^4 as int32: four characters a step shorten the chain of multiplications. */
const P2 = 961
const P3 = 29_791
const P4 = 923_521
const HIGH_BITS = 0x8080_8080 | 0
const ONES = 0x0101_0101
const PAIR_ENDS = 0x0202_0202

export class PropertyScan {
  /** String.hashCode of TAGS, 0 without. */
  tagsHash = 0
  /** Key hashes as the index stores them (0 … 2^31−1): UNIQ_KEY first, then the items of KEYS. */
  keyHashes = new Int32Array(16)
  keyCount = 0
  /** DELAY as a number, 0 without or when it is none. */
  delayLevel = 0

  private uniqueHash = 0
  private hasUnique = false

  /** Reads bytes[start, end), which `view` shows too. `prefix` is the hash of `topic#`, or undefined when keys are not wanted. */
  scan(bytes: Uint8Array, view: DataView, start: number, end: number, prefix: number | undefined): void {
    this.tagsHash = 0
    this.delayLevel = 0
    this.keyCount = 1
    this.hasUnique = false
    let at = start
    while (at < end) {
      const first = bytes[at]
      let to = at
      if (first === 84 /* T */ && isTags(bytes, at)) {
        to = pairEnd(bytes, view, at + 5, end)
        if (to > at + 5) this.tagsHash = hashOf(bytes, view, at + 5, to, 0)
      } else if (first === 85 /* U */ && isUniqueKey(bytes, at)) {
        to = pairEnd(bytes, view, at + 9, end)
        if (to > at + 9 && prefix !== undefined) {
          this.hasUnique = true
          this.uniqueHash = hashOf(bytes, view, at + 9, to, prefix)
        }
      } else if (first === 75 /* K */ && isKeys(bytes, at)) {
        to = pairEnd(bytes, view, at + 5, end)
        if (to > at + 5 && prefix !== undefined) this.splitKeys(bytes, view, at + 5, to, prefix)
      } else if (first === 68 /* D */ && isDelay(bytes, at)) {
        to = pairEnd(bytes, view, at + 6, end)
        if (to > at + 6) this.delayLevel = integerOf(bytes, at + 6, to)
      } else {
        to = pairEnd(bytes, view, at, end)
      }
      at = to + 1
    }
    if (this.hasUnique) {
      this.keyHashes[0] = indexHash(this.uniqueHash)
    } else if (this.keyCount > 1) {
      this.keyHashes.copyWithin(0, 1, this.keyCount)
      this.keyCount -= 1
    } else {
      this.keyCount = 0
    }
  }

  private splitKeys(bytes: Uint8Array, view: DataView, start: number, end: number, prefix: number): void {
    this.keyCount = 1
    let from = start
    for (let at = start; at <= end; at += 1) {
      if (at < end && bytes[at] !== SPACE) continue
      if (at > from) {
        if (this.keyCount === this.keyHashes.length) this.growKeys()
        this.keyHashes[this.keyCount] = indexHash(hashOf(bytes, view, from, at, prefix))
        this.keyCount += 1
      }
      from = at + 1
    }
  }

  private growKeys(): void {
    const larger = new Int32Array(this.keyHashes.length * 2)
    larger.set(this.keyHashes)
    this.keyHashes = larger
  }
}

/** What an index entry holds: |hash|, and 0 for the one number that has no absolute value. */
export function indexHash(hash: number): number {
  return Math.max(hash < 0 ? -hash | 0 : hash, 0)
}

function hashOf(bytes: Uint8Array, view: DataView, start: number, end: number, hash: number): number {
  let at = start
  const fours = end - 3
  while (at < fours) {
    const x = view.getInt32(at)
    if ((x & HIGH_BITS) !== 0) return javaHashOfBytes(bytes, at, end, hash)
    const c = (x >>> 8) & 0xff
    hash =
      (Math.imul(hash, P4) + Math.imul(x >>> 24, P3) + Math.imul((x >>> 16) & 0xff, P2) + (c << 5) - c + (x & 0xff)) | 0
    at += 4
  }
  return at === end ? hash : javaHashOfBytes(bytes, at, end, hash)
}

/** Index of the next 0x02, or `end`. Four bytes a step: the classic test for a zero byte. */
function pairEnd(bytes: Uint8Array, view: DataView, from: number, end: number): number {
  let at = from
  const fours = end - 3
  while (at < fours) {
    const x = view.getInt32(at) ^ PAIR_ENDS
    if (((x - ONES) & ~x & HIGH_BITS) !== 0) break
    at += 4
  }
  while (at < end && bytes[at] !== PAIR_END) at += 1
  return at
}

function isTags(b: Uint8Array, at: number): boolean {
  return b[at + 1] === 65 && b[at + 2] === 71 && b[at + 3] === 83 && b[at + 4] === NAME_END
}

function isKeys(b: Uint8Array, at: number): boolean {
  return b[at + 1] === 69 && b[at + 2] === 89 && b[at + 3] === 83 && b[at + 4] === NAME_END
}

function isUniqueKey(b: Uint8Array, at: number): boolean {
  if (b[at + 1] !== 78 || b[at + 2] !== 73 || b[at + 3] !== 81 || b[at + 4] !== 95) return false
  return b[at + 5] === 75 && b[at + 6] === 69 && b[at + 7] === 89 && b[at + 8] === NAME_END
}

function isDelay(b: Uint8Array, at: number): boolean {
  if (b[at + 1] !== 69 || b[at + 2] !== 76 || b[at + 3] !== 65 || b[at + 4] !== 89) return false
  return b[at + 5] === NAME_END
}

/** Decimal digits with an optional sign, as Integer.parseInt; 0 for anything else. */
function integerOf(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  let at = start
  const isNegative = bytes[at] === 45
  if (isNegative || bytes[at] === 43) at += 1
  if (at === end) return 0
  for (; at < end; at += 1) {
    const digit = bytes[at] - 48
    if (digit < 0 || digit > 9) return 0
    value = value * 10 + digit
    if (value > 0x7fff_ffff) return 0
  }
  return isNegative ? -value : value
}

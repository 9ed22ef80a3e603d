/**
 * A set of queue offsets that lie close together: a bit for each offset from a front on, which only moves forwards.
 */
import { assert } from '../../assert.ts'

const BITS = 32
const INITIAL_WORDS = 64
/** 2^31 offsets beyond the front: 256 MiB. Nothing that is real is further away. */
const SPAN_MAX = 2 ** 31

export class OffsetBits {
  private words = new Uint32Array(INITIAL_WORDS)
  /** Offset of bit 0 of word 0; a multiple of 32. */
  private base: number
  private front: number

  constructor(front: number) {
    this.front = front
    this.base = front - (front % BITS)
  }

  /** Adds an offset at or above the front. One that is absurdly far away is left out. */
  add(offset: number): void {
    assert(offset >= this.front, 'an offset below the front')
    const bit = offset - this.base
    if (bit >= SPAN_MAX) return
    const word = Math.floor(bit / BITS)
    if (word >= this.words.length) this.grow(word + 1)
    this.words[word] |= 1 << (bit % BITS)
  }

  has(offset: number): boolean {
    const bit = offset - this.base
    const word = Math.floor(bit / BITS)
    return bit >= 0 && word < this.words.length && (this.words[word] & (1 << (bit % BITS))) !== 0
  }

  /** The first offset at or above `from` that is not in the set, at most `end`. */
  nextAbsent(from: number, end: number): number {
    let offset = Math.max(from, this.front)
    while (offset < end) {
      const bit = offset - this.base
      const word = Math.floor(bit / BITS)
      if (word >= this.words.length) return offset
      // Ones where offsets are absent, none below `offset`.
      const absent = ~this.words[word] & (-1 << (bit % BITS))
      if (absent !== 0) return Math.min(end, this.base + word * BITS + lowestOne(absent))
      offset = this.base + (word + 1) * BITS
    }
    return Math.max(from, Math.min(offset, end))
  }

  dropBelow(front: number): void {
    assert(front >= this.front, 'the front does not go back')
    this.front = front
    const words = Math.floor((front - this.base) / BITS)
    // Half of them, so that what is moved was paid for by what went.
    if (words * 2 < this.words.length) return
    if (words >= this.words.length) this.words.fill(0)
    else {
      this.words.copyWithin(0, words)
      this.words.fill(0, this.words.length - words)
    }
    this.base += words * BITS
  }

  private grow(wordsMin: number): void {
    const words = new Uint32Array(Math.max(wordsMin, this.words.length * 2))
    words.set(this.words)
    this.words = words
  }
}

function lowestOne(word: number): number {
  return BITS - 1 - Math.clz32(word & -word)
}

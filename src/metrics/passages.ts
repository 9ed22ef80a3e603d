/**
 * Samples on their way to a thread that follows append: a ring of (end of the record, when it was appended, slot), in log order.
 *
 *   append ──push──▶ [ end, appended, slot ] … ──▶ flush, or HA: takes those whose end its position has passed
 *
 * The follower pays one load and at most one comparison where no sample has passed. A full ring drops what comes: a follower
 * that stands still does not make append wait.
 * Invariant: one thread pushes, one takes; a passage is pushed before `appended` is published.
 */
export const PASSAGES = 1024
const ENTRY_WORDS = 3
const HEADER_BYTES = 64
const TAIL = 0
const HEAD = 8

export const PASSAGES_BYTES = 2 * HEADER_BYTES + PASSAGES * ENTRY_WORDS * 8

export class Passages {
  private readonly words: Int32Array
  private readonly entries: Float64Array

  constructor(buffer: SharedArrayBuffer, byteOffset: number) {
    this.words = new Int32Array(buffer, byteOffset, (2 * HEADER_BYTES) / 4)
    this.entries = new Float64Array(buffer, byteOffset + 2 * HEADER_BYTES, PASSAGES * ENTRY_WORDS)
  }

  /** Number of the next passage that will be pushed. Numbers wrap: their differences, as int32, do not. */
  get tail(): number {
    return Atomics.load(this.words, TAIL)
  }

  get head(): number {
    return Atomics.load(this.words, HEAD)
  }

  /** By the taker: all before that number are taken. */
  set head(number: number) {
    Atomics.store(this.words, HEAD, number)
  }

  push(end: number, appended: number, slot: number): void {
    const { tail } = this
    if (((tail - this.head) | 0) >= PASSAGES) return
    const at = indexOf(tail) * ENTRY_WORDS
    this.entries[at] = end
    this.entries[at + 1] = appended
    this.entries[at + 2] = slot
    Atomics.store(this.words, TAIL, (tail + 1) | 0)
  }

  endOf(number: number): number {
    return this.entries[indexOf(number) * ENTRY_WORDS]
  }

  appendedOf(number: number): number {
    return this.entries[indexOf(number) * ENTRY_WORDS + 1]
  }

  slotOf(number: number): number {
    return this.entries[indexOf(number) * ENTRY_WORDS + 2]
  }
}

export function indexOf(number: number): number {
  return number & (PASSAGES - 1)
}

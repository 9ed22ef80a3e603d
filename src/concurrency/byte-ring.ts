/**
 * Single-producer single-consumer ring of byte records over a SharedArrayBuffer.
 *
 *   0    head   int32, bytes published by the producer, modulo 2^32
 *   64   tail   int32, bytes released by the consumer, modulo 2^32
 *   128  data   capacity bytes, a power of two
 *
 *   record: int32 size (all of it, a multiple of 8; negative = padding up to the wrap), int32 length of the payload,
 *           payload, up to 7 bytes of padding
 *
 * A claim is contiguous: a record that would cross the end is put at the start behind a padding record. The producer may
 * claim several records and publish them with one commit; the consumer takes all that is there and releases once.
 * Nothing waits here: a full ring is -1, and the caller decides.
 */
import { assert } from '../assert.ts'

const HEAD = 0
const TAIL = 16
const DATA = 128
const RECORD_HEADER = 8
const INT32 = 4

export function createRing(capacity: number): SharedArrayBuffer {
  assert(capacity >= 1024 && (capacity & (capacity - 1)) === 0, 'ring capacity is a power of two of at least 1024')
  return new SharedArrayBuffer(DATA + capacity)
}

/** Smallest capacity whose largest claim holds `largestRecord` bytes, at least `wanted`. */
export function ringCapacityFor(largestRecord: number, wanted: number): number {
  let capacity = 1024
  while (capacity < wanted || capacity < 4 * (largestRecord + RECORD_HEADER)) capacity *= 2
  return capacity
}

abstract class RingSide {
  readonly buffer: SharedArrayBuffer
  /** The data area; offsets returned by claim() and next() point into these. */
  readonly bytes: Buffer
  readonly view: DataView
  readonly capacity: number
  protected readonly words: Int32Array
  protected readonly data: Int32Array

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.capacity = buffer.byteLength - DATA
    this.bytes = Buffer.from(buffer as unknown as ArrayBuffer, DATA, this.capacity)
    this.view = new DataView(buffer, DATA, this.capacity)
    this.words = new Int32Array(buffer, 0, DATA / INT32)
    this.data = new Int32Array(buffer, DATA, this.capacity / INT32)
  }

  /** Bytes published and not yet released. */
  get used(): number {
    return (Atomics.load(this.words, HEAD) - Atomics.load(this.words, TAIL)) >>> 0
  }

  /** Largest payload that one claim can take. */
  get maxLength(): number {
    return this.capacity / 4 - RECORD_HEADER
  }
}

export class RingProducer extends RingSide {
  private claimed: number
  private knownTail: number

  constructor(buffer: SharedArrayBuffer) {
    super(buffer)
    this.claimed = Atomics.load(this.words, HEAD)
    this.knownTail = Atomics.load(this.words, TAIL)
  }

  /** Offset in `bytes` of `length` contiguous bytes, 8-byte aligned, or -1 while the ring is too full. */
  claim(length: number): number {
    assert(length >= 0 && length <= this.maxLength, 'claim larger than a quarter of the ring')
    const size = (length + RECORD_HEADER + 7) & ~7
    const at = this.claimed & (this.capacity - 1)
    const toEnd = this.capacity - at
    const padding = size > toEnd ? toEnd : 0
    if (!this.hasRoom(padding + size)) return -1
    if (padding > 0) {
      this.data[at >> 2] = -padding
      this.claimed = (this.claimed + padding) | 0
    }
    const start = padding > 0 ? 0 : at
    this.data[start >> 2] = size
    this.data[(start >> 2) + 1] = length
    this.claimed = (this.claimed + size) | 0
    return start + RECORD_HEADER
  }

  /** Publishes everything claimed so far, at once. */
  commit(): void {
    Atomics.store(this.words, HEAD, this.claimed)
  }

  /** Takes the last claim back. Padding that it may have needed stays and is published with the next commit. */
  unclaim(length: number): void {
    this.claimed = (this.claimed - ((length + RECORD_HEADER + 7) & ~7)) | 0
  }

  /** Forgets what was claimed and not committed. */
  abandon(): void {
    this.claimed = Atomics.load(this.words, HEAD)
  }

  private hasRoom(size: number): boolean {
    if ((this.claimed + size - this.knownTail) >>> 0 <= this.capacity) return true
    this.knownTail = Atomics.load(this.words, TAIL)
    return (this.claimed + size - this.knownTail) >>> 0 <= this.capacity
  }
}

export class RingConsumer extends RingSide {
  /** Payload bytes of the record that next() returned. */
  length = 0
  private taken: number
  private knownHead: number

  constructor(buffer: SharedArrayBuffer) {
    super(buffer)
    this.taken = Atomics.load(this.words, TAIL)
    this.knownHead = this.taken
  }

  /** Offset in `bytes` of the next record's payload, or -1. The bytes stay until release(). */
  next(): number {
    if (this.isDrained()) return -1
    let at = this.taken & (this.capacity - 1)
    let size = this.data[at >> 2]
    if (size < 0) {
      this.taken = (this.taken - size) | 0
      // Padding may have been published alone: its record was taken back.
      if (this.isDrained()) return -1
      at = 0
      size = this.data[0]
    }
    this.length = this.data[(at >> 2) + 1]
    this.taken = (this.taken + size) | 0
    return at + RECORD_HEADER
  }

  private isDrained(): boolean {
    if (this.taken !== this.knownHead) return false
    this.knownHead = Atomics.load(this.words, HEAD)
    return this.taken === this.knownHead
  }

  /** True when a record is there to be taken. */
  hasNext(): boolean {
    return this.taken !== this.knownHead || this.taken !== Atomics.load(this.words, HEAD)
  }

  /** Gives the last record of next() back: it will be returned again. Only directly after next(). */
  putBack(at: number): void {
    this.taken = (this.taken - ((this.length + RECORD_HEADER + 7) & ~7)) | 0
    assert((this.taken & (this.capacity - 1)) === at - RECORD_HEADER, 'putBack of another record')
  }

  /** Releases everything taken so far to the producer. */
  release(): void {
    Atomics.store(this.words, TAIL, this.taken)
  }
}

/**
 * Numbers by queue that threads share, indexed by a small integer that stands for (topic, queueId).
 *
 * The network thread gives the integers out and tells append and dispatch about each (stages/messages.ts). Columns have
 * one writer each: max and min dispatch, waiting network, dirty is set by dispatch and cleared by housekeeping.
 */
import { assert } from '../assert.ts'

/** 262,144 queues take 6 MiB of address space, of which only touched pages become resident. */
export const QUEUE_COUNT_MAX = 262_144
const BYTES_PER_QUEUE = 8 + 8 + 4 + 4

export class QueueTable {
  readonly buffer: SharedArrayBuffer
  readonly capacity: number
  private readonly maxima: BigInt64Array
  private readonly minima: BigInt64Array
  private readonly waits: Int32Array
  private readonly dirt: Int32Array

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.capacity = buffer.byteLength / BYTES_PER_QUEUE
    assert(Number.isInteger(this.capacity), 'queue table has another layout')
    this.maxima = new BigInt64Array(buffer, 0, this.capacity)
    this.minima = new BigInt64Array(buffer, this.capacity * 8, this.capacity)
    this.waits = new Int32Array(buffer, this.capacity * 16, this.capacity)
    this.dirt = new Int32Array(buffer, this.capacity * 20, this.capacity)
  }

  static create(capacity = QUEUE_COUNT_MAX): QueueTable {
    return new QueueTable(new SharedArrayBuffer(capacity * BYTES_PER_QUEUE))
  }

  static attach(buffer: SharedArrayBuffer): QueueTable {
    return new QueueTable(buffer)
  }

  /** Next queue offset that consumers may see. */
  max(queue: number): number {
    return Number(Atomics.load(this.maxima, queue))
  }

  setMax(queue: number, offset: number): void {
    Atomics.store(this.maxima, queue, BigInt(offset))
  }

  min(queue: number): number {
    return Number(Atomics.load(this.minima, queue))
  }

  setMin(queue: number, offset: number): void {
    Atomics.store(this.minima, queue, BigInt(offset))
  }

  isWaiting(queue: number): boolean {
    return Atomics.load(this.waits, queue) !== 0
  }

  setWaiting(queue: number, waits: boolean): void {
    Atomics.store(this.waits, queue, waits ? 1 : 0)
  }

  markDirty(queue: number): void {
    Atomics.store(this.dirt, queue, 1)
  }

  /** Whether dispatch wrote to the queue's files since the last call. */
  takeDirty(queue: number): boolean {
    return Atomics.exchange(this.dirt, queue, 0) !== 0
  }
}

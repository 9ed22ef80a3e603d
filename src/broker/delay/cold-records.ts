/**
 * Records of one delay level that are not in memory: read by the pool, some at a time, shortly before they are due.
 */
import { standsAt } from '../../store/commitlog/record-head.ts'

const RECORDS_MAX = 64
const BYTES_MAX = 1024 * 1024

export interface ColdRecord {
  bytes: Buffer
  view: DataView
  at: number
}

type ReadCold = (offsets: Float64Array, sizes: Int32Array) => Promise<Uint8Array | undefined>

export class ColdRecords {
  isFetching = false
  private readonly read: ReadCold
  /** Queue offset of the first record of the batch. */
  private from = 0
  private count = 0
  private total = 0
  private readonly offsets = new Float64Array(RECORDS_MAX)
  private readonly sizes = new Int32Array(RECORDS_MAX)
  /** Where each is in `found`, -1: not there any more. */
  private readonly places = new Int32Array(RECORDS_MAX)
  private readonly found: ColdRecord = { bytes: Buffer.alloc(0), view: new DataView(new ArrayBuffer(0)), at: 0 }

  constructor(read: ReadCold) {
    this.read = read
  }

  /** The record of a queue offset, where it was fetched; valid until the next call. */
  at(queueOffset: number): ColdRecord | 'missing' | undefined {
    const index = queueOffset - this.from
    if (this.isFetching || index < 0 || index >= this.count) return undefined
    if (this.places[index] < 0) return 'missing'
    this.found.at = this.places[index]
    return this.found
  }

  /** Begins a new batch. */
  start(queueOffset: number): void {
    this.from = queueOffset
    this.count = 0
    this.total = 0
  }

  /** False: the batch is full, or the record is too long to be read beside others. */
  add(physicalOffset: number, size: number): boolean {
    if (this.count === RECORDS_MAX || (this.count > 0 && this.total + size > BYTES_MAX)) return false
    this.offsets[this.count] = physicalOffset
    this.sizes[this.count] = size
    this.count += 1
    this.total += size
    return true
  }

  /** Rejects when the pool cannot read; nothing is fetched then. */
  async fetch(): Promise<void> {
    this.isFetching = true
    try {
      const body = await this.read(this.offsets.slice(0, this.count), this.sizes.slice(0, this.count))
      this.place(body ?? new Uint8Array(0))
    } catch (error) {
      this.count = 0
      throw error
    } finally {
      this.isFetching = false
    }
  }

  /** The body holds those records that could be read, in order. */
  private place(body: Uint8Array): void {
    const { found } = this
    found.bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
    found.view = new DataView(body.buffer, body.byteOffset, body.length)
    let at = 0
    for (let i = 0; i < this.count; i += 1) {
      const size = this.sizes[i]
      const isThere = at + size <= body.length && standsAt(found.view, at, this.offsets[i], size)
      this.places[i] = isThere ? at : -1
      if (isThere) at += size
    }
  }
}

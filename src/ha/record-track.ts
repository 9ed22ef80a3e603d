/**
 * Where records end in a log that comes as bytes, cut anywhere: what of it can be dispatched, and whether it is a log at all.
 *
 * RocketMQ's slave trusts the offset alone: a log that has gone another way (a master that lost its tail and wrote on) is
 * found by nobody. Here each record must state its own place, so the first record behind a wrong cut is refused.
 * Format: spec/store-format.md §2.
 */
import {
  BLANK_MAGIC,
  BLANK_SIZE,
  FIELD,
  RECORD_MAGIC,
  RECORD_MAGIC_V2,
  RECORD_SIZE_MIN,
} from '../store/commitlog/record.ts'

/** Size, magic and place of a record are in its first 36 bytes. */
const HEAD_SIZE = FIELD.physicalOffset + 8
const HEAD_SIZE_MIN = BLANK_SIZE

export class RecordTrack {
  /** End of the last whole record. A blank at the end of a file does not count before the record behind it is whole. */
  whole: number
  /** Whole records that have come, all in all. */
  records = 0
  /** What is wrong where push() gave false, in words. */
  fault = ''
  /** Where the record or blank under way starts, and where it ends once its head is known (else -1). */
  private start: number
  private end = -1
  private isBlank = false
  private readonly head = Buffer.alloc(HEAD_SIZE)
  private readonly view = new DataView(this.head.buffer, this.head.byteOffset, HEAD_SIZE)
  private headLength = 0
  private readonly segmentSize: number

  /** `at`: the end of a whole record, or the start of a log. */
  constructor(at: number, segmentSize: number) {
    this.whole = at
    this.start = at
    this.segmentSize = segmentSize
  }

  /** Goes back, or on, to the end of a whole record. */
  reset(at: number): void {
    this.whole = at
    this.begin(at)
  }

  /** Takes bytes[from, to), which lie at `offset` of the log, right behind the last ones. False: no log looks like that. */
  push(bytes: Buffer, from: number, to: number, offset: number): boolean {
    const until = offset + to - from
    for (let at = offset; at < until; ) {
      if (this.end < 0) {
        const taken = bytes.copy(
          this.head,
          this.headLength,
          from + at - offset,
          Math.min(to, from + at - offset + HEAD_SIZE - this.headLength),
        )
        this.headLength += taken
        at += taken
        if (!this.readHead()) return this.fault === ''
      }
      if (this.end > until) return true
      // The head's bytes may have reached beyond a short blank: they are read again.
      at = this.end
      if (!this.isBlank) {
        this.whole = this.end
        this.records += 1
      }
      this.begin(this.end)
    }
    return true
  }

  private begin(start: number): void {
    this.start = start
    this.end = -1
    this.headLength = 0
  }

  /** False: more bytes are needed, or there is a fault. */
  private readHead(): boolean {
    if (this.headLength < HEAD_SIZE_MIN) return false
    const { view, start } = this
    const size = view.getInt32(FIELD.totalSize)
    const magic = view.getInt32(FIELD.magic)
    const left = this.segmentSize - (start % this.segmentSize)
    this.isBlank = magic === BLANK_MAGIC
    if (this.isBlank) {
      if (size !== left) return this.refuse(`a blank of ${size} bytes where ${left} are left of the file`)
      this.end = start + left
      return true
    }
    if (magic !== RECORD_MAGIC && magic !== RECORD_MAGIC_V2) return this.refuse('no record')
    if (size < RECORD_SIZE_MIN || size + BLANK_SIZE > left) {
      return this.refuse(
        `a record of ${size} bytes where ${left} are left of the file (mappedFileSizeCommitLog differs?)`,
      )
    }
    if (this.headLength < HEAD_SIZE) return false
    const place = Number(view.getBigInt64(FIELD.physicalOffset))
    if (place !== start) return this.refuse(`a record of the place ${place}`)
    this.end = start + size
    return true
  }

  private refuse(what: string): false {
    this.fault = `at ${this.start} stands ${what}`
    return false
  }
}

/**
 * A slave's log: puts the master's bytes at the tail as they are, and moves `received` and `appended`.
 *
 *   socket's chunk ─▶ log tail ─▶ received (all bytes) ─▶ the report
 *                              └▶ appended (end of the last whole record) ─▶ flush, dispatch
 *
 * On the HA thread, without a ring and a hop to the append thread in between: 1 KiB at one in flight is confirmed 40 µs sooner.
 *
 * Owns:      the tail of the last segment, `received`, `appended`. Called by: HaSlave.
 * Invariant: bytes are contiguous; `appended` is the end of a record; nothing is taken behind bytes that are no log.
 * Blocks on: the page cache, inside write. A next segment that is not allocated is back-pressure: take() stops there.
 * Format:    spec/ha.md §2.
 */
import { ControlBlock, type PositionWriter } from '../concurrency/control-block.ts'
import { wakeUrgently } from '../concurrency/wake.ts'
import { type FaultSwitches, failpoint } from '../faults.ts'
import { AppendHistory } from '../metrics/append-history.ts'
import { copyBytes } from '../native/index.ts'
import { createTailWriter, type TailWriter } from '../store/commitlog/tail-writer.ts'
import type { StoreSettings } from '../store/settings.ts'
import { RecordTrack } from './record-track.ts'

export interface ReceiverOptions {
  readonly settings: StoreSettings
  readonly control: ControlBlock
  readonly faults: FaultSwitches | undefined
  readonly appendHistory: SharedArrayBuffer
}

/** Copied into the tail's staging buffer at once. */
const PIECE = 256 * 1024

export class LogReceiver {
  /** Why the last bytes were refused; undefined while all were log. Nothing is taken before rewind(). */
  fault: string | undefined
  private readonly control: ControlBlock
  private readonly faults: FaultSwitches | undefined
  private readonly tail: TailWriter
  private readonly appended: PositionWriter
  private readonly receivedWriter: PositionWriter
  private readonly track: RecordTrack
  private readonly history: AppendHistory
  /** Records that `appended` covers. */
  private published = 0
  private readonly segmentSize: number
  private position = 0
  private segmentStart = 0

  constructor({ settings, control, faults, appendHistory }: ReceiverOptions) {
    this.control = control
    this.faults = faults
    this.segmentSize = settings.mappedFileSizeCommitLog
    this.appended = control.writer('appended')
    this.receivedWriter = control.writer('received')
    this.track = new RecordTrack(this.appended.load(), this.segmentSize)
    this.history = new AppendHistory(appendHistory)
    this.tail = createTailWriter(settings)
    this.join()
  }

  /** All below is in the page cache. */
  get received(): number {
    return this.position
  }

  /** Goes to the tail that the owner of a fence has set. */
  join(): void {
    this.rewindTo(this.appended.load())
    this.history.begin(this.position, this.control.now())
  }

  /** Back to the last whole record: each connection begins at one. */
  rewind(): void {
    this.rewindTo(this.track.whole)
  }

  /** Whether take() would take anything. */
  hasRoom(): boolean {
    if (this.faults !== undefined && this.faults.get('holdAppend') !== 0) return false
    return this.position < this.segmentStart + this.segmentSize || this.isAllocated()
  }

  /**
   * Takes chunk[from, to), the log's bytes from `received` on, and publishes them. Returns where it stopped: before `to` while the
   * next segment is not there yet. What is no log is thrown away, and `fault` says why.
   */
  take(chunk: Buffer, from: number, to: number): number {
    let at = from
    while (at < to && this.fault === undefined && this.hasRoom()) {
      if (this.position === this.segmentStart + this.segmentSize) this.roll()
      const length = Math.min(PIECE, to - at)
      if (!this.put(chunk, at, length)) return to
      at += length
    }
    return this.fault === undefined ? at : to
  }

  /** All that was taken is in the page cache, and the positions say so. True: there is a new whole record. */
  publish(): boolean {
    if (this.position === this.receivedWriter.load()) return false
    this.tail.flushBatch()
    failpoint('after-append')
    this.receivedWriter.reset(this.position)
    if (this.track.whole <= this.appended.load()) return false
    this.history.add(this.track.records - this.published, this.track.whole, this.control.now())
    this.published = this.track.records
    this.appended.advance(this.track.whole)
    return true
  }

  /** What is no whole record is no part of a log that stands still: a master may be made of it. */
  close(): void {
    const from = this.track.whole
    // A partial record may lack its end only in the file where it began.
    const to = Math.min(this.position, from - (from % this.segmentSize) + this.segmentSize)
    if (to > from) {
      this.goTo(from)
      for (let left = to - from; left > 0; ) {
        const length = Math.min(left, PIECE)
        const at = this.tail.place(length)
        this.tail.bytes.fill(0, at, at + length)
        left -= length
      }
      this.tail.flushBatch()
    }
    this.tail.close()
  }

  private put(chunk: Buffer, at: number, length: number): boolean {
    const isInside = this.position + length <= this.segmentStart + this.segmentSize
    if (!isInside) {
      this.fault = `a transfer at ${this.position} crosses the end of a CommitLog file`
      return false
    }
    const isLog = this.track.push(chunk, at, at + length, this.position)
    // Whole records in front of what is no log belong to it, and `whole` counts them.
    const good = isLog ? length : Math.max(0, this.track.whole - this.position)
    const to = this.tail.place(good)
    copyBytes(this.tail.bytes, to, chunk, at, good)
    this.position += good
    if (!isLog) this.fault = this.track.fault
    return isLog
  }

  private roll(): void {
    this.tail.flushBatch()
    failpoint('segment-roll')
    this.goTo(this.segmentStart + this.segmentSize)
    wakeUrgently(this.control.words, ControlBlock.index('housekeeping'))
  }

  private isAllocated(): boolean {
    if (this.control.load('allocated') >= this.segmentStart + 2 * this.segmentSize) return true
    wakeUrgently(this.control.words, ControlBlock.index('housekeeping'))
    return false
  }

  private rewindTo(to: number): void {
    this.fault = undefined
    this.tail.flushBatch()
    this.track.reset(to)
    this.goTo(to)
    this.receivedWriter.reset(to)
  }

  private goTo(position: number): void {
    this.position = position
    this.segmentStart = position - (position % this.segmentSize)
    this.tail.open(this.segmentStart, position - this.segmentStart)
  }
}

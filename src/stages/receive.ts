/**
 * Append on a slave: puts the master's bytes at the tail as they are, and moves `received` and `appended`.
 *
 *   receive ring ─▶ log tail ─▶ received (all bytes) ─▶ HA, which reports it
 *                            └▶ appended (end of the last whole record) ─▶ flush, dispatch
 *
 * Owns:      the tail of the last segment. Runs in the place of AppendStage (stages/append.ts) while brokerRole is SLAVE.
 * Invariant: bytes are contiguous; `appended` is the end of a record; nothing is taken behind bytes that are no log.
 * Blocks on: nothing. A next segment that is not allocated is back-pressure.
 * Format:    spec/ha.md §2, ha/receive-ring.ts.
 */
import { assert } from '../assert.ts'
import { RingConsumer, RingProducer } from '../concurrency/byte-ring.ts'
import { ControlBlock, GATE, type PositionWriter } from '../concurrency/control-block.ts'
import { answerFence, FENCE } from '../concurrency/fence.ts'
import { wake, wakeUrgently } from '../concurrency/wake.ts'
import { failpoint } from '../faults.ts'
import { RECEIVE, RECEIVE_KIND } from '../ha/receive-ring.ts'
import { RecordTrack } from '../ha/record-track.ts'
import { copyBytes, wakeNetwork } from '../native/index.ts'
import { createTailWriter, type TailWriter } from '../store/commitlog/tail-writer.ts'
import type { StageStart } from './messages.ts'
import { ACK, ACK_STATUS, SUBMIT, SUBMIT_KIND } from './ring-records.ts'
import type { Stage, StageRuntime } from './run-stage.ts'
import { wakeDispatch, wakeHa } from './wake-others.ts'

const BATCH_BYTES_MAX = 512 * 1024
const IDLE_MS = 1000

export class ReceiveStage implements Stage {
  readonly idleMs = IDLE_MS
  private readonly start: StageStart
  private readonly runtime: StageRuntime
  private readonly submit: RingConsumer
  private readonly acks: RingProducer
  private readonly receive: RingConsumer
  private readonly tail: TailWriter
  private readonly appended: PositionWriter
  private readonly received: PositionWriter
  private readonly track: RecordTrack
  private readonly segmentSize: number
  private position = 0
  private segmentStart = 0
  private epoch = 0
  private isStalled = false

  constructor(start: StageStart, runtime: StageRuntime) {
    assert(start.receive !== undefined, 'a slave has a ring for what it receives')
    const { control } = runtime
    this.start = start
    this.runtime = runtime
    this.submit = new RingConsumer(start.submit)
    this.acks = new RingProducer(start.acks)
    this.receive = new RingConsumer(start.receive)
    this.segmentSize = start.settings.mappedFileSizeCommitLog
    this.appended = control.writer('appended')
    this.received = control.writer('received')
    this.track = new RecordTrack(this.appended.load(), this.segmentSize)
    this.tail = createTailWriter(start.settings)
    this.join()
  }

  hasWork(): boolean {
    const { fence } = this.runtime.control
    if (fence !== FENCE.open) return fence === FENCE.closing
    if (this.isHeld()) return false
    return this.submit.hasNext() || (this.receive.hasNext() && !(this.isStalled && !this.isAllocated()))
  }

  step(): number {
    if (this.isHeld()) return 0
    const { control } = this.runtime
    const { fence } = control
    if (fence === FENCE.drained) return 0
    if (this.epoch !== control.epoch) this.join()
    const taken = this.takeSubmitted() + this.drain()
    if (taken === 0 && fence === FENCE.closing) answerFence(control)
    return taken
  }

  /** What is no whole record is no part of a log that stands still: a master may be made of it. */
  close(): void {
    const partial = this.position - this.track.whole
    if (partial > 0) {
      this.goTo(this.track.whole)
      for (let left = Math.min(partial, this.segmentStart + this.segmentSize - this.track.whole); left > 0; ) {
        const length = Math.min(left, BATCH_BYTES_MAX)
        const at = this.tail.place(length)
        this.tail.bytes.fill(0, at, at + length)
        left -= length
      }
      this.tail.flushBatch()
    }
    this.tail.close()
  }

  /** Goes to the tail that recovery, or the owner of a fence, has set. */
  private join(): void {
    this.epoch = this.runtime.control.epoch
    this.rewind(this.appended.load())
  }

  private rewind(to: number): void {
    this.track.reset(to)
    this.goTo(to)
    this.received.reset(to)
    this.runtime.control.setWord('rejected', 0)
  }

  private goTo(position: number): void {
    this.position = position
    this.segmentStart = position - (position % this.segmentSize)
    this.tail.open(this.segmentStart, position - this.segmentStart)
  }

  private isHeld(): boolean {
    return this.runtime.faults !== undefined && this.runtime.faults.get('holdAppend') !== 0
  }

  private isAllocated(): boolean {
    return this.runtime.control.load('allocated') >= this.segmentStart + 2 * this.segmentSize
  }

  private drain(): number {
    const { receive } = this
    const before = this.position
    let taken = 0
    this.isStalled = false
    while (this.position - before < BATCH_BYTES_MAX) {
      const at = receive.next()
      if (at < 0) break
      if (!this.take(at)) {
        receive.putBack(at)
        this.isStalled = true
        break
      }
      taken += 1
    }
    if (taken > 0) this.publish()
    return taken
  }

  /** False: the next segment is not there yet. */
  private take(at: number): boolean {
    const { receive, runtime } = this
    const { control } = runtime
    if (receive.view.getInt32(at + RECEIVE.kind, true) === RECEIVE_KIND.rewind) {
      this.tail.flushBatch()
      this.rewind(this.track.whole)
      control.setWord('rewound', receive.view.getInt32(at + RECEIVE.number, true))
      return true
    }
    // Until append has gone back, what comes is thrown away: it belongs behind bytes that were refused.
    if (control.word('rejected') !== 0) return true
    if (this.position === this.segmentStart + this.segmentSize && !this.roll()) return false
    const length = receive.length - RECEIVE.bytes
    const offset = receive.view.getFloat64(at + RECEIVE.offset, true)
    assert(offset === this.position, 'what is received continues the log')
    const from = at + RECEIVE.bytes
    const isInside = this.position + length <= this.segmentStart + this.segmentSize
    if (!isInside || !this.track.push(receive.bytes, from, from + length, offset)) {
      this.reject(isInside ? this.track.fault : `a transfer at ${offset} crosses the end of a CommitLog file`)
      return true
    }
    const to = this.tail.place(length)
    copyBytes(this.tail.bytes, to, receive.bytes, from, length)
    this.position += length
    return true
  }

  private reject(fault: string): void {
    const todo = 'the master’s log is another one; nothing of it is taken'
    this.runtime.log.error(`what the master sent is no continuation of this log: ${fault}; ${todo}`)
    this.runtime.control.setWord('rejected', 1)
  }

  private roll(): boolean {
    if (!this.isAllocated()) {
      wakeUrgently(this.runtime.control.words, ControlBlock.index('housekeeping'))
      return false
    }
    this.tail.flushBatch()
    failpoint('segment-roll')
    this.goTo(this.segmentStart + this.segmentSize)
    wakeUrgently(this.runtime.control.words, ControlBlock.index('housekeeping'))
    return true
  }

  private publish(): void {
    const { control } = this.runtime
    const { settings } = this.start
    this.tail.flushBatch()
    failpoint('after-append')
    this.receive.release()
    this.received.reset(this.position)
    // Whom the master's senders wait for comes first.
    const reportsNow = settings.slaveAckAfter === 'append'
    if (reportsNow) wakeHa(control)
    if (this.track.whole > this.appended.load()) {
      this.appended.advance(this.track.whole)
      if (settings.flushDiskType === 'SYNC_FLUSH' || !reportsNow) {
        wake(control.words, ControlBlock.index('flush'))
      }
      if ((control.word('gate') & GATE.flushed) === 0) wakeDispatch(control)
    }
    if (!reportsNow) wakeHa(control)
  }

  /** The network defines queues here too. It sends no records: a slave takes none. */
  private takeSubmitted(): number {
    const { submit, acks } = this
    let taken = 0
    for (let at = submit.next(); at >= 0; at = submit.next()) {
      if (submit.view.getInt32(at + SUBMIT.kind, true) !== SUBMIT_KIND.define) {
        const ack = acks.claim(ACK.size)
        if (ack < 0) {
          submit.putBack(at)
          break
        }
        for (const field of [ACK.physicalOffset, ACK.end, ACK.queueOffset, ACK.storeTimestamp]) {
          acks.view.setFloat64(ack + field, 0, true)
        }
        acks.view.setInt32(ack + ACK.status, ACK_STATUS.oldEpoch, true)
        acks.view.setInt32(ack + ACK.sample, -1, true)
      }
      taken += 1
    }
    if (taken === 0) return 0
    acks.commit()
    submit.release()
    wakeNetwork(this.start.waker)
    return taken
  }
}

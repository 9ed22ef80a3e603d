/**
 * Append: turns ring records into CommitLog records and moves `appended`.
 *
 *   submit ring ─▶ patch queueOffset, physicalOffset, storeTimestamp ─▶ log tail ─▶ appended ─▶ ack ring
 *
 * Owns:      the tail of the last segment, the next offset of every queue.
 * Invariant: `appended` is stored after the record's last byte is in the page cache, never before.
 * Blocks on: nothing. A next segment that is not allocated yet is back-pressure: the record stays in its ring.
 * Format:    spec/store-format.md §2 and §3 (blank at the end of a file).
 */
import { isMainThread } from 'node:worker_threads'
import { assert } from '../assert.ts'
import { RingConsumer, RingProducer } from '../concurrency/byte-ring.ts'
import { ControlBlock, GATE, type PositionWriter } from '../concurrency/control-block.ts'
import { answerFence, FENCE } from '../concurrency/fence.ts'
import { QUEUE_COUNT_MAX } from '../concurrency/queue-table.ts'
import { wake, wakeUrgently } from '../concurrency/wake.ts'
import { failpoint } from '../faults.ts'
import { AppendHistory } from '../metrics/append-history.ts'
import { AppendClock } from '../metrics/follower-clocks.ts'
import { copyBytes } from '../native/index.ts'
import { FIELD } from '../store/commitlog/record.ts'
import { createTailWriter, type TailWriter } from '../store/commitlog/tail-writer.ts'
import { AppendOnSlaveStage } from './append-on-slave.ts'
import type { StageStart } from './messages.ts'
import { ACK, ACK_STATUS, SUBMIT, SUBMIT_FLAGS, SUBMIT_KIND } from './ring-records.ts'
import { runStage, type Stage, type StageRuntime } from './run-stage.ts'
import { waitsForMore, wakeDispatch, wakeHa, wakeNetworkIfWanted } from './wake-others.ts'

/** A blank needs 8 bytes, and a record never ends closer than that to the end of its file. */
const BLANK_SIZE = 8
/** Bytes a batch may take before `appended` is published: bounds the wait of its first record. */
const BATCH_BYTES_MAX = 512 * 1024
const HIGH = 0x1_0000_0000
const BORN_HOST_V6 = 0x10

/** Why the next record stays in its ring. */
const STALL = {
  none: 0,
  /** the next segment is not allocated */ segment: 1,
  /** the ack ring is full */ acks: 2,
} as const
const IDLE_MS = 1000
/** The network thread wakes nobody when it has emptied the ack ring: that is rare, and looking is cheap. */
const ACKS_RETRY_MS = 1

export class AppendStage implements Stage {
  private readonly submit: RingConsumer
  private readonly acks: RingProducer
  private readonly tail: TailWriter
  private readonly appended: PositionWriter
  private readonly nextOffsets = new Float64Array(QUEUE_COUNT_MAX)
  private readonly clock: AppendClock
  private readonly history: AppendHistory
  private readonly segmentSize: number
  private position: number
  private segmentStart: number
  /** It rises only while a fence is drained, and this thread says that it is: it holds for a whole step. */
  private epoch: number
  /** storeTimestamp of the batch. */
  private now = 0
  /** Messages of the batch. */
  private count = 0
  private wantsAnswerNow = false
  private stall: (typeof STALL)[keyof typeof STALL] = STALL.none
  private readonly start: StageStart
  private readonly runtime: StageRuntime

  constructor(start: StageStart, runtime: StageRuntime) {
    this.start = start
    this.runtime = runtime
    this.submit = new RingConsumer(start.submit)
    this.acks = new RingProducer(start.acks)
    this.clock = new AppendClock(start.stageClock)
    this.history = new AppendHistory(start.appendHistory)
    this.segmentSize = start.settings.mappedFileSizeCommitLog
    this.appended = runtime.control.writer('appended')
    for (const known of start.knownQueues) this.nextOffsets[known.queue] = known.nextOffset
    this.tail = createTailWriter(start.settings)
    this.position = this.segmentStart = this.epoch = 0
    this.join()
  }

  hasWork(): boolean {
    const { fence } = this.runtime.control
    if (fence !== FENCE.open) return fence === FENCE.closing
    return !this.isHeld() && this.submit.hasNext() && !this.isStalled()
  }

  get idleMs(): number {
    return this.stall === STALL.acks ? ACKS_RETRY_MS : IDLE_MS
  }

  step(): number {
    if (this.isHeld()) return 0
    const { control } = this.runtime
    const { fence } = control
    if (fence === FENCE.drained) return 0
    if (this.epoch !== control.epoch) this.join()
    const taken = this.drain()
    if (taken === 0 && fence === FENCE.closing) answerFence(control)
    return taken
  }

  close(): void {
    this.tail.close()
  }

  /** Goes to the tail that recovery, or the owner of a fence, has set. */
  private join(): void {
    this.epoch = this.runtime.control.epoch
    this.position = this.appended.load()
    this.segmentStart = this.position - (this.position % this.segmentSize)
    this.tail.open(this.segmentStart, this.position - this.segmentStart)
    this.history.begin(this.position, this.runtime.control.now())
  }

  private drain(): number {
    const before = this.position
    this.now = this.runtime.control.now()
    let taken = 0
    this.stall = STALL.none
    while (this.position - before < BATCH_BYTES_MAX) {
      const at = this.submit.next()
      if (at < 0) break
      if (!this.take(at)) {
        this.submit.putBack(at)
        break
      }
      taken += 1
    }
    if (taken > 0) this.publish()
    return taken
  }

  private isHeld(): boolean {
    return this.runtime.faults !== undefined && this.runtime.faults.get('holdAppend') !== 0
  }

  /** False when the record has to wait in its ring: no room for its answer, or no next segment yet. */
  private take(at: number): boolean {
    const { submit } = this
    const kind = submit.view.getInt32(at + SUBMIT.kind, true)
    const queue = submit.view.getInt32(at + SUBMIT.queue, true)
    if (kind === SUBMIT_KIND.define) {
      this.nextOffsets[queue] = Number(submit.view.getBigInt64(at + SUBMIT.records, true))
      return true
    }
    const ack = this.acks.claim(ACK.size)
    if (ack < 0) {
      this.stall = STALL.acks
      return false
    }
    const length = submit.length - SUBMIT.records
    const status = this.admit(at, length)
    if (status < 0) {
      this.acks.unclaim(ACK.size)
      this.stall = STALL.segment
      return false
    }
    const flags = submit.view.getInt32(at + SUBMIT.flags, true)
    const counts = (flags & SUBMIT_FLAGS.counts) !== 0
    if ((flags & SUBMIT_FLAGS.unwaited) !== 0) this.wantsAnswerNow = true
    const first = this.position
    const queueOffset = counts ? this.nextOffsets[queue] : 0
    if (status === ACK_STATUS.appended) {
      this.write(at + SUBMIT.records, length, submit.view.getInt32(at + SUBMIT.count, true), queue, counts)
      const sample = submit.view.getInt32(at + SUBMIT.sample, true)
      if (sample >= 0) this.clock.took(sample, this.position)
    } else {
      this.wantsAnswerNow = true
    }
    const answers = this.acks.view
    answers.setFloat64(ack + ACK.physicalOffset, first, true)
    answers.setFloat64(ack + ACK.end, this.position, true)
    answers.setFloat64(ack + ACK.queueOffset, queueOffset, true)
    answers.setFloat64(ack + ACK.storeTimestamp, this.now, true)
    answers.setInt32(ack + ACK.status, status, true)
    answers.setInt32(ack + ACK.sample, submit.view.getInt32(at + SUBMIT.sample, true), true)
    return true
  }

  /** ACK_STATUS of the record, or -1 while it has to wait for the next segment. Rolls when the segment is full. */
  private admit(at: number, length: number): number {
    if (this.submit.view.getInt32(at + SUBMIT.epoch, true) < this.epoch) return ACK_STATUS.oldEpoch
    if (length + BLANK_SIZE > this.segmentSize) return ACK_STATUS.tooLarge
    const room = this.segmentStart + this.segmentSize - this.position
    if (length + BLANK_SIZE <= room) return ACK_STATUS.appended
    if (!this.isAllocated()) {
      wakeUrgently(this.runtime.control.words, ControlBlock.index('housekeeping'))
      return -1
    }
    this.roll(room)
    return ACK_STATUS.appended
  }

  private roll(room: number): void {
    if (room > 0) this.tail.blank(room)
    this.tail.flushBatch()
    failpoint('segment-roll')
    this.segmentStart += this.segmentSize
    this.position = this.segmentStart
    this.tail.open(this.segmentStart, 0)
    wakeUrgently(this.runtime.control.words, ControlBlock.index('housekeeping'))
  }

  private isStalled(): boolean {
    if (this.stall === STALL.segment) return !this.isAllocated()
    return this.stall === STALL.acks && this.acks.used > this.acks.capacity / 2
  }

  private isAllocated(): boolean {
    return this.runtime.control.load('allocated') >= this.segmentStart + 2 * this.segmentSize
  }

  /** Copies once into the tail and patches there the three fields that only this thread knows. */
  private write(from: number, length: number, count: number, queue: number, counts: boolean): void {
    const { tail, submit } = this
    let at = tail.place(length)
    copyBytes(tail.bytes, at, submit.bytes, from, length)
    const { view } = tail
    this.count += count
    const timeHigh = Math.floor(this.now / HIGH)
    const timeLow = this.now >>> 0
    for (let record = 0; record < count; record += 1) {
      const size = view.getInt32(at + FIELD.totalSize)
      const queueOffset = counts ? this.nextOffsets[queue]++ : 0
      const bornHost = (view.getInt32(at + FIELD.sysFlag) & BORN_HOST_V6) === 0 ? 8 : 20
      view.setInt32(at + FIELD.bornHost + bornHost, timeHigh)
      view.setInt32(at + FIELD.bornHost + bornHost + 4, timeLow)
      view.setInt32(at + FIELD.queueOffset, Math.floor(queueOffset / HIGH))
      view.setInt32(at + FIELD.queueOffset + 4, queueOffset >>> 0)
      view.setInt32(at + FIELD.physicalOffset, Math.floor(this.position / HIGH))
      // Last: recovery takes a record that states its own offset for one that was patched to the end.
      view.setInt32(at + FIELD.physicalOffset + 4, this.position >>> 0)
      at += size
      this.position += size
    }
    assert(
      this.position <= this.segmentStart + this.segmentSize - BLANK_SIZE,
      'a record ends too close to its file end',
    )
  }

  private publish(): void {
    const { control } = this.runtime
    this.tail.flushBatch()
    failpoint('after-append')
    this.clock.publish()
    this.history.add(this.count, this.position, this.now)
    this.count = 0
    this.appended.advance(this.position)
    this.acks.commit()
    this.submit.release()
    const gate = control.word('gate')
    if (this.start.settings.flushDiskType === 'SYNC_FLUSH') wake(control.words, ControlBlock.index('flush'))
    if (!waitsForMore(gate) || (gate & GATE.openRead) !== 0) wakeDispatch(control)
    wakeHa(control)
    const hasAnswers = this.wantsAnswerNow || !waitsForMore(gate)
    if (wakeNetworkIfWanted(control, this.start.waker, hasAnswers)) this.wantsAnswerNow = false
  }
}

if (!isMainThread) {
  runStage((start, runtime) => {
    const isSlave = start.settings.brokerRole === 'SLAVE'
    return isSlave ? new AppendOnSlaveStage(start, runtime) : new AppendStage(start, runtime)
  })
}

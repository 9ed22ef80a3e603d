/**
 * Append in DLedger's mode: turns ring records into entries of the log, while this member leads and its gate is open.
 *
 *   submit ring ─▶ queueOffset, storeTimestamp ─▶ entries (LogDriver gives index and position) ─▶ physicalOffset ─▶ ack ring
 *
 * Each record is an entry of its own; a claim's records follow each other, as nobody else appends.
 * Owns:      the consuming end of the submit ring, the next offset of every queue.
 * Invariant: what was claimed under an older epoch, or comes while the gate is closed, is refused: no record of a term that is over
 *            gets behind what its successor has.
 * Called by: stages/dledger.ts. Format: spec/dledger.md §1.4.
 */
import { RingConsumer, RingProducer } from '../concurrency/byte-ring.ts'
import { QUEUE_COUNT_MAX } from '../concurrency/queue-table.ts'
import { ENTRY_HEADER_SIZE, type LogDriver } from '../dledger/index.ts'
import type { StoreError } from '../errors.ts'
import { AppendClock } from '../metrics/follower-clocks.ts'
import { BLANK_SIZE, FIELD, writeInt64 } from '../store/commitlog/record.ts'
import type { StageStart } from './messages.ts'
import { ACK, ACK_STATUS, SUBMIT, SUBMIT_FLAGS, SUBMIT_KIND } from './ring-records.ts'
import type { SharedRuntime } from './stage-runtime.ts'

/** Bytes and records of a batch: bounds the wait of its first record. */
const BATCH_BYTES_MAX = 512 * 1024
const BATCH_RECORDS_MAX = 2048
/** Of one entry: members of the JVM encode it in so many bytes (spec §1.4). */
const ENTRY_BYTES_MAX = 4 * 1024 * 1024
const BORN_HOST_V6 = 0x10

interface Claim {
  ack: number
  queue: number
  counts: boolean
  /** Of its first record in `bodies`, and how many. */
  first: number
  count: number
  queueOffset: number
  sample: number
}

export class DLedgerAppend {
  /** Something waits that nobody will wake this thread for. */
  isStalled = false
  /** Answers are in the ring that no commit will tell of. */
  hasRefused = false
  private readonly submit: RingConsumer
  private readonly acks: RingProducer
  private readonly clock: AppendClock
  private readonly nextOffsets = new Float64Array(QUEUE_COUNT_MAX)
  private queueCount = 0
  /** Queues that dispatch discovered, and where they were then: it has to say first where they are now. */
  private readonly discovered = new Map<number, number>()
  private readonly start: StageStart
  private readonly runtime: SharedRuntime
  /** The log took not all of a batch. */
  private readonly refused: (failure: StoreError) => void
  private isOpen = false
  /** A write failed: nobody knows what of it is in the file, and who waits is told so. */
  private hasFailed = false
  private readonly bodies: Uint8Array[] = []
  private readonly claims: Claim[] = []
  private readonly patch: (body: Uint8Array, pos: number) => void
  private now = 0

  constructor(start: StageStart, runtime: SharedRuntime, refused: (failure: StoreError) => void) {
    this.start = start
    this.refused = refused
    this.runtime = runtime
    this.submit = new RingConsumer(start.submit)
    this.acks = new RingProducer(start.acks)
    this.clock = new AppendClock(start.stageClock)
    for (const { queue } of start.knownQueues) this.queueCount = Math.max(this.queueCount, queue + 1)
    const { bytes, view } = this.submit
    this.patch = (body, pos) => {
      const at = body.byteOffset - bytes.byteOffset + FIELD.physicalOffset
      writeInt64(view, at, pos + ENTRY_HEADER_SIZE)
    }
  }

  hasWork(): boolean {
    return !this.isStalled && !this.hasFailed && this.submit.hasNext()
  }

  /** This member leads, and all that was in the log is in the queues: their ends are the next offsets. Under the epoch that is now. */
  open(): void {
    const { queues } = this.runtime
    for (let queue = 0; queue < this.queueCount; queue += 1) this.nextOffsets[queue] = queues.max(queue)
    this.isOpen = true
  }

  close(): void {
    this.isOpen = false
  }

  /** Takes a batch; returns how many ring records that were. */
  drain(writers: LogDriver): number {
    const { control } = this.runtime
    if (this.hasFailed) return 0
    const mayAppend = this.isOpen && writers.openTerm >= 0
    let taken = 0
    let bytes = 0
    this.isStalled = false
    this.now = control.now()
    while (bytes < BATCH_BYTES_MAX && this.bodies.length < BATCH_RECORDS_MAX) {
      const at = this.submit.next()
      if (at < 0) break
      const { length } = this.submit
      if (!this.take(at, mayAppend, control.epoch)) {
        this.submit.putBack(at)
        this.isStalled = true
        break
      }
      bytes += length
      taken += 1
    }
    if (this.claims.length > 0) this.write(writers)
    else if (taken > 0) this.publish()
    return taken
  }

  /** False when it has to wait in its ring. */
  private take(at: number, mayAppend: boolean, epoch: number): boolean {
    const { view } = this.submit
    const queue = view.getInt32(at + SUBMIT.queue, true)
    if (view.getInt32(at + SUBMIT.kind, true) === SUBMIT_KIND.define) {
      this.define(queue, Number(view.getBigInt64(at + SUBMIT.records, true)))
      return true
    }
    const isOfNow = mayAppend && view.getInt32(at + SUBMIT.epoch, true) === epoch
    if (isOfNow && !this.isKnown(queue)) return false
    const ack = this.acks.claim(ACK.size)
    if (ack < 0) return false
    const status = isOfNow ? this.collect(at, ack, queue) : ACK_STATUS.oldEpoch
    if (status !== ACK_STATUS.appended) this.refuse(ack, status, view.getInt32(at + SUBMIT.sample, true))
    return true
  }

  private define(queue: number, nextOffset: number): void {
    this.queueCount = Math.max(this.queueCount, queue + 1)
    this.nextOffsets[queue] = nextOffset
    if (nextOffset > 0) this.discovered.set(queue, nextOffset)
  }

  private isKnown(queue: number): boolean {
    const least = this.discovered.get(queue)
    if (least === undefined) return true
    const max = this.runtime.queues.max(queue)
    if (max < least) return false
    this.discovered.delete(queue)
    this.nextOffsets[queue] = max
    return true
  }

  private collect(at: number, ack: number, queue: number): number {
    const { view, bytes, length } = this.submit
    const { mappedFileSizeCommitLog: fileSize } = this.start.settings
    const count = view.getInt32(at + SUBMIT.count, true)
    const end = at + length
    const first = this.bodies.length
    for (let from = at + SUBMIT.records; from < end; ) {
      const size = view.getInt32(from + FIELD.totalSize)
      const entry = ENTRY_HEADER_SIZE + size
      if (entry > ENTRY_BYTES_MAX || entry + BLANK_SIZE > fileSize) {
        this.bodies.length = first
        return ACK_STATUS.tooLarge
      }
      this.bodies.push(bytes.subarray(from, from + size))
      from += size
    }
    const counts = (view.getInt32(at + SUBMIT.flags, true) & SUBMIT_FLAGS.counts) !== 0
    const queueOffset = counts ? this.nextOffsets[queue] : 0
    for (let i = first; i < this.bodies.length; i += 1) {
      this.stamp(this.bodies[i].byteOffset - bytes.byteOffset, counts ? this.nextOffsets[queue]++ : 0)
    }
    this.claims.push({ ack, queue, counts, first, count, queueOffset, sample: view.getInt32(at + SUBMIT.sample, true) })
    return ACK_STATUS.appended
  }

  private stamp(at: number, queueOffset: number): void {
    const { view } = this.submit
    const bornHost = (view.getInt32(at + FIELD.sysFlag) & BORN_HOST_V6) === 0 ? 8 : 20
    writeInt64(view, at + FIELD.bornHost + bornHost, this.now)
    writeInt64(view, at + FIELD.queueOffset, queueOffset)
  }

  private write(writers: LogDriver): void {
    const { bodies, claims } = this
    const written = (entries: readonly { pos: number; size: number }[], failure: StoreError | undefined) => {
      this.hasFailed = failure?.code === 'DISK_FAILED'
      if (this.hasFailed) return
      if (entries.length < bodies.length) this.uncount(entries.length)
      for (const { ack, first, count, queueOffset, sample } of claims) {
        const last = entries[first + count - 1]
        if (last === undefined) {
          this.refuse(ack, ACK_STATUS.noRoom, sample)
          continue
        }
        const end = last.pos + last.size
        if (sample >= 0) this.clock.took(sample, end)
        this.answer(ack, ACK_STATUS.appended, entries[first].pos + ENTRY_HEADER_SIZE, end, queueOffset, sample)
      }
      this.clock.publish()
      bodies.length = 0
      claims.length = 0
      this.publish()
    }
    const { failure } = writers.appendLocal(bodies, written, this.patch)
    if (failure !== undefined && !this.hasFailed) this.refused(failure)
  }

  /** What was not written is in no queue. */
  private uncount(written: number): void {
    for (let i = this.claims.length - 1; i >= 0; i -= 1) {
      const { first, count, queue, counts, queueOffset } = this.claims[i]
      if (first + count <= written) return
      if (counts) this.nextOffsets[queue] = queueOffset + Math.max(0, written - first)
    }
  }

  private refuse(ack: number, status: number, sample: number): void {
    this.hasRefused = true
    this.answer(ack, status, 0, 0, 0, sample)
  }

  private answer(ack: number, status: number, first: number, end: number, queueOffset: number, sample: number): void {
    const { view } = this.acks
    view.setFloat64(ack + ACK.physicalOffset, first, true)
    view.setFloat64(ack + ACK.end, end, true)
    view.setFloat64(ack + ACK.queueOffset, queueOffset, true)
    view.setFloat64(ack + ACK.storeTimestamp, this.now, true)
    view.setInt32(ack + ACK.status, status, true)
    view.setInt32(ack + ACK.sample, sample, true)
  }

  private publish(): void {
    this.acks.commit()
    this.submit.release()
  }
}

/**
 * Dispatch: builds ConsumeQueues and the index from what consumers may see of the log, and moves `dispatched`.
 *
 *   log [dispatched, visible) ─▶ units, index entries ─▶ max of each queue ─▶ dispatched ─▶ arrivals for held pulls
 *
 * Owns:      ConsumeQueue and index files, max and min in the queue table, `dispatched`.
 * Invariant: a queue's max is stored after its units are in the page cache and its dirty mark is set; `dispatched` after all.
 * Blocks on: the disk when a file has to be allocated, and for reads of cold log pages after a start.
 * Errors:    no room or a failed write raises FLAGS.dispatchFailed and is tried again each second from the same record.
 *            The flag goes down by itself. Anything else ends the broker.
 * Lingers:   up to LINGER_MS while no pull waits and little is there, so that small appends share a batch and a wake-up.
 */
import { rmdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { RingConsumer, RingProducer } from '../concurrency/byte-ring.ts'
import { ControlBlock, FLAGS, NETWORK, type PositionWriter } from '../concurrency/control-block.ts'
import { linger } from '../concurrency/wake.ts'
import { StoreError } from '../errors.ts'
import { failpoint } from '../faults.ts'
import { wakeNetwork } from '../native/index.ts'
import { logLayout } from '../store/commitlog/log-layout.ts'
import { LogReader } from '../store/commitlog/log-reader.ts'
import { extFolder } from '../store/consumequeue/ext-files.ts'
import { queueFolder } from '../store/consumequeue/queue-files.ts'
import { firstUnitAtOrAbove } from '../store/consumequeue/queue-min.ts'
import { QueueStore } from '../store/consumequeue/queue-store.ts'
import type { QueueWriter } from '../store/consumequeue/queue-writer.ts'
import { Dispatcher } from '../store/dispatch/dispatcher.ts'
import { IndexWriter } from '../store/index/index-writer.ts'
import type { KnownQueue, StageStart, ToStage } from './messages.ts'
import { ARRIVAL, DEFINE } from './ring-records.ts'
import { runStage, type Stage, type StageRuntime } from './run-stage.ts'

/** Bytes of the log a batch may take before its queues grow: bounds how late the first of them is seen. */
const BATCH_BYTES_MAX = 512 * 1024
/** Less than this is worth waiting for more. */
const LINGER_BELOW_BYTES = 64 * 1024
const LINGER_MS = 1
const RETRY_MS = 1000
/** Old files that were mended are synced after so much of the log, and `dispatched` waits for that. */
const REWRITE_SYNC_BYTES = 64 * 1024 * 1024
/** Queues whose min is looked up between two batches. */
const MINIMA_A_STEP = 32

type Forget = ToStage & { kind: 'forget' }

export class DispatchStage implements Stage {
  private readonly start: StageStart
  private readonly runtime: StageRuntime
  private readonly dispatched: PositionWriter
  private readonly definitions: RingConsumer
  private readonly arrivals: RingProducer
  private readonly source: LogReader
  private readonly queues: QueueStore
  private readonly dispatcher: Dispatcher
  private readonly index: IndexWriter | undefined
  /** Queues that the network thread has to give an integer first. */
  private readonly discovered = new Set<QueueWriter>()
  /** Queues of deleted topics whose last records are not all dispatched. */
  private forgets: Forget[] = []
  /** Arrivals that found the ring full. */
  private readonly unsaid = new Set<number>()
  private readonly hasUrgentWork: () => boolean
  private position: number
  /** Up to here the gate has passed, and no whole record is below. */
  private tried = 0
  /** What consumers may see at the start; queues are complete once it is reached. */
  private readonly catchUpTo: number
  private isCaughtUp = false
  private minima: Iterator<QueueWriter> | undefined
  private retryAt = 0

  constructor(start: StageStart, runtime: StageRuntime) {
    const { settings } = start
    const { control, faults, log } = runtime
    const isDiskFull = () => faults !== undefined && faults.get('diskFull') !== 0
    this.start = start
    this.runtime = runtime
    this.dispatched = control.writer('dispatched')
    this.definitions = new RingConsumer(start.definitions)
    this.arrivals = new RingProducer(start.arrivals)
    this.source = new LogReader(settings, 2)
    this.queues = new QueueStore({ settings, isDiskFull })
    this.index = settings.messageIndexEnable ? new IndexWriter({ settings, clock: control, isDiskFull }) : undefined
    const { source, queues, index } = this
    this.dispatcher = new Dispatcher({ settings, source, queues, index, log, layout: logLayout(settings) })
    this.position = this.dispatched.load()
    // All of the log, but for the tail of a DLedger member, which is not known to be committed.
    this.catchUpTo = control.visible()
    this.queues.logMin = control.load('retained')
    this.queues.isCatchingUp = this.position < this.catchUpTo
    this.hasUrgentWork = () => control.word('heldPulls') > 0 || control.word('stop') !== 0
    for (const known of start.knownQueues) this.adopt(known)
  }

  /** Nobody wakes this thread for a retry, nor when the network thread has emptied a full ring. */
  get idleMs(): number {
    return this.unsaid.size > 0 ? 5 : RETRY_MS
  }

  hasWork(): boolean {
    if (this.definitions.hasNext() || this.minima !== undefined) return true
    if (this.runtime.control.load('retained') !== this.queues.logMin) return true
    if (this.forgets.some(({ below }) => below <= this.position)) return true
    return !this.isWaitingForRetry() && this.runtime.control.visible() > Math.max(this.position, this.tried)
  }

  step(): number {
    const { control } = this.runtime
    let done = this.takeMessages() + this.takeDefinitions() + this.forgetDue() + this.refreshMinima()
    if (this.unsaid.size > 0) this.sayUnsaid()
    if (this.isWaitingForRetry()) return done
    if (!this.isCaughtUp && this.position >= this.catchUpTo) done += this.try(() => this.finishCatchUp())
    let to = control.visible()
    if (to <= Math.max(this.position, this.tried)) return done
    if (to - this.position < LINGER_BELOW_BYTES && this.isCaughtUp) {
      linger(control.words, ControlBlock.index('dispatch'), this.hasUrgentWork, LINGER_MS)
      to = control.visible()
    }
    return done + this.try(() => this.dispatch(to))
  }

  close(): void {
    this.dispatcher.close()
    this.source.close()
  }

  private adopt({ queue, topic, queueId, nextOffset, end, maxPhysical }: KnownQueue): void {
    const known = end === undefined || maxPhysical === undefined ? undefined : { end, maxPhysical }
    const writer = this.dispatcher.queue(topic, queueId, known)
    if (writer === undefined) return
    writer.integer = queue
    if (this.queues.isCatchingUp) writer.limit = nextOffset
  }

  private dispatch(to: number): number {
    const { dispatcher, queues } = this
    if (this.position < queues.logMin) this.position = queues.logMin
    const from = this.position
    const position = dispatcher.dispatch(from, to, BATCH_BYTES_MAX, this.runtime.control.load('appended'))
    // The gate has passed a part of a record only: nothing can be done before it has passed the rest.
    if (position === from) this.tried = to
    failpoint('mid-dispatch')
    let wakes = false
    for (let index = 0; index < dispatcher.touchedCount; index += 1) {
      if (this.publish(dispatcher.touched[index])) wakes = true
    }
    this.position = position
    if (!queues.hasRewritten) {
      this.dispatched.advance(position)
    } else if (position - this.dispatched.load() >= REWRITE_SYNC_BYTES || position >= this.catchUpTo) {
      queues.syncRewritten()
      this.dispatched.advance(position)
    }
    if (wakes) this.wakeNetwork()
    return position - from
  }

  /** Makes the queue's new units visible. True when a pull waits for them. */
  private publish(writer: QueueWriter): boolean {
    const { queues } = this.runtime
    if (writer.integer < 0) {
      this.takeDefinitions()
      if (writer.integer < 0) {
        this.discover(writer)
        return false
      }
    }
    const queue = writer.integer
    queues.markDirty(queue)
    if (writer.hasBegunAnew) {
      writer.hasBegunAnew = false
      queues.setMin(queue, this.minOf(writer))
    }
    // At start max is where the next record goes, which is ahead of units that are being built again.
    if (this.isCaughtUp || writer.end > queues.max(queue)) queues.setMax(queue, writer.end)
    if (!queues.isWaiting(queue)) return false
    this.sayArrival(queue)
    return true
  }

  private discover(writer: QueueWriter): void {
    if (this.discovered.has(writer)) return
    this.discovered.add(writer)
    const { topic, queueId, end: maxOffset } = writer
    this.runtime.post({ kind: 'discovered', topic, queueId, maxOffset })
  }

  private takeDefinitions(): number {
    const { definitions } = this
    let taken = 0
    for (let at = definitions.next(); at >= 0; at = definitions.next()) {
      const { view, bytes, length } = definitions
      const topic = bytes.toString('utf8', at + DEFINE.topic, at + length)
      this.define(view.getInt32(at + DEFINE.queue, true), topic, view.getInt32(at + DEFINE.queueId, true))
      taken += 1
    }
    if (taken > 0) definitions.release()
    return taken
  }

  private define(queue: number, topic: string, queueId: number): void {
    const writer = this.dispatcher.queue(topic, queueId)
    if (writer === undefined) return
    writer.integer = queue
    if (!this.discovered.delete(writer) && writer.end === 0) return
    const { queues } = this.runtime
    queues.markDirty(queue)
    queues.setMin(queue, this.minOf(writer))
    queues.setMax(queue, writer.end)
    // A pull may have defined the queue, and wait for what was there before.
    if (!queues.isWaiting(queue)) return
    this.sayArrival(queue)
    this.wakeNetwork()
  }

  private takeMessages(): number {
    let taken = 0
    for (let message = this.runtime.receive(); message !== undefined; message = this.runtime.receive()) {
      if (message.kind === 'forget') this.forgets.push(message)
      else if (message.kind === 'filters') this.takeFilters(message)
      taken += 1
    }
    return taken
  }

  /** The record that is next may have its bits already, from a try that found the disk full. */
  private takeFilters({ version, filters }: ToStage & { kind: 'filters' }): void {
    this.dispatcher.bitMaps.set(filters)
    this.runtime.post({ kind: 'filtersTaken', version, position: this.position + 1 })
  }

  private forgetDue(): number {
    if (this.forgets.length === 0) return 0
    const due = this.forgets.filter(({ below }) => below <= this.position)
    this.forgets = this.forgets.filter(({ below }) => below > this.position)
    for (const each of due) this.forget(each)
    return due.length
  }

  private forget({ topic, queueId, queue }: Forget): void {
    const folder = queueFolder(this.start.settings, topic, queueId)
    this.dispatcher.forget(topic, queueId)
    for (const each of [folder, extFolder(this.start.settings, topic, queueId)]) {
      rmSync(each, { recursive: true, force: true })
      try {
        rmdirSync(dirname(each))
      } catch {
        // Other queues of the topic are still there, or there was none.
      }
    }
    this.runtime.post({ kind: 'forgotten', queue, topic, queueId })
  }

  /** After retention: each queue's smallest offset whose record exists, a few queues a step. */
  private refreshMinima(): number {
    const retained = this.runtime.control.load('retained')
    if (retained !== this.queues.logMin) {
      this.queues.logMin = retained
      this.source.dropBelow(retained)
      this.minima = this.dispatcher.writers()
    }
    if (this.minima === undefined) return 0
    for (let count = 0; count < MINIMA_A_STEP; count += 1) {
      const next = this.minima.next()
      if (next.done) {
        this.minima = undefined
        return count + 1
      }
      this.refreshMin(next.value)
    }
    return MINIMA_A_STEP
  }

  private refreshMin(writer: QueueWriter): void {
    const min = this.minOf(writer)
    if (writer.integer >= 0) this.runtime.queues.setMin(writer.integer, min)
    writer.expireExt(min)
  }

  private minOf(writer: QueueWriter): number {
    return firstUnitAtOrAbove(writer.folder, this.queues.fileSize, writer.end, this.queues.logMin)
  }

  /** Queues whose last records are gone go on where they were. */
  private finishCatchUp(): number {
    for (const { topic, queueId, nextOffset } of this.start.knownQueues) {
      const writer = this.dispatcher.queue(topic, queueId)
      if (writer === undefined) continue
      writer.limit = Number.POSITIVE_INFINITY
      if (writer.end >= nextOffset) continue
      const { end } = writer
      const isFilled = writer.fillTo(nextOffset)
      writer.endBatch()
      this.runtime.log.warn(`ConsumeQueue ends at ${end}, its queue at ${nextOffset}`, { topic, queueId, isFilled })
      if (writer.integer >= 0) this.runtime.queues.markDirty(writer.integer)
    }
    if (this.queues.hasRewritten) this.queues.syncRewritten()
    this.queues.isCatchingUp = false
    this.isCaughtUp = true
    return 1
  }

  private isWaitingForRetry(): boolean {
    return this.retryAt > 0 && performance.now() < this.retryAt
  }

  private try(work: () => number): number {
    const { control, log, post } = this.runtime
    try {
      const done = work()
      if (this.retryAt > 0) {
        this.retryAt = 0
        control.lowerFlag(FLAGS.dispatchFailed)
        post({ kind: 'unwritable', problem: undefined })
        log.info('ConsumeQueue and index are written again', { position: this.position })
      }
      return done
    } catch (error) {
      if (!(error instanceof StoreError) || !error.retriable) throw error
      if (this.retryAt === 0) {
        post({ kind: 'unwritable', problem: error.message })
        log.error(`ConsumeQueue or index cannot be written: ${error.message}`, { code: error.code })
      }
      this.retryAt = performance.now() + RETRY_MS
      control.raiseFlag(FLAGS.dispatchFailed)
      return 0
    }
  }

  private sayArrival(queue: number): void {
    const at = this.arrivals.claim(ARRIVAL.size)
    if (at < 0) {
      this.unsaid.add(queue)
      return
    }
    this.arrivals.view.setInt32(at + ARRIVAL.queue, queue, true)
    this.arrivals.commit()
  }

  private sayUnsaid(): void {
    const queues = [...this.unsaid]
    this.unsaid.clear()
    for (const queue of queues) this.sayArrival(queue)
    this.wakeNetwork()
  }

  private wakeNetwork(): void {
    const { words } = this.runtime.control
    const word = ControlBlock.index('network')
    if (Atomics.load(words, word) === NETWORK.awake) return
    if (Atomics.exchange(words, word, NETWORK.awake) !== NETWORK.awake) wakeNetwork(this.start.waker)
  }
}

if (!isMainThread) runStage((start, runtime) => new DispatchStage(start, runtime))

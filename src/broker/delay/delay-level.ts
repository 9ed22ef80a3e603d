/**
 * One delay level: its queue of SCHEDULE_TOPIC_XXXX, walked from the first message that is not delivered.
 *
 *   done ──── claimed, not booked ──── next ──── due ──── not yet ──── max
 *        append has not told their place    │ claimed in order by run()
 *
 * Owns:      done and next of its level. Called by: delay-service.ts, on the network thread.
 * Invariant: messages of a level are claimed in the order of their queue, and append keeps that order.
 * Blocks on: nothing. Records whose pages are in memory are read from the map; others are read by the pool, PREFETCH_MS
 *            before they are due.
 */
import { AssertionError } from '../../assert.ts'
import type { ControlBlock } from '../../concurrency/control-block.ts'
import type { QueueTable } from '../../concurrency/queue-table.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { LogReader } from '../../store/commitlog/log-reader.ts'
import { RECORD_SIZE_MIN } from '../../store/commitlog/record.ts'
import { standsAt } from '../../store/commitlog/record-head.ts'
import type { QueueReader, UnitBatch } from '../../store/consumequeue/index.ts'
import type { Completion, SendOutcome } from '../acks.ts'
import { ColdRecords } from './cold-records.ts'
import type { Delivery } from './delivery.ts'
import type { DeliveredCopy } from './delivery-mark.ts'

export interface DelayLevelDependencies {
  control: ControlBlock
  table: QueueTable
  log: LogReader
  /** Integer of the schedule topic's queue, -1 while there is none. */
  queueOf(queueId: number): number
  unitsOf(queue: number): QueueReader
  readCold(offsets: Float64Array, sizes: Int32Array): Promise<Uint8Array | undefined>
  delivery: Delivery
  /** Something that run() waited for has come. */
  onNews(): void
  /** A delivery is in the log. The object is filled anew for the next one. */
  onStored(copy: DeliveredCopy): void
  logger: Log
}

/** Units looked at with one read; run() stops at its budget before. */
const UNITS = 64
const PREFETCH_MS = 1000
const RETRY_MS = 2
const MISSING_FILE_RETRY_MS = 100
const ERROR_RETRY_MS = 1000
/** A clock that is set back by so little is being adjusted: messages wait that much longer, and come at their time. */
const SLEW_MS = 1000
/** A token is the low bits of a queue offset. */
const TOKEN_MASK = 0x3fff_ffff
const HIGH = 0x1_0000_0000
const HOT_STRETCH = 256 * 1024
/** A delivery time is later than January 1970: what lies before is a tag's hash, as an Apache broker's recovery leaves it. */
const HASH_MAX = 0x8000_0000

export class DelayLevel implements Completion {
  readonly level: number
  /** All below is delivered, or cannot be. */
  done: number
  /** When run() has something to do next; Infinity: when a message comes. */
  wakeAt = 0
  inFlight = 0
  private readonly delayMs: number
  private readonly deps: DelayLevelDependencies
  private readonly cold: ColdRecords
  private readonly copy: DeliveredCopy
  private queue = -1
  private next: number
  /** What append refused has to be claimed again, once everything in flight has been told. */
  private isRewinding = false
  private expiredCount = 0
  private isHeldUp = false
  /** This range of the log is in memory; looked at anew by each run(). */
  private hotFrom = 0
  private hotTo = 0

  /** `delayMs` bounds how far ahead a delivery time may be; Infinity where the level is not configured any more. */
  constructor(level: number, delayMs: number, done: number, deps: DelayLevelDependencies) {
    this.level = level
    this.delayMs = delayMs
    this.done = done
    this.next = done
    this.deps = deps
    this.cold = new ColdRecords(deps.readCold)
    this.copy = { level, offset: 0, at: 0 }
  }

  /** End of the level's queue. */
  get max(): number {
    const queue = this.findQueue()
    return queue < 0 ? 0 : this.deps.table.max(queue)
  }

  /** Whether run() may find something to do. */
  isReady(now: number): boolean {
    if (this.cold.isFetching || this.isRewinding) return false
    return this.wakeAt === Number.POSITIVE_INFINITY ? this.next < this.max : this.wakeAt <= now
  }

  /** The clock was set: nothing that was planned counts. */
  reconsider(): void {
    this.wakeAt = 0
  }

  /**
   * Delivers up to `budget` messages that are due and returns how many; `wakeAt` says when to come again. With 0 it only
   * looks: wakeAt is `now` when one is due.
   */
  run(now: number, budget: number): number {
    this.wakeAt = Number.POSITIVE_INFINITY
    this.hotTo = this.hotFrom
    const queue = this.findQueue()
    if (queue < 0) return 0
    const max = this.deps.table.max(queue)
    let left = budget
    try {
      while (this.next < max && this.wakeAt === Number.POSITIVE_INFINITY && !this.cold.isFetching) {
        const units = this.deps.unitsOf(queue).read(this.next, Math.min(UNITS, max - this.next), max)
        if (units.count === 0) this.missFile(queue, now)
        else left -= this.walk(units, now, left)
      }
    } catch (error) {
      if (error instanceof AssertionError) throw error
      this.holdUp(now, error)
    }
    return budget - left
  }

  stored({ status, opaque, physicalOffset }: SendOutcome): void {
    this.inFlight -= 1
    if (status !== 'ok') {
      this.isRewinding = true
      this.wakeAt = Number.POSITIVE_INFINITY
    } else if (!this.isRewinding) {
      this.done += ((opaque - this.done) & TOKEN_MASK) + 1
      this.copy.offset = this.done - 1
      this.copy.at = physicalOffset
      this.deps.onStored(this.copy)
    }
    if (this.inFlight > 0) return
    if (this.isRewinding) this.next = this.done
    else this.done = this.next
    this.isRewinding = false
    this.deps.onNews()
  }

  /** Returns how many were delivered; wakeAt is set, or a fetch under way, where it ends before the last unit. */
  private walk(units: UnitBatch, now: number, budget: number): number {
    let delivered = 0
    for (let i = 0; i < units.count; i += 1) {
      if (!this.isThere(units, i)) {
        this.skip()
        continue
      }
      const due = this.dueAt(units, i, now)
      this.wakeAt = due - PREFETCH_MS
      if (this.wakeAt > now) break
      const found = this.find(units, i, now)
      this.wakeAt = Number.POSITIVE_INFINITY
      if (found === 'cold') break
      if (found === 'damaged') {
        this.deps.delivery.lose('its ConsumeQueue unit and its record do not fit together', this.placeOf(units, i))
        this.skip()
        continue
      }
      this.wakeAt = Math.max(now, this.exactDue(due, now))
      if (this.wakeAt > now || delivered >= budget || !this.deliver(now)) break
      this.wakeAt = Number.POSITIVE_INFINITY
      delivered += 1
    }
    return delivered
  }

  /** False: not now. */
  private deliver(now: number): boolean {
    const delivered = this.deps.delivery.deliver(this, this.next & TOKEN_MASK)
    if (delivered === 'later') {
      this.wakeAt = now + RETRY_MS
      return false
    }
    if (delivered === 'lost') {
      this.skip()
      return true
    }
    this.inFlight += 1
    this.next += 1
    this.isHeldUp = false
    return true
  }

  private skip(): void {
    this.next += 1
    if (this.inFlight === 0) this.done = this.next
  }

  /** Whether the unit points at a record that still exists. */
  private isThere(units: UnitBatch, i: number): boolean {
    const { control, logger } = this.deps
    const physicalOffset = units.physicalOffset(i)
    const size = units.size(i)
    if (units.isBlank(i) || size < RECORD_SIZE_MIN || physicalOffset + size > control.load('appended')) {
      this.deps.delivery.lose('its ConsumeQueue unit points at no record', this.placeOf(units, i))
      return false
    }
    if (physicalOffset >= control.load('retained')) return true
    this.expiredCount += 1
    if (this.expiredCount === 1 || this.expiredCount % 10_000 === 0) {
      logger.error('delayed messages were deleted with their CommitLog file before they were due', {
        level: this.level,
        messages: this.expiredCount,
        todo: 'raise fileReservedTime above the longest delay',
      })
    }
    return false
  }

  /**
   * The unit's delivery time. 0 where the unit does not hold one: the record says then. A time that is farther away than the
   * level's delay counts as now, as in RocketMQ: the clock was set back, and nobody waits longer for that.
   */
  private dueAt(units: UnitBatch, i: number, now: number): number {
    if (!units.isTagsCodeKnown(i)) return 0
    const due = units.tagsCodeHigh(i) * HIGH + (units.tagsCodeLow(i) >>> 0)
    if (due < HASH_MAX) return 0
    return this.notTooFar(due, now)
  }

  private exactDue(due: number, now: number): number {
    if (due > 0) return due
    return this.notTooFar(this.deps.delivery.schedule.record.storeTimestamp + this.delayMs, now)
  }

  private notTooFar(due: number, now: number): number {
    return due > now + this.delayMs + SLEW_MS ? now : due
  }

  /** Reads the unit's record into `schedule`. 'cold': the pool was asked for it. */
  private find(units: UnitBatch, i: number, now: number): 'here' | 'cold' | 'damaged' {
    const { log, delivery } = this.deps
    const physicalOffset = units.physicalOffset(i)
    const size = units.size(i)
    const cold = this.cold.at(this.next)
    if (cold === 'missing') return 'damaged'
    if (cold !== undefined) {
      return delivery.schedule.read(cold.bytes, cold.view, cold.at, size) ? 'here' : 'damaged'
    }
    if (!this.isHot(physicalOffset, size)) {
      this.fetch(units, i, now)
      return 'cold'
    }
    const { bytes, view, start } = log.segmentAt(physicalOffset)!
    const at = physicalOffset - start
    if (!standsAt(view, at, physicalOffset, size)) return 'damaged'
    return delivery.schedule.read(bytes, view, at, size) ? 'here' : 'damaged'
  }

  /** Asks for a stretch at once: neighbours of the log are often neighbours of the queue. */
  private isHot(physicalOffset: number, size: number): boolean {
    const { log, control } = this.deps
    const end = physicalOffset + size
    if (physicalOffset >= this.hotFrom && end <= this.hotTo) return log.segmentAt(physicalOffset) !== undefined
    const stretch = Math.min(HOT_STRETCH, control.load('appended') - physicalOffset)
    const isHot = stretch > size && log.resident(physicalOffset, stretch)
    if (!isHot) return log.resident(physicalOffset, size)
    this.hotFrom = physicalOffset
    this.hotTo = physicalOffset + stretch
    return true
  }

  private placeOf(units: UnitBatch, i: number): Record<string, unknown> {
    return {
      level: this.level,
      queueOffset: this.next,
      physicalOffset: units.physicalOffset(i),
      size: units.size(i),
    }
  }

  /** Asks the pool for the records from unit `i` on that are due soon. */
  private fetch(units: UnitBatch, i: number, now: number): void {
    this.cold.start(this.next)
    for (let at = i; at < units.count; at += 1) {
      if (units.isBlank(at) || this.dueAt(units, at, now) > now + PREFETCH_MS) break
      if (!this.cold.add(units.physicalOffset(at), units.size(at))) break
    }
    this.cold.fetch().then(
      () => this.deps.onNews(),
      (error: unknown) => {
        this.deps.logger.error(`delayed messages could not be read, it is tried again: ${describe(error)}`, {
          level: this.level,
        })
        setTimeout(() => this.deps.onNews(), MISSING_FILE_RETRY_MS).unref()
      },
    )
  }

  /** A file that cannot be read or mapped now ends neither the broker nor the level. */
  private holdUp(now: number, error: unknown): void {
    if (!this.isHeldUp) {
      this.deps.logger.error(`delayed messages wait, it is tried again: ${describe(error)}`, {
        level: this.level,
        queueOffset: this.next,
      })
    }
    this.isHeldUp = true
    this.wakeAt = now + ERROR_RETRY_MS
  }

  private missFile(queue: number, now: number): void {
    const { table, logger } = this.deps
    const min = table.min(queue)
    if (this.next < min) {
      logger.error('delayed messages were deleted with their ConsumeQueue file before they were due', {
        level: this.level,
        from: this.next,
        to: min,
      })
      this.next = min
      if (this.inFlight === 0) this.done = min
      return
    }
    if (!this.isHeldUp) {
      logger.error('delayed messages wait: a ConsumeQueue file of the schedule topic is missing under the broker', {
        level: this.level,
        queueOffset: this.next,
        todo: 'start the broker again: it builds the file from the CommitLog',
      })
    }
    this.isHeldUp = true
    this.wakeAt = now + MISSING_FILE_RETRY_MS
  }

  private findQueue(): number {
    if (this.queue < 0) this.queue = this.deps.queueOf(this.level - 1)
    return this.queue
  }
}

/**
 * How far each level was delivered, at the start: what delayOffset.json says, what the mark of the last run says and the
 * log bears out, and what was delivered after the mark.
 *
 *   delayOffset.json ─▶ within the queue ─────────────────────────────────────────────┐
 *   mark, if its `copy` is the record that it names ─▶ log (from, end): each record  ──┴▶ the larger
 *                      that is the delivered form of a level's next message moves it on
 *
 * Invariant: a level never moves past a message whose delivered form is not in the log (or which cannot be delivered),
 *            also where messages are equal byte by byte: each record of the log counts for one of them.
 * Blocks on: the disk; only at the start. At most SCAN_BYTES_MAX of the log are read: beyond, messages come twice.
 */
import type { Log } from '../../log.ts'
import { CLASSIC_LAYOUT } from '../../store/commitlog/log-layout.ts'
import type { LogReader } from '../../store/commitlog/log-reader.ts'
import { RECORD_SIZE_MIN, RecordView } from '../../store/commitlog/record.ts'
import { standsAt } from '../../store/commitlog/record-head.ts'
import type { QueueReader } from '../../store/consumequeue/index.ts'
import { SCHEDULE_TOPIC } from '../../store/dispatch/delay-levels.ts'
import { PropertyScan } from '../../store/dispatch/property-scan.ts'
import type { DeliveredCopy, Mark } from './delivery-mark.ts'
import { ScheduleRecord } from './schedule-record.ts'

export interface RecoverProgressOptions {
  /** Levels, from 1 on. */
  levelCount: number
  /** delayOffset.json. */
  savedOffset(level: number): number | undefined
  mark: Mark | undefined
  /** Reader of the level's queue, and its range; undefined while it has none. */
  queueOf(level: number): { units: QueueReader; min: number; max: number } | undefined
  source: LogReader
  /** First byte that exists, and the end of the log. */
  logMin: number
  logEnd: number
  log: Log
}

const SCAN_BYTES_MAX = 256 * 1024 * 1024
const SCHEDULE_NAME = Buffer.from(SCHEDULE_TOPIC)

export interface Progress {
  /** Level → queue offset of its first message that is not delivered. */
  levels: Map<number, number>
  /** The last delivery that was found in the log. */
  copy: DeliveredCopy | undefined
}

/** Between two steps of a recovery, about 5 ms where the log is in memory. */
const STEP_BYTES = 4 * 1024 * 1024

/** `steps()` to its end, then `progress` is what was found. In between, others may have their turn. */
export class Recovery {
  private readonly options: RecoverProgressOptions
  /** By delayOffset.json. */
  private readonly levels = new Map<number, number>()
  /** By the mark and the log behind it. */
  private readonly cursors = new Map<number, number>()
  private readonly schedule = new ScheduleRecord()
  private readonly copy = new RecordView()
  private last: DeliveredCopy | undefined
  private copyBytes: Buffer = Buffer.alloc(0)
  private readonly properties = new PropertyScan()

  constructor(options: RecoverProgressOptions) {
    this.options = options
  }

  get progress(): Progress {
    return { levels: this.levels, copy: this.last }
  }

  /** All steps at once. */
  run(): Progress {
    for (const _ of this.steps());
    return this.progress
  }

  *steps(): Generator<void> {
    const { options, levels } = this
    for (let level = 1; level <= options.levelCount; level += 1) levels.set(level, this.clamped(level))
    const { mark } = options
    if (mark !== undefined && (mark.copy === undefined || this.bearsOut(mark.copy))) yield* this.follow(mark)
    for (const [level, offset] of this.cursors) levels.set(level, Math.max(offset, levels.get(level) ?? 0))
  }

  /** The mark's own offsets, moved on by what it does not count. */
  private *follow({ isActive, from, copy, levels }: Mark): Generator<void> {
    this.last = copy
    for (const [level, saved] of this.levels) {
      const offset = levels.get(level) ?? 0
      const queue = this.options.queueOf(level)
      if (queue === undefined || offset < queue.min || offset > queue.max) continue
      // Without a copy that proves it, the mark is not believed beyond what is known anyway.
      if (copy !== undefined || offset <= saved) this.cursors.set(level, offset)
    }
    if (!isActive) return
    // The last delivery that the mark counts is the first record from there.
    if (copy !== undefined && copy.at === from && this.readCopy(from)) yield* this.scan(from + this.copy.totalSize)
    else yield* this.scan(from)
  }

  /** RocketMQ's rule: an offset outside of the queue goes to its nearer end. */
  private clamped(level: number): number {
    const { options } = this
    const queue = options.queueOf(level)
    const saved = options.savedOffset(level)
    if (queue === undefined) return 0
    const { min, max } = queue
    const offset = Math.min(Math.max(saved ?? 0, min), max)
    if (saved !== undefined && saved !== offset) {
      options.log.warn(`delay level ${level} goes on at ${offset}: its queue has ${min} to ${max}`, { level, saved })
    }
    return offset
  }

  private bearsOut({ level, offset, at }: DeliveredCopy): boolean {
    const queue = this.options.queueOf(level)
    if (queue === undefined || !this.readCopy(at)) return false
    return this.readSchedule(queue, offset) === 'record' && this.isCopyOfSchedule()
  }

  private *scan(from: number): Generator<void> {
    const { logMin, logEnd, source, log } = this.options
    if (from < logMin || from > logEnd || logEnd - from > SCAN_BYTES_MAX) return
    let found = 0
    let stepEnd = from + STEP_BYTES
    for (let at = from; at < logEnd; ) {
      if (at >= stepEnd) {
        stepEnd = at + STEP_BYTES
        yield
      }
      const segment = source.segmentAt(at)
      if (segment === undefined) break
      const limit = Math.min(segment.end, logEnd) - segment.start
      const layout = segment.layout ?? CLASSIC_LAYOUT
      const kind = layout.read(this.copy, segment.bytes, segment.view, at - segment.start, limit)
      if (kind !== 'record') {
        // A blank, or damage: the rest of the segment may hold copies that are delivered again.
        at = segment.end
        continue
      }
      at = segment.start + this.copy.at + this.copy.totalSize
      if (this.moveOn(this.levelOfCopy(segment.bytes, segment.view))) found += 1
    }
    if (found > 0) log.info(`${found} delayed messages were delivered just before the last stop`, { from, to: logEnd })
  }

  /** The level whose delivered message the record may be; 0: it is none. */
  private levelOfCopy(bytes: Buffer, view: DataView): number {
    const { topicStart, topicLength, propertiesStart, propertiesLength } = this.copy
    const isWaiting = bytes.compare(SCHEDULE_NAME, 0, SCHEDULE_NAME.length, topicStart, topicStart + topicLength) === 0
    if (isWaiting || propertiesLength === 0) return 0
    this.properties.scan(bytes, view, propertiesStart, propertiesStart + propertiesLength, undefined)
    return this.properties.delayLevel
  }

  /** The record is the delivered form of the level's next message: that one is done. */
  private moveOn(level: number): boolean {
    const queue = level > 0 ? this.options.queueOf(level) : undefined
    if (queue === undefined) return false
    const at = this.copy.physicalOffset
    for (let next = this.cursors.get(level) ?? queue.max; next < queue.max; next += 1) {
      const found = this.readSchedule(queue, next)
      if (found === 'nothing') continue
      // The copy is read again: its segment may have been unmapped for the other one.
      if (found === 'gap' || !this.readCopy(at) || !this.isCopyOfSchedule()) return false
      this.cursors.set(level, next + 1)
      this.last = { level, offset: next, at }
      return true
    }
    return false
  }

  private readCopy(at: number): boolean {
    const { source, logMin, logEnd } = this.options
    if (at < logMin || at + RECORD_SIZE_MIN > logEnd) return false
    const bytes = source.readCold(at, 4)
    if (bytes === undefined || bytes.length < 4) return false
    const size = bytes.readInt32BE(0)
    if (size < RECORD_SIZE_MIN || at + size > logEnd) return false
    const record = source.readCold(at, size)
    if (record?.length !== size) return false
    this.copyBytes = record
    const view = new DataView(record.buffer, record.byteOffset, record.length)
    return standsAt(view, 0, at, size) && this.copy.read(record, view, 0, size) === 'record'
  }

  /** 'nothing': the unit has no record that could have been delivered; 'gap': its file is missing. */
  private readSchedule(queue: { units: QueueReader; max: number }, queueOffset: number): 'record' | 'nothing' | 'gap' {
    const batch = queue.units.read(queueOffset, 1, queue.max)
    if (batch.count === 0) return 'gap'
    const physicalOffset = batch.physicalOffset(0)
    const size = batch.size(0)
    const { source, logMin, logEnd } = this.options
    const isInside = physicalOffset >= logMin && physicalOffset + size <= logEnd
    if (batch.isBlank(0) || size < RECORD_SIZE_MIN || !isInside) return 'nothing'
    const record = source.readCold(physicalOffset, size)
    if (record?.length !== size) return 'nothing'
    const view = new DataView(record.buffer, record.byteOffset, record.length)
    if (!standsAt(view, 0, physicalOffset, size) || !this.schedule.read(record, view, 0, size)) return 'nothing'
    return this.schedule.queueId < 0 || this.schedule.topicEnd === this.schedule.topicStart ? 'nothing' : 'record'
  }

  private isCopyOfSchedule(): boolean {
    const { schedule, copy } = this
    return copy.physicalOffset > schedule.record.physicalOffset && schedule.isDeliveredAs(copy, this.copyBytes)
  }
}

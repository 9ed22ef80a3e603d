/**
 * Delay levels in time: what is due is delivered, and how far each level got is kept.
 *
 *   step ─▶ nothing due ──────────────▶ a timer for the next delivery time, POLL_MS at most
 *        ─▶ something due ─▶ mark "active" written ─▶ levels in turn, TURN_MESSAGES a turn of the event loop
 *
 * Owns:      the levels, delayOffset.json, <store>/basalt/deliveries.
 * Invariant: delayOffset.json counts a delivery only when its record is on disk (flushed), whatever flushDiskType says.
 * Blocks on: nothing, but recover(), at the start.
 * Rules:     spec/broker-requests.md §11, spec/store-format.md §13.
 */
import type { Clock } from '../../clock.ts'
import type { ControlBlock } from '../../concurrency/control-block.ts'
import type { QueueTable } from '../../concurrency/queue-table.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { LogReader } from '../../store/commitlog/log-reader.ts'
import type { QueueReader } from '../../store/consumequeue/index.ts'
import { parseDelayLevels, SCHEDULE_TOPIC } from '../../store/dispatch/delay-levels.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import type { InternalPut } from '../put/internal-put.ts'
import type { QueueIds } from '../queue-ids.ts'
import type { BrokerStats } from '../stats/index.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { DelayLevel } from './delay-level.ts'
import { DelayOffsets } from './delay-offsets.ts'
import { Delivery } from './delivery.ts'
import { type DeliveredCopy, DeliveryMark, type Mark, markPath, readMark } from './delivery-mark.ts'
import { type Progress, Recovery } from './recover-progress.ts'

export interface DelayServiceOptions {
  settings: {
    messageDelayLevel: string
    storePathRootDir: string
    brokerClusterName: string
    enableDLegerCommitLog: boolean
    enableDetailStat: boolean
    enableScheduleMessageStats: boolean
  }
  control: ControlBlock
  table: QueueTable
  queueIds: QueueIds
  submit: { bytes: Buffer; view: DataView; used: number; capacity: number }
  puts: InternalPut
  store: {
    log: LogReader
    unitsOf(queue: number): QueueReader
    readRecords(offsets: Float64Array, sizes: Int32Array): Promise<Uint8Array | undefined>
  }
  metadata: MetadataStore
  topics: TopicTable
  stats: BrokerStats
  clock: Clock
  log: Log
  /** No crash, and no other leader of a group, takes back what is in the log below. */
  safe(): number
}

/** Deliveries of one turn of the event loop: about 0.2 ms. */
const TURN_MESSAGES = 64
/** Of one level before the others have their turn. */
const LEVEL_MESSAGES = 16
/** Deliveries that append has not answered: after a kill they are looked for in the log. */
const IN_FLIGHT_MAX = 4096
const POLL_MS = 100
const BUSY_RETRY_MS = 2
/** Between two marks while deliveries go on. */
const MARK_MS = 20
/** Nothing to deliver for so long: deliveries are over. */
const LINGER_MS = 200
const CLOCK_STEP_BACK_MS = 500
const LEAD_RETRY_MS = 1000

export class DelayService {
  private readonly options: DelayServiceOptions
  private levels: DelayLevel[] = []
  private readonly offsets: DelayOffsets
  private mark: DeliveryMark
  private readonly delivery: Delivery
  private state: 'stopped' | 'idle' | 'activating' | 'active' = 'stopped'
  private timer: NodeJS.Timeout | undefined
  private isTurnDue = false
  private isRecovered = false
  /** Rises with each change of the broker's role: what an earlier one began is not heard any more. */
  private reign = 0
  /** The log may have lost its tail since, where this is another one than the log's. */
  private epoch: number
  /** The level that has its turn first. */
  private first = 0
  private lastNow = 0
  private markedAt = 0
  private isMarkDue = false
  /** When the last message was claimed. */
  private deliveredAt = 0
  /** Where deliveries that the mark does not count can begin. */
  private from = 0
  private copy: DeliveredCopy | undefined
  /** Progress that is written once the log is flushed up to `end`. */
  private unsaved: { end: number; levels: [number, number][] } | undefined
  private readonly turn = (): void => {
    this.isTurnDue = false
    this.step()
  }

  constructor(options: DelayServiceOptions) {
    this.options = options
    const { settings, puts, submit, stats, log, metadata, topics } = options
    this.epoch = options.control.epoch
    this.offsets = new DelayOffsets({ store: metadata, log })
    this.mark = new DeliveryMark(markPath(settings.storePathRootDir), log)
    this.delivery = new Delivery({ puts, submit, stats, log, settings })
    topics.onChange(() => this.delivery.forgetTargets())
  }

  /** Finds out how far each level was delivered. Throws StoreError METADATA_DAMAGED. */
  recover(logMin: number, logEnd: number): void {
    this.goOnFrom(this.recovery(logMin, logEnd).run(), logEnd)
  }

  /** This broker is the master of its group now. In steps: the log that has to be looked at may be long. */
  async lead(handedOver: Promise<void>): Promise<void> {
    this.reign += 1
    const { reign, options } = this
    const { control, log } = options
    const isOver = () => reign !== this.reign
    try {
      await handedOver
      if (isOver()) return
      const end = control.load('appended')
      this.epoch = control.epoch
      const recovery = this.recovery(control.load('retained'), end)
      for (const _ of recovery.steps()) {
        await new Promise((fulfil) => setImmediate(fulfil))
        if (isOver()) return
      }
      this.mark = new DeliveryMark(markPath(options.settings.storePathRootDir), log)
      this.goOnFrom(recovery.progress, end)
      this.start()
    } catch (error) {
      if (isOver()) return
      log.error(`how far delayed messages are delivered cannot be found out, it is tried again: ${describe(error)}`)
      setTimeout(() => {
        if (!isOver()) void this.lead(Promise.resolve())
      }, LEAD_RETRY_MS).unref()
    }
  }

  /** It is a slave now: its master says how far. */
  follow(): void {
    this.reign += 1
    this.stop()
    this.isRecovered = false
    this.levels = []
    this.unsaved = undefined
    this.copy = undefined
    this.mark.abandon()
  }

  private recovery(logMin: number, logEnd: number): Recovery {
    const { options, offsets } = this
    const { settings, table, store, log } = options
    offsets.load()
    const delays = parseDelayLevels(settings.messageDelayLevel)
    // Levels that the configuration had once may hold messages: they are delivered at the time that they were stored with.
    let levelCount = delays.length - 1
    for (const [, { topic, queueId }] of options.queueIds.all()) {
      if (topic === SCHEDULE_TOPIC) levelCount = Math.max(levelCount, queueId + 1)
    }
    return new Recovery({
      ...{ levelCount, source: store.log, logMin, logEnd, log },
      savedOffset: (level) => offsets.get(level),
      mark: readMark(markPath(settings.storePathRootDir)),
      queueOf: (level) => {
        const queue = options.queueIds.find(SCHEDULE_TOPIC, level - 1)
        if (queue < 0) return undefined
        return { units: store.unitsOf(queue), min: table.min(queue), max: table.max(queue) }
      },
    })
  }

  private goOnFrom(found: Progress, logEnd: number): void {
    const { options, levels, reign } = this
    const { settings, table, store, log } = options
    const delays = parseDelayLevels(settings.messageDelayLevel)
    this.isRecovered = true
    this.copy = found.copy
    this.from = logEnd
    for (const [level, offset] of found.levels) {
      levels.push(
        new DelayLevel(level, delays[level] ?? Number.POSITIVE_INFINITY, offset, {
          ...{ control: options.control, table, log: store.log, delivery: this.delivery, logger: log },
          queueOf: (queueId) => options.queueIds.find(SCHEDULE_TOPIC, queueId),
          unitsOf: (queue) => store.unitsOf(queue),
          readCold: (places, sizes) => store.readRecords(places, sizes),
          onNews: () => {
            if (reign === this.reign) this.takeTurn()
          },
          onStored: (copy) => {
            if (reign === this.reign) this.stored(copy)
          },
        }),
      )
    }
  }

  start(): void {
    this.state = 'idle'
    this.step()
  }

  /** No delivery begins from now on. Those that append has are answered as sends are. */
  stop(): void {
    this.state = 'stopped'
    clearTimeout(this.timer)
  }

  /** Delivers what is due, a turn's worth, and plans the next time. */
  step(): void {
    if (this.state === 'stopped' || this.state === 'activating') return
    const now = this.options.clock.now()
    // Delivery times that were planned for a clock that was set back are planned anew.
    if (now < this.lastNow - CLOCK_STEP_BACK_MS) for (const level of this.levels) level.reconsider()
    this.lastNow = now
    if (this.options.puts.unavailable() !== undefined) this.sleep(POLL_MS)
    else if (this.state === 'idle') this.look(now)
    else this.deliver(now)
  }

  /** Of each level of which something was delivered, or is to be. Undefined: not known here. */
  progress(): { level: number; offset: number; max: number }[] | undefined {
    if (!this.isRecovered) return undefined
    return this.levels
      .filter((level) => level.max > 0)
      .map((level) => ({ level: level.level, offset: level.done, max: level.max }))
  }

  /** What a slave is to go on with that has the log up to here. */
  currentMark(): Mark {
    const levels = new Map(this.levels.filter((each) => each.done > 0).map((each) => [each.level, each.done]))
    return { isActive: true, from: this.from, copy: this.copy, levels }
  }

  /** Every flushDelayOffsetInterval: what is delivered by now is written as soon as it is on disk. */
  persist(): void {
    if (this.unsaved !== undefined) return
    const levels = this.levels.map(({ level, done }): [number, number] => [level, done])
    this.unsaved = { end: this.options.control.load('appended'), levels }
    this.save()
  }

  /** Every 100 ms. */
  tick(): void {
    if (this.unsaved !== undefined) this.save()
  }

  /** At a clean stop, when all of the log is on disk. */
  async close(): Promise<void> {
    const { options } = this
    this.stop()
    this.save()
    // In a group the tail may be lost to another leader yet.
    if (options.safe() >= options.control.load('appended') && options.control.epoch === this.epoch) {
      for (const { level, done } of this.levels) if (done > 0) this.offsets.put(level, done)
      this.writeMark(false)
    }
    await this.mark.close()
    await this.offsets.flush()
  }

  private save(): void {
    const { unsaved, options } = this
    if (unsaved === undefined || options.safe() < unsaved.end || options.control.epoch !== this.epoch) return
    this.unsaved = undefined
    for (const [level, done] of unsaved.levels) if (done > 0) this.offsets.put(level, done)
    void this.offsets.flush()
  }

  /** Is something due? Then the mark says so before the first delivery. */
  private look(now: number): void {
    let wakeAt = Number.POSITIVE_INFINITY
    for (const level of this.levels) {
      if (level.isReady(now)) level.run(now, 0)
      wakeAt = Math.min(wakeAt, level.wakeAt)
    }
    if (wakeAt > now) {
      this.sleep(wakeAt - now)
      return
    }
    this.state = 'activating'
    this.from = this.options.control.load('appended')
    const { reign } = this
    this.writeMark(true, () => {
      if (this.state !== 'activating' || reign !== this.reign) return
      this.state = 'active'
      this.deliveredAt = performance.now()
      this.step()
    })
  }

  private deliver(now: number): void {
    if (this.isCrowded()) {
      this.sleep(BUSY_RETRY_MS)
      return
    }
    const { levels } = this
    let left = TURN_MESSAGES
    let wakeAt = Number.POSITIVE_INFINITY
    for (let i = 0; i < levels.length && left > 0; i += 1) {
      const level = levels[(this.first + i) % levels.length]
      if (level.isReady(now)) left -= level.run(now, Math.min(left, LEVEL_MESSAGES))
      wakeAt = Math.min(wakeAt, level.wakeAt)
    }
    this.first = (this.first + 1) % levels.length
    const time = performance.now()
    if (left < TURN_MESSAGES) this.deliveredAt = time
    if (this.isMarkDue && time - this.markedAt >= MARK_MS) this.writeMark(true)
    if (left <= 0 || wakeAt <= now) {
      this.takeTurn()
      return
    }
    if (time - this.deliveredAt >= LINGER_MS && levels.every(({ inFlight }) => inFlight === 0)) {
      this.state = 'idle'
      this.writeMark(false)
    }
    this.sleep(wakeAt - now)
  }

  /** Room that clients' sends need, or too much that append has not answered. */
  private isCrowded(): boolean {
    const { submit } = this.options
    if (submit.used > submit.capacity / 4) return true
    return this.levels.reduce((sum, { inFlight }) => sum + inFlight, 0) > IN_FLIGHT_MAX
  }

  private stored(copy: DeliveredCopy): void {
    // One object a level, which is filled anew: see delay-level.ts.
    this.copy = copy
    this.from = copy.at
    this.isMarkDue = true
  }

  private writeMark(isActive: boolean, done?: () => void): void {
    this.markedAt = performance.now()
    this.isMarkDue = false
    this.mark.write({ ...this.currentMark(), isActive }, done)
  }

  private takeTurn(): void {
    if (this.isTurnDue || this.state === 'stopped') return
    this.isTurnDue = true
    setImmediate(this.turn)
  }

  private sleep(milliseconds: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(this.turn, Math.max(1, Math.min(POLL_MS, milliseconds))).unref()
  }
}

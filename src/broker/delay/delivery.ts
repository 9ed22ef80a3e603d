/**
 * Due records of the schedule topic into the submit ring, under their own topics.
 *
 * Called by: delay-level.ts, once a message, on the network thread. Nothing is read from disk and nothing is allocated but
 * at a topic's first message.
 */
import type { Log } from '../../log.ts'
import type { Completion } from '../acks.ts'
import type { InternalPut } from '../put/internal-put.ts'
import type { BrokerStats } from '../stats/index.ts'
import { type CountedSettings, StatsCounters } from '../stats-counters.ts'
import { TOPIC, topicNameFault } from '../topics/names.ts'
import { ScheduleRecord } from './schedule-record.ts'

/** lost: there is nowhere to deliver it to; it was said in the log, and the level goes on behind it. */
export type Delivered = 'taken' | 'later' | 'lost'

interface DeliverySettings extends CountedSettings {
  readonly enableScheduleMessageStats: boolean
}

interface Target {
  topic: string
  bytes: Buffer
  /** Integers by queueId, -1 where it is not known. */
  queues: number[]
}

/** Name that RocketMQ counts the deliveries of delayed messages under. */
const SCHEDULE_GROUP = 'SCHEDULE_CONSUMER'
const TARGETS_MAX = 10_000
const TOLD_MAX = 1000

export class Delivery {
  readonly schedule = new ScheduleRecord()
  private readonly puts: InternalPut
  private readonly submit: { bytes: Buffer; view: DataView }
  private readonly log: Log
  private readonly stats: BrokerStats
  private readonly counters: StatsCounters
  private readonly settings: DeliverySettings
  private readonly targets = new Map<string, Target>()
  private told = 0
  private isHeldUp = false

  constructor(options: {
    puts: InternalPut
    submit: { bytes: Buffer; view: DataView }
    stats: BrokerStats
    settings: DeliverySettings
    log: Log
  }) {
    this.puts = options.puts
    this.submit = options.submit
    this.log = options.log
    this.stats = options.stats
    this.settings = options.settings
    this.counters = new StatsCounters(options.stats, options.settings)
  }

  /** A topic was made or deleted: integers of queues may stand for other queues now. */
  forgetTargets(): void {
    this.targets.clear()
  }

  /** Delivers the record that `schedule` has read. */
  deliver(completion: Completion, token: number): Delivered {
    const { schedule, puts } = this
    const target = this.targetOf()
    if (target === undefined) return 'lost'
    const { queueId } = schedule
    const queue = target.queues[queueId] ?? this.defineQueue(target, queueId)
    if (queue < 0) return 'later'
    const size = schedule.deliveredSize(target.bytes.length)
    if (size > puts.sizeMax) return this.lose(`its record would take ${size} bytes, at most ${puts.sizeMax}`)
    // Not waited for: progress is written to disk only behind what is flushed (delay-service.ts).
    const at = puts.claim(queue, size, schedule.record.sysFlag, false)
    if (at < 0) return 'later'
    try {
      schedule.deliver(this.submit.bytes, this.submit.view, at, target.bytes, queueId)
    } catch (error) {
      puts.unclaim(size)
      throw error
    }
    puts.expect(completion, token, queueId, false)
    this.count(target.topic, queueId, size)
    return 'taken'
  }

  /** Says that a waiting message cannot be delivered. */
  lose(why: string, place: Record<string, unknown> = { physicalOffset: this.schedule.record.physicalOffset }): 'lost' {
    this.told += 1
    if (this.told <= TOLD_MAX) this.log.error(`a delayed message cannot be delivered: ${why}`, place)
    return 'lost'
  }

  private targetOf(): Target | undefined {
    const { bytes, topicStart, topicEnd, queueId } = this.schedule
    if (topicEnd === topicStart || queueId < 0) {
      this.lose('it does not say its REAL_TOPIC and REAL_QID')
      return undefined
    }
    const topic = bytes.toString('latin1', topicStart, topicEnd)
    const known = this.targets.get(topic)
    if (known !== undefined) return known
    if (topic === TOPIC.half) {
      this.lose('it is half a transaction, and those cannot be delayed')
      return undefined
    }
    const fault = topicNameFault(topic)
    if (fault !== undefined) {
      this.lose(`its REAL_TOPIC ${JSON.stringify(topic.slice(0, 200))} cannot be: ${fault}`)
      return undefined
    }
    if (this.targets.size >= TARGETS_MAX) this.targets.clear()
    const target: Target = { topic, bytes: Buffer.from(topic, 'latin1'), queues: [] }
    this.targets.set(topic, target)
    return target
  }

  /** -1 while a ring is full, the topic is being deleted, or the broker has too many queues. */
  private defineQueue(target: Target, queueId: number): number {
    const queue = this.puts.queueOf(target.topic, queueId)
    if (typeof queue === 'string') {
      if (!this.isHeldUp) this.log.error(`delayed messages wait: ${queue}`, { topic: target.topic, queueId })
      this.isHeldUp = true
      return -1
    }
    if (queue >= 0) {
      this.isHeldUp = false
      target.queues[queueId] = queue
    }
    return queue
  }

  private count(topic: string, queueId: number, bytes: number): void {
    if (!this.settings.enableScheduleMessageStats) return
    this.counters.put(topic, queueId, 1, bytes)
    const key = `${TOPIC.schedule}@${SCHEDULE_GROUP}`
    this.stats.item('GROUP_GET_NUMS', key).add(1)
    this.stats.item('GROUP_GET_SIZE', key).add(bytes)
  }
}

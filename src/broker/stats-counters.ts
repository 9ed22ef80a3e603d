/**
 * Counts sends and pulls into BrokerStats without a lookup by built-up strings for each message.
 *
 * A put is seven additions; the items of a topic, a group or a queue are looked for once and kept, until BrokerStats says by
 * its generation that some of them are gone.
 */
import type { BrokerStats, StatsItem } from './stats/index.ts'

interface Pair {
  readonly nums: StatsItem
  readonly size: StatsItem
}
interface Puts extends Pair {
  readonly queues: (Pair | undefined)[]
}
interface QueueGets extends Pair {
  readonly latency: StatsItem
}
interface Gets extends Pair {
  readonly fromDisk: Pair
  readonly queues: (QueueGets | undefined)[]
}
/** The part of a pull request that is counted under. */
export interface CountedPull {
  readonly consumerGroup: string
  readonly topic: string
  readonly queueId: number
}

const ENTRIES_MAX = 20_000

export interface CountedSettings {
  readonly brokerClusterName: string
  readonly enableDetailStat: boolean
}

export class StatsCounters {
  private readonly stats: BrokerStats
  private readonly settings: CountedSettings
  /** enableDetailStat, as it was when the items were last forgotten. */
  private hasQueues: boolean
  private readonly brokerPut: StatsItem
  private readonly brokerGet: StatsItem
  private readonly brokerDisk: Pair
  private readonly puts = new Map<string, Puts>()
  private readonly gets = new Map<string, Map<string, Gets>>()
  private generation: number
  private lastTopic = ''
  private lastPut: Puts | undefined

  constructor(stats: BrokerStats, config: CountedSettings) {
    const { brokerClusterName: cluster } = config
    this.stats = stats
    this.settings = config
    this.hasQueues = config.enableDetailStat
    this.generation = stats.generation
    this.brokerPut = stats.item('BROKER_PUT_NUMS', cluster)
    this.brokerGet = stats.item('BROKER_GET_NUMS', cluster)
    this.brokerDisk = {
      nums: stats.item('BROKER_GET_FROM_DISK_NUMS', cluster),
      size: stats.item('BROKER_GET_FROM_DISK_SIZE', cluster),
    }
  }

  put(topic: string, queueId: number, messages: number, bytes: number): void {
    const { stats } = this
    stats.putMessages += messages
    stats.putBytes += bytes
    if (stats.generation !== this.generation) this.forget()
    if (topic !== this.lastTopic || this.lastPut === undefined) {
      this.lastPut = this.putsOf(topic)
      this.lastTopic = topic
    }
    const { lastPut } = this
    lastPut.nums.add(messages)
    lastPut.size.add(bytes)
    this.brokerPut.add(messages)
    if (!this.hasQueues) return
    const queue = lastPut.queues[queueId] ?? this.putsOfQueue(lastPut, topic, queueId)
    queue.nums.add(messages)
    queue.size.add(bytes)
  }

  /** `coldMs`: how long the disk took, -1 for messages that were in memory, which take no time that a clock could see. */
  get({ consumerGroup, topic, queueId }: CountedPull, messages: number, bytes: number, coldMs: number): void {
    const { stats } = this
    stats.getFound += 1
    stats.transferred += messages
    if (stats.generation !== this.generation) this.forget()
    const gets = this.getsOf(consumerGroup, topic)
    gets.nums.add(messages)
    gets.size.add(bytes)
    this.brokerGet.add(messages)
    if (coldMs >= 0) this.countCold(gets, messages, bytes, coldMs)
    if (!this.hasQueues) return
    const queue = gets.queues[queueId] ?? this.getsOfQueue(gets, consumerGroup, topic, queueId)
    queue.nums.add(messages)
    queue.size.add(bytes)
    queue.latency.add(coldMs > 0 ? Math.round(coldMs) : 0)
  }

  private countCold(gets: Gets, messages: number, bytes: number, coldMs: number): void {
    gets.fromDisk.nums.add(messages)
    gets.fromDisk.size.add(bytes)
    this.brokerDisk.nums.add(messages)
    this.brokerDisk.size.add(bytes)
    this.stats.getTimeMaxMs = Math.max(this.stats.getTimeMaxMs, Math.round(coldMs))
  }

  private forget(): void {
    this.generation = this.stats.generation
    this.hasQueues = this.settings.enableDetailStat
    this.puts.clear()
    this.gets.clear()
    this.lastPut = undefined
  }

  private putsOf(topic: string): Puts {
    const known = this.puts.get(topic)
    if (known !== undefined) return known
    if (this.puts.size >= ENTRIES_MAX) this.puts.clear()
    const nums = this.stats.item('TOPIC_PUT_NUMS', topic)
    const puts = { nums, size: this.stats.item('TOPIC_PUT_SIZE', topic), queues: [] }
    this.puts.set(topic, puts)
    return puts
  }

  private putsOfQueue(puts: Puts, topic: string, queueId: number): Pair {
    const key = `${topic}@${queueId}`
    const queue = { nums: this.stats.item('QUEUE_PUT_NUMS', key), size: this.stats.item('QUEUE_PUT_SIZE', key) }
    puts.queues[queueId] = queue
    return queue
  }

  private getsOf(group: string, topic: string): Gets {
    let topics = this.gets.get(group)
    if (topics === undefined) {
      if (this.gets.size >= ENTRIES_MAX) this.gets.clear()
      topics = new Map()
      this.gets.set(group, topics)
    }
    const known = topics.get(topic)
    if (known !== undefined) return known
    const { stats } = this
    const key = `${topic}@${group}`
    const fromDisk = {
      nums: stats.item('GROUP_GET_FROM_DISK_NUMS', key),
      size: stats.item('GROUP_GET_FROM_DISK_SIZE', key),
    }
    const pair = { nums: stats.item('GROUP_GET_NUMS', key), size: stats.item('GROUP_GET_SIZE', key) }
    const gets = { ...pair, fromDisk, queues: [] }
    topics.set(topic, gets)
    return gets
  }

  private getsOfQueue(gets: Gets, group: string, topic: string, queueId: number): QueueGets {
    const key = `${topic}@${queueId}@${group}`
    const queue = {
      nums: this.stats.item('QUEUE_GET_NUMS', key),
      size: this.stats.item('QUEUE_GET_SIZE', key),
      // The queue stands first here, as RocketMQ has it.
      latency: this.stats.item('GROUP_GET_LATENCY', `${queueId}@${topic}@${group}`),
    }
    gets.queues[queueId] = queue
    return queue
  }
}

/**
 * Counts sends and pulls into BrokerStats without a lookup by built-up strings for each message.
 */
import type { BrokerStats, StatsItem } from './stats/index.ts'

interface Pair {
  nums: StatsItem
  size: StatsItem
}

const ENTRIES_MAX = 20_000

export class StatsCounters {
  private readonly stats: BrokerStats
  private readonly brokerPut: StatsItem
  private readonly brokerGet: StatsItem
  private readonly puts = new Map<string, Pair>()
  private readonly gets = new Map<string, Map<string, Pair>>()
  private lastTopic = ''
  private lastPut: Pair | undefined

  constructor(stats: BrokerStats, clusterName: string) {
    this.stats = stats
    this.brokerPut = stats.item('BROKER_PUT_NUMS', clusterName)
    this.brokerGet = stats.item('BROKER_GET_NUMS', clusterName)
  }

  put(topic: string, messages: number, bytes: number): void {
    const { stats } = this
    stats.putMessages += messages
    stats.putBytes += bytes
    if (topic !== this.lastTopic || this.lastPut === undefined) {
      this.lastPut = this.putPair(topic)
      this.lastTopic = topic
    }
    this.lastPut.nums.add(messages)
    this.lastPut.size.add(bytes)
    this.brokerPut.add(messages)
  }

  get(group: string, topic: string, messages: number, bytes: number): void {
    const { stats } = this
    stats.getFound += 1
    stats.transferred += messages
    const pair = this.getPair(group, topic)
    pair.nums.add(messages)
    pair.size.add(bytes)
    this.brokerGet.add(messages)
  }

  private putPair(topic: string): Pair {
    const known = this.puts.get(topic)
    if (known !== undefined) return known
    if (this.puts.size >= ENTRIES_MAX) this.puts.clear()
    const pair = { nums: this.stats.item('TOPIC_PUT_NUMS', topic), size: this.stats.item('TOPIC_PUT_SIZE', topic) }
    this.puts.set(topic, pair)
    return pair
  }

  private getPair(group: string, topic: string): Pair {
    let topics = this.gets.get(group)
    if (topics === undefined) {
      if (this.gets.size >= ENTRIES_MAX) this.gets.clear()
      topics = new Map()
      this.gets.set(group, topics)
    }
    const known = topics.get(topic)
    if (known !== undefined) return known
    const key = `${topic}@${group}`
    const pair = { nums: this.stats.item('GROUP_GET_NUMS', key), size: this.stats.item('GROUP_GET_SIZE', key) }
    topics.set(topic, pair)
    return pair
  }
}

/**
 * What the broker counts of its work: totals since the start, rates for the runtime table (28), items for 315.
 *
 * Owns:      all counters. Called by: sends and pulls (plain additions), tick() once a second, which samples a tenth of the
 *            items: 20,000 of them at once would be felt by who sends.
 * Blocks on: nothing; nothing is allocated per message: callers keep the StatsItem of a topic or group.
 * Meaning of the numbers: spec/broker-requests.md §16 and §15 "Stats names".
 */
import type { Clock } from '../../clock.ts'
import { PutTimes } from './distribution.ts'
import { Rates } from './rates.ts'
import { StatsItem } from './stats-item.ts'

/**
 * What 315 knows. GROUP_GET_FALL_SIZE and _TIME are not among them: RocketMQ keeps those where 315 does not look. Nothing
 * feeds COMMERCIAL_… outside of Alibaba.
 */
export const STATS_NAMES = [
  'TOPIC_PUT_NUMS',
  'TOPIC_PUT_SIZE',
  'GROUP_GET_NUMS',
  'GROUP_GET_SIZE',
  'GROUP_GET_LATENCY',
  'GROUP_GET_FROM_DISK_NUMS',
  'GROUP_GET_FROM_DISK_SIZE',
  'QUEUE_PUT_NUMS',
  'QUEUE_PUT_SIZE',
  'QUEUE_GET_NUMS',
  'QUEUE_GET_SIZE',
  'SNDBCK_PUT_NUMS',
  'BROKER_PUT_NUMS',
  'BROKER_GET_NUMS',
  'BROKER_GET_FROM_DISK_NUMS',
  'BROKER_GET_FROM_DISK_SIZE',
] as const
export type StatsName = (typeof STATS_NAMES)[number]

/** Items per name: beyond it the oldest goes, so that a peer cannot fill the memory with names. */
const ITEMS_MAX = 20_000
/** Each item is sampled once in so many ticks. */
const SAMPLING_TICKS = 10

export class BrokerStats {
  readonly putTimes = new PutTimes()
  /** Messages and their bytes that were stored; puts that were not. */
  putMessages = 0
  putBytes = 0
  putFailures = 0
  /** Pulls that found something, and that did not. */
  getFound = 0
  getMiss = 0
  /** Messages that were handed to consumers. */
  transferred = 0
  /** Milliseconds that the slowest read of the store took. */
  getTimeMaxMs = 0

  /** Totals at the midnights before. */
  private morning = { put: 0, get: 0 }
  private yesterday = { put: 0, get: 0 }
  private today: number
  private readonly rates = new Rates(['put', 'found', 'miss', 'transferred'])
  private readonly items = new Map<StatsName, Map<string, StatsItem>>(STATS_NAMES.map((name) => [name, new Map()]))
  private readonly clock: Clock
  private sampledAt = 0
  /** Changes when an item goes, or enableDetailStat: whoever keeps items asks for them again. */
  generation = 0
  private round: IterableIterator<StatsItem> | undefined
  private roundSize = 0
  private ticksOfRound = 0
  private itemsSampledAt = 0

  constructor(clock: Clock) {
    this.clock = clock
    this.today = dayOf(clock.now())
  }

  /** The counter of a topic ("T"), a group on a topic ("T@G") or the cluster; keep it, so that counting is an addition. */
  item(name: StatsName, key: string): StatsItem {
    const items = this.items.get(name)!
    let item = items.get(key)
    if (item === undefined) {
      if (items.size >= ITEMS_MAX) {
        items.delete(items.keys().next().value as string)
        this.generation += 1
      }
      item = new StatsItem()
      item.sample(this.clock.now())
      items.set(key, item)
    }
    return item
  }

  /** For 315: undefined when nothing was counted under it. */
  find(name: string, key: string): StatsItem | undefined {
    return this.items.get(name as StatsName)?.get(key)
  }

  /** Messages a second that the group got of the topic during the last minute. */
  groupGetRate(group: string, topic: string): number {
    return this.find('GROUP_GET_NUMS', `${topic}@${group}`)?.window('minute', this.clock.now()).tps ?? 0
  }

  /** Messages a second that the topic got during the last minute. */
  topicPutRate(topic: string): number {
    return this.find('TOPIC_PUT_NUMS', topic)?.window('minute', this.clock.now()).tps ?? 0
  }

  /** Called at least once a second; samples when a second has passed. */
  tick(): void {
    const now = this.clock.now()
    if (now - this.sampledAt < 1_000) return
    this.sampledAt = now
    const { putMessages: put, getFound: found, getMiss: miss, transferred } = this
    this.rates.sample(now, { put, found, miss, transferred })
    this.sampleSome(now)
    const day = dayOf(now)
    if (day === this.today) return
    this.today = day
    this.yesterday = this.morning
    this.morning = { put, get: transferred }
  }

  /** The topic is deleted: whatever was counted under its name goes (autoDeleteUnusedStats). */
  forgetTopic(topic: string): void {
    this.forget((key) => key === topic || key.startsWith(`${topic}@`) || key.includes(`@${topic}@`))
  }

  forgetGroup(group: string): void {
    this.forget((key) => key.endsWith(`@${group}`))
  }

  /** Whoever keeps items is to ask for them again, and to look at his settings. */
  reconsider(): void {
    this.generation += 1
  }

  private forget(isGone: (key: string) => boolean): void {
    for (const [name, items] of this.items) {
      if (name.startsWith('BROKER_')) continue
      for (const key of items.keys()) if (isGone(key)) items.delete(key)
    }
    this.generation += 1
  }

  /** A clock that jumps (a test) has everything sampled at once. */
  private sampleSome(now: number): void {
    const isJump = now - this.itemsSampledAt > SAMPLING_TICKS * 2_000
    this.itemsSampledAt = now
    if (this.round === undefined || isJump) {
      this.round = this.allItems()
      this.roundSize = [...this.items.values()].reduce((sum, items) => sum + items.size, 0)
    }
    const count = isJump ? Number.POSITIVE_INFINITY : Math.ceil(this.roundSize / SAMPLING_TICKS)
    for (let i = 0; i < count; i++) {
      const next = this.round.next()
      if (next.done) break
      next.value.sample(now)
    }
    this.ticksOfRound = isJump ? SAMPLING_TICKS : this.ticksOfRound + 1
    if (this.ticksOfRound < SAMPLING_TICKS) return
    this.round = undefined
    this.ticksOfRound = 0
  }

  private *allItems(): IterableIterator<StatsItem> {
    for (const items of this.items.values()) yield* items.values()
  }

  /** The rows of the runtime table that are counted here. */
  table(): Record<string, string> {
    const { rates, putTimes } = this
    const transferred = rates.text('transferred')
    const total = [10, 60, 600].map((s) => String((rates.over('found', s) ?? 0) + (rates.over('miss', s) ?? 0)))
    return {
      msgPutTotalYesterdayMorning: String(this.yesterday.put),
      msgPutTotalTodayMorning: String(this.morning.put),
      msgPutTotalTodayNow: String(this.putMessages),
      msgGetTotalYesterdayMorning: String(this.yesterday.get),
      msgGetTotalTodayMorning: String(this.morning.get),
      msgGetTotalTodayNow: String(this.transferred),
      putMessageEntireTimeMax: String(putTimes.maxMs),
      putMessageTimesTotal: String(this.putMessages),
      putMessageFailedTimes: String(this.putFailures),
      putMessageSizeTotal: String(this.putBytes),
      putMessageDistributeTime: putTimes.text(),
      putMessageAverageSize: String(this.putMessages === 0 ? 0 : this.putBytes / this.putMessages),
      getMessageEntireTimeMax: String(this.getTimeMaxMs),
      putTps: rates.text('put'),
      getFoundTps: rates.text('found'),
      getMissTps: rates.text('miss'),
      getTotalTps: total.join(' '),
      // 4.9 reads the first spelling, 5.x the second.
      getTransferedTps: transferred,
      getTransferredTps: transferred,
      putLatency99: putTimes.percentile(0.99).toFixed(2),
      putLatency999: putTimes.percentile(0.999).toFixed(2),
    }
  }
}

/** Days by local midnight. */
function dayOf(ms: number): number {
  const date = new Date(ms)
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate()
}

/**
 * Messages that retention takes from groups which have not consumed them: said before they go, by group and topic.
 *
 * RocketMQ deletes them without a word, and who finds out is a consumer that "jumped" days later. Asked by housekeeping's
 * `expiring` (an hour before a segment reaches its age; half a second before it goes for want of room).
 *
 *   queue of a lagging group   min ── committed ──── first above `below` ──── max
 *                                        └─ unread, going ─┘
 *
 * Owns:      who has been told of. Blocks on: nothing; ConsumeQueues are read by the pool.
 */
import type { Clock } from '../clock.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import type { MessageStore } from '../store/message-store.ts'
import type { ConsumerManager } from './groups/index.ts'
import type { ConsumerOffsets } from './offsets/index.ts'
import type { Pool } from './pool.ts'
import { isSystemGroup, type TopicTable } from './topics/index.ts'

export interface UnreadWatchOptions {
  topics: Pick<TopicTable, 'names'>
  consumers: Pick<ConsumerManager, 'group'>
  offsets: Pick<ConsumerOffsets, 'groupsOf' | 'queryAll'>
  store: Pick<MessageStore, 'queueMin' | 'queueMax'>
  pool: Pick<Pool, 'firstUnits'>
  clock: Clock
  log: Log
}

interface Lag {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  readonly next: number
  readonly end: number
}

/** A group that stays behind is told of so often: on a busy broker a segment expires every few minutes. */
const AGAIN_MS = 3_600_000
const QUEUES_A_TASK = 256

export class UnreadWatch {
  /** Messages that the groups had not consumed of what goes next, when it was looked at last. */
  expiring = 0
  private readonly options: UnreadWatchOptions
  private readonly told = new Map<string, number>()

  constructor(options: UnreadWatchOptions) {
    this.options = options
  }

  /** What is below this place of the log goes next. Never rejects. */
  async expire(below: number): Promise<void> {
    try {
      const counts = await this.countBelow(below)
      this.expiring = [...counts.values()].reduce((sum, { unread }) => sum + unread, 0)
      for (const key of this.told.keys()) if (!counts.has(key)) this.told.delete(key)
      for (const [key, found] of counts) this.tell(key, found, below)
    } catch (error) {
      this.options.log.error(`messages that expire unread could not be counted: ${describe(error)}`)
    }
  }

  /** Messages that are gone and that groups have not consumed, until the groups go on behind them. */
  deleted(): number {
    const { store } = this.options
    let count = 0
    for (const { topic, queueId, next } of this.lagging()) count += Math.max(0, store.queueMin(topic, queueId) - next)
    return count
  }

  private tell(key: string, { group, topic, unread }: Lag & { unread: number }, below: number): void {
    const { consumers, clock, log } = this.options
    const now = clock.now()
    if (now - (this.told.get(key) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return
    this.told.set(key, now)
    const who = consumers.group(group) === undefined ? ', of which no consumer is online' : ''
    log.warn(
      `${unread} messages of topic ${topic} expire (fileReservedTime, or the disk is nearly full) before group ${group}${who} has consumed them`,
      { group, topic, unread, below },
    )
  }

  private async countBelow(below: number): Promise<Map<string, Lag & { unread: number }>> {
    const lags = [...this.lagging()]
    const queues = new Map(lags.map(({ topic, queueId, end }) => [`${topic}/${queueId}`, { topic, queueId, end }]))
    const first = await this.firstAbove([...queues.values()], below)
    const counts = new Map<string, Lag & { unread: number }>()
    for (const lag of lags) {
      const { group, topic, queueId, next } = lag
      const gone = first.get(`${topic}/${queueId}`)! - Math.max(next, this.options.store.queueMin(topic, queueId))
      if (gone <= 0) continue
      const key = `${topic}@${group}`
      counts.set(key, { ...lag, unread: (counts.get(key)?.unread ?? 0) + gone })
    }
    return counts
  }

  private async firstAbove(
    queues: { topic: string; queueId: number; end: number }[],
    physicalOffset: number,
  ): Promise<Map<string, number>> {
    const found = new Map<string, number>()
    for (let from = 0; from < queues.length; from += QUEUES_A_TASK) {
      const some = queues.slice(from, from + QUEUES_A_TASK)
      const offsets = await this.options.pool.firstUnits({ queues: some, physicalOffset })
      for (const [i, { topic, queueId }] of some.entries()) found.set(`${topic}/${queueId}`, offsets[i])
    }
    return found
  }

  /** Queues on which a group that reads the topic has not committed everything. */
  private *lagging(): Generator<Lag> {
    const { topics, offsets, consumers, store } = this.options
    for (const topic of topics.names()) {
      for (const group of offsets.groupsOf(topic)) {
        const online = consumers.group(group)
        if (isSystemGroup(group) || (online !== undefined && online.subscription(topic) === undefined)) continue
        for (const [queueId, next] of offsets.queryAll(group, topic) ?? []) {
          const end = store.queueMax(topic, queueId)
          if (next < end) yield { group, topic, queueId, next, end }
        }
      }
    }
  }
}

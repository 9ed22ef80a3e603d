/**
 * The broker's tables together, and the periods in which broker.ts keeps them, for tests that move the clock by hand.
 */

import { ConsumerManager, ProducerManager, QueueLocks, SubscriptionGroups } from '../../src/broker/groups/index.ts'
import { ConsumerOffsets } from '../../src/broker/offsets/index.ts'
import type { BrokerSettings } from '../../src/broker/settings.ts'
import { BrokerStats } from '../../src/broker/stats/index.ts'
import { TopicTable } from '../../src/broker/topics/index.ts'
import type { Clock } from '../../src/clock.ts'
import type { Log } from '../../src/log.ts'
import type { Connection } from '../../src/remoting/connection.ts'
import type { MetadataStore } from '../../src/store/metadata/index.ts'

/** Milliseconds between two looks for clients that fell silent, locks that ran out, files that could not be written. */
export const SCAN_MS = 10_000
/** The first write of the offsets comes later than the others, as in RocketMQ. */
const FIRST_FLUSH_MS = 10_000

export class BrokerState {
  readonly topics: TopicTable
  readonly groups: SubscriptionGroups
  readonly consumers: ConsumerManager
  readonly producers: ProducerManager<Connection>
  readonly locks: QueueLocks
  readonly offsets: ConsumerOffsets
  readonly stats: BrokerStats
  private readonly settings: BrokerSettings
  private readonly clock: Clock
  private scanDue: number
  private flushDue: number

  constructor(options: { settings: BrokerSettings; store: MetadataStore; clock: Clock; log: Log }) {
    const { settings, clock, log, store } = options
    this.settings = settings
    this.clock = clock
    this.topics = new TopicTable(options)
    this.groups = new SubscriptionGroups(options)
    this.consumers = new ConsumerManager(options)
    this.producers = new ProducerManager<Connection>({ clock, log })
    this.locks = new QueueLocks(clock)
    this.offsets = new ConsumerOffsets({ store, log })
    this.stats = new BrokerStats(clock)
    this.scanDue = clock.now() + SCAN_MS
    this.flushDue = clock.now() + FIRST_FLUSH_MS
  }

  /** Reads config/*.json. Throws StoreError where a file and its .bak cannot be read. */
  load(): void {
    this.topics.load()
    this.groups.load()
    this.offsets.load()
  }

  tick(): void {
    const now = this.clock.now()
    this.stats.tick()
    if (now >= this.flushDue) {
      this.flushDue = now + this.settings.flushConsumerOffsetInterval
      void this.offsets.flush()
    }
    if (now < this.scanDue) return
    this.scanDue = now + SCAN_MS
    this.consumers.scan()
    this.producers.scan()
    this.locks.scan()
    this.topics.retryFailedSave()
    this.groups.retryFailedSave()
  }

  /** A connection is gone: its clients leave their groups, the others are told. */
  closed(connection: Connection, reason?: string): void {
    this.consumers.closed(connection, reason)
    this.producers.closed(connection, reason)
  }

  /** Writes what is due; settled when it is on disk or could not be written (the log says so). */
  async close(): Promise<void> {
    this.topics.retryFailedSave()
    this.groups.retryFailedSave()
    await this.offsets.flush()
    await Promise.allSettled([this.topics.saved(), this.groups.saved()])
  }
}

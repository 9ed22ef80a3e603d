/**
 * What the processors of this folder work on: the broker's tables, its store, and the facts of other modules that the
 * runtime table and the configuration answer show.
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { Connection } from '../../remoting/connection.ts'
import type { MessageStore } from '../../store/message-store.ts'
import type { ConsumerManager, ProducerManager, QueueLocks, SubscriptionGroups } from '../groups/index.ts'
import type { ConsumerOffsets } from '../offsets/index.ts'
import type { BrokerSettings } from '../settings.ts'
import type { BrokerStats } from '../stats/index.ts'
import type { TopicTable } from '../topics/index.ts'

export interface AdminContext {
  readonly settings: BrokerSettings
  readonly topics: TopicTable
  readonly groups: SubscriptionGroups
  readonly consumers: ConsumerManager
  readonly producers: ProducerManager<Connection>
  readonly locks: QueueLocks
  readonly offsets: ConsumerOffsets
  readonly stats: BrokerStats
  readonly store: MessageStore
  readonly runtime: RuntimeSource
  readonly config: ConfigSource
  readonly cleaning: Cleaning
  /** "ip:port" as clients are told. */
  brokerAddress(): string
  /** Answers the pulls of the group that wait for the queue. */
  releasePulls(group: string, topic: string, queueId: number): void
  readonly clock: Clock
  readonly log: Log
}

/** A line of requests that wait; what RocketMQ calls a thread pool's queue. */
export interface WaitingLine {
  readonly size: number
  readonly capacity: number
  /** Milliseconds that the first has waited. */
  readonly headWaitMs: number
}

/** Facts of the runtime table (28) that are neither in the store's face nor in BrokerStats. Asked anew for each answer. */
export interface RuntimeSource {
  /** Milliseconds since 1970. */
  bootTimestamp(): number
  startAcceptSendRequestTimeStamp(): number
  sends(): WaitingLine
  pulls(): WaitingLine
  queries(): WaitingLine
  endTransactions(): WaitingLine
  /** Bytes appended and not flushed. */
  bytesToFlush(): number
  /** How long the append stage has been at one batch: RocketMQ's put lock. */
  pageCacheLockMs(): number
  /** Store time of the oldest message, −1 when there is none. */
  earliestMessageTimestamp(): number
  disk(): {
    readonly commitLogPath: string
    readonly totalBytes: number
    readonly freeBytes: number
    /** Used shares, 0 to 1. */
    readonly commitLogRatio: number
    readonly consumeQueueRatio: number
  }
  /** For each delay level in use: how far it was delivered, and the queue's end. */
  /** Undefined: another member of the group leads, or it is not found out yet. */
  delayProgress(): readonly { readonly level: number; readonly offset: number; readonly max: number }[] | undefined
  /** The text of <store>/basalt/deliveries as it would be now, and the end of the log that holds all that it counts. */
  deliveries(): { readonly mark: string; readonly end: number }
  /** Further rows of ours; must not use RocketMQ's names. */
  more(withStageCounts: boolean): Record<string, string>
}

/** What administrators have removed before its time comes (306, 316, 329). */
export interface Cleaning {
  /** Queues whose messages are all gone, and that nobody can write or read any more. Settled when they are gone. */
  expiredQueues(): Promise<readonly string[]>
  /** Queues of topics that do not exist; their topics' names. */
  unusedTopics(): readonly string[]
  /** Expired segments of the log, whatever the hour: begins at once. */
  expiredLog(): void
}

/** The effective configuration as RocketMQ's properties text (26). */
export interface ConfigSource {
  text(): string
  dataVersion(): { readonly counter: number; readonly timestamp: number }
}

/** The options of a lite pull consumer: RocketMQ's names and defaults (spec/client-behaviour.md §7), checked once. */
import { type ClientOptions, integer, oneOf } from '../options.ts'
import type { AllocateMessageQueueStrategy } from './allocation/index.ts'
import {
  type ConsumeFromWhere,
  checkFunctions,
  FROM_WHERE,
  type MessageModel,
  strategyOf,
  timestampOf,
} from './push-options.ts'
import type { MessageQueueListener } from './queues-changed.ts'
import type { SubscriptionExpression } from './subscription.ts'

export interface LitePullConsumerOptions extends ClientOptions {
  /** Topics whose queues the members of the group share. More by subscribe(); or none of it, and assign(). */
  subscriptions?: Readonly<Record<string, SubscriptionExpression>>
  /** CLUSTERING: the members of the group share the queues. BROADCASTING: each gets every message. @default 'CLUSTERING' */
  messageModel?: MessageModel
  /** Where a group begins that has no offset of a queue. @default 'CONSUME_FROM_LAST_OFFSET' */
  consumeFromWhere?: ConsumeFromWhere
  /** Of CONSUME_FROM_TIMESTAMP: a Date, or yyyyMMddHHmmss in local time. @default half an hour before the start */
  consumeTimestamp?: Date | string
  /** Whose a queue is; the same for all members of the group. @default allocateAveragely() */
  allocateMessageQueueStrategy?: AllocateMessageQueueStrategy
  /** How many messages a pull asks for, and poll() gives at most. @default 10 */
  pullBatchSize?: number
  /** Whether what was polled is committed by itself, every `autoCommitIntervalMillis`, with the next poll. @default true */
  autoCommit?: boolean
  /** Milliseconds between two commits of what was polled. @default 5000 */
  autoCommitIntervalMillis?: number
  /** How long poll() waits for messages unless told. @default 5000 */
  pollTimeoutMillis?: number
  /** Messages of all queues that may wait for poll(); beyond, nothing is pulled. @default 10_000 */
  pullThresholdForAll?: number
  /** Of one queue. @default 1000 */
  pullThresholdForQueue?: number
  /** The same in MiB of bodies. @default 100 */
  pullThresholdSizeForQueue?: number
  /** From the lowest offset that waits to the highest. @default 2000 */
  consumeMaxSpan?: number
  /** Milliseconds between two looks at whose the queues are. @default 20_000 */
  rebalanceInterval?: number
  /** Called when the queues that are ours have changed: topic, all its queues, ours. @default none */
  messageQueueListener?: MessageQueueListener
  /** Where offsets of BROADCASTING are kept. @default '<home>/.rocketmq_offsets' */
  offsetStoreFolder?: string
}

export interface LiteSettings {
  readonly messageQueueListener: MessageQueueListener | undefined
  readonly isBroadcast: boolean
  readonly consumeFromWhere: ConsumeFromWhere
  readonly consumeTimestamp: number
  readonly strategy: AllocateMessageQueueStrategy
  readonly pullBatchSize: number
  readonly autoCommit: boolean
  readonly autoCommitIntervalMillis: number
  readonly pollTimeoutMillis: number
  readonly pullThresholdForAll: number
  readonly pullThresholdForQueue: number
  readonly pullThresholdSizeForQueue: number
  readonly consumeMaxSpan: number
  readonly rebalanceInterval: number
}

export function liteSettings(options: LitePullConsumerOptions, now: number): LiteSettings {
  const count = (name: Counted, otherwise: number, least: number, most: number) =>
    integer(name, options[name] ?? otherwise, least, most)
  const { messageQueueListener } = options
  checkFunctions({ messageQueueListener })
  const model = oneOf('messageModel', options.messageModel ?? 'CLUSTERING', ['CLUSTERING', 'BROADCASTING'])
  return {
    messageQueueListener,
    isBroadcast: model === 'BROADCASTING',
    consumeFromWhere: oneOf('consumeFromWhere', options.consumeFromWhere ?? FROM_WHERE[0], FROM_WHERE),
    consumeTimestamp: timestampOf(options.consumeTimestamp, now),
    strategy: strategyOf(options.allocateMessageQueueStrategy),
    pullBatchSize: count('pullBatchSize', 10, 1, 1024),
    autoCommit: options.autoCommit ?? true,
    autoCommitIntervalMillis: count('autoCommitIntervalMillis', 5000, 0, 2 ** 31 - 1),
    pollTimeoutMillis: count('pollTimeoutMillis', 5000, 0, 2 ** 31 - 1),
    pullThresholdForAll: count('pullThresholdForAll', 10_000, 1, 6_553_500),
    pullThresholdForQueue: count('pullThresholdForQueue', 1000, 1, 65_535),
    pullThresholdSizeForQueue: count('pullThresholdSizeForQueue', 100, 1, 1024),
    consumeMaxSpan: count('consumeMaxSpan', 2000, 1, 65_535),
    rebalanceInterval: count('rebalanceInterval', 20_000, 10, 2 ** 31 - 1),
  }
}

type Counted =
  | 'pullBatchSize'
  | 'autoCommitIntervalMillis'
  | 'pollTimeoutMillis'
  | 'pullThresholdForAll'
  | 'pullThresholdForQueue'
  | 'pullThresholdSizeForQueue'
  | 'consumeMaxSpan'
  | 'rebalanceInterval'

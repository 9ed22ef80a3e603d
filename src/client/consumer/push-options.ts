/** The options of a push consumer: RocketMQ's names and defaults (spec/client-behaviour.md §6), checked once. */
import { badOption, type ClientOptions, integer, oneOf } from '../options.ts'
import { type AllocateMessageQueueStrategy, allocateAveragely } from './allocation/index.ts'
import type { MessageListenerConcurrently, MessageListenerOrderly } from './listener.ts'
import type { MessageQueueListener } from './queues-changed.ts'
import type { SubscriptionExpression } from './subscription.ts'

/** Whether the members of a group share the queues, or each gets every message. */
export type MessageModel = 'CLUSTERING' | 'BROADCASTING'
/** Where a group begins that has no offset of a queue. */
export type ConsumeFromWhere = 'CONSUME_FROM_LAST_OFFSET' | 'CONSUME_FROM_FIRST_OFFSET' | 'CONSUME_FROM_TIMESTAMP'

export interface PushConsumerOptions extends ClientOptions {
  /** Topics and what is wanted of each: `{ Orders: '*', Prices: 'eu || us', Stock: { sql: 'count < 5' } }`. More by subscribe(). */
  subscriptions?: Readonly<Record<string, SubscriptionExpression>>
  /** Gets messages as they come, several at a time. Either this or `orderlyListener`. */
  listener?: MessageListenerConcurrently
  /** Gets the messages of each queue in their order, one after the other. */
  orderlyListener?: MessageListenerOrderly
  /** CLUSTERING: the members of the group share the queues. BROADCASTING: each gets every message. @default 'CLUSTERING' */
  messageModel?: MessageModel
  /** Where a group begins that has no offset of a queue. @default 'CONSUME_FROM_LAST_OFFSET' */
  consumeFromWhere?: ConsumeFromWhere
  /** Of CONSUME_FROM_TIMESTAMP: a Date, or yyyyMMddHHmmss in local time. @default half an hour before the start */
  consumeTimestamp?: Date | string
  /** Whose a queue is; the same for all members of the group. @default allocateAveragely() */
  allocateMessageQueueStrategy?: AllocateMessageQueueStrategy
  /** How many batches are with the listener at the same time. @default 20 */
  consumeThreadMax?: number
  /** How many messages the listener gets at once, at most. @default 1 */
  consumeMessageBatchMaxSize?: number
  /** How many messages a pull asks for. @default 32 */
  pullBatchSize?: number
  /** Milliseconds between two pulls of a queue that has messages. @default 0 */
  pullInterval?: number
  /** Messages of a queue that may wait to be consumed; beyond, nothing is pulled of it. @default 1000 */
  pullThresholdForQueue?: number
  /** The same in MiB of bodies. @default 100 */
  pullThresholdSizeForQueue?: number
  /** The same of all our queues of a topic, divided among them; -1: as each queue's own. @default -1 */
  pullThresholdForTopic?: number
  /** The same in MiB of bodies; -1: as each queue's own. @default -1 */
  pullThresholdSizeForTopic?: number
  /** From the lowest offset that is not consumed to the highest; not in order. @default 2000 */
  consumeConcurrentlyMaxSpan?: number
  /** Tries after the first; then the message goes to `%DLQ%<group>`. -1: 16, in order without end. @default -1 */
  maxReconsumeTimes?: number
  /** Milliseconds until an ordered queue goes on after it was suspended. @default 1000 */
  suspendCurrentQueueTimeMillis?: number
  /** Minutes after which a message that is still being consumed goes back to the broker. @default 15 */
  consumeTimeout?: number
  /** Milliseconds between two stores of offsets. @default 5000 */
  persistConsumerOffsetInterval?: number
  /** Milliseconds between two looks at whose the queues are. @default 20_000 */
  rebalanceInterval?: number
  /** Milliseconds that close() waits for listeners which are running. @default 30_000 */
  awaitTerminationMillisWhenShutdown?: number
  /** Where offsets of BROADCASTING are kept. @default '<home>/.rocketmq_offsets' */
  offsetStoreFolder?: string
  /** Called when the queues that are ours have changed: topic, all its queues, ours. @default none */
  messageQueueListener?: MessageQueueListener
  /** What is consumed is told to the trace topic. @default false */
  enableMsgTrace?: boolean
  /** Where these records go. @default 'RMQ_SYS_TRACE_TOPIC' */
  customizedTraceTopic?: string
}

export interface PushSettings {
  readonly listener: MessageListenerConcurrently | undefined
  readonly orderlyListener: MessageListenerOrderly | undefined
  readonly messageQueueListener: MessageQueueListener | undefined
  readonly isBroadcast: boolean
  readonly isOrdered: boolean
  readonly consumeFromWhere: ConsumeFromWhere
  /** Milliseconds since 1970. */
  readonly consumeTimestamp: number
  readonly strategy: AllocateMessageQueueStrategy
  readonly consumeThreadMax: number
  readonly consumeMessageBatchMaxSize: number
  readonly pullBatchSize: number
  readonly pullInterval: number
  readonly pullThresholdForQueue: number
  readonly pullThresholdSizeForQueue: number
  readonly pullThresholdForTopic: number
  readonly pullThresholdSizeForTopic: number
  readonly consumeConcurrentlyMaxSpan: number
  readonly maxReconsumeTimes: number
  readonly suspendCurrentQueueTimeMillis: number
  readonly consumeTimeoutMs: number
  readonly persistConsumerOffsetInterval: number
  readonly rebalanceInterval: number
  readonly awaitTerminationMillisWhenShutdown: number
}

const HALF_AN_HOUR = 30 * 60_000
export const FROM_WHERE = ['CONSUME_FROM_LAST_OFFSET', 'CONSUME_FROM_FIRST_OFFSET', 'CONSUME_FROM_TIMESTAMP'] as const

export function pushSettings(options: PushConsumerOptions, now: number): PushSettings {
  const { listener, orderlyListener, messageQueueListener } = options
  checkFunctions({ listener, orderlyListener, messageQueueListener })
  if ((listener === undefined) === (orderlyListener === undefined)) {
    throw badOption(
      'listener',
      listener === undefined ? 'missing' : 'given twice',
      'either listener or orderlyListener',
    )
  }
  const count = (name: Counted, otherwise: number, least: number, most: number) =>
    integer(name, options[name] ?? otherwise, least, most)
  const orNone = (name: Counted, most: number) => (options[name] === -1 ? -1 : count(name, -1, -1, most))
  const model = oneOf('messageModel', options.messageModel ?? 'CLUSTERING', ['CLUSTERING', 'BROADCASTING'])
  return {
    listener,
    orderlyListener,
    messageQueueListener,
    isBroadcast: model === 'BROADCASTING',
    isOrdered: orderlyListener !== undefined,
    consumeFromWhere: oneOf('consumeFromWhere', options.consumeFromWhere ?? FROM_WHERE[0], FROM_WHERE),
    consumeTimestamp: timestampOf(options.consumeTimestamp, now),
    strategy: strategyOf(options.allocateMessageQueueStrategy),
    consumeThreadMax: count('consumeThreadMax', 20, 1, 100_000),
    consumeMessageBatchMaxSize: count('consumeMessageBatchMaxSize', 1, 1, 1024),
    pullBatchSize: count('pullBatchSize', 32, 1, 1024),
    pullInterval: count('pullInterval', 0, 0, 65_535),
    pullThresholdForQueue: count('pullThresholdForQueue', 1000, 1, 65_535),
    pullThresholdSizeForQueue: count('pullThresholdSizeForQueue', 100, 1, 1024),
    pullThresholdForTopic: orNone('pullThresholdForTopic', 6_553_500),
    pullThresholdSizeForTopic: orNone('pullThresholdSizeForTopic', 102_400),
    consumeConcurrentlyMaxSpan: count('consumeConcurrentlyMaxSpan', 2000, 1, 65_535),
    maxReconsumeTimes: count('maxReconsumeTimes', -1, -1, 2 ** 31 - 1),
    suspendCurrentQueueTimeMillis: count('suspendCurrentQueueTimeMillis', 1000, 10, 30_000),
    consumeTimeoutMs: count('consumeTimeout', 15, 1, 35_791) * 60_000,
    persistConsumerOffsetInterval: count('persistConsumerOffsetInterval', 5000, 10, 2 ** 31 - 1),
    rebalanceInterval: count('rebalanceInterval', 20_000, 10, 2 ** 31 - 1),
    awaitTerminationMillisWhenShutdown: count('awaitTerminationMillisWhenShutdown', 30_000, 0, 2 ** 31 - 1),
  }
}

/** Throws BAD_OPTION for what is given and is none. */
export function checkFunctions(given: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && typeof value !== 'function') throw badOption(name, value, 'a function')
  }
}

export function strategyOf(given: AllocateMessageQueueStrategy | undefined): AllocateMessageQueueStrategy {
  if (given === undefined) return allocateAveragely()
  if (typeof given?.allocate === 'function') return given
  throw badOption('allocateMessageQueueStrategy', given, 'a strategy, such as allocateAveragelyByCircle()')
}

type Counted =
  | 'consumeThreadMax'
  | 'consumeMessageBatchMaxSize'
  | 'pullBatchSize'
  | 'pullInterval'
  | 'pullThresholdForQueue'
  | 'pullThresholdSizeForQueue'
  | 'pullThresholdForTopic'
  | 'pullThresholdSizeForTopic'
  | 'consumeConcurrentlyMaxSpan'
  | 'maxReconsumeTimes'
  | 'suspendCurrentQueueTimeMillis'
  | 'consumeTimeout'
  | 'persistConsumerOffsetInterval'
  | 'rebalanceInterval'
  | 'awaitTerminationMillisWhenShutdown'

/** Java writes yyyyMMddHHmmss in the local time of the machine. */
export function timestampOf(given: Date | string | undefined, now: number): number {
  if (given === undefined) return now - HALF_AN_HOUR
  if (given instanceof Date) return integer('consumeTimestamp', given.getTime(), 0)
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(given)?.slice(1).map(Number)
  if (parts === undefined) throw badOption('consumeTimestamp', given, 'a Date, or a text such as 20261127083000')
  const [year, month, day, hour, minute, second] = parts
  return new Date(year, month - 1, day, hour, minute, second).getTime()
}

/**
 * Consumers: PushConsumer calls a listener, LitePullConsumer is asked for messages.
 *
 *   allocation/    whose a queue is
 *   offsets/       a group's progress
 *   rebalance, pull-loop, process-queue      from the broker to the consumption
 *   concurrent-consumption, ordered-consumption, retries      what the listener gets, and what becomes of what fails
 */
export * from './allocation/index.ts'
export type {
  ConsumeConcurrentlyContext,
  ConsumeConcurrentlyStatus,
  ConsumeOrderlyContext,
  ConsumeOrderlyStatus,
  MessageListenerConcurrently,
  MessageListenerOrderly,
  Nothing,
} from './listener.ts'
export type { LitePullConsumerOptions } from './lite-options.ts'
export { LitePullConsumer, type PollOptions } from './lite-pull-consumer.ts'
export { PushConsumer, type QueueProgress } from './push-consumer.ts'
export type { ConsumeFromWhere, MessageModel, PushConsumerOptions } from './push-options.ts'
export type { MessageQueueListener } from './queues-changed.ts'
export type { SubscriptionExpression } from './subscription.ts'

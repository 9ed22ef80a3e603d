/** What a consumer's listener gets and gives. Names: org.apache.rocketmq.client.consumer.listener of Apache RocketMQ 4.9. */
import type { MessageQueue } from './message-queue.ts'
import type { ReceivedMessage } from './received-message.ts'

/** What a listener says of its messages. */
export type ConsumeConcurrentlyStatus = 'CONSUME_SUCCESS' | 'RECONSUME_LATER'
/** A listener that gives back nothing has consumed its messages. */
// biome-ignore lint/suspicious/noConfusingVoidType: an async listener that returns nothing gives a promise of void
export type Nothing = undefined | void
/** What a listener in order says of its messages; COMMIT and ROLLBACK with autoCommit false. */
export type ConsumeOrderlyStatus = 'SUCCESS' | 'SUSPEND_CURRENT_QUEUE_A_MOMENT' | 'COMMIT' | 'ROLLBACK'

/** What a listener may set before it ends. */
export interface ConsumeConcurrentlyContext {
  /** Where the messages come from. */
  readonly messageQueue: MessageQueue
  /** Of messages to consume later: 0, the broker's (10 s at first, then longer); 1…18, that delay level; -1, to the DLQ at once. @default 0 */
  delayLevelWhenNextConsume: number
  /** Index of the last message that was consumed; those behind it come again. @default all of them */
  ackIndex: number
}

/** What a listener in order may set before it ends. */
export interface ConsumeOrderlyContext {
  /** Where the messages come from. */
  readonly messageQueue: MessageQueue
  /** False: what was consumed counts with COMMIT only. @default true */
  autoCommit: boolean
  /** After SUSPEND_CURRENT_QUEUE_A_MOMENT: 10…30000 ms; -1: the consumer's suspendCurrentQueueTimeMillis. @default -1 */
  suspendCurrentQueueTimeMillis: number
}

/**
 * Consumes messages, `consumeMessageBatchMaxSize` at most (1 unless set). Nothing, or CONSUME_SUCCESS: they are consumed. An error or
 * RECONSUME_LATER: they come again later, and after maxReconsumeTimes go to the DLQ.
 */
export type MessageListenerConcurrently = (
  messages: ReceivedMessage[],
  context: ConsumeConcurrentlyContext,
) => PromiseLike<ConsumeConcurrentlyStatus | Nothing> | ConsumeConcurrentlyStatus | Nothing

/**
 * Consumes messages of one queue in their order, one call at a time a queue. Nothing, or SUCCESS: they are consumed. An error or
 * SUSPEND_CURRENT_QUEUE_A_MOMENT: the same ones come again after a moment; what is behind them waits.
 */
export type MessageListenerOrderly = (
  messages: ReceivedMessage[],
  context: ConsumeOrderlyContext,
) => PromiseLike<ConsumeOrderlyStatus | Nothing> | ConsumeOrderlyStatus | Nothing

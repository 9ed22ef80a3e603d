/** What a send may be given beside its message. */
import type { Message } from '../message/message.ts'
import { integer } from '../options.ts'
import type { MessageQueue } from '../route.ts'
import type { SendResult } from './send-result.ts'
import type { LocalTransactionState } from './transaction.ts'

/** Of one send. */
export interface SendOptions {
  /** Milliseconds for all tries. @default sendMsgTimeout of the producer */
  timeout?: number
  /** Aborted: the promise rejects at once; whether the message is stored is not known then. */
  signal?: AbortSignal
}

/** Of one transaction. */
export interface TransactionOptions extends SendOptions {
  /** Seconds before the broker asks about it for the first time. @default the broker's transactionTimeOut */
  checkImmunityTime?: number
}

/** Of one request. */
export interface RequestOptions extends SendOptions {
  /** Where it goes. @default one of the topic's queues, the next in turn */
  queue?: MessageQueue
  /** Picks where it goes. */
  selector?: MessageQueueSelector
}

/** Picks the queue of a message among those of its topic. */
export type MessageQueueSelector = (queues: readonly MessageQueue[], message: Message) => MessageQueue

/** Does what the message is about, and says whether consumers are to see it. Throwing, or giving nothing, is UNKNOW. */
export type LocalTransaction = (
  message: Message,
  /** Of the half message. */
  result: SendResult,
) => LocalTransactionState | undefined | Promise<LocalTransactionState | undefined>

/** Throws ClientError BAD_OPTION. */
export function checkTimeout(timeout: number | undefined): void {
  if (timeout !== undefined) integer('timeout', timeout, 1)
}

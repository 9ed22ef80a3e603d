/**
 * basaltmq/client: RocketMQ's producer, consumers and admin for Node. Speaks to Basalt and to Apache's brokers of 4.9 and 5.x.
 * Loads neither the broker nor the native addon.
 *
 *   options, client-id, namespace     what every client is given, checked
 *   instance, instances               what clients of one id share: connections, heartbeats, requests from brokers
 *   namesrv, route, vip               where brokers are
 *   timers                            time, from an injected clock
 *   message/                          what is sent and received
 *   producer/                         sending
 *   consumer/                         consuming: listeners, polls, whose a queue is, a group's progress
 *   once/                             effects that happen once although their message comes again
 *   admin/                            topics, groups, offsets, messages by id and key
 */

export type { BrokerAddress, Route, RouteQueue } from '../admin/cluster.ts'
export type { Consumer as OnlineConsumer, OnlineGroup, QueueProgress as GroupQueueProgress } from '../admin/groups.ts'
export type { Clock } from '../clock.ts'
export { BasaltError, type ErrorDetails } from '../errors.ts'
export type { Log } from '../log.ts'
export type { Account } from '../remoting/signature.ts'
export {
  Admin,
  type AdminOptions,
  type GroupOptions,
  type OffsetTarget,
  type QueryOptions,
  type QueueOffset,
  type QueueOffsets,
  type TopicOptions,
} from './admin/admin.ts'
export * from './consumer/index.ts'
export { CLIENT_ERRORS, ClientError, type ClientErrorCode, type ClientErrorDetails } from './errors.ts'
export type { CompressType } from './message/compression.ts'
export type { Message } from './message/message.ts'
export { MessageExt } from './message/message-ext.ts'
export * from './once/index.ts'
export type { ClientOptions, ClientTlsOptions } from './options.ts'
export type { ProducerOptions } from './producer/options.ts'
export { Producer } from './producer/producer.ts'
export type { Reply } from './producer/request-reply.ts'
export type {
  LocalTransaction,
  MessageQueueSelector,
  RequestOptions,
  SendOptions,
  TransactionOptions,
} from './producer/send-options.ts'
export type { SendResult, SendStatus } from './producer/send-result.ts'
export type { LocalTransactionState, TransactionSendResult } from './producer/transaction.ts'
export type { MessageQueue } from './route.ts'
export type { ClientClock } from './timers.ts'

/** What a producer is given beside the options of every client, and what it comes to. */
import { COMPRESS_TYPES, type CompressType, checkCompression } from '../message/compression.ts'
import type { MessageExt } from '../message/message-ext.ts'
import {
  badOption,
  type ClientOptions,
  checkName,
  checkObject,
  integer,
  oneOf,
  type ResolvedClientOptions,
  resolveOptions,
  TOPIC_LENGTH_MAX,
} from '../options.ts'
import { CREATE_TOPIC_KEY, DEFAULT_TOPIC_QUEUE_NUMS } from '../route.ts'
import type { LocalTransactionState } from './transaction.ts'

export interface ProducerOptions extends ClientOptions {
  /** Milliseconds for a send with all its tries. @default 3000 */
  sendMsgTimeout?: number
  /** Further tries after one that failed, at another broker where there is one. @default 2 */
  retryTimesWhenSendFailed?: number
  /** Tries another broker also when the message is stored, but disk or slave did not confirm in time. @default false */
  retryAnotherBrokerWhenNotStoreOK?: boolean
  /** Bodies of so many bytes and more are compressed. @default 4096 */
  compressMsgBodyOverHowmuch?: number
  /** How they are compressed: LZ4 needs the package lz4-napi; ZSTD Node 22.15, or the package zstd-napi. @default 'ZLIB' */
  compressType?: CompressType
  /** From 1 (fast) to 9 (small). @default 5 */
  compressLevel?: number
  /** Bytes of the largest body, and of the bodies of a batch together. @default 4 MiB */
  maxMessageSize?: number
  /** Queues of a topic that a send creates. @default 4 */
  defaultTopicQueueNums?: number
  /** The topic that a new one is made after. @default 'TBW102' */
  createTopicKey?: string
  /** Brokers that answer slowly are left alone for a while. @default false */
  sendLatencyFaultEnable?: boolean
  /** Sends a record of every message to the trace topic. @default false */
  enableMsgTrace?: boolean
  /** Where these records go. @default 'RMQ_SYS_TRACE_TOPIC' */
  customizedTraceTopic?: string
  /**
   * Asked by a broker what became of a local transaction that it heard nothing of. Needed for sendInTransaction.
   * Throwing, or giving nothing, is UNKNOW: the broker asks again.
   */
  checkLocalTransaction?: (
    message: MessageExt,
  ) => LocalTransactionState | undefined | Promise<LocalTransactionState | undefined>
}

export interface ResolvedProducerOptions extends ResolvedClientOptions {
  readonly sendMsgTimeout: number
  readonly retryTimesWhenSendFailed: number
  readonly retryAnotherBrokerWhenNotStoreOK: boolean
  readonly compressMsgBodyOverHowmuch: number
  readonly compressType: CompressType
  readonly compressLevel: number
  readonly maxMessageSize: number
  readonly defaultTopicQueueNums: number
  readonly createTopicKey: string
  readonly sendLatencyFaultEnable: boolean
  readonly enableMsgTrace: boolean
  readonly traceTopic: string
  readonly checkLocalTransaction: ProducerOptions['checkLocalTransaction']
}

export const TRACE_TOPIC = 'RMQ_SYS_TRACE_TOPIC'
const MIB = 1024 * 1024

export function resolveProducerOptions(options: ProducerOptions): ResolvedProducerOptions {
  checkObject('options', options)
  const { customizedTraceTopic, checkLocalTransaction } = options
  if (customizedTraceTopic !== undefined) checkName('customizedTraceTopic', customizedTraceTopic, TOPIC_LENGTH_MAX)
  if (checkLocalTransaction !== undefined && typeof checkLocalTransaction !== 'function') {
    throw badOption('checkLocalTransaction', typeof checkLocalTransaction, 'a function')
  }
  const compressType = oneOf('compressType', options.compressType ?? 'ZLIB', COMPRESS_TYPES)
  checkCompression(compressType)
  return { ...resolveOptions(options), ...sendDefaults(options), compressType }
}

/** What holds for sends of the client itself, too. */
export function sendDefaults(options: Partial<ProducerOptions> = {}) {
  return {
    sendMsgTimeout: integer('sendMsgTimeout', options.sendMsgTimeout ?? 3000, 1),
    retryTimesWhenSendFailed: integer('retryTimesWhenSendFailed', options.retryTimesWhenSendFailed ?? 2, 0, 100),
    retryAnotherBrokerWhenNotStoreOK: options.retryAnotherBrokerWhenNotStoreOK ?? false,
    compressMsgBodyOverHowmuch: integer('compressMsgBodyOverHowmuch', options.compressMsgBodyOverHowmuch ?? 4096, 0),
    compressType: options.compressType ?? ('ZLIB' as const),
    compressLevel: integer('compressLevel', options.compressLevel ?? 5, 1, 9),
    maxMessageSize: integer('maxMessageSize', options.maxMessageSize ?? 4 * MIB, 1, 15 * MIB),
    defaultTopicQueueNums: integer(
      'defaultTopicQueueNums',
      options.defaultTopicQueueNums ?? DEFAULT_TOPIC_QUEUE_NUMS,
      1,
    ),
    createTopicKey: options.createTopicKey ?? CREATE_TOPIC_KEY,
    sendLatencyFaultEnable: options.sendLatencyFaultEnable ?? false,
    enableMsgTrace: options.enableMsgTrace ?? false,
    traceTopic: options.customizedTraceTopic ?? TRACE_TOPIC,
    checkLocalTransaction: options.checkLocalTransaction,
  }
}

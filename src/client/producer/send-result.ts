/** What a send came to. */
import type { RemotingCommand } from '../../remoting/command.ts'
import type { SentAnswer } from '../../remoting/hot/index.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import type { MessageQueue } from '../route.ts'

/**
 * SEND_OK, or: it is stored, but the disk (FLUSH_DISK_TIMEOUT) or a slave (FLUSH_SLAVE_TIMEOUT) did not confirm in time, or
 * there is no slave (SLAVE_NOT_AVAILABLE).
 */
export type SendStatus = 'SEND_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'

/** What a send came to. */
export interface SendResult {
  /** How safely it is stored. */
  readonly sendStatus: SendStatus
  /** The id that this client gave it (UNIQ_KEY). */
  readonly msgId: string
  /** Where the broker has it. */
  readonly offsetMsgId: string
  /** The queue that has it. */
  readonly messageQueue: MessageQueue
  /** Place in that queue. */
  readonly queueOffset: number
  /** Of a half message, where the broker gives it one. */
  readonly transactionId: string | undefined
  /** Of the broker: part of its traces. */
  readonly regionId: string
  /** Whether the broker wants traces. */
  readonly traceOn: boolean
}

const STATUS: Record<number, SendStatus> = {
  [RESPONSE.SUCCESS]: 'SEND_OK',
  [RESPONSE.FLUSH_DISK_TIMEOUT]: 'FLUSH_DISK_TIMEOUT',
  [RESPONSE.FLUSH_SLAVE_TIMEOUT]: 'FLUSH_SLAVE_TIMEOUT',
  [RESPONSE.SLAVE_NOT_AVAILABLE]: 'SLAVE_NOT_AVAILABLE',
}

/** Undefined: the answer is a refusal. */
export function statusOf(code: number): SendStatus | undefined {
  return code === 0 ? 'SEND_OK' : STATUS[code]
}

/** `queue`: as the user knows it; the broker says which of its queues it took. */
export function resultOf(
  sendStatus: SendStatus,
  answer: RemotingCommand,
  msgId: string,
  queue: MessageQueue,
): SendResult {
  const { ext } = answer
  const queueId = ext?.queueId === undefined ? queue.queueId : Number(ext.queueId)
  return {
    sendStatus,
    msgId,
    offsetMsgId: ext?.msgId ?? '',
    messageQueue: queueId === queue.queueId ? queue : { topic: queue.topic, brokerName: queue.brokerName, queueId },
    queueOffset: Number(ext?.queueOffset ?? -1),
    transactionId: ext?.transactionId,
    regionId: ext?.MSG_REGION ?? 'DefaultRegion',
    traceOn: ext?.TRACE_ON !== 'false',
  }
}

/** The same of an answer that was read without the decoder. */
export function resultOfSent(it: SentAnswer, msgId: string, queue: MessageQueue): SendResult {
  const { queueId } = it
  return {
    sendStatus: 'SEND_OK',
    msgId,
    offsetMsgId: it.msgId,
    messageQueue: queueId === queue.queueId ? queue : { topic: queue.topic, brokerName: queue.brokerName, queueId },
    queueOffset: it.queueOffset,
    transactionId: it.transactionId,
    regionId: it.region ?? 'DefaultRegion',
    traceOn: it.traceOn !== 'false',
  }
}

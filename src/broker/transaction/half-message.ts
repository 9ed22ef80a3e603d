/**
 * A half message and what becomes of it: the message that a commit delivers, the copy that a check leaves behind, the copy
 * of one that is given up, and the op message that says that it is decided.
 *
 *   half   RMQ_SYS_TRANS_HALF_TOPIC/0      REAL_TOPIC, REAL_QID, PGROUP, TRAN_MSG       transaction type 0
 *   commit REAL_TOPIC/REAL_QID             same text, type 8, preparedTransactionOffset = the half's physical offset
 *   op     RMQ_SYS_TRANS_OP_HALF_TOPIC/0   TAGS d, body = queue offset of the half in decimal (5.x: several, by commas)
 *                                          ours: BASALT_COPY = queue offset of the copy that has taken the half's place
 *
 * Invariant: body, flag, born data and storeHost are the sender's in every copy. (RocketMQ loses flag and reconsumeTimes in the
 *            copies of a check; ours keep them, so that a message committed by a check is the one that was sent.)
 * Format:    spec/store-format.md §2, spec/broker-requests.md §10.
 */
import { type Message, SYS_FLAG } from '../../store/commitlog/record.ts'
import { type InternalMessage, internalMessage, withProperties } from '../put/index.ts'
import type { Host } from '../send/record-encoder.ts'
import { TOPIC, topicNameFault } from '../topics/names.ts'

/** Whose offsets tell how far halves and ops are used up. */
export const TRANSACTION_GROUP = 'CID_RMQ_SYS_TRANS'

export const HALF = {
  realTopic: 'REAL_TOPIC',
  realQueueId: 'REAL_QID',
  producerGroup: 'PGROUP',
  checkTimes: 'TRANSACTION_CHECK_TIMES',
  immunitySeconds: 'CHECK_IMMUNITY_TIME_IN_SECONDS',
  firstCopy: 'TRAN_PREPARED_QUEUE_OFFSET',
  uniqueKey: 'UNIQ_KEY',
  wait: 'WAIT',
} as const

const OP_TEXT = 'WAIT\u0001true\u0002TAGS\u0001d'
const OP_TAG = 'd'
/** Not one of RocketMQ's, which reads tag and body only. */
const COPY = 'BASALT_COPY'
const QUEUE_ID_MAX = 65_535

/** A half message that can be committed, rolled back and checked. */
export interface Half {
  readonly message: Message
  readonly realTopic: string
  readonly realQueueId: number
  readonly producerGroup: string
  /** Checks that were sent so far. */
  readonly checkTimes: number
  /** What the sender asked for instead of transactionTimeOut. */
  readonly immunityMs: number | undefined
  /** Queue offset of the copy that the producer knows, where this is one that was put back before its time. */
  readonly firstCopy: number | undefined
  readonly uniqueKey: string | undefined
}

/** The half that a record holds, or why it is none. */
export function halfOf(message: Message): Half | string {
  const { properties } = message
  if (message.topic !== TOPIC.half) return `it is in topic ${message.topic}`
  const realTopic = properties.get(HALF.realTopic)
  const fault = topicNameFault(realTopic)
  if (realTopic === undefined || fault !== undefined) return `${HALF.realTopic}: ${fault}`
  const realQueueId = integer(properties.get(HALF.realQueueId))
  if (realQueueId === undefined || realQueueId > QUEUE_ID_MAX) {
    return `${HALF.realQueueId} is ${properties.get(HALF.realQueueId)}`
  }
  const producerGroup = properties.get(HALF.producerGroup)
  if (producerGroup === undefined) return `it has no ${HALF.producerGroup}`
  const seconds = integer(properties.get(HALF.immunitySeconds))
  return {
    message,
    realTopic,
    realQueueId,
    producerGroup,
    checkTimes: integer(properties.get(HALF.checkTimes)) ?? 0,
    immunityMs: seconds === undefined ? undefined : seconds * 1000,
    firstCopy: integer(properties.get(HALF.firstCopy)),
    uniqueKey: properties.get(HALF.uniqueKey),
  }
}

/** What the consumers of the real topic get. The text stays as it is, TRAN_MSG and REAL_TOPIC included. */
export function commitOf({ message, realTopic, realQueueId }: Half): InternalMessage {
  return {
    ...internalMessage(message),
    topic: realTopic,
    queueId: realQueueId,
    sysFlag: (message.sysFlag & ~SYS_FLAG.transactionMask) | SYS_FLAG.commit,
    preparedTransactionOffset: message.physicalOffset,
  }
}

/** Whether a commit waits until it is as safe as the mode promises: what the sender said of the half. */
export function commitWaits({ message }: Half): boolean {
  return message.properties.get(HALF.wait)?.toLowerCase() !== 'false'
}

/** The copy that takes the half's place when it is checked. */
export function checkedCopyOf({ message, checkTimes }: Half): InternalMessage {
  const properties = withProperties(message.propertiesText, { [HALF.checkTimes]: String(checkTimes + 1) })
  return { ...internalMessage(message), queueId: 0, properties, preparedTransactionOffset: 0 }
}

/** The copy that takes its place while it is not yet to be checked, so that those behind it can be used up. */
export function laterCopyOf({ message, firstCopy }: Half): InternalMessage {
  const properties = withProperties(message.propertiesText, {
    [HALF.firstCopy]: String(firstCopy ?? message.queueOffset),
  })
  return { ...internalMessage(message), queueId: 0, properties, preparedTransactionOffset: 0 }
}

/** 323: the half again, as if it had never been checked. */
export function resumedCopyOf(message: Message): InternalMessage {
  const properties = withProperties(message.propertiesText, { [HALF.checkTimes]: '0' })
  return { ...internalMessage(message), topic: TOPIC.half, queueId: 0, properties, preparedTransactionOffset: 0 }
}

/** The copy that an operator finds, of a half that is given up. */
export function expiredCopyOf(message: Message): InternalMessage {
  return { ...internalMessage(message), topic: TOPIC.halfExpired, queueId: 0, preparedTransactionOffset: 0 }
}

/** Says that the half at this queue offset is committed or rolled back; with `copy`, that this one has taken its place. */
export function opOf(halfOffset: number, now: number, broker: Host, copy?: number): InternalMessage {
  return {
    topic: TOPIC.halfOp,
    queueId: 0,
    body: Buffer.from(String(halfOffset)),
    properties: copy === undefined ? OP_TEXT : withProperties(OP_TEXT, { [COPY]: String(copy) }),
    flag: 0,
    sysFlag: 0,
    bornTimestamp: now,
    bornHost: broker,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
  }
}

export interface Op {
  /** Halves that are decided; none where the record is no op message. */
  readonly halves: readonly number[]
  /** What has taken the place of the only one. */
  readonly copy: number | undefined
}

export const NO_OP: Op = { halves: [], copy: undefined }

export function readOp({ body, properties }: Pick<Message, 'body' | 'properties'>): Op {
  if (properties.get('TAGS') !== OP_TAG) return NO_OP
  const halves: number[] = []
  for (const text of Buffer.from(body).toString('latin1').split(',')) {
    const offset = integer(text)
    if (offset !== undefined) halves.push(offset)
  }
  return { halves, copy: halves.length === 1 ? integer(properties.get(COPY)) : undefined }
}

/** A decimal number of 0 … 2^53 − 1, or undefined. */
function integer(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}

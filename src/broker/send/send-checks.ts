/**
 * What a send must pass before it may be stored, in RocketMQ's order (spec/broker-requests.md §3 and §5); the first
 * failure is the answer.
 */
import type { SubscriptionGroupConfig } from '../groups/subscription-groups.ts'
import type { TopicConfig } from '../topics/topic-config.ts'

export interface Refusal {
  code: number
  remark: string
}

export const SEND_CODE = {
  success: 0,
  systemError: 1,
  systemBusy: 2,
  flushDiskTimeout: 10,
  slaveNotAvailable: 11,
  flushSlaveTimeout: 12,
  messageIllegal: 13,
  serviceNotAvailable: 14,
  noPermission: 16,
  topicNotExist: 17,
  groupNotExist: 26,
} as const

const PERM_WRITE = 2
const TOPIC_LENGTH_MAX = 127
const PROPERTIES_LENGTH_MAX = 32767
export const RETRY_PREFIX = '%RETRY%'
export const DLQ_PREFIX = '%DLQ%'

/** The state of the broker as a whole. */
export function checkBroker(
  settings: { startAcceptSendRequestTimeStamp: number; brokerPermission: number; brokerIP1: string },
  now: number,
): Refusal | undefined {
  if (now < settings.startAcceptSendRequestTimeStamp) {
    return {
      code: SEND_CODE.systemError,
      remark: `broker unable to service, until ${new Date(settings.startAcceptSendRequestTimeStamp).toISOString()}`,
    }
  }
  // 4.9.8 refuses only order topics here; an operator who takes the write permission away means every send.
  if ((settings.brokerPermission & PERM_WRITE) === 0) {
    return { code: SEND_CODE.noPermission, remark: `the broker[${settings.brokerIP1}] sending message is forbidden` }
  }
  return undefined
}

export function checkQueueId(queueId: number, config: TopicConfig, remoteAddress: string): Refusal | undefined {
  const count = Math.max(config.writeQueueNums, config.readQueueNums)
  // A negative one is picked by the broker, among those that are written.
  if (queueId < 0 ? config.writeQueueNums > 0 : queueId < count) return undefined
  return {
    code: SEND_CODE.systemError,
    remark: `request queueId[${queueId}] is illegal, topic ${config.topicName} has ${count} queues; producer: ${remoteAddress}`,
  }
}

/** RocketMQ's words first, for clients may look for them. `why`: the rule that keeps it from being created. */
export function unknownTopic(topic: string, why: string): Refusal {
  return {
    code: SEND_CODE.topicNotExist,
    remark: `topic[${topic}] not exist, apply first please!\nSee http://rocketmq.apache.org/docs/faq/ for further details.\n${why}`,
  }
}

/** rejectTransactionMessage. */
export function rejectedHalf(brokerIP1: string): Refusal {
  return { code: SEND_CODE.noPermission, remark: `the broker[${brokerIP1}] sending transaction message is forbidden` }
}

export function checkSizes(
  topicLength: number,
  propertiesLength: number,
  bodyLength: number,
  maxMessageSize: number,
): Refusal | undefined {
  const illegal = (what: string): Refusal => ({
    code: SEND_CODE.messageIllegal,
    remark: `the message is illegal: ${what}`,
  })
  if (topicLength > TOPIC_LENGTH_MAX) return illegal(`its topic has ${topicLength} bytes, at most ${TOPIC_LENGTH_MAX}`)
  if (propertiesLength > PROPERTIES_LENGTH_MAX) {
    return illegal(`its properties have ${propertiesLength} bytes, at most ${PROPERTIES_LENGTH_MAX}`)
  }
  if (bodyLength > maxMessageSize)
    return illegal(`its body has ${bodyLength} bytes, maxMessageSize is ${maxMessageSize}`)
  return undefined
}

/** How often a message may be tried again: the request's word counts from client version 3.4.9 (121) on. */
export function retriesMax(group: SubscriptionGroupConfig, clientVersion: number, requested: number): number {
  return clientVersion >= 121 && requested >= 0 ? requested : group.retryMaxTimes
}

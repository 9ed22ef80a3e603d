/**
 * What a topic or group may be called, which topics are the broker's own, and which nobody may send to.
 * Rules and texts: spec/broker-requests.md §2. Names become folder names, so every door checks them.
 */

export const TOPIC = {
  autoCreate: 'TBW102',
  selfTest: 'SELF_TEST_TOPIC',
  benchmark: 'BenchmarkTest',
  offsetMoved: 'OFFSET_MOVED_EVENT',
  schedule: 'SCHEDULE_TOPIC_XXXX',
  trace: 'RMQ_SYS_TRACE_TOPIC',
  half: 'RMQ_SYS_TRANS_HALF_TOPIC',
  halfOp: 'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  halfExpired: 'TRANS_CHECK_MAX_TIME_TOPIC',
} as const

export const RETRY_PREFIX = '%RETRY%'
export const DLQ_PREFIX = '%DLQ%'
const SYSTEM_PREFIX = 'rmq_sys_'
const SYSTEM_GROUP_PREFIX = 'CID_RMQ_SYS_'

export const retryTopic = (group: string): string => RETRY_PREFIX + group
export const deadLetterTopic = (group: string): string => DLQ_PREFIX + group
export const replyTopic = (clusterName: string): string => `${clusterName}_REPLY_TOPIC`

/** Characters; one byte holds the length in a record. */
export const TOPIC_LENGTH_MAX = 127
const GROUP_LENGTH_MAX = 255
const NAME = /^[%|a-zA-Z0-9_-]+$/

/** Undefined when the name may be a topic, else the remark of the refusal (code 1). */
export function topicNameFault(topic: string | undefined): string | undefined {
  if (topic === undefined || topic.trim() === '') return 'The specified topic is blank.'
  if (!NAME.test(topic)) return 'The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$'
  if (topic.length > TOPIC_LENGTH_MAX) return 'The specified topic is longer than topic max length.'
  return undefined
}

/** Undefined when the name may be a consumer group, else the remark of the refusal. */
export function groupNameFault(group: string | undefined): string | undefined {
  if (group === undefined || group.trim() === '') return 'The specified group is blank.'
  if (!NAME.test(group)) return 'The specified group contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$'
  if (group.length > GROUP_LENGTH_MAX) return 'The specified group is longer than group max length 255.'
  return undefined
}

const FORBIDDEN_TO_SEND: ReadonlySet<string> = new Set([
  TOPIC.schedule,
  TOPIC.half,
  TOPIC.halfOp,
  TOPIC.halfExpired,
  TOPIC.selfTest,
  TOPIC.offsetMoved,
])

/** Topics that only the broker itself writes: a send is answered 16. */
export function isForbiddenToSend(topic: string): boolean {
  return FORBIDDEN_TO_SEND.has(topic)
}

/** The names that neither 17 nor 215 may touch, for one broker; `traceTopic` where the broker keeps traces elsewhere. */
export function systemTopics(clusterName: string, brokerName: string, traceTopic?: string): Set<string> {
  const names = new Set<string>([...Object.values(TOPIC), clusterName, brokerName, replyTopic(clusterName)])
  if (traceTopic !== undefined) names.add(traceTopic)
  return names
}

export function hasSystemPrefix(topic: string): boolean {
  return topic.startsWith(SYSTEM_PREFIX)
}

export function isSystemGroup(group: string): boolean {
  return group.startsWith(SYSTEM_GROUP_PREFIX)
}

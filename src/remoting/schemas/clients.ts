/** Headers of what clients say of themselves, and of what the broker asks them: spec/broker-requests.md §9 and §14. */
import { REQUEST } from '../request-codes.ts'
import { bool, i32, i64, named, optional, schema, text } from '../schema.ts'

/** HEART_BEAT, CHECK_CLIENT_CONFIG, LOCK_BATCH_MQ and UNLOCK_BATCH_MQ have a body only. */
export const HEART_BEAT_ANSWER = schema(REQUEST.HEART_BEAT, {
  /** 5.x; a broker that leaves them out gets whole heartbeats. */
  supportsV2: named('IS_SUPPORT_HEART_BEAT_V2', optional(bool)),
  subscriptionChanged: named('IS_SUB_CHANGE', optional(bool)),
})
export const UNREGISTER_CLIENT = schema(REQUEST.UNREGISTER_CLIENT, {
  clientID: text,
  producerGroup: optional(text),
  consumerGroup: optional(text),
})
export const GET_CONSUMER_LIST_BY_GROUP = schema(REQUEST.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: text })
export const NOTIFY_CONSUMER_IDS_CHANGED = schema(REQUEST.NOTIFY_CONSUMER_IDS_CHANGED, { consumerGroup: text })

export const GET_CONSUMER_RUNNING_INFO = schema(REQUEST.GET_CONSUMER_RUNNING_INFO, {
  consumerGroup: text,
  clientId: text,
  jstackEnable: optional(bool, false),
})
export const CONSUME_MESSAGE_DIRECTLY = schema(REQUEST.CONSUME_MESSAGE_DIRECTLY, {
  consumerGroup: text,
  clientId: optional(text),
  /** offsetMsgId */
  msgId: optional(text),
  brokerName: optional(text),
  /** 5.x */
  topic: optional(text),
  topicSysFlag: optional(i32),
  groupSysFlag: optional(i32),
})
export const INVOKE_BROKER_TO_RESET_OFFSET = schema(REQUEST.INVOKE_BROKER_TO_RESET_OFFSET, {
  topic: text,
  group: text,
  /** -1: the end of the queue. */
  timestamp: i64,
  isForce: bool,
  /** 5.x; -1: all. */
  queueId: optional(i32, -1),
  offset: optional(i64),
})
export const RESET_CONSUMER_CLIENT_OFFSET = schema(REQUEST.RESET_CONSUMER_CLIENT_OFFSET, {
  topic: text,
  group: text,
  timestamp: i64,
  isForce: bool,
})
export const INVOKE_BROKER_TO_GET_CONSUMER_STATUS = schema(REQUEST.INVOKE_BROKER_TO_GET_CONSUMER_STATUS, {
  topic: text,
  group: text,
  /** A client id. */
  clientAddr: optional(text),
})
export const GET_CONSUMER_STATUS_FROM_CLIENT = schema(REQUEST.GET_CONSUMER_STATUS_FROM_CLIENT, {
  topic: text,
  group: text,
  clientAddr: optional(text),
})

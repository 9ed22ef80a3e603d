/** Headers of sends, send-backs, replies and transaction ends: spec/broker-requests.md §3–§6 and §10. */
import { REQUEST } from '../request-codes.ts'
import { bool, i32, i64, named, optional, schema, text } from '../schema.ts'

const longNames = {
  producerGroup: text,
  topic: text,
  defaultTopic: text,
  defaultTopicQueueNums: i32,
  queueId: i32,
  sysFlag: i32,
  bornTimestamp: i64,
  flag: i32,
  properties: optional(text),
  reconsumeTimes: optional(i32, 0),
  unitMode: optional(bool, false),
  maxReconsumeTimes: optional(i32),
  batch: optional(bool, false),
  bname: optional(text),
}

/** The same fields by V2's one-letter names. */
const shortNames = {
  producerGroup: named('a', text),
  topic: named('b', text),
  defaultTopic: named('c', text),
  defaultTopicQueueNums: named('d', i32),
  queueId: named('e', i32),
  sysFlag: named('f', i32),
  bornTimestamp: named('g', i64),
  flag: named('h', i32),
  properties: named('i', optional(text)),
  reconsumeTimes: named('j', optional(i32, 0)),
  unitMode: named('k', optional(bool, false)),
  maxReconsumeTimes: named('l', optional(i32)),
  batch: named('m', optional(bool, false)),
  bname: named('n', optional(text)),
}

export const SEND_MESSAGE = schema(REQUEST.SEND_MESSAGE, longNames)
export const SEND_MESSAGE_V2 = schema(REQUEST.SEND_MESSAGE_V2, shortNames)
export const SEND_BATCH_MESSAGE = schema(REQUEST.SEND_BATCH_MESSAGE, shortNames)
export const SEND_REPLY_MESSAGE = schema(REQUEST.SEND_REPLY_MESSAGE, longNames)
export const SEND_REPLY_MESSAGE_V2 = schema(REQUEST.SEND_REPLY_MESSAGE_V2, shortNames)

/** To all five, with codes 0, 10, 11 and 12. */
export const SEND_MESSAGE_ANSWER = schema(REQUEST.SEND_MESSAGE, {
  /** offsetMsgId; of a batch, all of them with commas between. */
  msgId: text,
  queueId: i32,
  queueOffset: i64,
  transactionId: optional(text),
  batchUniqId: optional(text),
  recallHandle: optional(text),
  region: named('MSG_REGION', optional(text)),
  traceOn: named('TRACE_ON', optional(text)),
})

export const CONSUMER_SEND_MSG_BACK = schema(REQUEST.CONSUMER_SEND_MSG_BACK, {
  /** Physical offset of the message in the CommitLog. */
  offset: i64,
  group: text,
  delayLevel: i32,
  originMsgId: optional(text),
  originTopic: optional(text),
  unitMode: optional(bool, false),
  maxReconsumeTimes: optional(i32),
  bname: optional(text),
})

export const PUSH_REPLY_MESSAGE_TO_CLIENT = schema(REQUEST.PUSH_REPLY_MESSAGE_TO_CLIENT, {
  producerGroup: text,
  topic: text,
  defaultTopic: text,
  defaultTopicQueueNums: i32,
  queueId: i32,
  sysFlag: i32,
  bornTimestamp: i64,
  flag: i32,
  properties: optional(text),
  reconsumeTimes: optional(i32),
  unitMode: optional(bool, false),
  /** "ip:port" */
  bornHost: text,
  storeHost: text,
  storeTimestamp: i64,
})

export const END_TRANSACTION = schema(REQUEST.END_TRANSACTION, {
  producerGroup: text,
  /** Queue offset of the half message. */
  tranStateTableOffset: i64,
  commitLogOffset: i64,
  /** 8 commit, 12 rollback, 0 unknown. */
  commitOrRollback: i32,
  fromTransactionCheck: optional(bool, false),
  msgId: text,
  transactionId: optional(text),
  topic: optional(text),
  bname: optional(text),
})

export const CHECK_TRANSACTION_STATE = schema(REQUEST.CHECK_TRANSACTION_STATE, {
  tranStateTableOffset: i64,
  commitLogOffset: i64,
  msgId: optional(text),
  transactionId: optional(text),
  offsetMsgId: optional(text),
  topic: optional(text),
  bname: optional(text),
})

export const RESUME_CHECK_HALF_MESSAGE = schema(REQUEST.RESUME_CHECK_HALF_MESSAGE, {
  msgId: optional(text),
  topic: optional(text),
})

/** 5.x */
export const RECALL_MESSAGE = schema(REQUEST.RECALL_MESSAGE, {
  producerGroup: optional(text),
  topic: text,
  recallHandle: text,
})
export const RECALL_MESSAGE_ANSWER = schema(REQUEST.RECALL_MESSAGE, { msgId: text })

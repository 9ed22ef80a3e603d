/** Headers of pulls, queries and offsets: spec/broker-requests.md §7 and §8. */
import { REQUEST } from '../request-codes.ts'
import { bool, i32, i64, named, optional, schema, text } from '../schema.ts'

const pull = {
  consumerGroup: text,
  topic: text,
  queueId: i32,
  queueOffset: i64,
  maxMsgNums: i32,
  sysFlag: i32,
  commitOffset: i64,
  suspendTimeoutMillis: i64,
  subscription: optional(text),
  subVersion: i64,
  expressionType: optional(text),
  bname: optional(text),
  /** 5.x */
  maxMsgBytes: optional(i32),
  requestSource: optional(i32),
  /** The spelling is Apache's. */
  proxyFrowardClientId: optional(text),
}
export const PULL_MESSAGE = schema(REQUEST.PULL_MESSAGE, pull)
export const LITE_PULL_MESSAGE = schema(REQUEST.LITE_PULL_MESSAGE, pull)
export const PULL_MESSAGE_ANSWER = schema(REQUEST.PULL_MESSAGE, {
  suggestWhichBrokerId: i64,
  nextBeginOffset: i64,
  minOffset: i64,
  maxOffset: i64,
  /** 5.x */
  topicSysFlag: optional(i32),
  groupSysFlag: optional(i32),
  offsetDelta: optional(i64),
  forbiddenType: optional(i32),
})

export const QUERY_MESSAGE = schema(REQUEST.QUERY_MESSAGE, {
  topic: text,
  key: text,
  maxNum: i32,
  beginTimestamp: i64,
  /** Long.MAX_VALUE (2^63) for "no end". */
  endTimestamp: i64,
  uniqueKeyQuery: named('_UNIQUE_KEY_QUERY', optional(bool, false)),
})
export const QUERY_MESSAGE_ANSWER = schema(REQUEST.QUERY_MESSAGE, {
  indexLastUpdateTimestamp: i64,
  indexLastUpdatePhyoffset: i64,
})
export const VIEW_MESSAGE_BY_ID = schema(REQUEST.VIEW_MESSAGE_BY_ID, {
  /** Physical offset in the CommitLog. */
  offset: i64,
  topic: optional(text),
})

const queue = { topic: text, queueId: i32 }

export const QUERY_CONSUMER_OFFSET = schema(REQUEST.QUERY_CONSUMER_OFFSET, {
  consumerGroup: text,
  ...queue,
  setZeroIfNotFound: optional(bool),
})
export const UPDATE_CONSUMER_OFFSET = schema(REQUEST.UPDATE_CONSUMER_OFFSET, {
  consumerGroup: text,
  ...queue,
  commitOffset: i64,
})
export const SEARCH_OFFSET_BY_TIMESTAMP = schema(REQUEST.SEARCH_OFFSET_BY_TIMESTAMP, {
  ...queue,
  timestamp: i64,
  /** 5.x: LOWER or UPPER. */
  boundaryType: optional(text),
})
export const GET_MAX_OFFSET = schema(REQUEST.GET_MAX_OFFSET, { ...queue, committed: optional(bool, true) })
export const GET_MIN_OFFSET = schema(REQUEST.GET_MIN_OFFSET, queue)
export const GET_EARLIEST_MSG_STORETIME = schema(REQUEST.GET_EARLIEST_MSG_STORETIME, queue)
/** To 14, 29, 30 and 31. */
export const OFFSET_ANSWER = schema(REQUEST.QUERY_CONSUMER_OFFSET, { offset: i64 })
export const GET_EARLIEST_MSG_STORETIME_ANSWER = schema(REQUEST.GET_EARLIEST_MSG_STORETIME, { timestamp: i64 })

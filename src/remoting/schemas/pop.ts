/** Headers of 5.x's pop family: spec/broker-requests.md §17. */
import { REQUEST } from '../request-codes.ts'
import { bool, i32, i64, optional, schema, text } from '../schema.ts'

const queue = { consumerGroup: text, topic: text, queueId: i32 }

export const POP_MESSAGE = schema(REQUEST.POP_MESSAGE, {
  ...queue,
  maxMsgNums: i32,
  invisibleTime: i64,
  pollTime: i64,
  bornTime: i64,
  initMode: i32,
  exp: optional(text),
  expType: optional(text),
  order: optional(bool, false),
  attemptId: optional(text),
})
export const POP_MESSAGE_ANSWER = schema(REQUEST.POP_MESSAGE, {
  popTime: i64,
  invisibleTime: i64,
  reviveQid: i32,
  restNum: i64,
  startOffsetInfo: optional(text),
  msgOffsetInfo: optional(text),
  orderCountInfo: optional(text),
})
export const ACK_MESSAGE = schema(REQUEST.ACK_MESSAGE, { ...queue, extraInfo: text, offset: i64 })
export const CHANGE_MESSAGE_INVISIBLETIME = schema(REQUEST.CHANGE_MESSAGE_INVISIBLETIME, {
  ...queue,
  extraInfo: text,
  offset: i64,
  invisibleTime: i64,
})
export const CHANGE_MESSAGE_INVISIBLETIME_ANSWER = schema(REQUEST.CHANGE_MESSAGE_INVISIBLETIME, {
  popTime: i64,
  invisibleTime: i64,
  reviveQid: i32,
})
export const PEEK_MESSAGE = schema(REQUEST.PEEK_MESSAGE, { ...queue, maxMsgNums: i32 })
export const NOTIFICATION = schema(REQUEST.NOTIFICATION, {
  ...queue,
  pollTime: i64,
  bornTime: i64,
  order: optional(bool, false),
  attemptId: optional(text),
})
export const NOTIFICATION_ANSWER = schema(REQUEST.NOTIFICATION, { hasMsg: bool, pollingFull: optional(bool, false) })
export const POLLING_INFO = schema(REQUEST.POLLING_INFO, queue)
export const POLLING_INFO_ANSWER = schema(REQUEST.POLLING_INFO, { pollingNum: i32 })

/** A pull as its header says it, in numbers and places: one object, filled again for every frame. */
export class PullFields {
  /** Request code: 11 or 361. */
  code = 0
  opaque = 0
  flag = 0
  version = 0
  serialize = 0
  groupStart = 0
  groupEnd = 0
  topicStart = 0
  topicEnd = 0
  queueId = 0
  queueOffset = 0
  maxMsgNums = 0
  sysFlag = 0
  commitOffset = 0
  suspendTimeoutMillis = 0
  subVersion = 0
  /** Subscription expression, unescaped; `subscriptionStart` is -1 when the header has none. */
  subscriptionStart = -1
  subscriptionEnd = -1
  /** "TAG", "SQL92"; -1 when the header has none. */
  expressionTypeStart = -1
  expressionTypeEnd = -1
  /** 5.x; -1: not given. */
  maxMsgBytes = -1
}

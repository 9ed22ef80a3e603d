/** A pull as its header says it, in numbers and places: one object, filled again for every frame. */
export interface PullFields {
  /** Request code: 11 or 361. */
  code: number
  opaque: number
  flag: number
  version: number
  serialize: number
  groupStart: number
  groupEnd: number
  topicStart: number
  topicEnd: number
  queueId: number
  queueOffset: number
  maxMsgNums: number
  sysFlag: number
  commitOffset: number
  suspendTimeoutMillis: number
  subVersion: number
  /** Subscription expression, unescaped; `subscriptionStart` is -1 when the header has none. */
  subscriptionStart: number
  subscriptionEnd: number
  /** "TAG", "SQL92"; -1 when the header has none. */
  expressionTypeStart: number
  expressionTypeEnd: number
  /** 5.x; -1: not given. */
  maxMsgBytes: number
}

export function newPullFields(): PullFields {
  return {
    code: 0,
    opaque: 0,
    flag: 0,
    version: 0,
    serialize: 0,
    groupStart: 0,
    groupEnd: 0,
    topicStart: 0,
    topicEnd: 0,
    queueId: 0,
    queueOffset: 0,
    maxMsgNums: 0,
    sysFlag: 0,
    commitOffset: 0,
    suspendTimeoutMillis: 0,
    subVersion: 0,
    subscriptionStart: -1,
    subscriptionEnd: -1,
    expressionTypeStart: -1,
    expressionTypeEnd: -1,
    maxMsgBytes: -1,
  }
}

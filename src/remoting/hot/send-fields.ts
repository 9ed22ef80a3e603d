/**
 * A send as its header says it, in numbers and places: one object, filled again for every frame.
 * Texts are raw bytes of the frame; only the properties are copied, because JSON escapes their separators.
 */
export interface SendFields {
  /** Request code: 10, 310, 320, 324 or 325. */
  code: number
  opaque: number
  flag: number
  version: number
  serialize: number
  /** UTF-8 bytes of the topic; a name with a character that JSON escapes goes the generic way. */
  topicStart: number
  topicEnd: number
  groupStart: number
  groupEnd: number
  defaultTopicStart: number
  defaultTopicEnd: number
  defaultTopicQueueNums: number
  /** Negative: the broker picks. */
  queueId: number
  sysFlag: number
  bornTimestamp: number
  messageFlag: number
  reconsumeTimes: number
  /** -1: not given. */
  maxReconsumeTimes: number
  batch: boolean
  unitMode: boolean
  bodyStart: number
  bodyEnd: number
  /** Properties as the log stores them (UTF-8, unescaped), from byte 0; there is room for a few more behind them. */
  properties: Buffer
  propertiesLength: number
}

/** Room behind the longest properties that the log takes (32767), for those that the broker adds. */
const PROPERTIES_SCRATCH = 65_536 + 1024

export function newSendFields(): SendFields {
  return {
    code: 0,
    opaque: 0,
    flag: 0,
    version: 0,
    serialize: 0,
    topicStart: 0,
    topicEnd: 0,
    groupStart: 0,
    groupEnd: 0,
    defaultTopicStart: 0,
    defaultTopicEnd: 0,
    defaultTopicQueueNums: 0,
    queueId: 0,
    sysFlag: 0,
    bornTimestamp: 0,
    messageFlag: 0,
    reconsumeTimes: 0,
    maxReconsumeTimes: -1,
    batch: false,
    unitMode: false,
    bodyStart: 0,
    bodyEnd: 0,
    properties: Buffer.alloc(PROPERTIES_SCRATCH),
    propertiesLength: 0,
  }
}

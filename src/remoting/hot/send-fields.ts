/** Properties beyond it are refused; the log takes 32767 bytes. */
export const PROPERTIES_MAX = 65_536
/** End the name and the value of a property. */
const NAME_END = 1
export const PAIR_END = 2
/** Room that stays behind them, for those that the broker adds. */
const PROPERTIES_GROWTH = 1024

/**
 * A send as its header says it, in numbers and places: one object, filled again for every frame.
 * Texts are raw bytes of the frame; only the properties are copied, because JSON escapes their separators.
 */
export class SendFields {
  /** Request code: 10, 310, 320, 324 or 325. */
  code = 0
  opaque = 0
  flag = 0
  version = 0
  serialize = 0
  /** UTF-8 bytes of the topic; a name with a character that JSON escapes goes the generic way. */
  topicStart = 0
  topicEnd = 0
  groupStart = 0
  groupEnd = 0
  defaultTopicStart = 0
  defaultTopicEnd = 0
  defaultTopicQueueNums = 0
  /** Negative: the broker picks. */
  queueId = 0
  sysFlag = 0
  bornTimestamp = 0
  messageFlag = 0
  reconsumeTimes = 0
  /** -1: not given. */
  maxReconsumeTimes = -1
  batch = false
  unitMode = false
  bodyStart = 0
  bodyEnd = 0
  /** Properties as the log stores them (UTF-8, unescaped), from byte 0; there is room for a few more behind them. */
  properties = Buffer.alloc(PROPERTIES_MAX + PROPERTIES_GROWTH)
  propertiesLength = 0
  /** Where bytes 1 and 2, which end a name and a value, stand in the properties. */
  separators = new Uint16Array(PROPERTIES_MAX)
  separatorCount = 0

  /** For properties that were not read byte by byte. */
  findSeparators(): void {
    const { properties, propertiesLength, separators } = this
    let count = 0
    for (let i = 0; i < propertiesLength; i += 1) {
      if (properties[i] === NAME_END || properties[i] === PAIR_END) separators[count++] = i
    }
    this.separatorCount = count
  }
}

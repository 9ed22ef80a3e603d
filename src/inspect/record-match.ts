/** Which records are wanted, tested on their bytes in place: no object is made for one that is not. */
import { ConfigError } from '../errors.ts'
import { compileFilter, FilterError, type SqlFilter } from '../filter/index.ts'
import { parseProperties, type RecordView } from '../store/commitlog/index.ts'
import { physicalOffsetOf } from '../store/commitlog/offset-msg-id.ts'

export interface RecordCriteria {
  topic?: string | undefined
  queueId?: number | undefined
  tag?: string | undefined
  /** One of KEYS, or UNIQ_KEY. */
  key?: string | undefined
  /** offsetMsgId, or msgId (UNIQ_KEY). */
  id?: string | undefined
  /** Store times, ms, both inclusive. */
  after?: number | undefined
  before?: number | undefined
  /** Bytes of the record, both inclusive. */
  minSize?: number | undefined
  maxSize?: number | undefined
  /** SQL92 over the properties. */
  expression?: string | undefined
}

export type RecordMatcher = (record: RecordView, bytes: Buffer) => boolean

/** Throws ConfigError BAD_EXPRESSION. */
export function recordMatcher(criteria: RecordCriteria): RecordMatcher {
  const { queueId, after, before, minSize, maxSize } = criteria
  const topic = criteria.topic === undefined ? undefined : Buffer.from(criteria.topic)
  const byProperties = propertyMatcher(criteria)
  return (record, bytes) => {
    if (queueId !== undefined && record.queueId !== queueId) return false
    if (after !== undefined && record.storeTimestamp < after) return false
    if (before !== undefined && record.storeTimestamp > before) return false
    if (minSize !== undefined && record.totalSize < minSize) return false
    if (maxSize !== undefined && record.totalSize > maxSize) return false
    if (topic !== undefined) {
      if (record.topicLength !== topic.length) return false
      if (bytes.compare(topic, 0, topic.length, record.topicStart, record.topicStart + topic.length) !== 0) return false
    }
    return byProperties === undefined || byProperties(record, bytes)
  }
}

function propertyMatcher({ tag, key, id, expression }: RecordCriteria): RecordMatcher | undefined {
  const sql = expression === undefined ? undefined : compiled(expression)
  const physicalOffset = physicalOffsetOf(id)
  if (tag === undefined && key === undefined && id === undefined && sql === undefined) return undefined
  return (record, bytes) => {
    const from = record.propertiesStart
    const to = from + record.propertiesLength
    if (sql !== undefined && !sql.matches(bytes, from, to)) return false
    if (tag === undefined && key === undefined && id === undefined) return true
    const properties = parseProperties(bytes.toString('utf8', from, to))
    if (tag !== undefined && properties.get('TAGS') !== tag) return false
    if (key !== undefined && !hasKey(properties, key)) return false
    return id === undefined || properties.get('UNIQ_KEY') === id || record.physicalOffset === physicalOffset
  }
}

export function hasKey(properties: ReadonlyMap<string, string>, key: string): boolean {
  return properties.get('UNIQ_KEY') === key || properties.get('KEYS')?.split(' ').includes(key) === true
}

function compiled(expression: string): SqlFilter {
  try {
    return compileFilter(expression)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    const todo = "see RocketMQ’s SQL92 filters: price > 10 AND region IN ('eu')"
    throw new ConfigError('BAD_EXPRESSION', {
      what: `the expression is not one: ${error.message.split('\n')[0]}`,
      todo,
      cause: error,
    })
  }
}

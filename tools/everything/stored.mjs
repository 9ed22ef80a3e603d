// @ts-check
/**
 * Everything that a broker has stored: each queue of each topic, pulled from its first message to its last, and what the
 * broker's own groups have done with its own topics.
 *
 * Source: store-format, "CommitLog record"; broker-requests, PULL_MESSAGE, GET_ALL_TOPIC_CONFIG.
 */
import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { openCalls } from '../../bench/load/connection.mjs'

const PULL = 11
const CONSUMER_OFFSET = 14
const TOPICS = 21
const MAX_OFFSET = 30
const MIN_OFFSET = 31
const SUBSCRIPTION = 4
const FOUND = 0
const MOVED = 21
const COMPRESSED = 1
const BORN_V6 = 16
const STORE_V6 = 32
const BATCH = 32
const PAIRS = '\u0002'
const PAIR = '\u0001'

/**
 * @typedef {object} Stored
 * @property {string} topic
 * @property {number} queueId
 * @property {number} queueOffset
 * @property {number} physicalOffset
 * @property {string} key
 * @property {string} hash
 * @property {number} storedAt
 * @property {Record<string, string>} properties
 *
 * @typedef {Awaited<ReturnType<typeof openCalls>>} Calls
 */

/**
 * @param {string} address of the broker
 * @returns {Promise<{stored: Stored[], topics: string[], problems: string[]}>}
 */
export async function readStored(address) {
  const calls = await openCalls(address)
  try {
    const table = await topicTable(calls)
    /** @type {Stored[]} */
    const stored = []
    /** @type {string[]} */
    const problems = []
    for (const [topic, config] of Object.entries(table)) {
      const queues = Math.max(config.readQueueNums, config.writeQueueNums)
      for (let queueId = 0; queueId < queues; queueId += 1) await readQueue(calls, topic, queueId, stored, problems)
    }
    return { stored, topics: Object.keys(table), problems }
  } finally {
    calls.close()
  }
}

/** @param {Calls} calls */
export async function topicTable(calls) {
  const { header, body } = await calls.call(TOPICS, {})
  if (header.code !== 0) throw new Error(`no topics: ${header.code} ${header.remark}`)
  /** @type {Record<string, {readQueueNums: number, writeQueueNums: number}>} */
  const table = JSON.parse(body.toString()).topicConfigTable
  return table
}

/**
 * How far a group is behind in a queue; NaN where it has no offset, 0 where there is nothing to read.
 * @param {Calls} calls
 * @param {{group: string, topic: string, queueId: number}} of
 */
export async function lagOf(calls, { group, topic, queueId }) {
  const queue = { topic, queueId: String(queueId) }
  const max = await calls.call(MAX_OFFSET, queue)
  const offset = await calls.call(CONSUMER_OFFSET, { consumerGroup: group, ...queue })
  if (max.header.code !== 0) return 0
  if (offset.header.code !== 0) return Number(max.header.extFields.offset) === 0 ? 0 : Number.NaN
  return Number(max.header.extFields.offset) - Number(offset.header.extFields.offset)
}

/**
 * @param {Calls} calls
 * @param {string} topic
 * @param {number} queueId
 * @param {Stored[]} stored
 * @param {string[]} problems
 */
async function readQueue(calls, topic, queueId, stored, problems) {
  const queue = { topic, queueId: String(queueId) }
  const max = Number((await calls.call(MAX_OFFSET, queue)).header.extFields?.offset ?? 0)
  const first = Number((await calls.call(MIN_OFFSET, queue)).header.extFields?.offset ?? 0)
  let stuck = 0
  for (let next = first; next < max; ) {
    const { header, body } = await calls.call(PULL, {
      ...{ ...queue, consumerGroup: 'EvReader', queueOffset: String(next), maxMsgNums: String(BATCH) },
      ...{ sysFlag: String(SUBSCRIPTION), commitOffset: '0', suspendTimeoutMillis: '0' },
      ...{ subscription: '*', subVersion: '0', expressionType: 'TAG' },
    })
    const before = next
    if (header.code === FOUND) {
      for (let at = 0; at < body.length; at += body.readInt32BE(at)) {
        const record = recordOf(body.subarray(at, at + body.readInt32BE(at)))
        if (record.queueOffset !== next)
          problems.push(`${topic}/${queueId}: ${record.queueOffset} where ${next} was expected`)
        next = record.queueOffset + 1
        stored.push(record)
      }
    } else if (header.code === MOVED) {
      problems.push(`${topic}/${queueId}: nothing at ${next}, told to go on at ${header.extFields.nextBeginOffset}`)
      next = Number(header.extFields.nextBeginOffset)
    } else if (++stuck > 100) throw new Error(`pull of ${topic}/${queueId} at ${next}: ${header.code} ${header.remark}`)
    if (next !== before) stuck = 0
    else if (++stuck > 100) throw new Error(`pull of ${topic}/${queueId} does not come past ${next}`)
  }
}

/**
 * @param {Buffer} bytes one record
 * @returns {Stored}
 */
function recordOf(bytes) {
  const queueId = bytes.readInt32BE(12)
  const queueOffset = Number(bytes.readBigInt64BE(20))
  const physicalOffset = Number(bytes.readBigInt64BE(28))
  const flags = bytes.readInt32BE(36)
  const afterBorn = 48 + ((flags & BORN_V6) === 0 ? 8 : 20)
  const storedAt = Number(bytes.readBigInt64BE(afterBorn))
  const bodyAt = afterBorn + 8 + ((flags & STORE_V6) === 0 ? 8 : 20) + 12
  const body = bytes.subarray(bodyAt + 4, bodyAt + 4 + bytes.readInt32BE(bodyAt))
  const topicAt = bodyAt + 4 + body.length
  const topic = bytes.toString('utf8', topicAt + 1, topicAt + 1 + bytes.readUInt8(topicAt))
  const propertiesAt = topicAt + 1 + bytes.readUInt8(topicAt)
  const text = bytes.toString('utf8', propertiesAt + 2, propertiesAt + 2 + bytes.readInt16BE(propertiesAt))
  /** @type {Record<string, string>} */
  const properties = {}
  for (const pair of text.split(PAIRS)) {
    const [name, value] = pair.split(PAIR)
    if (value !== undefined) properties[name] = value
  }
  const plain = (flags & COMPRESSED) === 0 ? body : inflateSync(body)
  const hash = createHash('sha256').update(plain).digest('hex').slice(0, 32)
  return { topic, queueId, queueOffset, physicalOffset, key: properties.KEYS ?? '', hash, storedAt, properties }
}

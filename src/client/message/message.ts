/**
 * A message as a producer is given it: an object, checked and made into what travels.
 *
 *   { topic: 'orders', body: 'hello', tags: 'new', keys: ['42'], properties: { tenant: 'a' } }
 */
import { ClientError } from '../errors.ts'
import { TOPIC_LENGTH_MAX } from '../options.ts'
import { PROPERTY } from './property-names.ts'

/** A message as a producer is given it. */
export interface Message {
  /** Where it goes. */
  topic: string
  /** Text is sent as UTF-8. Bytes must not change until the send has ended. */
  body: string | Uint8Array
  /** What consumers select by. */
  tags?: string
  /** What it is found by: a list, or a text in which blanks part them. */
  keys?: string | readonly string[]
  /** Of your own; names that RocketMQ uses are refused. */
  properties?: Readonly<Record<string, string>>
  /** 1…18: delivered after that level of the broker's table (1s 5s 10s 30s 1m … 2h). */
  delayTimeLevel?: number
  /** False: the broker answers without waiting for disk and slaves. @default true */
  waitStoreMsgOK?: boolean
  /** Any 32-bit number of your own. @default 0 */
  flag?: number
}

/** Brokers refuse sends to them. */
const NOT_FOR_SENDING: ReadonlySet<string> = new Set([
  'SCHEDULE_TOPIC_XXXX',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
  'SELF_TEST_TOPIC',
  'OFFSET_MOVED_EVENT',
])
const RESERVED: ReadonlySet<string> = new Set(Object.values(PROPERTY))
const TOPIC = /^[%|a-zA-Z0-9_-]+$/
/** The two bytes between names, values and pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what the wire divides properties by
const DIVIDER = /[\u0001\u0002]/

export function badMessage(what: string, hint?: string): ClientError {
  return new ClientError('BAD_MESSAGE', { what, hint })
}

/** Names of topics that were found good: a producer sends to few. */
let goodTopic: string | undefined

export function checkTopic(topic: unknown): asserts topic is string {
  if (topic === goodTopic && topic !== undefined) return
  if (typeof topic !== 'string' || topic === '') throw badMessage('the message has no topic', 'give topic: a name')
  if (topic.length > TOPIC_LENGTH_MAX) {
    throw badMessage(`topic ${topic} has ${topic.length} characters, at most ${TOPIC_LENGTH_MAX} may be`)
  }
  if (!TOPIC.test(topic)) throw badMessage(`topic "${topic}" may hold letters, digits and % | _ - only`)
  if (NOT_FOR_SENDING.has(topic)) throw badMessage(`topic ${topic} is the broker's own: nothing is sent to it`)
  goodTopic = topic
}

/** What a caller without types may give instead of a message. */
export function checkMessage(message: unknown): asserts message is Message {
  if (typeof message !== 'object' || message === null) {
    throw badMessage(`the message is ${String(message)}`, "give an object: { topic: 'T', body: 'text' }")
  }
}

/** Throws ClientError BAD_MESSAGE. */
export function bodyBytes(message: Message, maxMessageSize: number): Uint8Array {
  const { body, topic } = message
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  if (!(bytes instanceof Uint8Array)) {
    throw badMessage(
      `the body of a message to ${topic} is ${typeof body}`,
      'give text or bytes (JSON.stringify for objects)',
    )
  }
  if (bytes.length === 0) throw badMessage(`the body of a message to ${topic} is empty: RocketMQ takes none`)
  if (bytes.length > maxMessageSize) {
    throw badMessage(
      `the body of a message to ${topic} has ${bytes.length} bytes, at most ${maxMessageSize} may be`,
      'raise maxMessageSize here and at the broker, or store it elsewhere and send its place',
    )
  }
  return bytes
}

/** The text of the properties, the id and what else the client itself sets last. Throws ClientError BAD_MESSAGE. */
export function propertiesText(message: Message, msgId: string, own: readonly (readonly [string, string])[]): string {
  const { properties, tags, keys, delayTimeLevel, waitStoreMsgOK } = message
  let text = ''
  if (properties !== undefined) {
    for (const name in properties) text += userPair(message, name, properties[name])
  }
  if (keys !== undefined) text += pair(PROPERTY.keys, keysText(message, keys))
  if (tags !== undefined && tags !== '') text += pair(PROPERTY.tags, plain(message, 'tags', tags))
  if (delayTimeLevel !== undefined && delayTimeLevel !== 0) {
    if (!Number.isInteger(delayTimeLevel) || delayTimeLevel < 0) {
      throw badMessage(`delayTimeLevel of a message to ${message.topic} is ${delayTimeLevel}`, 'give 1 to 18')
    }
    text += pair(PROPERTY.delay, String(delayTimeLevel))
  }
  text += (waitStoreMsgOK === false ? NO_WAIT_AND_ID : WAIT_AND_ID) + msgId
  for (const [name, value] of own) if (value !== '') text += `\u0002${name}\u0001${value}`
  return text
}

const WAIT_AND_ID = `${pair(PROPERTY.wait, 'true')}${PROPERTY.uniqueKey}\u0001`
const NO_WAIT_AND_ID = `${pair(PROPERTY.wait, 'false')}${PROPERTY.uniqueKey}\u0001`

function pair(name: string, value: string): string {
  return value === '' ? '' : `${name}\u0001${value}\u0002`
}

function userPair(message: Message, name: string, value: unknown): string {
  if (RESERVED.has(name)) {
    throw badMessage(
      `property ${name} of a message to ${message.topic} is RocketMQ's own`,
      'take another name, or its option',
    )
  }
  if (typeof value !== 'string') {
    throw badMessage(`property ${name} of a message to ${message.topic} is ${typeof value}`, 'give text')
  }
  if (name === '' || value === '') {
    throw badMessage(`property "${name}" of a message to ${message.topic} is empty: RocketMQ drops such pairs`)
  }
  if (DIVIDER.test(name))
    throw badMessage(`property "${name}" of a message to ${message.topic} holds a control character`)
  return pair(name, plain(message, `property ${name}`, value))
}

function plain(message: Message, what: string, value: unknown): string {
  if (typeof value !== 'string')
    throw badMessage(`${what} of a message to ${message.topic} is ${typeof value}`, 'give text')
  if (DIVIDER.test(value)) throw badMessage(`${what} of a message to ${message.topic} holds a control character`)
  return value
}

function keysText(message: Message, keys: string | readonly string[]): string {
  if (!Array.isArray(keys)) return plain(message, 'keys', keys)
  for (const key of keys) {
    if (/^\S+$/.test(plain(message, 'keys', key))) continue
    throw badMessage(`the key "${key}" of a message to ${message.topic} is empty or holds a blank, which parts keys`)
  }
  return keys.join(' ')
}

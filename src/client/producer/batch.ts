/**
 * Batches: messages of one topic side by side in one body (spec/broker-requests.md §1), cut where the body would be larger
 * than the broker takes.
 *
 *   totalSize(4) magic(4)=0 bodyCRC(4)=0 flag(4) bodyLength(4) body propertiesLength(2) properties
 */
import { uniqueId } from '../../admin/unique-id.ts'
import { badMessage, bodyBytes, checkMessage, checkTopic, type Message, propertiesText } from '../message/message.ts'
import { PROPERTY } from '../message/property-names.ts'
import { wrapNamespace } from '../namespace.ts'
import type { ResolvedProducerOptions } from './options.ts'
import { checkProperties, flagOf, type Outgoing, ownProperties } from './outgoing.ts'

const ITEM_FIXED = 22
/** The answer lists the place of every item, 33 characters each. */
const ITEMS_MAX = 10_000

export interface Batch {
  readonly outgoing: Outgoing
  readonly messages: readonly Message[]
  readonly msgIds: readonly string[]
}

interface Item {
  readonly body: Uint8Array
  readonly properties: Buffer
  readonly flag: number
  readonly msgId: string
  readonly message: Message
}

const DLQ_OR_RETRY = /^%(RETRY|DLQ)%/

/** In the order of `messages`, which have one topic. Throws ClientError BAD_MESSAGE before anything is sent. */
export function batchesOf(
  messages: readonly Message[],
  options: Pick<ResolvedProducerOptions, 'maxMessageSize' | 'namespace'>,
  now: number,
): Batch[] {
  const batches: Batch[] = []
  let items: Item[] = []
  let size = 0
  for (const message of messages) {
    const item = itemOf(message, options, now)
    const itemSize = ITEM_FIXED + item.body.length + item.properties.length
    if (itemSize > options.maxMessageSize) {
      throw badMessage(
        `a message to ${message.topic} has ${itemSize} bytes as part of a batch, at most ${options.maxMessageSize} may be`,
        'send it alone',
      )
    }
    if (items.length > 0 && (size + itemSize > options.maxMessageSize || items.length === ITEMS_MAX)) {
      batches.push(batchOf(items, size, options, now))
      items = []
      size = 0
    }
    items.push(item)
    size += itemSize
  }
  if (items.length > 0) batches.push(batchOf(items, size, options, now))
  return batches
}

function itemOf(
  message: Message,
  options: Pick<ResolvedProducerOptions, 'maxMessageSize' | 'namespace'>,
  now: number,
): Item {
  checkTopic(message.topic)
  if (message.delayTimeLevel !== undefined && message.delayTimeLevel > 0) {
    throw badMessage(`a message to ${message.topic} has a delay, which a batch cannot have`, 'send it alone')
  }
  if (DLQ_OR_RETRY.test(message.topic)) throw badMessage(`topic ${message.topic} takes no batches`, 'send one by one')
  const msgId = uniqueId(now)
  const text = propertiesText(message, msgId, ownProperties(options.namespace))
  checkProperties(message.topic, text)
  const body = bodyBytes(message, options.maxMessageSize)
  return { body, properties: Buffer.from(text), flag: flagOf(message), msgId, message }
}

function batchOf(items: readonly Item[], size: number, options: { namespace: string }, now: number): Batch {
  const body = Buffer.allocUnsafe(size)
  let at = 0
  for (const item of items) {
    const total = ITEM_FIXED + item.body.length + item.properties.length
    body.writeInt32BE(total, at)
    body.fill(0, at + 4, at + 12)
    body.writeInt32BE(item.flag, at + 12)
    body.writeInt32BE(item.body.length, at + 16)
    body.set(item.body, at + 20)
    body.writeInt16BE(item.properties.length, at + 20 + item.body.length)
    body.set(item.properties, at + ITEM_FIXED + item.body.length)
    at += total
  }
  const [{ message }] = items
  const msgIds = items.map(({ msgId }) => msgId)
  return {
    messages: items.map((item) => item.message),
    msgIds,
    outgoing: {
      kind: 'batch',
      topic: wrapNamespace(options.namespace, message.topic),
      body,
      sysFlag: 0,
      flag: 0,
      bornTimestamp: now,
      properties: `${PROPERTY.wait}\u0001${message.waitStoreMsgOK === false ? 'false' : 'true'}`,
      msgId: msgIds.join(','),
      reconsumeTimes: 0,
      maxReconsumeTimes: undefined,
    },
  }
}

/** Runs of messages that may be one batch: of one topic, with one wish about waiting; in their order. */
export function runsOf(messages: readonly Message[]): Message[][] {
  const runs = new Map<string, Message[]>()
  for (const message of messages) {
    checkMessage(message)
    const key = `${message.waitStoreMsgOK !== false} ${message.topic}`
    const run = runs.get(key)
    if (run === undefined) runs.set(key, [message])
    else run.push(message)
  }
  return [...runs.values()]
}

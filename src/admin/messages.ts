/**
 * Messages: one by its id, its key or its place, all from a time on, those that come, and one to send.
 *
 * Pulls go as group TOOLS_CONSUMER, which every broker has, with the subscription in the header: nothing is registered and
 * no offset is written.
 */
import { inflateSync } from 'node:zlib'
import { RESPONSE } from '../remoting/response-codes.ts'
import { PULL_MESSAGE, QUERY_MESSAGE, SEND_MESSAGE_V2, VIEW_MESSAGE_BY_ID } from '../remoting/schemas/index.ts'
import { offsetMsgId } from '../store/commitlog/offset-msg-id.ts'
import { formatProperties } from '../store/commitlog/properties.ts'
import { decodeRecord, type Message, SYS_FLAG } from '../store/commitlog/record.ts'
import { type AdminClient, requestOf } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { brokersOf, eachOf, leadersOf, mustRoute } from './cluster.ts'
import type { IdPlace } from './id-place.ts'
import type { PlacedQueue } from './offsets.ts'
import { uniqueId } from './unique-id.ts'

export type { Message } from '../store/commitlog/record.ts'
export { type IdPlace, placeOfId } from './id-place.ts'

const TOOLS_GROUP = 'TOOLS_CONSUMER'
const SUBSCRIPTION_IN_HEADER = 4
const MAY_SUSPEND = 2
const NO_END = 2 ** 63

export interface PullOptions {
  count: number
  /** How long the broker may hold the pull; 0: not at all. */
  suspendMs?: number
  expression?: string
  type?: 'TAG' | 'SQL92'
}

export interface Pulled {
  messages: Message[]
  next: number
  /** The queue has nothing at `next` yet. */
  isAtEnd: boolean
}

/** One pull; offsets that the queue does not have are corrected in `next`. */
export async function pull(
  admin: AdminClient,
  queue: PlacedQueue,
  offset: number,
  { count, suspendMs = 0, expression = '*', type = 'TAG' }: PullOptions,
): Promise<Pulled> {
  const header = {
    consumerGroup: TOOLS_GROUP,
    topic: queue.topic,
    queueId: queue.queueId,
    queueOffset: offset,
    maxMsgNums: count,
    sysFlag: SUBSCRIPTION_IN_HEADER | (suspendMs > 0 ? MAY_SUSPEND : 0),
    commitOffset: 0,
    suspendTimeoutMillis: suspendMs,
    subscription: expression,
    subVersion: 0,
    expressionType: type,
  }
  const answer = await admin.ask(queue.address, requestOf(PULL_MESSAGE, header), {
    also: [RESPONSE.PULL_NOT_FOUND, RESPONSE.PULL_RETRY_IMMEDIATELY, RESPONSE.PULL_OFFSET_MOVED],
    // A held pull may be answered five seconds after its time.
    timeoutMs: admin.timeoutMs + suspendMs + (suspendMs > 0 ? 6000 : 0),
  })
  return {
    messages: answer.code === RESPONSE.SUCCESS ? messagesIn(answer.body) : [],
    next: Number(answer.ext?.nextBeginOffset ?? offset),
    isAtEnd: answer.code === RESPONSE.PULL_NOT_FOUND,
  }
}

/** The records side by side in an answer's body. */
export function messagesIn(body: Uint8Array | undefined): Message[] {
  const messages: Message[] = []
  if (body === undefined) return messages
  for (let at = 0; at < body.length; ) {
    const message = decodeRecord(body, at)
    if (message === undefined) {
      throw new AdminError('BAD_ANSWER', { what: `the answer holds no record at byte ${at} of ${body.length}` })
    }
    messages.push(message)
    at += message.totalSize
  }
  return messages
}

/** From a queue offset on, one after the other, until `until` says so or the queue ends. */
export async function* walk(
  admin: AdminClient,
  queue: PlacedQueue,
  from: number,
  options: Omit<PullOptions, 'suspendMs'>,
): AsyncGenerator<Message> {
  for (let offset = from; ; ) {
    const { messages, next, isAtEnd } = await pull(admin, queue, offset, options)
    yield* messages
    if (isAtEnd || (messages.length === 0 && next <= offset)) return
    offset = next
  }
}

/** VIEW_MESSAGE_BY_ID (33). */
export async function viewAt(
  admin: AdminClient,
  { address, physicalOffset }: IdPlace,
  topic?: string,
): Promise<Message> {
  const answer = await admin.call(address, VIEW_MESSAGE_BY_ID, { offset: physicalOffset, topic })
  const [message] = messagesIn(answer.body)
  if (message !== undefined) return message
  throw new AdminError('NO_MESSAGE', { what: `no message at byte ${physicalOffset} of the log`, where: address })
}

/** Whether the id names a broker that is registered, as an offsetMsgId does. A client's id may look like one. */
export async function isOffsetId(admin: AdminClient, place: IdPlace): Promise<boolean> {
  return (await brokersOf(admin)).some(({ address }) => address === place.address)
}

export interface KeyQuery {
  topic: string
  key: string
  /** The key is the client's message id (UNIQ_KEY). */
  isUnique?: boolean
  begin?: number
  end?: number
  count?: number
}

/** QUERY_MESSAGE (12) of every broker of the topic; what only shares the hash is left out. */
export async function findByKey(admin: AdminClient, query: KeyQuery): Promise<Message[]> {
  const { topic, key, isUnique = false, begin = 0, end = NO_END, count = 64 } = query
  const { brokers } = await mustRoute(admin, topic)
  const header = { topic, key, maxNum: count, beginTimestamp: begin, endTimestamp: end, uniqueKeyQuery: isUnique }
  const found = await eachOf(leadersOf(brokers), async ({ address }) => {
    const answer = await admin.call(address, QUERY_MESSAGE, header, { also: [RESPONSE.QUERY_NOT_FOUND] })
    return answer.code === RESPONSE.SUCCESS ? messagesIn(answer.body) : []
  })
  return found
    .flat()
    .filter((message) => message.topic === topic && keysOf(message, isUnique).includes(key))
    .sort((a, b) => a.storeTimestamp - b.storeTimestamp)
}

function keysOf({ properties }: Message, isUnique: boolean): string[] {
  return isUnique ? [properties.get('UNIQ_KEY') ?? ''] : (properties.get('KEYS') ?? '').split(' ')
}

export interface NewMessage {
  topic: string
  queueId: number
  body: Uint8Array
  properties: [name: string, value: string][]
  group: string
  now: number
}

export interface Sent {
  /** The client's id. */
  msgId: string
  offsetMsgId: string
  queueId: number
  queueOffset: number
  /** 0, or 10, 11, 12: it is stored, but not as safely as was asked for. */
  code: number
}

const STORED = [RESPONSE.FLUSH_DISK_TIMEOUT, RESPONSE.SLAVE_NOT_AVAILABLE, RESPONSE.FLUSH_SLAVE_TIMEOUT]

export async function sendMessage(admin: AdminClient, address: string, message: NewMessage): Promise<Sent> {
  const msgId = uniqueId(message.now)
  const header = {
    producerGroup: message.group,
    topic: message.topic,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    queueId: message.queueId,
    sysFlag: 0,
    bornTimestamp: message.now,
    flag: 0,
    properties: formatProperties([...message.properties, ['UNIQ_KEY', msgId]]),
  }
  const asked = requestOf(SEND_MESSAGE_V2, header, message.body)
  const answer = await admin.ask(address, asked, { also: STORED }).catch((error: unknown) => {
    if (!(error instanceof AdminError) || error.code !== 'TIMEOUT') throw error
    const { what, where = '', retriable } = error
    const todo = `it may be stored all the same: look for it (message find --id ${msgId}) before it is sent again`
    throw new AdminError('TIMEOUT', { what, where, todo, retriable, cause: error })
  })
  return {
    msgId,
    offsetMsgId: answer.ext?.msgId ?? '',
    queueId: Number(answer.ext?.queueId ?? -1),
    queueOffset: Number(answer.ext?.queueOffset ?? -1),
    code: answer.code,
  }
}

export function idOf(message: Message): string {
  return offsetMsgId(message.storeHost, message.physicalOffset)
}

/** What the producer sent, where we can undo its compression; `note` says where not. */
export function bodyOfMessage(message: Message): { body: Uint8Array; note: string | undefined } {
  if ((message.sysFlag & SYS_FLAG.compressed) === 0) return { body: message.body, note: undefined }
  const type = (message.sysFlag & SYS_FLAG.compressionMask) >> 8
  if (type === 1 || type === 2) return { body: message.body, note: `compressed with ${type === 1 ? 'LZ4' : 'ZSTD'}` }
  try {
    return { body: inflateSync(message.body), note: undefined }
  } catch {
    return { body: message.body, note: 'marked as compressed, but is not zlib' }
  }
}

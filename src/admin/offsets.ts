/**
 * Offsets of groups: where they are, where a time is, moving them.
 *
 * While consumers are online they write their own offsets: moving them goes through the broker, which tells them (222).
 * A group that is offline is written directly (15).
 */
import { RESPONSE } from '../remoting/response-codes.ts'
import type { Schema } from '../remoting/schema.ts'
import {
  CLONE_GROUP_OFFSET,
  GET_MAX_OFFSET,
  GET_MIN_OFFSET,
  INVOKE_BROKER_TO_RESET_OFFSET,
  QUERY_CONSUMER_OFFSET,
  SEARCH_OFFSET_BY_TIMESTAMP,
  UPDATE_CONSUMER_OFFSET,
} from '../remoting/schemas/index.ts'
import { type AdminClient, requestOf } from './admin-client.ts'
import { isAnswer } from './admin-error.ts'
import { type BrokerAddress, eachOf, leadersOf, mustRoute } from './cluster.ts'
import type { MessageQueue } from './json.ts'

export interface PlacedQueue extends MessageQueue {
  address: string
}

/** Every queue that can be read or written, with the broker that has it. */
export async function queuesOfTopic(admin: AdminClient, topic: string): Promise<PlacedQueue[]> {
  const route = await mustRoute(admin, topic)
  return leadersOf(route.brokers).flatMap((broker) => {
    const queue = route.queues.find(({ brokerName }) => brokerName === broker.name)
    const count = Math.max(queue?.readQueues ?? 0, queue?.writeQueues ?? 0)
    return Array.from({ length: count }, (_, queueId) => placed(topic, broker, queueId))
  })
}

export function placed(topic: string, broker: BrokerAddress, queueId: number): PlacedQueue {
  return { topic, brokerName: broker.name, queueId, address: broker.address }
}

export function minOffset(admin: AdminClient, queue: PlacedQueue): Promise<number> {
  return offset(admin, queue, GET_MIN_OFFSET, { topic: queue.topic, queueId: queue.queueId })
}

export function maxOffset(admin: AdminClient, queue: PlacedQueue): Promise<number> {
  return offset(admin, queue, GET_MAX_OFFSET, { topic: queue.topic, queueId: queue.queueId })
}

export function offsetByTime(admin: AdminClient, queue: PlacedQueue, timestamp: number): Promise<number> {
  return offset(admin, queue, SEARCH_OFFSET_BY_TIMESTAMP, { topic: queue.topic, queueId: queue.queueId, timestamp })
}

async function offset(
  admin: AdminClient,
  queue: PlacedQueue,
  of: Schema,
  header: Record<string, string | number>,
): Promise<number> {
  const answer = await admin.ask(queue.address, requestOf(of, header))
  return Number(answer.ext?.offset ?? 0)
}

/** -1 where the group has none. 4.9 says 0 for a queue that still begins at 0: nothing of it is consumed either way. */
export async function committedOffset(admin: AdminClient, queue: PlacedQueue, group: string): Promise<number> {
  const header = { consumerGroup: group, topic: queue.topic, queueId: queue.queueId }
  const answer = await admin.call(queue.address, QUERY_CONSUMER_OFFSET, header, { also: [RESPONSE.QUERY_NOT_FOUND] })
  return answer.code === RESPONSE.SUCCESS ? Number(answer.ext?.offset ?? -1) : -1
}

async function setOffset(admin: AdminClient, queue: PlacedQueue, group: string, to: number): Promise<void> {
  const header = { consumerGroup: group, topic: queue.topic, queueId: queue.queueId, commitOffset: to }
  await admin.call(queue.address, UPDATE_CONSUMER_OFFSET, header)
}

/**
 * Of two offsets that come at once, a broker of Apache's that has none of the group and topic yet may keep only one, and says
 * that it has both: the first of each broker goes alone.
 */
export async function setOffsets(admin: AdminClient, group: string, queues: readonly PlannedReset[]): Promise<void> {
  const first = new Map<string, PlannedReset>()
  for (const queue of queues) if (!first.has(queue.address)) first.set(queue.address, queue)
  const set = (queue: PlannedReset) => setOffset(admin, queue, group, queue.to)
  await eachOf([...first.values()], set)
  await eachOf(
    queues.filter((queue) => first.get(queue.address) !== queue),
    set,
  )
}

/** Where a reset goes: the beginning, the end, a time, or one offset. */
export type ResetTarget =
  | { kind: 'earliest' }
  | { kind: 'latest' }
  | { kind: 'time'; timestamp: number }
  | { kind: 'offset'; offset: number }

export interface PlannedReset extends PlacedQueue {
  from: number
  to: number
}

/** What a reset would do, queue by queue. */
export async function planReset(
  admin: AdminClient,
  group: string,
  queues: readonly PlacedQueue[],
  target: ResetTarget,
): Promise<PlannedReset[]> {
  return eachOf(queues, async (queue) => {
    const [from, min, max] = await Promise.all([
      committedOffset(admin, queue, group),
      minOffset(admin, queue),
      maxOffset(admin, queue),
    ])
    if (target.kind === 'earliest') return { ...queue, from, to: min }
    if (target.kind === 'latest') return { ...queue, from, to: max }
    const wanted = target.kind === 'offset' ? target.offset : await offsetByTime(admin, queue, target.timestamp)
    return { ...queue, from, to: Math.min(max, Math.max(min, wanted)) }
  })
}

/**
 * Through the broker to every consumer that is online. False where the broker knows no consumer or no offset of the group:
 * then the offsets are to be written directly. An Apache 5.x broker sets them itself, whoever is online.
 */
export async function resetOnline(
  admin: AdminClient,
  address: string,
  group: string,
  topic: string,
  target: Exclude<ResetTarget, { kind: 'offset' }>,
): Promise<boolean> {
  const timestamp = target.kind === 'latest' ? -1 : target.kind === 'earliest' ? 0 : target.timestamp
  try {
    await admin.call(address, INVOKE_BROKER_TO_RESET_OFFSET, { topic, group, timestamp, isForce: true })
    return true
  } catch (error) {
    const isOffline = isAnswer(error, RESPONSE.CONSUMER_NOT_ONLINE)
    const isUnknown = isAnswer(error, RESPONSE.SYSTEM_ERROR) && /not exist/i.test(error.remark)
    if (isOffline || isUnknown) return false
    throw error
  }
}

/** Of one topic, or of all that `from` has offsets of. */
export async function cloneOffsets(
  admin: AdminClient,
  address: string,
  from: string,
  to: string,
  topic?: string,
): Promise<void> {
  await admin.call(address, CLONE_GROUP_OFFSET, { srcGroup: from, destGroup: to, topic, offline: false })
}

/**
 * Topics: their configuration on each master, what is in their queues, who consumes them; create, change, delete.
 *
 * A topic's configuration lives on every broker by itself; NameServers know what brokers registered, plus the order
 * configuration (KV namespace ORDER_TOPIC_CONFIG).
 */
import { request } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import {
  DELETE_KV_CONFIG,
  DELETE_TOPIC_IN_BROKER,
  DELETE_TOPIC_IN_NAMESRV,
  GET_TOPIC_STATS_INFO,
  PUT_KV_CONFIG,
  QUERY_TOPIC_CONSUME_BY_WHO,
  UPDATE_AND_CREATE_TOPIC,
} from '../remoting/schemas/index.ts'
import type { AdminClient } from './admin-client.ts'
import { type BrokerAddress, brokersOf, eachOf, mastersOf, type Where } from './cluster.ts'
import {
  bodyOf,
  boolAt,
  compareText,
  type Json,
  listOf,
  type MessageQueue,
  member,
  numberAt,
  pairsOf,
  queuesOf,
  textAt,
  textOf,
} from './json.ts'

export const ORDER_NAMESPACE = 'ORDER_TOPIC_CONFIG'

export interface TopicConfig {
  topic: string
  readQueues: number
  writeQueues: number
  perm: number
  filterType: string
  sysFlag: number
  order: boolean
}

export interface PlacedTopic extends TopicConfig {
  broker: BrokerAddress
}

export interface TopicTable {
  topics: TopicConfig[]
  dataVersion: { counter: number; timestamp: number }
}

export async function topicTableOf(admin: AdminClient, address: string): Promise<TopicTable> {
  const body = bodyOf(await admin.ask(address, request(REQUEST.GET_ALL_TOPIC_CONFIG)))
  const version = member(body, 'dataVersion')
  return {
    topics: pairsOf(member(body, 'topicConfigTable')).map(([name, config]) => configOf(textOf(name), config)),
    dataVersion: { counter: numberAt(version, 'counter'), timestamp: numberAt(version, 'timestamp') },
  }
}

function configOf(topic: string, config: Json): TopicConfig {
  return {
    topic,
    readQueues: numberAt(config, 'readQueueNums'),
    writeQueues: numberAt(config, 'writeQueueNums'),
    perm: numberAt(config, 'perm'),
    filterType: textAt(config, 'topicFilterType') || 'SINGLE_TAG',
    sysFlag: numberAt(config, 'topicSysFlag'),
    order: boolAt(config, 'order'),
  }
}

/** The configurations of all masters, by topic; one topic's where it is named. */
export async function placedTopics(admin: AdminClient, where: Where = {}, topic?: string): Promise<PlacedTopic[]> {
  const masters = await mastersOf(admin, where)
  const tables = await eachOf(masters, async (broker) => ({ broker, table: await topicTableOf(admin, broker.address) }))
  return tables
    .flatMap(({ broker, table }) => table.topics.map((config) => ({ ...config, broker })))
    .filter((placed) => topic === undefined || placed.topic === topic)
    .sort((a, b) => compareText(a.topic, b.topic) || compareText(a.broker.name, b.broker.name))
}

/** Names that a NameServer has. */
export async function registeredTopics(admin: AdminClient): Promise<string[]> {
  const answer = await admin.askNamesrv(request(REQUEST.GET_ALL_TOPIC_LIST_FROM_NAMESERVER))
  return listOf(member(bodyOf(answer), 'topicList'))
    .map(textOf)
    .sort(compareText)
}

export interface QueueStats extends MessageQueue {
  min: number
  max: number
  lastUpdate: number
}

/** Queues that can be written to: 202 tells of no others. */
export async function topicStats(admin: AdminClient, address: string, topic: string): Promise<QueueStats[]> {
  const answer = await admin.call(address, GET_TOPIC_STATS_INFO, { topic }, { also: [RESPONSE.TOPIC_NOT_EXIST] })
  if (answer.code === RESPONSE.TOPIC_NOT_EXIST) return []
  return queuesOf(member(bodyOf(answer), 'offsetTable'), (value) => ({
    min: numberAt(value, 'minOffset'),
    max: numberAt(value, 'maxOffset'),
    lastUpdate: numberAt(value, 'lastUpdateTimestamp'),
  }))
}

/** Groups that are online for the topic, or have offsets of it. */
export async function groupsOfTopic(
  admin: AdminClient,
  addresses: readonly string[],
  topic: string,
): Promise<string[]> {
  const lists = await eachOf(addresses, async (address) => {
    const answer = await admin.call(address, QUERY_TOPIC_CONSUME_BY_WHO, { topic })
    return listOf(member(bodyOf(answer), 'groupList')).map(textOf)
  })
  return [...new Set(lists.flat())].sort(compareText)
}

export interface TopicChange extends TopicConfig {
  /** 5.x: `+key=value,-key`. */
  attributes?: string | undefined
}

/** UPDATE_AND_CREATE_TOPIC (17): creates it or takes the place of what was. */
export async function putTopic(admin: AdminClient, address: string, change: TopicChange): Promise<void> {
  await admin.call(address, UPDATE_AND_CREATE_TOPIC, {
    topic: change.topic,
    defaultTopic: 'TBW102',
    readQueueNums: change.readQueues,
    writeQueueNums: change.writeQueues,
    perm: change.perm,
    topicFilterType: change.filterType,
    topicSysFlag: change.sysFlag,
    order: change.order,
    attributes: change.attributes,
  })
}

/** Makes a topic ordered, as mqadmin does: how many queues each broker has, in the order configuration of all NameServers. */
export async function putOrder(admin: AdminClient, topic: string, queues: readonly [string, number][]): Promise<void> {
  const value = queues.map(([broker, count]) => `${broker}:${count}`).join(';')
  await admin.tellNamesrvsOf(PUT_KV_CONFIG, { namespace: ORDER_NAMESPACE, key: topic, value })
}

export async function deleteOrder(admin: AdminClient, topic: string): Promise<void> {
  await admin.tellNamesrvsOf(DELETE_KV_CONFIG, { namespace: ORDER_NAMESPACE, key: topic })
}

/** From brokers first, then NameServers: a broker that still has it would register it again. */
export async function deleteTopic(admin: AdminClient, topic: string, cluster?: string): Promise<BrokerAddress[]> {
  const masters = await mastersOf(admin, { cluster })
  await eachOf(masters, ({ address }) => admin.call(address, DELETE_TOPIC_IN_BROKER, { topic }))
  await admin.tellNamesrvsOf(DELETE_TOPIC_IN_NAMESRV, { topic, clusterName: cluster })
  if (cluster === undefined) await deleteOrder(admin, topic)
  return masters
}

export type TopicKind = 'normal' | 'retry' | 'dead letters' | 'system'

const SYSTEM = new Set([
  'SELF_TEST_TOPIC',
  'TBW102',
  'BenchmarkTest',
  'OFFSET_MOVED_EVENT',
  'SCHEDULE_TOPIC_XXXX',
  'RMQ_SYS_TRACE_TOPIC',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
])

/** `own`: names of clusters and brokers, which are topics, too. */
export function topicKind(topic: string, own: ReadonlySet<string> = new Set()): TopicKind {
  if (topic.startsWith('%RETRY%')) return 'retry'
  if (topic.startsWith('%DLQ%')) return 'dead letters'
  if (SYSTEM.has(topic) || own.has(topic)) return 'system'
  return topic.startsWith('rmq_sys_') || /_REPLY_TOPIC$/.test(topic) ? 'system' : 'normal'
}

export async function ownNames(admin: AdminClient): Promise<Set<string>> {
  return new Set((await brokersOf(admin)).flatMap(({ cluster, name }) => [cluster, name]))
}

/** "rw-", as people write permissions: read, write, inherit. */
export function permText(perm: number): string {
  return `${(perm & 4) === 0 ? '-' : 'r'}${(perm & 2) === 0 ? '-' : 'w'}${(perm & 1) === 0 ? '' : 'i'}`
}

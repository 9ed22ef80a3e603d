/** Consumer groups: their configuration, who is online, how far each queue is consumed and who owns it. */
import { request } from '../remoting/command.ts'
import { stringify } from '../remoting/fastjson.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import {
  DELETE_SUBSCRIPTIONGROUP,
  GET_CONSUME_STATS,
  GET_CONSUMER_CONNECTION_LIST,
  GET_CONSUMER_RUNNING_INFO,
} from '../remoting/schemas/index.ts'
import type { AdminClient } from './admin-client.ts'
import { AdminError, isAnswer } from './admin-error.ts'
import { type BrokerAddress, eachOf, mastersOf, type Where } from './cluster.ts'
import {
  bodyOf,
  byQueue,
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

/** SubscriptionGroupConfig as the broker has it: members of later releases stay when it is changed. */
export type GroupConfig = { groupName: string } & Record<string, Json>

export interface PlacedGroup {
  config: GroupConfig
  broker: BrokerAddress
}

export async function placedGroups(admin: AdminClient, where: Where = {}, group?: string): Promise<PlacedGroup[]> {
  const masters = await mastersOf(admin, where)
  const lists = await eachOf(masters, async (broker) => {
    const body = bodyOf(await admin.ask(broker.address, request(REQUEST.GET_ALL_SUBSCRIPTIONGROUP_CONFIG)))
    return pairsOf(member(body, 'subscriptionGroupTable')).map(([name, config]) => ({
      config: {
        ...Object.fromEntries(pairsOf(config).map(([key, value]) => [textOf(key), value])),
        groupName: textOf(name),
      },
      broker,
    }))
  })
  return lists
    .flat()
    .filter(({ config }) => group === undefined || config.groupName === group)
    .sort((a, b) => compareText(a.config.groupName, b.config.groupName) || compareText(a.broker.name, b.broker.name))
}

/** UPDATE_AND_CREATE_SUBSCRIPTIONGROUP (200): members that are left out get the broker's defaults. */
export async function putGroup(admin: AdminClient, address: string, config: GroupConfig): Promise<void> {
  await admin.ask(
    address,
    request(REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, undefined, Buffer.from(stringify(config))),
  )
}

/** The group and its offsets. 4.9 and 5.x name the flag differently: both are sent. */
export async function deleteGroup(admin: AdminClient, address: string, group: string): Promise<void> {
  await admin.call(address, DELETE_SUBSCRIPTIONGROUP, { groupName: group, removeOffset: true, cleanOffset: true })
}

/** A member of a group that is connected. */
export interface Consumer {
  /** As brokers know it. */
  clientId: string
  /** "ip:port" of its connection. */
  address: string
  /** Of its client. */
  language: string
  /** Of its client, as RocketMQ numbers releases. */
  version: number
}

/** Who of a group is connected. */
export interface OnlineGroup {
  /** Its members. */
  consumers: Consumer[]
  /** CONSUME_PASSIVELY: by a listener. CONSUME_ACTIVELY: by polls. */
  consumeType: string
  /** CLUSTERING or BROADCASTING. */
  messageModel: string
  /** Topic → expression. */
  subscriptions: { topic: string; expression: string; type: string }[]
}

/** Who is connected, over all the brokers; undefined where nobody is. */
export async function onlineGroup(
  admin: AdminClient,
  addresses: readonly string[],
  group: string,
): Promise<OnlineGroup | undefined> {
  const also = [RESPONSE.CONSUMER_NOT_ONLINE]
  const answers = await eachOf(addresses, async (address) => {
    const answer = await admin.call(address, GET_CONSUMER_CONNECTION_LIST, { consumerGroup: group }, { also })
    return answer.code === RESPONSE.SUCCESS ? bodyOf(answer) : undefined
  })
  const bodies = answers.filter((body) => body !== undefined)
  if (bodies.length === 0) return undefined
  const consumers = new Map<string, Consumer>()
  for (const connection of bodies.flatMap((body) => listOf(member(body, 'connectionSet')))) {
    const clientId = textAt(connection, 'clientId')
    consumers.set(clientId, {
      clientId,
      address: textAt(connection, 'clientAddr'),
      language: textAt(connection, 'language'),
      version: numberAt(connection, 'version'),
    })
  }
  return {
    consumers: [...consumers.values()].sort((a, b) => compareText(a.clientId, b.clientId)),
    consumeType: textAt(bodies[0], 'consumeType'),
    messageModel: textAt(bodies[0], 'messageModel'),
    subscriptions: pairsOf(member(bodies[0], 'subscriptionTable')).map(([topic, data]) => ({
      topic: textOf(topic),
      expression: textAt(data, 'subString'),
      type: textAt(data, 'expressionType') || 'TAG',
    })),
  }
}

export interface QueueProgress extends MessageQueue {
  /** Offset that the next message of the queue will get. */
  brokerOffset: number
  /** Offset of the next message that the group gets. */
  consumerOffset: number
  /** Store time of the message before the consumer's offset; 0 where there is none. */
  lastTimestamp: number
}

export interface GroupProgress {
  queues: QueueProgress[]
  tps: number
  lag: number
}

/** GET_CONSUME_STATS (208) of each broker: every queue of which the group has an offset. */
export async function groupProgress(
  admin: AdminClient,
  addresses: readonly string[],
  group: string,
  topic?: string,
): Promise<GroupProgress> {
  const bodies = await eachOf(addresses, (address) => consumeStats(admin, address, group, topic))
  const queues = bodies
    .flatMap((body) =>
      queuesOf(member(body, 'offsetTable'), (value) => ({
        brokerOffset: numberAt(value, 'brokerOffset'),
        consumerOffset: numberAt(value, 'consumerOffset'),
        lastTimestamp: numberAt(value, 'lastTimestamp'),
      })),
    )
    .sort(byQueue)
  return {
    queues,
    tps: bodies.reduce<number>((sum, body) => sum + numberAt(body, 'consumeTps'), 0),
    lag: lagOf(queues),
  }
}

/** A broker that does not know the group has nothing of it: 5.x says so with an error. */
async function consumeStats(admin: AdminClient, address: string, group: string, topic?: string): Promise<Json> {
  try {
    return bodyOf(await admin.call(address, GET_CONSUME_STATS, { consumerGroup: group, topic }))
  } catch (error) {
    if (isAnswer(error, RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST, RESPONSE.TOPIC_NOT_EXIST)) return {}
    throw error
  }
}

export function lagOf(queues: readonly QueueProgress[]): number {
  return queues.reduce((sum, { brokerOffset, consumerOffset }) => sum + Math.max(0, brokerOffset - consumerOffset), 0)
}

export interface QueueOwner {
  clientId: string
  lastPull: number
  lastConsume: number
  cached: number
}

/**
 * Which client has which queue, as the clients say (GET_CONSUMER_RUNNING_INFO through a broker). Key: topic@broker@queue.
 * A client that does not answer in time owns nothing here; `silent` names it.
 */
export async function queueOwners(
  admin: AdminClient,
  address: string,
  group: string,
  consumers: readonly Consumer[],
  timeoutMs: number,
): Promise<{ owners: Map<string, QueueOwner>; silent: string[] }> {
  const owners = new Map<string, QueueOwner>()
  const silent: string[] = []
  await eachOf(consumers, async ({ clientId }) => {
    try {
      const header = { consumerGroup: group, clientId, jstackEnable: false }
      const body = bodyOf(await admin.call(address, GET_CONSUMER_RUNNING_INFO, header, { timeoutMs }))
      const queues = queuesOf(member(body, 'mqTable'), (info) => ({
        lastPull: numberAt(info, 'lastPullTimestamp'),
        lastConsume: numberAt(info, 'lastConsumeTimestamp'),
        cached: numberAt(info, 'cachedMsgCount'),
      }))
      for (const queue of queues) owners.set(queueKey(queue), { clientId, ...queue })
    } catch (error) {
      if (!(error instanceof AdminError) || error.code === 'NOT_ALLOWED') throw error
      silent.push(clientId)
    }
  })
  return { owners, silent }
}

export function queueKey({ topic, brokerName, queueId }: MessageQueue): string {
  return `${topic}@${brokerName}@${queueId}`
}

/** Groups that every broker has by itself. */
const PREDEFINED = new Set([
  'TOOLS_CONSUMER',
  'FILTERSRV_CONSUMER',
  'SELF_TEST_C_GROUP',
  'SELF_TEST_P_GROUP',
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_PULL',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_OWNER',
])

export function isSystemGroup(group: string): boolean {
  return PREDEFINED.has(group) || group.startsWith('CID_RMQ_SYS_')
}

/** A NameServer's configuration, its KV table, and its route tables as far as requests tell. */
import { request, VERSIONS } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import {
  ADD_WRITE_PERM_OF_BROKER,
  DELETE_KV_CONFIG,
  GET_KV_CONFIG,
  GET_KVLIST_BY_NAMESPACE,
  PUT_KV_CONFIG,
  QUERY_DATA_VERSION,
  WIPE_WRITE_PERM_OF_BROKER,
} from '../remoting/schemas/index.ts'
import { type AdminClient, requestOf } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { propertiesText, readProperties } from './brokers.ts'
import { type BrokerAddress, brokersOf, eachOf, type Route, routeOf } from './cluster.ts'
import { bodyOf, compareText, member, numberAt, pairsOf, textOf } from './json.ts'
import { registeredTopics } from './topics.ts'

export async function namesrvConfig(admin: AdminClient, address: string): Promise<Map<string, string>> {
  const answer = await admin.ask(address, request(REQUEST.GET_NAMESRV_CONFIG))
  return readProperties(Buffer.from(answer.body ?? []).toString('utf8'))
}

/** On every NameServer; fails where one then says otherwise. */
export async function setNamesrvConfig(admin: AdminClient, changes: ReadonlyMap<string, string>): Promise<void> {
  const body = Buffer.from(propertiesText(changes))
  await admin.tellNamesrvs(request(REQUEST.UPDATE_NAMESRV_CONFIG, undefined, body))
  for (const address of admin.namesrv) {
    const now = await namesrvConfig(admin, address)
    const kept = [...changes].filter(([key, value]) => now.get(key) !== value)
    if (kept.length === 0) continue
    throw new AdminError('NOT_CHANGED', {
      what: kept.map(([key, value]) => `${key} is ${now.get(key) ?? 'not there'}, not ${value}`).join(', '),
      where: `NameServer ${address}`,
      todo: 'it passes over keys that it does not know: see "basaltmq admin namesrv config get"',
    })
  }
}

/** Undefined where there is no such entry. */
export async function kvValue(admin: AdminClient, namespace: string, key: string): Promise<string | undefined> {
  const answer = await admin.callNamesrv(GET_KV_CONFIG, { namespace, key }, { also: [RESPONSE.QUERY_NOT_FOUND] })
  return answer.code === RESPONSE.SUCCESS ? answer.ext?.value : undefined
}

export async function kvList(admin: AdminClient, namespace: string): Promise<[string, string][]> {
  const answer = await admin.callNamesrv(GET_KVLIST_BY_NAMESPACE, { namespace }, { also: [RESPONSE.QUERY_NOT_FOUND] })
  return pairsOf(member(bodyOf(answer), 'table'))
    .map(([key, value]): [string, string] => [textOf(key), textOf(value)])
    .sort(([a], [b]) => compareText(a, b))
}

export async function putKv(admin: AdminClient, namespace: string, key: string, value: string): Promise<void> {
  await admin.tellNamesrvsOf(PUT_KV_CONFIG, { namespace, key, value })
}

export async function deleteKv(admin: AdminClient, namespace: string, key: string): Promise<void> {
  await admin.tellNamesrvsOf(DELETE_KV_CONFIG, { namespace, key })
}

export interface LiveBroker extends BrokerAddress {
  /** What the NameServer has of the broker's topic table; undefined where asking would change something. */
  dataVersion: { counter: number; timestamp: number } | undefined
}

export interface NamesrvTables {
  brokerAddrTable: BrokerAddress[]
  topicQueueTable: { topic: string; route: Route }[]
  brokerLiveTable: LiveBroker[]
  /** Of RocketMQ 5: its data versions were not asked for. */
  isOf5: boolean
}

/**
 * The three tables of one NameServer. brokerLiveTable: whoever is in the routes is alive to it. When it was last heard no
 * request tells; the data version is what 322 answers, which a NameServer of 5.x takes as a sign of life, so there it is
 * left alone. One of 4.9 does so only for an equal version, and ours is none.
 */
export async function namesrvTables(admin: AdminClient, address: string): Promise<NamesrvTables> {
  const brokers = await brokersOf(admin)
  const probe = await admin.ask(address, request(REQUEST.GET_BROKER_CLUSTER_INFO))
  const isOf5 = probe.version >= VERSIONS.v5_0_0
  const topics = await registeredTopics(admin)
  const routes = await eachOf(topics, async (topic) => ({ topic, route: await routeOf(admin, topic) }))
  const live = await eachOf(brokers, async (broker) => ({
    ...broker,
    dataVersion: isOf5 ? undefined : await dataVersionOf(admin, address, broker),
  }))
  return {
    brokerAddrTable: brokers,
    topicQueueTable: routes.flatMap(({ topic, route }) => (route === undefined ? [] : [{ topic, route }])),
    brokerLiveTable: live,
    isOf5,
  }
}

const NO_VERSION = Buffer.from('{"counter":-1,"timestamp":0}')

async function dataVersionOf(admin: AdminClient, namesrv: string, broker: BrokerAddress) {
  const header = {
    brokerName: broker.name,
    brokerAddr: broker.address,
    clusterName: broker.cluster,
    brokerId: broker.id,
  }
  const body = bodyOf(await admin.ask(namesrv, requestOf(QUERY_DATA_VERSION, header, NO_VERSION)))
  return member(body, 'counter') === undefined
    ? undefined
    : { counter: numberAt(body, 'counter'), timestamp: numberAt(body, 'timestamp') }
}

/**
 * The write permission of all topics of a broker, in the routes of every NameServer alone: the broker knows nothing of it.
 * How many topics that were, of each NameServer.
 */
export async function wipeWrites(admin: AdminClient, brokerName: string): Promise<number[]> {
  const answers = await admin.tellNamesrvsOf(WIPE_WRITE_PERM_OF_BROKER, { brokerName })
  return answers.map(({ ext }) => Number(ext?.wipeTopicCount ?? 0))
}

export async function restoreWrites(admin: AdminClient, brokerName: string): Promise<number[]> {
  const answers = await admin.tellNamesrvsOf(ADD_WRITE_PERM_OF_BROKER, { brokerName })
  return answers.map(({ ext }) => Number(ext?.addTopicCount ?? 0))
}

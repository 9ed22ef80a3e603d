/** Who is there: clusters, brokers and routes, as a NameServer tells them; the runtime table of a broker. */
import { request } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { GET_ROUTEINFO_BY_TOPIC } from '../remoting/schemas/index.ts'
import type { AdminClient } from './admin-client.ts'
import { AdminError } from './admin-error.ts'
import { bodyOf, compareText, type Json, listOf, member, numberAt, pairsOf, textAt, textOf } from './json.ts'

export interface BrokerAddress {
  /** Name of its cluster. */
  cluster: string
  /** Its name, shared with its slaves. */
  name: string
  /** 0: the master. */
  id: number
  /** "host:port" */
  address: string
}

/** All brokers, by cluster, name and id. */
export async function brokersOf(admin: AdminClient): Promise<BrokerAddress[]> {
  const body = bodyOf(await admin.askNamesrv(request(REQUEST.GET_BROKER_CLUSTER_INFO)))
  return pairsOf(member(body, 'brokerAddrTable'))
    .flatMap(([, data]) => addressesOf(data))
    .sort((a, b) => compareText(a.cluster, b.cluster) || compareText(a.name, b.name) || a.id - b.id)
}

function addressesOf(data: Json): BrokerAddress[] {
  const cluster = textAt(data, 'cluster')
  const name = textAt(data, 'brokerName')
  return pairsOf(member(data, 'brokerAddrs')).map(([id, address]) => ({
    cluster,
    name,
    id: Number(id),
    address: textOf(address),
  }))
}

export interface Where {
  cluster?: string | undefined
  /** Name, name:id, or host:port. */
  broker?: string | undefined
}

/** The brokers that a change goes to: masters of a cluster, one broker, or all masters. Never empty. */
export async function mastersOf(admin: AdminClient, where: Where = {}): Promise<BrokerAddress[]> {
  const all = await brokersOf(admin)
  if (where.broker !== undefined) return [pick(all, where.broker)]
  const masters = all.filter(({ id, cluster }) => id === 0 && cluster === (where.cluster ?? cluster))
  if (masters.length > 0) return masters
  const clusters = [...new Set(all.map(({ cluster }) => cluster))]
  throw new AdminError('NO_BROKER', {
    what: where.cluster === undefined ? 'no master is registered' : `cluster ${where.cluster} has no master`,
    where: `NameServer ${admin.namesrv.join(', ')}`,
    todo: clusters.length === 0 ? 'start a broker that names this NameServer' : `clusters are ${clusters.join(', ')}`,
  })
}

export async function findBroker(admin: AdminClient, word: string): Promise<BrokerAddress> {
  return pick(await brokersOf(admin), word)
}

function pick(all: readonly BrokerAddress[], word: string): BrokerAddress {
  const found =
    all.find(({ address }) => address === word) ??
    all.find(({ name, id }) => `${name}:${id}` === word) ??
    all.find(({ name }) => name === word)
  if (found !== undefined) return found
  // A broker that no NameServer knows can be asked all the same.
  if (/^.+:\d+$/.test(word)) return { cluster: '', name: word, id: 0, address: word }
  throw new AdminError('NO_BROKER', {
    what: `no broker is called "${word}"`,
    todo: `brokers are ${all.map(({ name, id }) => (id === 0 ? name : `${name}:${id}`)).join(', ') || 'none'}; or give host:port`,
  })
}

/** The queues of a topic at one broker. */
export interface RouteQueue {
  /** Name of the broker. */
  brokerName: string
  /** Queues that consumers see. */
  readQueues: number
  /** Queues that producers see. */
  writeQueues: number
  /** 6: read and write, 4: read, 2: write. */
  perm: number
  /** Bits of RocketMQ: units. */
  sysFlag: number
}

/** Where a topic is. */
export interface Route {
  /** How many queues each broker has. */
  queues: RouteQueue[]
  /** Masters and slaves that have it. */
  brokers: BrokerAddress[]
  /** "brokerA:4;brokerB:4", of ordered topics where the NameServer gives it. */
  order: string | undefined
}

/** Undefined for a topic that no broker has registered. */
export async function routeOf(admin: AdminClient, topic: string): Promise<Route | undefined> {
  const header = { topic, acceptStandardJsonOnly: true }
  const answer = await admin.callNamesrv(GET_ROUTEINFO_BY_TOPIC, header, { also: [RESPONSE.TOPIC_NOT_EXIST] })
  return answer.code === RESPONSE.TOPIC_NOT_EXIST ? undefined : routeIn(answer)
}

/** The route in an answer to GET_ROUTEINFO_BY_TOPIC. */
export function routeIn(answer: { body: Uint8Array | undefined }): Route {
  const body = bodyOf(answer)
  return {
    queues: listOf(member(body, 'queueDatas')).map((data) => ({
      brokerName: textAt(data, 'brokerName'),
      readQueues: numberAt(data, 'readQueueNums'),
      writeQueues: numberAt(data, 'writeQueueNums'),
      perm: numberAt(data, 'perm'),
      sysFlag: numberAt(data, 'topicSysFlag'),
    })),
    brokers: listOf(member(body, 'brokerDatas')).flatMap(addressesOf),
    order: textAt(body, 'orderTopicConf') || undefined,
  }
}

/** Fails where no broker has the topic. */
export async function mustRoute(admin: AdminClient, topic: string): Promise<Route> {
  const route = await routeOf(admin, topic)
  if (route !== undefined) return route
  throw new AdminError('NO_TOPIC', {
    what: `topic ${topic} has no route: no broker that is up has it`,
    where: `NameServer ${admin.namesrv.join(', ')}`,
    todo: 'see "basaltmq admin topic list", or create it: "basaltmq admin topic create"',
  })
}

/** The one of each broker name that is asked: the master, or the slave of the lowest id. */
export function leadersOf(brokers: readonly BrokerAddress[]): BrokerAddress[] {
  const leaders = new Map<string, BrokerAddress>()
  for (const broker of brokers) {
    const known = leaders.get(broker.name)
    if (known === undefined || broker.id < known.id) leaders.set(broker.name, broker)
  }
  return [...leaders.values()].sort((a, b) => compareText(a.name, b.name))
}

export type RuntimeTable = Record<string, string>

/** GET_BROKER_RUNTIME_INFO (28): all rows, as text. */
export async function runtimeOf(admin: AdminClient, address: string, timeoutMs?: number): Promise<RuntimeTable> {
  const body = bodyOf(await admin.ask(address, request(REQUEST.GET_BROKER_RUNTIME_INFO), { timeoutMs }))
  return Object.fromEntries(pairsOf(member(body, 'table')).map(([key, value]) => [textOf(key), textOf(value)]))
}

const PARALLEL_MAX = 32

/** In the order of `items`, at most 32 at a time. */
export async function eachOf<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await run(items[at])
  }
  await Promise.all(Array.from({ length: Math.min(PARALLEL_MAX, items.length) }, worker))
  return results
}

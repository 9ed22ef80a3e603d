/**
 * What can be asked of the route tables: routes, cluster, topic lists. Reads only.
 * Rules: spec/namesrv.md §3, §7, §8.
 */
import { MASTER_ID, type Tables } from './route-tables.ts'
import { PERM_WRITE } from './topic-queues.ts'
import type { BrokerData, QueueData, Route } from './types.ts'

const SYS_FLAG_UNIT = 1
const SYS_FLAG_UNIT_SUB = 2

/** 105. Undefined when no queue or no broker of the topic is known: answer 17. */
export function routeOf(tables: Tables, topic: string, orderTopicConf?: string): Route | undefined {
  const queues = tables.topicQueueTable.get(topic)
  if (queues === undefined || queues.size === 0) return undefined
  const brokerDatas: BrokerData[] = []
  const filterServerTable = new Map<string, readonly string[]>()
  for (const brokerName of queues.keys()) {
    const broker = tables.brokerAddrTable.get(brokerName)
    if (broker === undefined) continue
    brokerDatas.push(broker)
    for (const address of broker.brokerAddrs.values()) {
      const filters = tables.filterServerTable.get(address)
      if (filters !== undefined) filterServerTable.set(address, filters)
    }
  }
  if (brokerDatas.length === 0) return undefined
  return { brokerDatas, queueDatas: [...queues.values()], filterServerTable, orderTopicConf }
}

/** Registered by 5.x brokers to find each other over a NameServer of 4.9; they must see who really is the master. */
const SYNC_BROKER_MEMBER = 'rmq_sys_SYNC_BROKER_MEMBER_'

/**
 * 5.x, with supportActingMaster: a broker name without a master, whose queues take no messages, is shown with its smallest
 * id in the master's place, so that clients which ask only masters (offsets, locks) have somebody to ask.
 */
export function withActingMasters(route: Route, topic: string): Route {
  if (topic.startsWith(SYNC_BROKER_MEMBER)) return route
  const brokerDatas = route.brokerDatas.map((broker) => {
    const { brokerName, brokerAddrs, enableActingMaster } = broker
    const queues = route.queueDatas.find((it) => it.brokerName === brokerName)
    const isWritable = queues === undefined || (queues.perm & PERM_WRITE) !== 0
    if (!enableActingMaster || brokerAddrs.size === 0 || brokerAddrs.has(MASTER_ID) || isWritable) return broker
    const first = Math.min(...brokerAddrs.keys())
    const shown = [...brokerAddrs].map(([id, address]) => [id === first ? MASTER_ID : id, address] as const)
    return { ...broker, brokerAddrs: new Map(shown) }
  })
  return { ...route, brokerDatas }
}

/** 224. An unknown cluster has no topics. */
export function topicsOfCluster(tables: Tables, cluster: string): string[] {
  const names = tables.clusterAddrTable.get(cluster)
  if (names === undefined) return []
  const topics: string[] = []
  for (const [topic, queues] of tables.topicQueueTable) {
    for (const brokerName of queues.keys()) {
      if (!names.has(brokerName)) continue
      topics.push(topic)
      break
    }
  }
  return topics
}

/** 304: cluster and broker names, which are topics too, and any broker to ask for its own with 305. */
export function systemTopics(tables: Tables): { topicList: string[]; brokerAddr: string | undefined } {
  const topics = new Set<string>()
  for (const [cluster, names] of tables.clusterAddrTable) {
    topics.add(cluster)
    for (const name of names) topics.add(name)
  }
  let brokerAddr: string | undefined
  for (const broker of tables.brokerAddrTable.values()) {
    for (const address of broker.brokerAddrs.values()) brokerAddr ??= address
  }
  return { topicList: [...topics], brokerAddr }
}

/** 311, 312, 313: by the first queue data of each topic. */
export function unitTopics(tables: Tables, kind: 'unit' | 'unit-sub' | 'unit-sub-without-unit'): string[] {
  const topics: string[] = []
  for (const [topic, queues] of tables.topicQueueTable) {
    const first: QueueData | undefined = queues.values().next().value
    if (first === undefined) continue
    const unit = (first.topicSysFlag & SYS_FLAG_UNIT) !== 0
    const sub = (first.topicSysFlag & SYS_FLAG_UNIT_SUB) !== 0
    const wanted = kind === 'unit' ? unit : kind === 'unit-sub' ? sub : sub && !unit
    if (wanted) topics.push(topic)
  }
  return topics
}

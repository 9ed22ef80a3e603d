/**
 * The route tables and everything that changes them: register, unregister, a closed connection, silence.
 *
 * Owns:      all tables but the KV configuration. Called by: processors.ts and the scan, on one thread (no lock).
 * Invariant: a broker name is in clusterAddrTable and in topics only while brokerAddrTable has an address for it.
 * Blocks on: nothing; no sockets but `Channel.close`, no timers, time from the injected clock.
 * Rules:     spec/namesrv.md §4–§6 as RocketMQ 4.9.8 has them; where we differ it is said at the line.
 */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type {
  BrokerData,
  BrokerRegistration,
  Channel,
  DataVersion,
  LiveBroker,
  QueueData,
  RegisteredTopic,
  RegistrationAnswer,
} from './types.ts'
import { sameVersion } from './types.ts'

export const MASTER_ID = 0
export const PERM_WRITE = 2
/** Read and write; what 327 sets, so the inherit bit is lost as in RocketMQ 4.9.8. */
const PERM_READ_WRITE = 6
export const BROKER_EXPIRY_MS = 120_000
/** A 5.x broker may ask for its own expiry; bounded so that one request cannot make an entry immortal or flicker. */
const EXPIRY_MS_MIN = 1_000
const EXPIRY_MS_MAX = 3_600_000

/** Read-only face, for queries, inspection and tests. */
export interface Tables {
  readonly topicQueueTable: ReadonlyMap<string, ReadonlyMap<string, QueueData>>
  readonly brokerAddrTable: ReadonlyMap<string, BrokerData>
  readonly clusterAddrTable: ReadonlyMap<string, ReadonlySet<string>>
  readonly brokerLiveTable: ReadonlyMap<string, Readonly<LiveBroker>>
  readonly filterServerTable: ReadonlyMap<string, readonly string[]>
  /** Names of brokers whose write permission was wiped (205) and not added (327) since. */
  readonly wipedBrokers: ReadonlySet<string>
}

export class RouteTables implements Tables {
  readonly topicQueueTable = new Map<string, Map<string, QueueData>>()
  readonly brokerAddrTable = new Map<string, BrokerData>()
  readonly clusterAddrTable = new Map<string, Set<string>>()
  readonly brokerLiveTable = new Map<string, LiveBroker>()
  readonly filterServerTable = new Map<string, readonly string[]>()
  readonly wipedBrokers = new Set<string>()
  private readonly clock: Clock
  private readonly log: Log

  constructor(clock: Clock, log: Log) {
    this.clock = clock
    this.log = log
  }

  /** 103. The numbers are those of spec/namesrv.md §4 "Update rules". */
  register(broker: BrokerRegistration, channel: Channel): RegistrationAnswer {
    const { brokerName, brokerAddr, brokerId } = broker
    this.addToCluster(broker.clusterName, brokerName) // 1
    let data = this.brokerAddrTable.get(brokerName)
    let first = data === undefined // 2
    if (data === undefined) {
      data = { cluster: broker.clusterName, brokerName, brokerAddrs: new Map() }
      this.brokerAddrTable.set(brokerName, data)
    }
    const addresses = data.brokerAddrs
    for (const [id, address] of addresses) if (address === brokerAddr && id !== brokerId) addresses.delete(id) // 3
    const former = addresses.get(brokerId) // 4
    addresses.set(brokerId, brokerAddr)
    if (former === undefined) first = true
    else if (former !== brokerAddr) this.nameConflict(broker, former)

    const live = this.brokerLiveTable.get(brokerAddr)
    if (brokerId === MASTER_ID) {
      const changed = live === undefined || !sameVersion(live.dataVersion, broker.dataVersion)
      if (changed || first) for (const topic of broker.topics) this.putQueues(brokerName, topic) // 5
    }
    const expiryMs = expiryOf(broker.heartbeatTimeoutMs)
    const { dataVersion, haServerAddr } = broker
    this.brokerLiveTable.set(brokerAddr, { lastUpdate: this.clock.now(), expiryMs, dataVersion, channel, haServerAddr }) // 6
    if (live === undefined) this.announce(broker)
    if (broker.filterServerList.length === 0)
      this.filterServerTable.delete(brokerAddr) // 7
    else this.filterServerTable.set(brokerAddr, broker.filterServerList)

    const masterAddr = brokerId === MASTER_ID ? undefined : addresses.get(MASTER_ID) // 8
    const master = masterAddr === undefined ? undefined : this.brokerLiveTable.get(masterAddr)
    if (master === undefined) return { masterAddr: undefined, haServerAddr: undefined }
    return { masterAddr, haServerAddr: master.haServerAddr }
  }

  /** 104. Removes by id, whatever address is there; while another address of the name remains, topics stay. */
  unregister(brokerName: string, brokerAddr: string, brokerId: number): void {
    const wasLive = this.brokerLiveTable.delete(brokerAddr)
    this.filterServerTable.delete(brokerAddr)
    const data = this.brokerAddrTable.get(brokerName)
    const removed = data?.brokerAddrs.delete(brokerId) ?? false
    if (wasLive || removed) this.log.info(`broker ${brokerName} (id ${brokerId}, ${brokerAddr}) unregistered`)
    if (data !== undefined && data.brokerAddrs.size === 0) this.removeBrokerName(brokerName)
  }

  /**
   * A connection ended. Clients come through here too and match nothing.
   *
   * Every broker that registered over it is removed (RocketMQ 4.9.8 removes the first it finds; the others would wait
   * for their expiry).
   */
  channelClosed(channel: Channel, remoteAddress: string, reason: string): void {
    let found = false
    for (const [address, live] of this.brokerLiveTable) {
      if (live.channel !== channel) continue
      found = true
      this.removeAddress(address, `its connection closed: ${reason}`)
    }
    if (!found) this.removeAddress(remoteAddress, `its connection closed: ${reason}`)
  }

  /** Removes brokers that were silent for longer than their expiry, and closes their connections. */
  expire(): string[] {
    const now = this.clock.now()
    const expired: string[] = []
    for (const [address, live] of this.brokerLiveTable) {
      if (live.lastUpdate + live.expiryMs >= now) continue
      expired.push(address)
      this.removeAddress(address, `no registration for ${now - live.lastUpdate} ms (limit ${live.expiryMs} ms)`)
      live.channel.close(`broker ${address} expired`)
    }
    return expired
  }

  /** 904. */
  heartbeat(brokerAddr: string): void {
    const live = this.brokerLiveTable.get(brokerAddr)
    if (live !== undefined) live.lastUpdate = this.clock.now()
  }

  /** 322: whether the broker has to register, and what is known of it. An equal version counts as a sign of life. */
  compareVersion(brokerAddr: string, sent: DataVersion): { changed: boolean; known: DataVersion | undefined } {
    const live = this.brokerLiveTable.get(brokerAddr)
    const changed = live === undefined || !sameVersion(live.dataVersion, sent)
    if (!changed) this.heartbeat(brokerAddr)
    return { changed, known: live?.dataVersion }
  }

  /**
   * 205: takes the write permission from every topic of the broker. RocketMQ 4.9.8 forgets this at the broker's next
   * change of a topic; here it holds until `addWritePerm`, through registrations, new topics and reconnects.
   * Returns the count of topics touched.
   */
  wipeWritePerm(brokerName: string): number {
    if (this.brokerAddrTable.has(brokerName)) this.wipedBrokers.add(brokerName)
    return this.changePerm(brokerName, (perm) => perm & ~PERM_WRITE)
  }

  /** 327. */
  addWritePerm(brokerName: string): number {
    this.wipedBrokers.delete(brokerName)
    return this.changePerm(brokerName, () => PERM_READ_WRITE)
  }

  /** 216. With a cluster: only the brokers of that cluster lose the topic. */
  deleteTopic(topic: string, clusterName: string | undefined): void {
    if (clusterName === undefined) {
      this.topicQueueTable.delete(topic)
      return
    }
    const queues = this.topicQueueTable.get(topic)
    if (queues === undefined) return
    for (const brokerName of this.clusterAddrTable.get(clusterName) ?? []) queues.delete(brokerName)
    if (queues.size === 0) this.topicQueueTable.delete(topic)
  }

  /** 217 (5.x): puts queues in the given order; the first of an unknown broker ends it silently, as 5.x does. */
  registerTopic(topics: readonly (RegisteredTopic & { brokerName: string })[]): void {
    for (const topic of topics) {
      if (!this.brokerAddrTable.has(topic.brokerName)) return
      this.putQueues(topic.brokerName, topic)
    }
  }

  private putQueues(brokerName: string, topic: RegisteredTopic): void {
    const { readQueueNums, writeQueueNums, topicSysFlag } = topic
    const perm = this.wipedBrokers.has(brokerName) ? topic.perm & ~PERM_WRITE : topic.perm
    let queues = this.topicQueueTable.get(topic.topic)
    if (queues === undefined) {
      queues = new Map()
      this.topicQueueTable.set(topic.topic, queues)
    }
    queues.set(brokerName, { brokerName, readQueueNums, writeQueueNums, perm, topicSysFlag })
  }

  private changePerm(brokerName: string, change: (perm: number) => number): number {
    let count = 0
    for (const queues of this.topicQueueTable.values()) {
      const data = queues.get(brokerName)
      if (data === undefined) continue
      queues.set(brokerName, { ...data, perm: change(data.perm) })
      count += 1
    }
    return count
  }

  /** Forgets one broker address, wherever it is. */
  private removeAddress(address: string, reason: string): void {
    const wasLive = this.brokerLiveTable.delete(address)
    this.filterServerTable.delete(address)
    for (const data of this.brokerAddrTable.values()) {
      for (const [id, held] of data.brokerAddrs) {
        if (held !== address) continue
        data.brokerAddrs.delete(id)
        this.log.warn(`broker ${data.brokerName} (id ${id}, ${address}) removed: ${reason}`)
        if (data.brokerAddrs.size === 0) this.removeBrokerName(data.brokerName)
        return
      }
    }
    if (wasLive) this.log.warn(`broker ${address} removed, another address had its place: ${reason}`)
  }

  private addToCluster(clusterName: string, brokerName: string): void {
    const names = this.clusterAddrTable.get(clusterName)
    if (names === undefined) this.clusterAddrTable.set(clusterName, new Set([brokerName]))
    else names.add(brokerName)
  }

  /** A name without addresses: it leaves its cluster and every topic; empty clusters and topics go too. */
  private removeBrokerName(brokerName: string): void {
    this.brokerAddrTable.delete(brokerName)
    for (const [cluster, names] of this.clusterAddrTable) {
      if (names.delete(brokerName) && names.size === 0) this.clusterAddrTable.delete(cluster)
    }
    for (const [topic, queues] of this.topicQueueTable) {
      if (queues.delete(brokerName) && queues.size === 0) this.topicQueueTable.delete(topic)
    }
  }

  private announce({ brokerName, brokerId, brokerAddr, clusterName, topics }: BrokerRegistration): void {
    this.log.info(
      `broker ${brokerName} (id ${brokerId}, ${brokerAddr}) of cluster ${clusterName} registered, ${topics.length} topics`,
    )
    if (!this.wipedBrokers.has(brokerName)) return
    this.log.warn(`broker ${brokerName} has no write permission since it was wiped; "addWritePerm" gives it back`)
  }

  /** The newcomer takes the place, as in RocketMQ; two brokers with one name and id take it from each other. */
  private nameConflict({ brokerName, brokerId, brokerAddr }: BrokerRegistration, former: string): void {
    const still = this.brokerLiveTable.has(former)
    const todo = still ? `; ${former} is still connected: if both run, give one another brokerName or brokerId` : ''
    this.log.warn(`broker ${brokerName} id ${brokerId} moved from ${former} to ${brokerAddr}${todo}`)
  }
}

function expiryOf(askedMs: number | undefined): number {
  if (askedMs === undefined || askedMs <= 0) return BROKER_EXPIRY_MS
  return Math.min(Math.max(askedMs, EXPIRY_MS_MIN), EXPIRY_MS_MAX)
}

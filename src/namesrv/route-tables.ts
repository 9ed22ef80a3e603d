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
import { PERM_WRITE, TopicQueues } from './topic-queues.ts'
import type {
  BrokerData,
  BrokerRegistration,
  Channel,
  DataVersion,
  LiveBroker,
  MinBrokerNotice,
  QueueData,
  RegisteredTopic,
  RegistrationAnswer,
} from './types.ts'
import { NO_VERSION, sameVersion } from './types.ts'

export const MASTER_ID = 0
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

export interface RouteTablesOptions {
  /** Whether topics that a whole registration does not name any more are taken from the broker. Not by default. */
  readonly deleteTopics?: () => boolean
  /** Told when the smallest id of a broker name has changed (905). */
  readonly minBrokerChanged?: (notice: MinBrokerNotice) => void
}

export class RouteTables implements Tables {
  readonly topics = new TopicQueues()
  readonly brokerAddrTable = new Map<string, BrokerData>()
  readonly clusterAddrTable = new Map<string, Set<string>>()
  readonly brokerLiveTable = new Map<string, LiveBroker>()
  readonly filterServerTable = new Map<string, readonly string[]>()
  private readonly clock: Clock
  private readonly log: Log
  private readonly options: RouteTablesOptions

  constructor(clock: Clock, log: Log, options: RouteTablesOptions = {}) {
    this.clock = clock
    this.log = log
    this.options = options
  }

  get topicQueueTable(): ReadonlyMap<string, ReadonlyMap<string, QueueData>> {
    return this.topics.table
  }

  get wipedBrokers(): ReadonlySet<string> {
    return this.topics.wiped
  }

  /** 103. The numbers are those of spec/namesrv.md §4 "Update rules". */
  register(broker: BrokerRegistration, channel: Channel): RegistrationAnswer {
    const { brokerName, brokerAddr, brokerId } = broker
    const former = this.brokerAddrTable.get(brokerName)?.brokerAddrs.get(brokerId)
    if (former !== undefined && this.isOutdated(broker, former))
      return { masterAddr: undefined, haServerAddr: undefined }
    this.addToCluster(broker.clusterName, brokerName) // 1
    const data = this.brokerAddrTable.get(brokerName) ?? this.newName(broker) // 2
    data.enableActingMaster = broker.enableActingMaster ?? false
    const addresses = data.brokerAddrs
    const formerMin = smallest(addresses)
    for (const [id, address] of addresses) if (address === brokerAddr && id !== brokerId) addresses.delete(id) // 3
    addresses.set(brokerId, brokerAddr) // 4
    if (former !== undefined && former !== brokerAddr) this.nameConflict(broker, former)

    const live = this.brokerLiveTable.get(brokerAddr)
    this.takeTopics(data, broker, former === undefined) // 5
    const expiryMs = expiryOf(broker.heartbeatTimeoutMs)
    const { dataVersion, haServerAddr } = broker
    const isPartial = isPartOf(broker, live)
    const entry = { lastUpdate: this.clock.now(), expiryMs, dataVersion, channel, haServerAddr, isPartial }
    this.brokerLiveTable.set(brokerAddr, entry) // 6
    if (live === undefined) this.announce(broker)
    if (broker.filterServerList.length === 0)
      this.filterServerTable.delete(brokerAddr) // 7
    else this.filterServerTable.set(brokerAddr, broker.filterServerList)
    if (formerMin !== undefined && brokerId < formerMin) this.noticeMin(data, undefined, haServerAddr)

    const masterAddr = brokerId === MASTER_ID ? undefined : addresses.get(MASTER_ID) // 8
    const master = masterAddr === undefined ? undefined : this.brokerLiveTable.get(masterAddr)
    if (master === undefined) return { masterAddr: undefined, haServerAddr: undefined }
    return { masterAddr, haServerAddr: master.haServerAddr }
  }

  /**
   * 104. RocketMQ 4.9.8 removes whatever address has that id, so a former master that stops takes its successor out of
   * every route; as 5.x we remove only the address that it says. While another address of the name remains, topics stay.
   */
  unregister(brokerName: string, brokerAddr: string, brokerId: number): void {
    const wasLive = this.brokerLiveTable.delete(brokerAddr)
    this.filterServerTable.delete(brokerAddr)
    const data = this.brokerAddrTable.get(brokerName)
    if (data === undefined) return
    const removed = this.removeFrom(data, brokerAddr)
    const successor = removed ? undefined : data.brokerAddrs.get(brokerId)
    const stays = successor === undefined ? '' : `; ${successor} has its place and keeps it`
    if (wasLive || removed) this.log.info(`broker ${brokerName} (id ${brokerId}, ${brokerAddr}) unregistered${stays}`)
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
    const changed = live === undefined || live.isPartial || !sameVersion(live.dataVersion, sent)
    if (!changed) this.heartbeat(brokerAddr)
    return { changed, known: live?.dataVersion }
  }

  /** 205. Returns the count of topics touched. */
  wipeWritePerm(brokerName: string): number {
    return this.brokerAddrTable.has(brokerName) ? this.topics.wipeWritePerm(brokerName) : 0
  }

  /** 327. Returns the count of topics touched. */
  addWritePerm(brokerName: string): number {
    return this.topics.addWritePerm(brokerName)
  }

  /** 216. With a cluster: only the brokers of that cluster lose the topic. */
  deleteTopic(topic: string, clusterName: string | undefined): void {
    this.topics.deleteTopic(
      topic,
      clusterName === undefined ? undefined : (this.clusterAddrTable.get(clusterName) ?? []),
    )
  }

  /**
   * 217 (5.x): queues of one topic. As 5.x, the first of an unknown broker ends it silently: what comes before it counts
   * where the topic is known, and nothing counts where it is new.
   */
  registerTopic(topics: readonly (RegisteredTopic & { brokerName: string })[]): void {
    const unknown = topics.findIndex(({ brokerName }) => !this.brokerAddrTable.has(brokerName))
    const isNew = !topics.some(({ topic }) => this.topics.table.has(topic))
    if (unknown >= 0 && isNew) return
    for (const topic of unknown < 0 ? topics : topics.slice(0, unknown)) this.topics.put(topic.brokerName, topic)
  }

  /**
   * A 5.x master that was replaced in a controller's election and does not know it yet: an older state does not take the
   * place of a newer one. Brokers of 4.9 have no state (0) and take each other's place as ever.
   */
  private isOutdated({ brokerName, brokerId, brokerAddr, dataVersion }: BrokerRegistration, former: string): boolean {
    if (former === brokerAddr) return false
    const known = this.brokerLiveTable.get(former)?.dataVersion.stateVersion ?? 0
    if (known <= dataVersion.stateVersion) return false
    this.brokerLiveTable.delete(brokerAddr)
    const states = `its state ${dataVersion.stateVersion} is older than ${known} of ${former}`
    this.log.warn(`registration of broker ${brokerName} id ${brokerId} from ${brokerAddr} passed over: ${states}`)
    return true
  }

  /** Rule 5, and 5.x's: the smallest id of a name that has no master speaks for its topics. */
  private takeTopics(data: BrokerData, broker: BrokerRegistration, isFirst: boolean): void {
    const { brokerId, brokerName, brokerAddr, dataVersion, topics } = broker
    const isPrime =
      broker.enableActingMaster !== undefined && brokerId !== MASTER_ID && brokerId === smallest(data.brokerAddrs)
    if (brokerId !== MASTER_ID && !isPrime) return
    const live = this.brokerLiveTable.get(brokerAddr)
    const changed = live === undefined || live.isPartial || !sameVersion(live.dataVersion, dataVersion)
    if (!changed && !isFirst) return
    const readOnly = isPrime && data.enableActingMaster
    for (const topic of topics) {
      this.topics.put(brokerName, readOnly ? { ...topic, perm: topic.perm & ~PERM_WRITE } : topic)
    }
    // No topic is a broker that says nothing of them; one is a change. Every broker has two of its own at least.
    if (topics.length < 2 || this.options.deleteTopics?.() !== true) return
    const gone = this.topics.keepOnly(brokerName, new Set(topics.map(({ topic }) => topic)))
    if (gone.length > 0) this.log.info(`broker ${brokerName} has no longer the topics ${gone.join(', ')}`)
  }

  /** Forgets one broker address, wherever it is. */
  private removeAddress(address: string, reason: string): void {
    const live = this.brokerLiveTable.get(address)
    this.brokerLiveTable.delete(address)
    this.filterServerTable.delete(address)
    for (const data of this.brokerAddrTable.values()) {
      const id = [...data.brokerAddrs].find(([, held]) => held === address)?.[0]
      if (id === undefined) continue
      this.removeFrom(data, address)
      this.log.warn(`broker ${data.brokerName} (id ${id}, ${address}) removed: ${reason}`)
      return
    }
    if (live !== undefined) this.log.warn(`broker ${address} removed, another address had its place: ${reason}`)
  }

  /** False when the name does not have that address. */
  private removeFrom(data: BrokerData, address: string): boolean {
    const { brokerAddrs, brokerName } = data
    const formerMin = smallest(brokerAddrs)
    const ids = [...brokerAddrs].filter(([, held]) => held === address).map(([id]) => id)
    for (const id of ids) brokerAddrs.delete(id)
    if (ids.length === 0) return false
    if (brokerAddrs.size === 0) this.removeBrokerName(brokerName)
    else if (ids.includes(formerMin ?? -1)) this.noticeMin(data, address, undefined)
    // 5.x: who stands in for the master takes no messages.
    if (data.enableActingMaster && !brokerAddrs.has(MASTER_ID)) this.topics.withoutWrite(brokerName)
    return true
  }

  private addToCluster(clusterName: string, brokerName: string): void {
    const names = this.clusterAddrTable.get(clusterName)
    if (names === undefined) this.clusterAddrTable.set(clusterName, new Set([brokerName]))
    else names.add(brokerName)
  }

  private newName({ clusterName, brokerName }: BrokerRegistration): BrokerData {
    const data = { cluster: clusterName, brokerName, brokerAddrs: new Map<number, string>(), enableActingMaster: false }
    this.brokerAddrTable.set(brokerName, data)
    return data
  }

  /** A name without addresses: it leaves its cluster and every topic; empty clusters and topics go too. */
  private removeBrokerName(brokerName: string): void {
    this.brokerAddrTable.delete(brokerName)
    for (const [cluster, names] of this.clusterAddrTable) {
      if (names.delete(brokerName) && names.size === 0) this.clusterAddrTable.delete(cluster)
    }
    this.topics.removeBroker(brokerName)
  }

  /** A newcomer tells all others; one that left, all that remain. */
  private noticeMin({ brokerName, brokerAddrs }: BrokerData, offlineBrokerAddr?: string, haBrokerAddr?: string): void {
    const minBrokerId = smallest(brokerAddrs)
    const minBrokerAddr = minBrokerId === undefined ? undefined : brokerAddrs.get(minBrokerId)
    if (minBrokerId === undefined || minBrokerAddr === undefined) return
    const all = [...brokerAddrs.values()]
    const to = offlineBrokerAddr === undefined ? all.filter((address) => address !== minBrokerAddr) : all
    const notice = { brokerName, minBrokerId, minBrokerAddr, offlineBrokerAddr, haBrokerAddr, to }
    this.options.minBrokerChanged?.(notice)
  }

  private announce({ brokerName, brokerId, brokerAddr, clusterName, topics }: BrokerRegistration): void {
    this.log.info(
      `broker ${brokerName} (id ${brokerId}, ${brokerAddr}) of cluster ${clusterName} registered, ${topics.length} topics`,
    )
    const cluster = this.brokerAddrTable.get(brokerName)?.cluster
    if (cluster !== undefined && cluster !== clusterName) {
      this.log.warn(
        `broker name ${brokerName} is in use in cluster ${cluster} and now in ${clusterName}: routes name ${cluster}; give one of the two another brokerName`,
      )
    }
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

/**
 * Whether topics that the broker has may be missing from what it sent. RocketMQ 4.9.8 believes a single topic, and then
 * passes over the whole table that follows because its version is the same: topics are missing until the next change (5.x
 * refuses a single topic that comes first). A single topic is whole only right after the version before.
 */
function isPartOf({ topics, dataVersion }: BrokerRegistration, live: LiveBroker | undefined): boolean {
  if (topics.length !== 1) return false
  if (live === undefined) return true
  const known = live.dataVersion
  const isNext = dataVersion.counter === known.counter + 1 || sameVersion(dataVersion, known)
  return live.isPartial || !isNext || sameVersion(known, NO_VERSION)
}

function smallest(addresses: ReadonlyMap<number, string>): number | undefined {
  return addresses.size === 0 ? undefined : Math.min(...addresses.keys())
}

function expiryOf(askedMs: number | undefined): number {
  if (askedMs === undefined || askedMs <= 0) return BROKER_EXPIRY_MS
  return Math.min(Math.max(askedMs, EXPIRY_MS_MIN), EXPIRY_MS_MAX)
}

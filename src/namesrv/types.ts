/**
 * The shapes that the NameServer keeps: what a broker registers and what a client is told.
 * Format: spec/namesrv.md §1, §4, §7.
 */

/** One broker's share of a topic. `perm`: 4 read, 2 write, 1 inherit. `topicSysFlag`: 1 unit, 2 unit-sub. */
export interface QueueData {
  readonly brokerName: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  readonly perm: number
  readonly topicSysFlag: number
}

/** A master and its slaves. Key of `brokerAddrs`: broker id, 0 is the master; value "ip:port". */
export interface BrokerData {
  readonly cluster: string
  readonly brokerName: string
  readonly brokerAddrs: Map<number, string>
  /** 5.x: without a master the smallest id may stand in for it (a broker with enableSlaveActingMaster). */
  enableActingMaster: boolean
}

/** Two versions are equal when all three are; 4.9 has no stateVersion (0). `timestamp` in ms. */
export interface DataVersion {
  readonly stateVersion: number
  readonly timestamp: number
  readonly counter: number
}

export const NO_VERSION: DataVersion = { stateVersion: 0, timestamp: 0, counter: 0 }

export function sameVersion(a: DataVersion, b: DataVersion): boolean {
  return a.counter === b.counter && a.timestamp === b.timestamp && a.stateVersion === b.stateVersion
}

/** What the tables know of a connection: its identity, and how to end it. */
export interface Channel {
  close(reason: string): void
}

export interface LiveBroker {
  lastUpdate: number
  /** Silence after which the broker is removed, ms. */
  readonly expiryMs: number
  readonly dataVersion: DataVersion
  readonly channel: Channel
  readonly haServerAddr: string
  /** What it sent may leave topics out that it has: its next registration counts, whatever its version. */
  readonly isPartial: boolean
}

/** The part of a topic's configuration that a NameServer keeps; `order` and the filter type it does not. */
export interface RegisteredTopic {
  readonly topic: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  readonly perm: number
  readonly topicSysFlag: number
}

export interface BrokerRegistration {
  readonly clusterName: string
  readonly brokerName: string
  readonly brokerAddr: string
  readonly brokerId: number
  readonly haServerAddr: string
  /** Only 5.x brokers in acting-master or controller mode send one. */
  readonly heartbeatTimeoutMs: number | undefined
  /** 5.x always says it; undefined: an older broker. */
  readonly enableActingMaster: boolean | undefined
  readonly dataVersion: DataVersion
  readonly topics: readonly RegisteredTopic[]
  readonly filterServerList: readonly string[]
}

/** What a registering slave learns of its master; a master gets neither. */
export interface RegistrationAnswer {
  readonly masterAddr: string | undefined
  readonly haServerAddr: string | undefined
}

/** 905 (5.x): the smallest id of a broker name has changed. */
export interface MinBrokerNotice {
  readonly brokerName: string
  readonly minBrokerId: number
  readonly minBrokerAddr: string
  /** The address that left, where that was the reason. */
  readonly offlineBrokerAddr: string | undefined
  /** HA address of the newcomer, where that was the reason. */
  readonly haBrokerAddr: string | undefined
  /** Who is to be told. */
  readonly to: readonly string[]
}

export interface Route {
  readonly brokerDatas: readonly BrokerData[]
  readonly queueDatas: readonly QueueData[]
  /** Broker address → its filter servers; empty since 4.3, kept for the shape. */
  readonly filterServerTable: ReadonlyMap<string, readonly string[]>
  readonly orderTopicConf: string | undefined
}

/**
 * REGISTER_BROKER as a broker sends it: its header, and its topics as JSON or compressed.
 * Format: spec/namesrv.md §4 and §10.
 */
import { crc32, deflateSync } from 'node:zlib'
import { type RemotingCommand, request } from '../../remoting/command.ts'
import { encodeHeader } from '../../remoting/schema.ts'
import { QUERY_DATA_VERSION, REGISTER_BROKER, UNREGISTER_BROKER } from '../../remoting/schemas/namesrv.ts'

/** What a broker calls itself. Addresses are "ip:port". */
export interface BrokerIdentity {
  readonly clusterName: string
  readonly brokerName: string
  /** 0 is the master. */
  readonly brokerId: number
  readonly brokerAddr: string
  readonly haServerAddr: string
  /** 2 write, 4 read; less than 6 is shown on every topic. */
  readonly brokerPermission: number
}

/** A topic as topics.json has it. */
export interface RegisteredTopicConfig {
  readonly topicName: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  readonly perm: number
  readonly topicFilterType: string
  readonly topicSysFlag: number
  readonly order: boolean
}

/** `timestamp` in ms; 4.9 brokers have no stateVersion. */
export interface TopicVersion {
  readonly timestamp: number
  readonly counter: number
}

/** The broker's topics at one version. */
export interface TopicSnapshot {
  readonly dataVersion: TopicVersion
  readonly topics: Iterable<RegisteredTopicConfig>
}

const PERM_READ_WRITE = 6

/** 103 with all topics given; a table of one topic is an incremental registration. */
export function registerRequest(broker: BrokerIdentity, table: TopicSnapshot, compressed: boolean): RemotingCommand {
  const topics = visibleTopics(broker, table.topics)
  const body = compressed ? compressedBody(table.dataVersion, topics) : jsonBody(table.dataVersion, topics)
  const { clusterName, brokerName, brokerId, brokerAddr, haServerAddr } = broker
  const bodyCrc32 = crc32(body) & 0x7fff_ffff
  const header = { clusterName, brokerName, brokerId, brokerAddr, haServerAddr, compressed, bodyCrc32 }
  return request(REGISTER_BROKER.code, encodeHeader(REGISTER_BROKER, header), body)
}

/** 104. */
export function unregisterRequest({ clusterName, brokerName, brokerId, brokerAddr }: BrokerIdentity): RemotingCommand {
  const header = { clusterName, brokerName, brokerId, brokerAddr }
  return request(UNREGISTER_BROKER.code, encodeHeader(UNREGISTER_BROKER, header))
}

/** 322. */
export function versionRequest(broker: BrokerIdentity, version: TopicVersion): RemotingCommand {
  const { clusterName, brokerName, brokerId, brokerAddr } = broker
  const ext = encodeHeader(QUERY_DATA_VERSION, { clusterName, brokerName, brokerId, brokerAddr })
  return request(QUERY_DATA_VERSION.code, ext, Buffer.from(JSON.stringify(versionJson(version))))
}

/**
 * A broker without read or write permission shows no topic with it. As 5.x does; 4.9.8 shows the broker's permission instead of
 * the topic's, and so a topic that nobody may read as readable.
 */
function visibleTopics({ brokerPermission }: BrokerIdentity, topics: Iterable<RegisteredTopicConfig>) {
  const list = [...topics]
  const whole = (brokerPermission & PERM_READ_WRITE) === PERM_READ_WRITE
  return whole ? list : list.map((topic) => ({ ...topic, perm: topic.perm & brokerPermission }))
}

function versionJson({ counter, timestamp }: TopicVersion) {
  return { counter, timestamp }
}

/** Keys in Java's order. */
function jsonBody(version: TopicVersion, topics: readonly RegisteredTopicConfig[]): Buffer {
  const topicConfigTable = Object.fromEntries(
    topics.map(({ order, perm, readQueueNums, topicFilterType, topicName, topicSysFlag, writeQueueNums }) => [
      topicName,
      { order, perm, readQueueNums, topicFilterType, topicName, topicSysFlag, writeQueueNums },
    ]),
  )
  const topicConfigSerializeWrapper = { dataVersion: versionJson(version), topicConfigTable }
  return Buffer.from(JSON.stringify({ filterServerList: [], topicConfigSerializeWrapper }))
}

/** Five items a topic: a 4.9.8 NameServer accepts exactly five. topicSysFlag and order are lost, as in RocketMQ. */
function compressedBody(version: TopicVersion, topics: readonly RegisteredTopicConfig[]): Buffer {
  const parts: Buffer[] = []
  const int = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value)
    parts.push(bytes)
  }
  const text = (value: string) => {
    const bytes = Buffer.from(value)
    int(bytes.length)
    parts.push(bytes)
  }
  text(JSON.stringify(versionJson(version)))
  int(topics.length)
  for (const topic of topics) {
    const { topicName, readQueueNums, writeQueueNums, perm, topicFilterType } = topic
    text(`${topicName} ${readQueueNums} ${writeQueueNums} ${perm} ${topicFilterType}`)
  }
  text('[]')
  return deflateSync(Buffer.concat(parts), { level: 9 })
}

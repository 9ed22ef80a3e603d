/**
 * A broker's tables and processors without sockets, files or threads: the clock is a number, the store a list of messages,
 * the connections remember what they were sent.
 */

import { type AdminContext, adminProcessors, type RuntimeSource } from '../../src/broker/processors/index.ts'
import { Router } from '../../src/broker/router.ts'
import type { BrokerSettings } from '../../src/broker/settings.ts'
import { RemotingError } from '../../src/errors.ts'
import type { Log } from '../../src/log.ts'
import { request as command, type RemotingCommand } from '../../src/remoting/command.ts'
import type { Connection } from '../../src/remoting/connection.ts'
import type { KeyQuery, ListedUnit, MessageStore, UnitPlace } from '../../src/store/message-store.ts'
import type { MetadataStore } from '../../src/store/metadata/index.ts'
import { BrokerState } from './tables.ts'

export const SETTINGS: BrokerSettings = {
  brokerName: 'broker-a',
  brokerClusterName: 'LabCluster',
  brokerId: 0,
  brokerRole: 'ASYNC_MASTER',
  brokerPermission: 6,
  defaultTopicQueueNums: 8,
  autoCreateTopicEnable: true,
  autoCreateSubscriptionGroup: true,
  clusterTopicEnable: true,
  brokerTopicEnable: true,
  traceTopicEnable: false,
  msgTraceTopicName: 'RMQ_SYS_TRACE_TOPIC',
  notifyConsumerIdsChangedEnable: true,
  enablePropertyFilter: false,
  defaultQueryMaxNum: 32,
  maxMsgsNumBatch: 64,
  flushConsumerOffsetInterval: 5_000,
  useServerSideResetOffset: false,
  autoDeleteUnusedStats: false,
}

export class ManualClock {
  ms = 1_795_426_000_000
  now(): number {
    return this.ms
  }
}

export class MemoryFiles implements MetadataStore {
  readonly files = new Map<string, string>()
  saves = 0
  /** Thrown by the next saves while set. */
  failure: Error | undefined

  load(file: string): string | undefined {
    return this.files.get(file)
  }

  async save(file: string, text: string): Promise<void> {
    this.saves++
    await Promise.resolve()
    if (this.failure !== undefined) throw this.failure
    this.files.set(file, text)
  }
}

export class CollectedLog implements Log {
  readonly lines: string[] = []
  info(): void {}
  warn(message: string): void {
    this.lines.push(`warn ${message}`)
  }
  error(message: string): void {
    this.lines.push(`error ${message}`)
  }
}

/** Stands for a socket's connection: `sent` are the one-way requests of the broker, `onInvoke` answers the others. */
export class FakeConnection {
  private static ids = 0
  readonly id = ++FakeConnection.ids
  readonly remoteAddress: string
  closed = false
  closedBecause: string | undefined
  readonly sent: RemotingCommand[] = []
  /** What the broker's frame handler does when a connection ends. */
  onClose: ((reason: string) => void) | undefined
  onInvoke: ((it: RemotingCommand, timeoutMs: number) => Promise<RemotingCommand>) | undefined
  pendingAnswers = 0

  constructor(remoteAddress = `192.0.2.9:${40_000 + (FakeConnection.ids % 20_000)}`) {
    this.remoteAddress = remoteAddress
  }

  oneway(it: RemotingCommand): void {
    this.sent.push(it)
  }

  async invoke(it: RemotingCommand, timeoutMs: number): Promise<RemotingCommand> {
    if (this.onInvoke === undefined) throw new RemotingError('TIMEOUT', { what: 'nobody answers' })
    this.pendingAnswers += 1
    try {
      return await this.onInvoke(it, timeoutMs)
    } finally {
      this.pendingAnswers -= 1
    }
  }

  close(reason: string): void {
    if (this.closed) return
    this.closed = true
    this.closedBecause = reason
    this.onClose?.(reason)
  }

  /** Groups that this connection was told about since it was last asked. */
  notified(): string[] {
    return this.sent
      .splice(0)
      .filter((it) => it.code === 40)
      .map((it) => it.ext?.consumerGroup ?? '')
  }
}

export const asConnection = (it: FakeConnection) => it as unknown as Connection

export interface StoredMessage {
  topic: string
  queueId: number
  queueOffset: number
  physicalOffset: number
  storeTimestamp: number
  keys: string[]
  tagsCode?: bigint
  bytes: Uint8Array
}

/** A store that holds whole queues from offset 0 on. */
export class ListStore implements MessageStore {
  readonly messages: StoredMessage[] = []
  /** False: the first message of each queue counts as being on disk only. */
  inMemory = true
  readonly minimum = new Map<string, number>()

  private at(topic: string, queueId: number, queueOffset: number): StoredMessage | undefined {
    return this.messages.find((m) => m.topic === topic && m.queueId === queueId && m.queueOffset === queueOffset)
  }

  put(topic: string, queueId: number, storeTimestamp: number, keys: string[] = []): StoredMessage {
    const physicalOffset = this.logMax()
    const bytes = Buffer.alloc(100, physicalOffset & 0xff)
    const queueOffset = this.queueMax(topic, queueId)
    const message = { topic, queueId, queueOffset, physicalOffset, storeTimestamp, keys, bytes }
    this.messages.push(message)
    return message
  }

  queueMax(topic: string, queueId: number): number {
    let max = 0
    for (const m of this.messages)
      if (m.topic === topic && m.queueId === queueId) max = Math.max(max, m.queueOffset + 1)
    return max
  }

  queueMin(topic: string, queueId: number): number {
    return this.minimum.get(`${topic}-${queueId}`) ?? 0
  }

  isInMemory(): boolean {
    return this.inMemory
  }

  async offsetByTime(topic: string, queueId: number, timestamp: number): Promise<number> {
    const max = this.queueMax(topic, queueId)
    for (let offset = 0; offset < max; offset++) {
      if ((this.at(topic, queueId, offset)?.storeTimestamp ?? 0) >= timestamp) return offset
    }
    return Math.max(0, max - 1)
  }

  async storeTimeAt(topic: string, queueId: number, queueOffset: number): Promise<number> {
    return this.at(topic, queueId, queueOffset)?.storeTimestamp ?? -1
  }

  storeTimesAt(places: readonly UnitPlace[]): Promise<number[]> {
    return Promise.all(places.map((it) => this.storeTimeAt(it.topic, it.queueId, it.queueOffset)))
  }

  async physicalOffsetsAt(places: readonly UnitPlace[]): Promise<number[]> {
    return places.map((it) => this.at(it.topic, it.queueId, it.queueOffset)?.physicalOffset ?? -1)
  }

  units(topic: string, queueId: number, from: number, count: number): Promise<ListedUnit[]> | undefined {
    const all = this.messages.filter((m) => m.topic === topic && m.queueId === queueId)
    if (all.length === 0) return undefined
    const some = all.filter((m) => m.queueOffset >= from && m.queueOffset < from + count)
    return Promise.resolve(
      some.map((m) => ({ physicalOffset: m.physicalOffset, size: m.bytes.length, tagsCode: m.tagsCode ?? -1n })),
    )
  }

  async view(physicalOffset: number): Promise<Uint8Array | undefined> {
    return this.messages.find((m) => m.physicalOffset === physicalOffset)?.bytes
  }

  async queryByKey(query: KeyQuery) {
    const found = this.messages
      .filter((m) => m.topic === query.topic && m.keys.includes(query.key))
      .filter((m) => m.storeTimestamp >= query.beginTimestamp && m.storeTimestamp <= query.endTimestamp)
      .slice(0, query.maxNum)
    const last = this.messages.at(-1)
    return {
      records: found.map((m) => m.bytes),
      indexLastUpdateTimestamp: found.length === 0 ? 0 : (last?.storeTimestamp ?? 0),
      indexLastUpdatePhyoffset: found.length === 0 ? 0 : (last?.physicalOffset ?? 0),
    }
  }

  logMin(): number {
    return 0
  }

  logMax(): number {
    const last = this.messages.at(-1)
    return last === undefined ? 0 : last.physicalOffset + last.bytes.length
  }

  dispatchBehindBytes(): number {
    return 0
  }
}

export const RUNTIME: RuntimeSource = {
  bootTimestamp: () => 1_795_426_000_000,
  startAcceptSendRequestTimeStamp: () => 0,
  sends: () => ({ size: 0, capacity: 10_000, headWaitMs: 0 }),
  pulls: () => ({ size: 0, capacity: 100_000, headWaitMs: 0 }),
  queries: () => ({ size: 0, capacity: 20_000, headWaitMs: 0 }),
  endTransactions: () => ({ size: 0, capacity: 100_000, headWaitMs: 0 }),
  bytesToFlush: () => 627,
  pageCacheLockMs: () => 0,
  earliestMessageTimestamp: () => -1,
  disk: () => ({
    commitLogPath: '/data/store/commitlog',
    totalBytes: 252 * 1024 ** 3,
    freeBytes: 74.9 * 1024 ** 3,
    commitLogRatio: 0.2703,
    consumeQueueRatio: 0.2703,
  }),
  delayProgress: () => [{ level: 1, offset: 3, max: 3 }],
  deliveries: () => ({ mark: '{}', end: 627 }),
  more: () => ({}),
}

export interface Rig {
  readonly clock: ManualClock
  readonly files: MemoryFiles
  readonly store: ListStore
  readonly log: CollectedLog
  readonly state: BrokerState
  readonly router: Router
  /** What administrators had removed, and pulls that were answered before their time ("G T 0"). */
  readonly done: string[]
  connect(address?: string): FakeConnection
  /** The answer as it would be sent; undefined where none would. */
  ask(
    code: number,
    ext?: Record<string, string>,
    body?: unknown,
    options?: { from?: FakeConnection; oneway?: boolean; version?: number; language?: string },
  ): Promise<RemotingCommand | undefined>
}

export function rig(
  settings: Partial<BrokerSettings> = {},
  options: { files?: MemoryFiles; context?: Partial<AdminContext> } = {},
): Rig {
  const clock = new ManualClock()
  const files = options.files ?? new MemoryFiles()
  const store = new ListStore()
  const log = new CollectedLog()
  const all = { ...SETTINGS, ...settings }
  const state = new BrokerState({ settings: all, store: files, clock, log })
  state.load()
  const { topics, groups, consumers, producers, locks, offsets, stats } = state
  const config = { text: () => 'brokerName=broker-a\n', dataVersion: () => ({ counter: 0, timestamp: 1 }) }
  const tables = { topics, groups, consumers, producers, locks, offsets, stats }
  const done: string[] = []
  const cleaning = {
    expiredQueues: async () => [done.push('expired queues')].map(() => 'T/9'),
    unusedTopics: () => [done.push('unused topics')].map(() => 'Gone'),
    expiredLog: () => void done.push('expired log'),
  }
  const context: AdminContext = {
    ...tables,
    ...{ settings: all, store, runtime: RUNTIME, config, cleaning, clock, log },
    brokerAddress: () => '192.0.2.1:10911',
    releasePulls: (group, topic, queueId) => void done.push(`${group} ${topic} ${queueId}`),
    ...options.context,
  }
  const router = new Router(adminProcessors(context), log)
  const connect = (address?: string) => {
    const connection = new FakeConnection(address)
    connection.onClose = (reason) => state.closed(asConnection(connection), reason)
    return connection
  }
  const somebody = connect()
  return {
    clock,
    files,
    store,
    log,
    state,
    router,
    done,
    connect,
    ask(code, ext, body, { from = somebody, oneway = false, version = 409, language = 'JAVA' } = {}) {
      const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
      const asked = command(code, ext, bytes)
      asked.opaque = 77
      asked.version = version
      asked.language = language
      asked.flag = oneway ? 2 : 0
      return router.handle(asked, asConnection(from))
    },
  }
}

export function bodyOf(answer: RemotingCommand | undefined): unknown {
  return JSON.parse(textOf(answer))
}

export function textOf(answer: RemotingCommand | undefined): string {
  return Buffer.from(answer?.body ?? []).toString()
}

export function subscription(topic: string, subString = '*', subVersion = 1): Record<string, unknown> {
  return { classFilterMode: false, topic, subString, tagsSet: [], codeSet: [], subVersion, expressionType: 'TAG' }
}

export function heartbeat(
  clientID: string,
  consumers: Record<string, Record<string, unknown>[]>,
  producers: string[] = [],
): Record<string, unknown> {
  return {
    clientID,
    producerDataSet: producers.map((groupName) => ({ groupName })),
    consumerDataSet: Object.entries(consumers).map(([groupName, subscriptionDataSet]) => ({
      groupName,
      consumeType: 'CONSUME_PASSIVELY',
      messageModel: 'CLUSTERING',
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      unitMode: false,
      subscriptionDataSet,
    })),
  }
}

/**
 * A whole broker in one process: the engine, the tables, both ports, the registration, and a NameServer inside where
 * nobody named another.
 *
 *   start   NameServer ─▶ engine (store recovered, caught up) ─▶ tables ─▶ ports ─▶ registered ─▶ ready
 *   close   unregistered ─▶ sends refused, what waits is answered ─▶ ports ─▶ tables written ─▶ engine drained
 *   failure a stage died: everybody who waits gets an error, what is appended is flushed if it can be, `closed` rejects
 */
import { resolve } from 'node:path'
import type { Clock } from '../clock.ts'
import { type BrokerConfig, configText, type Resolved, resolveConfig, runsNameServer } from '../config/index.ts'
import { StoreError } from '../errors.ts'
import type { FaultSwitches } from '../faults.ts'
import { type Log, silentLog } from '../log.ts'
import { type NamesrvHandle, startNamesrv } from '../namesrv/index.ts'
import { hostBytes } from '../remoting/host.ts'
import { type Connection, RemotingClient, RemotingServer } from '../remoting/index.ts'
import type { FromStage, StageName } from '../stages/messages.ts'
import type { StageFailure } from '../stages/supervisor.ts'
import { LogReader } from '../store/commitlog/index.ts'
import { Engine } from './engine.ts'
import { Front } from './front.ts'
import { ConsumerManager, ProducerManager, QueueLocks, SubscriptionGroups } from './groups/index.ts'
import { MessageService } from './message-service.ts'
import { ConsumerOffsets } from './offsets/index.ts'
import { Pool } from './pool.ts'
import { adminProcessors } from './processors/index.ts'
import { announcedAddress, Registration } from './registration/index.ts'
import { Router } from './router.ts'
import { runtimeSource } from './runtime-source.ts'
import { Schedule } from './schedule.ts'
import { BrokerStats } from './stats/index.ts'
import { StoreView } from './store-view.ts'
import { TopicTable } from './topics/index.ts'

export interface BrokerOptions {
  /** A checked configuration; `config` is resolved otherwise. */
  resolved?: Resolved<'broker'>
  /** RocketMQ's keys and ours. */
  config?: Partial<BrokerConfig>
  log?: Log
  faults?: FaultSwitches
}

export interface BrokerHandle {
  /** "host:port" as clients are told; `namesrv` where one runs inside. */
  readonly addresses: { readonly broker: string; readonly fast: string; readonly namesrv: string | undefined }
  readonly store: { readonly folder: string; readonly recoveredMs: number; readonly found: string }
  readonly config: BrokerConfig
  /** Fulfilled once it is closed; rejected when a failure ended it. */
  readonly closed: Promise<void>
  close(): Promise<void>
  /** Messages of its topics that the group has not committed yet. */
  lag(group: string): number
  /** Moves the clock that this broker sees, and does what is due by then. For tests. */
  advance(milliseconds: number): void
  readonly engine: Engine
}

const TIMER_MS = 100
const REGISTER_WAIT_MS = 2000
const DRAIN_MS_MAX = 1000
const SCAN_MS = 10_000
const LONG_POLL_CHECK_MS = 5000
const RETRY_SAVES_MS = 1000
/** %RETRY%…, %DLQ%…: of one queue each. */
const OWN_TOPICS = '%'
/** A queue number beyond is more likely a damaged record's than a topic's that was lost. */
const RESTORED_QUEUES_MAX = 1024

/** Rejects with StoreError, RemotingError or ConfigError; nothing is left running then. */
export async function startBroker(options: BrokerOptions = {}): Promise<BrokerHandle> {
  const resolved = options.resolved ?? resolveConfig({ role: 'broker', overrides: options.config })
  const log = options.log ?? silentLog
  for (const warning of options.resolved === undefined ? resolved.warnings : []) log.warn(warning)
  const broker = new Broker(resolved.config, log, options.faults)
  try {
    await broker.start()
    return broker
  } catch (error) {
    await broker.giveUp()
    throw error
  }
}

class Broker implements BrokerHandle {
  readonly config: BrokerConfig
  readonly closed: Promise<void>
  addresses: BrokerHandle['addresses'] = { broker: '', fast: '', namesrv: undefined }
  store: BrokerHandle['store'] = { folder: '', recoveredMs: 0, found: '' }
  private readonly log: Log
  private readonly faults: FaultSwitches | undefined
  private started: Engine | undefined
  private namesrv: NamesrvHandle | undefined
  private pool: Pool | undefined
  private view: StoreView | undefined
  private service: MessageService | undefined
  private registration: Registration | undefined
  private client: RemotingClient | undefined
  private offsets: ConsumerOffsets | undefined
  private topics: TopicTable | undefined
  private groups: SubscriptionGroups | undefined
  private schedule: Schedule | undefined
  private timer: NodeJS.Timeout | undefined
  private readonly servers: RemotingServer[] = []
  private readonly fronts: Front[] = []
  private closing: Promise<void> | undefined
  private failure: StageFailure | undefined
  private isStarted = false
  private settle: (error?: Error) => void = () => {}

  constructor(config: BrokerConfig, log: Log, faults: FaultSwitches | undefined) {
    this.config = config
    this.log = log
    this.faults = faults
    this.closed = new Promise((fulfil, reject) => {
      this.settle = (error) => (error === undefined ? fulfil() : reject(error))
    })
    // Whoever does not look at it must not be ended by it.
    this.closed.catch(() => {})
  }

  get engine(): Engine {
    if (this.started === undefined) throw new Error('the broker is not started')
    return this.started
  }

  async start(): Promise<void> {
    const { config, log } = this
    const began = performance.now()
    const [engine, namesrv] = await settled([
      Engine.start({
        settings: config,
        faults: this.faults,
        log,
        onWake: () => this.service?.pump(),
        onFailure: (failure) => this.fail(failure),
        onMessage: (stage, message) => this.stageSaid(stage, message),
      }),
      runsNameServer(config) ? this.startNamesrv() : undefined,
    ])
    this.started = engine
    this.namesrv = namesrv
    const { recovered } = engine
    this.store = {
      folder: resolve(config.storePathRootDir),
      recoveredMs: performance.now() - began,
      found: foundText(recovered),
    }
    await this.serve(engine, engine.control)
    // A thread that died before there was anything to close.
    if (this.failure !== undefined) throw this.failureOf(this.failure)
    this.isStarted = true
  }

  lag(group: string): number {
    const { offsets, view } = this
    if (offsets === undefined || view === undefined) return 0
    let behind = 0
    for (const topic of offsets.topicsOf(group)) {
      for (const [queueId, offset] of offsets.queryAll(group, topic) ?? []) {
        behind += Math.max(0, view.queueMax(topic, queueId) - offset)
      }
    }
    return behind
  }

  advance(milliseconds: number): void {
    this.engine.moveClock(milliseconds)
    this.schedule?.step()
    this.namesrv?.step()
    this.registration?.step()
    for (const server of this.servers) server.checkIdle()
    this.service?.pump()
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  /** After a start that failed half way. */
  async giveUp(): Promise<void> {
    this.closing ??= Promise.resolve()
    await this.stopServing()
    if (this.failure === undefined) await this.started?.stop().catch(() => {})
    else await this.started?.abandon().catch(() => {})
    this.view?.close()
    await this.pool?.close()
    await this.namesrv?.close()
  }

  private startNamesrv(): Promise<NamesrvHandle> {
    const { config, log } = this
    return startNamesrv({
      port: config.nameServerInsidePort,
      host: config.bindAddress,
      kvConfigPath: resolve(config.storePathRootDir, 'basalt', 'kvConfig.json'),
      log,
    })
  }

  private async serve(engine: Engine, clock: Clock): Promise<void> {
    const { config, log } = this
    const announced = announcedAddress(config.brokerIP1)
    const topics = new TopicTable({ settings: config, store: engine.metadata, clock, log })
    const groups = new SubscriptionGroups({ settings: config, store: engine.metadata, clock, log })
    const consumers = new ConsumerManager({ settings: config, clock, log })
    const producers = new ProducerManager<Connection>({ clock, log })
    const locks = new QueueLocks(clock)
    const offsets = new ConsumerOffsets({ store: engine.metadata, log })
    const stats = new BrokerStats(clock)
    this.topics = topics
    this.groups = groups
    this.offsets = offsets
    topics.load()
    groups.load()
    offsets.load()
    restoreTopics(topics, engine, log, config.defaultTopicQueueNums)
    this.pool = new Pool(config)
    const view = new StoreView({
      settings: config,
      control: engine.control,
      table: engine.table,
      queueIds: engine.queueIds,
      log: new LogReader(config),
      pool: this.pool,
    })
    this.view = view
    topics.onChange(({ kind, topic }) => {
      if (kind !== 'deleted') return
      const queues = engine.queueIds.leave(topic.topicName)
      for (const { queue } of queues) view.forget(queue)
      this.service?.forget(topic.topicName, queues)
    })

    const storeHost = { address: hostBytes(announced.host), port: config.listenPort }
    const service = new MessageService({
      config,
      engine,
      store: view,
      topics,
      groups,
      consumers,
      offsets,
      stats,
      storeHost,
      clock,
      log,
      onRoom: () => {
        for (const front of this.fronts) front.roomAgain()
      },
    })
    this.service = service
    const router = new Router(
      adminProcessors({
        settings: config,
        topics,
        groups,
        consumers,
        producers,
        locks,
        offsets,
        stats,
        store: view,
        runtime: runtimeSource({
          config,
          engine,
          service,
          pool: this.pool,
          bootTimestamp: clock.now(),
          earliest: () => -1,
        }),
        config: { text: () => configText('broker', config), dataVersion: () => ({ counter: 0, timestamp: 0 }) },
        clock,
        log,
      }),
      log,
    )
    const port = await this.listen(config.listenPort, router, service, { consumers, producers }, true, clock)
    service.setStorePort(port)
    const fastPort =
      config.fastListenPort === 0 && config.listenPort !== 0 ? config.listenPort - 2 : config.fastListenPort
    const fast = await this.listen(fastPort, router, service, { consumers, producers }, false, clock)
    this.addresses = {
      broker: `${announced.host}:${port}`,
      fast: `${announced.host}:${fast}`,
      namesrv: this.namesrv?.address,
    }
    log.info(`clients are told ${this.addresses.broker} (${announced.origin})`, this.addresses)
    await this.register(topics, clock, `${config.brokerIP2 || announced.host}:${config.haListenPort || port + 1}`)
    this.startTimers(clock, { consumers, producers, locks, stats, offsets, topics, groups }, service)
    service.pump()
  }

  private async listen(
    port: number,
    router: Router,
    service: MessageService,
    clients: { consumers: ConsumerManager; producers: ProducerManager },
    servesPulls: boolean,
    clock: Clock,
  ): Promise<number> {
    const { config, log } = this
    const front = new Front({
      router,
      servesPulls,
      send: (connection, bytes, fields) => service.send(connection, bytes, fields),
      pull: (connection, bytes, fields) => service.pull(connection, bytes, fields),
      busy: (connection, fields) => service.busy(connection, fields),
      opened: () => {},
      closed: (connection, reason) => {
        service.closed(connection)
        clients.consumers.closed(connection, reason)
        clients.producers.closed(connection, reason)
      },
    })
    this.fronts.push(front)
    const server = new RemotingServer({
      host: config.bindAddress,
      port,
      handler: front,
      limits: {
        maxFrame: config.maxFrameSize,
        maxConnections: config.maxConnections,
        maxPendingBytes: config.maxPendingBytes,
        idleMs: config.serverChannelMaxIdleTimeSeconds * 1000,
      },
      log,
      clock,
    })
    const listening = await server.listen()
    this.servers.push(server)
    return listening
  }

  private async register(topics: TopicTable, clock: Clock, haServerAddr: string): Promise<void> {
    const { config, log } = this
    const addresses = () => [
      ...config.namesrvAddr.split(';').filter((address) => address !== ''),
      ...(this.namesrv === undefined ? [] : [this.namesrv.address]),
    ]
    this.client = new RemotingClient({
      log,
      clock,
      onClosed: (address) => this.registration?.connectionLost(address),
    })
    this.registration = new Registration({
      namesrvAddresses: addresses,
      broker: () => ({
        clusterName: config.brokerClusterName,
        brokerName: config.brokerName,
        brokerId: config.brokerId,
        brokerAddr: this.addresses.broker,
        haServerAddr,
        brokerPermission: config.brokerPermission,
      }),
      topics: () => ({ dataVersion: topics.dataVersion, topics: topics.values() }),
      client: this.client,
      clock,
      log,
      periodMs: config.registerNameServerPeriod,
      timeoutMs: config.registerBrokerTimeoutMills,
      force: config.forceRegister,
      compressed: config.compressedRegister,
    })
    topics.onChange(async ({ kind, topic, incremental }) => {
      if (kind === 'deleted' || !incremental) await this.registration?.registerAll(!incremental)
      else await this.registration?.registerTopic(topic.topicName)
    })
    const limit = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), REGISTER_WAIT_MS).unref())
    if (!(await Promise.race([this.registration.start(), limit]))) {
      log.warn('no NameServer has taken the registration yet; it is tried again', { namesrv: addresses().join(';') })
    }
  }

  private startTimers(
    clock: Clock,
    tables: {
      consumers: ConsumerManager
      producers: ProducerManager
      locks: QueueLocks
      stats: BrokerStats
      offsets: ConsumerOffsets
      topics: TopicTable
      groups: SubscriptionGroups
    },
    service: MessageService,
  ): void {
    const { config } = this
    const schedule = new Schedule(clock)
    this.schedule = schedule
    schedule.add(1000, () => tables.stats.tick())
    schedule.add(config.longPollingEnable ? LONG_POLL_CHECK_MS : config.shortPollingTimeMills, () => service.tick())
    schedule.add(SCAN_MS, () => {
      tables.consumers.scan()
      tables.producers.scan()
      tables.locks.scan()
    })
    schedule.add(config.flushConsumerOffsetInterval, () => void tables.offsets.flush())
    schedule.add(RETRY_SAVES_MS, () => {
      tables.topics.retryFailedSave()
      tables.groups.retryFailedSave()
    })
    this.timer = setInterval(() => {
      schedule.step()
      service.stageClock.refill()
      for (const front of this.fronts) front.tick()
      if (service.acks.pending > 0) service.pump()
    }, TIMER_MS)
  }

  private stageSaid(_stage: StageName, message: FromStage): void {
    if (message.kind === 'disk') {
      this.service?.setDiskProblem(message.problem)
      if (message.problem === undefined) this.log.info('there is room on the disk again: sends are taken')
      else this.log.error(`sends are refused: ${message.problem}`)
    } else if (message.kind === 'unwritable') this.service?.setWriteProblem(message.problem)
    else if (message.kind === 'retired') this.view?.log.dropBelow(message.below)
  }

  private fail(failure: StageFailure): void {
    this.failure ??= failure
    this.log.error(`the ${failure.stage} thread failed, the broker ends: ${failure.message}`, { code: failure.code })
    this.service?.refuseSends(`the ${failure.stage} thread failed: ${failure.message}`)
    this.service?.fail()
    for (const server of this.servers) server.flush()
    // A start that fails reports itself.
    if (this.isStarted) void this.close().catch(() => {})
  }

  private async shutDown(): Promise<void> {
    const { failure } = this
    try {
      await this.registration?.unregister()
      await this.stopServing()
      if (failure === undefined) await this.engine.stop()
      else await this.engine.abandon()
    } finally {
      this.view?.close()
      await this.pool?.close()
      await this.namesrv?.close()
    }
    const ended = this.failure ?? failure
    if (ended === undefined) {
      this.settle()
      return
    }
    this.settle(this.failureOf(ended))
  }

  private failureOf({ code, stage, message }: StageFailure): StoreError {
    return new StoreError(code, { what: `the ${stage} thread failed: ${message}`, where: this.store.folder })
  }

  private async stopServing(): Promise<void> {
    clearInterval(this.timer)
    this.registration?.close()
    const { service } = this
    if (service !== undefined) {
      service.refuseSends('the broker is stopping')
      service.holds.releaseAll()
      if (this.failure === undefined) await this.drained(service)
    }
    await Promise.all(this.servers.map((server) => server.close()))
    await this.client?.close()
    if (this.failure !== undefined) return
    await this.offsets?.flush()
    await Promise.allSettled([this.topics?.saved(), this.groups?.saved()])
  }

  /** Sends that are under way are answered before their connections end, if that does not take long. */
  private async drained(service: MessageService): Promise<void> {
    const until = performance.now() + DRAIN_MS_MAX
    while (service.acks.pending > 0 && performance.now() < until) {
      service.pump()
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
}

/** Both or neither: the first failure is thrown after the other has settled, so that nothing is left half started. */
async function settled(
  starts: [Promise<Engine>, Promise<NamesrvHandle> | undefined],
): Promise<[Engine, NamesrvHandle | undefined]> {
  const [engine, namesrv] = await Promise.allSettled(starts)
  if (engine.status === 'fulfilled' && namesrv.status === 'fulfilled') return [engine.value, namesrv.value]
  if (engine.status === 'fulfilled') await engine.value.stop()
  if (namesrv.status === 'fulfilled') await namesrv.value?.close()
  throw engine.status === 'rejected' ? engine.reason : (namesrv as PromiseRejectedResult).reason
}

/**
 * Topics whose queues hold messages and that topics.json has lost (or has not got yet: a broker was killed just after it had
 * created one): their consumers must find them, and their producers go on with the queues that they know of.
 */
function restoreTopics(topics: TopicTable, engine: Engine, log: Log, queueNumsMin: number): void {
  const counts = new Map<string, number>()
  for (const [, { topic, queueId }] of engine.queueIds.all()) {
    const least = topic.startsWith(OWN_TOPICS) ? 1 : queueNumsMin
    if (queueId < RESTORED_QUEUES_MAX) counts.set(topic, Math.max(counts.get(topic) ?? least, queueId + 1))
  }
  for (const [topic, queueNums] of counts) {
    if (topics.get(topic) !== undefined || topics.validateName(topic) !== undefined || topics.isSystem(topic)) continue
    log.warn(`topic ${topic} has messages but no entry in topics.json: it is created with ${queueNums} queues`)
    topics.createInternal({ topic, queueNums, perm: 6 })
  }
}

function foundText({ min, end, isUnclean, recordCount, findings, queues }: Engine['recovered']): string {
  if (end === 0) return 'an empty store'
  const stop = isUnclean ? 'after an unclean stop' : 'stopped cleanly'
  const size = `log of ${end - min} bytes from ${min}, ${queues.length} queues`
  const more = findings.length === 0 ? '' : `; ${findings.length} findings, see the log`
  return `${size}, ${stop}, ${recordCount} records read${more}`
}

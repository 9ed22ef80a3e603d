/**
 * A whole broker in one process: the engine, the tables, both ports, the registration, and a NameServer inside where
 * nobody named another.
 *
 *   start   NameServer ─▶ engine (store recovered, caught up) ─▶ tables ─▶ ports ─▶ registered ─▶ ready
 *   close   unregistered ─▶ sends refused, what waits is answered ─▶ ports ─▶ log flushed ─▶ tables written ─▶ engine stopped
 *   failure a stage died: everybody who waits gets an error, what is appended is flushed if it can be, `closed` rejects
 */
import { resolve } from 'node:path'
import { type Clock, steadyClock } from '../clock.ts'
import { type BrokerConfig, type Resolved, resolveConfig, runsNameServer } from '../config/index.ts'
import { StoreError } from '../errors.ts'
import type { FaultSwitches } from '../faults.ts'
import { type Log, silentLog } from '../log.ts'
import type { NamesrvHandle } from '../namesrv/index.ts'
import { hostBytes } from '../remoting/host.ts'
import type { FromStage, StageName } from '../stages/messages.ts'
import type { StageFailure } from '../stages/supervisor.ts'
import { LogReader } from '../store/commitlog/index.ts'
import { Access } from './access.ts'
import { Administration } from './administration.ts'
import type { BrokerHandle, BrokerOptions } from './broker-handle.ts'
import { Engine } from './engine.ts'
import { publishFilters } from './filter/index.ts'
import { foundText } from './found-text.ts'
import { addJobs, type JobsOf } from './jobs.ts'
import { MessageService } from './message-service.ts'
import { startInside } from './namesrv-inside.ts'
import { OwnMessages } from './own-messages.ts'
import { Pool } from './pool.ts'
import { Ports } from './ports.ts'
import { announce, announcedAddress, type BrokerAddresses, BrokerRegistration, ipOf } from './registration/index.ts'
import { GroupMember, Replication } from './replication/index.ts'
import { Router } from './router.ts'
import { Schedule } from './schedule.ts'
import { LOOK_MS } from './stall-watch.ts'
import { startTogether } from './start-together.ts'
import { StoreView } from './store-view.ts'
import { restoreTopics, Tables } from './tables.ts'
import { Verification } from './verification.ts'

export type { BrokerHandle, BrokerOptions } from './broker-handle.ts'

const TIMER_MS = LOOK_MS
const DRAIN_MS_MAX = 1000

/** Rejects with StoreError, RemotingError or ConfigError; nothing is left running then. */
export async function startBroker(options: BrokerOptions = {}): Promise<BrokerHandle> {
  const resolved = options.resolved ?? resolveConfig({ role: 'broker', overrides: options.config })
  const log = options.log ?? silentLog
  for (const warning of options.resolved === undefined ? resolved.warnings : []) log.warn(warning)
  const broker = new Broker(resolved, log, options.faults)
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
  addresses: BrokerAddresses = { broker: '', origin: '', fast: '', namesrv: undefined }
  store: BrokerHandle['store'] = { folder: '', recoveredMs: 0, found: '' }
  private readonly resolved: Resolved<'broker'>
  private readonly log: Log
  private readonly faults: FaultSwitches | undefined
  private started: Engine | undefined
  private namesrv: NamesrvHandle | undefined
  private pool: Pool | undefined
  private view: StoreView | undefined
  private service: MessageService | undefined
  private ownMessages: OwnMessages | undefined
  private registration: BrokerRegistration | undefined
  private tables: Tables | undefined
  private administration: Administration | undefined
  private ports: Ports | undefined
  private schedule: Schedule | undefined
  private timer: NodeJS.Timeout | undefined
  private closing: Promise<void> | undefined
  private failure: StageFailure | undefined
  private verification: Verification | undefined
  private access: Access | undefined
  private replication: Replication | undefined
  private readonly member: GroupMember | undefined
  private isStarted = false
  private settle: (error?: Error) => void = () => {}

  constructor(resolved: Resolved<'broker'>, log: Log, faults: FaultSwitches | undefined) {
    this.resolved = resolved
    this.config = resolved.config
    this.log = log
    this.faults = faults
    if (this.config.enableDLegerCommitLog) this.member = new GroupMember(this.config)
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

  get own(): BrokerHandle['own'] {
    if (this.ownMessages === undefined || this.service === undefined) throw new Error('the broker is not started')
    return { transactions: this.ownMessages.transactions, puts: this.service.puts }
  }

  async start(): Promise<void> {
    const { config, log } = this
    const began = performance.now()
    const [engine, namesrv] = await startTogether([
      Engine.start({
        settings: config,
        faults: this.faults,
        log,
        onWake: () => this.service?.pump(),
        onFailure: (failure) => this.fail(failure),
        onMessage: (stage, message) => this.stageSaid(stage, message),
      }),
      runsNameServer(config) ? startInside(config, log) : undefined,
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
    const { tables, view } = this
    if (tables === undefined || view === undefined) return 0
    return tables.lag(group, (topic, queueId) => view.queueMax(topic, queueId))
  }

  advance(milliseconds: number): void {
    this.engine.moveClock(milliseconds)
    this.schedule?.step()
    this.ownMessages?.step()
    this.namesrv?.step()
    this.registration?.step()
    this.ports?.checkIdle()
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
    if (this.failure === undefined) await this.started?.stop(() => this.writeTables()).catch(() => {})
    else await this.started?.abandon().catch(() => {})
    this.view?.close()
    await this.pool?.close()
    await this.namesrv?.close()
  }

  private async serve(engine: Engine, clock: Clock): Promise<void> {
    const { config, log } = this
    const announced = announcedAddress(config.brokerIP1)
    const storeHost = { address: hostBytes(await ipOf(announced.host)), port: config.listenPort }
    const steady = steadyClock(() => engine.control.movedMs())
    const access = await Access.open({
      resolved: this.resolved,
      clock,
      log,
      brokerAddress: () => this.addresses.broker,
    })
    this.access = access
    const tables = new Tables(engine, config, clock, steady, log)
    this.tables = tables
    if (config.enableCalcFilterBitMap && config.enableConsumeQueueExt) {
      publishFilters(tables.filters, (version, filters) => engine.setFilters(version, filters))
    }
    const pool = new Pool(config, log)
    this.pool = pool
    const { control, table, queueIds } = engine
    const view = new StoreView({ settings: config, control, table, queueIds, log: new LogReader(config), pool })
    this.view = view
    // Another member may have the topic as it was: messages in queues that only this one has would be hidden there.
    const queueNumsMin = config.enableDLegerCommitLog ? 1 : config.defaultTopicQueueNums
    const restore = (since: number) => restoreTopics(tables, queueIds, view, { log, queueNumsMin, since })
    const { deleted: found } = restore(0)
    const service = new MessageService({
      config,
      engine,
      store: view,
      ...tables,
      storeHost,
      clock,
      steady,
      log,
      membership: this.member?.membership,
      onRoom: () => this.ports?.roomAgain(),
    })
    this.service = service
    const own = new OwnMessages({ config, engine, tables, store: view, service, storeHost, clock, log })
    this.ownMessages = own
    const replication = new Replication({
      ...{ config, control, tables, files: engine.metadata, log, tls: access.clientTls },
      ...{ store: view, queues: () => queueIds.all(), appendHistory: engine.appendHistory },
      membership: this.member?.membership,
      followMaster: (address) => engine.followMaster(address),
      verified: (other) => engine.verified(other),
      ownAddress: () => this.addresses.broker,
    })
    this.replication = replication
    this.administration = new Administration({
      ...{ config, configuration: access.configuration, engine, service, store: view, pool, tables, own, clock, log },
      replication,
      brokerAddress: () => this.addresses.broker,
      waitingSends: () => this.ports?.waitingSends(performance.now()) ?? { count: 0, headWaitMs: 0 },
    })
    const { administration } = this
    for (const topic of found) administration.deleted(topic)
    const processors = new Map([...administration.processors, ...own.processors])
    access.install(processors)
    const ports = new Ports({
      config,
      service,
      router: new Router(processors, log, (request, connection) => access.refusal(request, connection)),
      access,
      clock: steady,
      log,
      closed: (connection, reason) => tables.disconnected(connection, reason),
    })
    this.ports = ports
    const { main, fast } = await ports.open()
    service.setStorePort(main)
    this.addresses = {
      broker: `${announced.host}:${main}`,
      origin: announced.origin,
      fast: `${announced.host}:${fast}`,
      namesrv: this.namesrv?.address,
    }
    announce(log, this.addresses, announced)
    this.registration = new BrokerRegistration({
      ...{ config, topics: tables.topics, clock: steady, log, inside: this.namesrv?.address },
      tls: access.clientTls,
      brokerAddr: this.addresses.broker,
      // A member of a group tells of a port that nobody listens on, as RocketMQ's.
      haServerAddr: `${config.brokerIP2 || announced.host}:${engine.haPort || config.haListenPort || main + 1}`,
      onMaster: (answer) => replication.answered(answer),
      // Pulls that are held would learn it at their deadlines: consumers are to go elsewhere now.
      onPermission: () => service.holds.releaseAll(),
    })
    const { registration } = this
    // A member of a group registers when it knows its role.
    if (this.member === undefined) await registration.start()
    const { topics, stats } = tables
    access.follow({ engine, topics, stats, registration: () => this.registration })
    const schedule = this.startTimers(steady, { config, tables, service, view }, administration)
    replication.start(schedule)
    access.startWatching(schedule)
    this.member?.serve(
      {
        ...{ config, tables, own, log, clock: steady, files: engine.metadata, tls: access.clientTls },
        safe: () => own.safe(),
        committed: () => control.load('replicated'),
        queueCount: () => queueIds.count,
        ownAddress: () => this.addresses.broker,
        namesrvs: () => registration.namesrvs,
        register: () => registration.registerNow(),
        releasePulls: () => service.holds.releaseAll(),
        restoreTopics: (since) => {
          const { deleted, isUndecided } = restore(since)
          for (const topic of deleted) administration.deleted(topic)
          return isUndecided
        },
      },
      schedule,
    )
    const { min, end, readFrom } = engine.recovered
    this.verification = new Verification({
      ...{ settings: config, log, min, end, recoveredFrom: readFrom },
      retained: () => control.load('retained'),
      verify: (from, to, bytesMax) => pool.verify(from, to, bytesMax),
    })
    this.verification.start()
    service.pump()
  }

  private startTimers(steady: Clock, of: JobsOf, administration: Administration): Schedule {
    const { service } = of
    const schedule = new Schedule(steady)
    this.schedule = schedule
    administration.addTo(schedule)
    addJobs(schedule, of)
    this.ownMessages?.start(schedule)
    this.timer = setInterval(() => {
      // After a pause of the process the timer comes before the sockets are read: what waits there are signs of life.
      setImmediate(() => schedule.step())
      service.stageClock.refill()
      this.ownMessages?.tick()
      administration.tick()
      if (service.acks.pending > 0) service.pump()
    }, TIMER_MS)
    return schedule
  }

  private stageSaid(_stage: StageName, message: FromStage): void {
    if (message.kind === 'disk') {
      this.service?.availability.setDiskProblem(message.problem)
      if (message.problem === undefined) this.log.info('there is room on the disk again: sends are taken')
      else this.log.error(`sends are refused: ${message.problem}`)
    } else if (message.kind === 'unwritable') this.service?.availability.setWriteProblem(message.problem)
    else if (message.kind === 'filtersTaken') this.tables?.filters.trust(message.version, message.position)
    else if (message.kind === 'replication' || message.kind === 'haVerify') this.replication?.take(message)
    else if (message.kind === 'dledgerRole' || message.kind === 'dledgerState') this.member?.take(message)
    else if (message.kind === 'expiring') this.administration?.expiring(message.below)
    else if (message.kind === 'retired') this.view?.log.dropBelow(message.below)
  }

  private fail(failure: StageFailure): void {
    this.failure ??= failure
    this.log.error(`the ${failure.stage} thread failed, the broker ends: ${failure.message}`, { code: failure.code })
    this.service?.refuseSends(`the ${failure.stage} thread failed: ${failure.message}`)
    this.service?.fail()
    this.ports?.flush()
    // A start that fails reports itself.
    if (this.isStarted) void this.close().catch(() => {})
  }

  private async shutDown(): Promise<void> {
    const { failure } = this
    try {
      await this.registration?.unregister()
      await this.stopServing()
      if (failure === undefined) await this.engine.stop(() => this.writeTables())
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
    this.member?.stop()
    this.verification?.stop()
    await this.administration?.close()
    this.registration?.stop()
    this.ownMessages?.stop()
    const { service } = this
    if (this.failure === undefined) await this.ownMessages?.transactions.close()
    if (service !== undefined) {
      service.refuseSends('the broker is stopping')
      service.holds.releaseAll()
      if (this.failure === undefined) await this.drained(service)
    }
    await this.ports?.close()
    await this.registration?.close()
    await this.replication?.close()
    await this.member?.close()
    await this.access?.close()
  }

  /** Behind the last flush: what they count is on disk. */
  private async writeTables(): Promise<void> {
    await this.ownMessages?.close()
    await this.tables?.save()
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

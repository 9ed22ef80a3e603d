/**
 * Administration of a running broker: the processors of processors/, the facts that they show, and what is looked at every
 * so often for it.
 */
import type { Clock } from '../clock.ts'
import type { BrokerConfig, RunningConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import { Checksums } from './checksums.ts'
import type { Engine } from './engine.ts'
import type { MessageService } from './message-service.ts'
import type { OwnMessages } from './own-messages.ts'
import type { Pool } from './pool.ts'
import { adminProcessors } from './processors/index.ts'
import { QueueCleaning } from './queue-cleaning.ts'
import type { Replication } from './replication/index.ts'
import type { Processors } from './router.ts'
import { runtimeSource } from './runtime-source.ts'
import type { Schedule } from './schedule.ts'
import { checkSlowConsumers, SLOW_CONSUMERS_CHECK_MS } from './slow-consumers.ts'
import type { StoreView } from './store-view.ts'
import type { Tables } from './tables.ts'
import { UnreadWatch } from './unread-watch.ts'

export interface AdministrationOptions {
  config: BrokerConfig
  configuration: Pick<RunningConfig<'broker'>, 'text' | 'version'>
  own: OwnMessages
  replication: Pick<Replication, 'rows'>
  engine: Engine
  service: MessageService
  store: StoreView
  pool: Pool
  tables: Tables
  /** "ip:port" as clients are told. */
  brokerAddress(): string
  /** Connections whose sends wait for room. */
  waitingSends(): { count: number; headWaitMs: number }
  clock: Clock
  log: Log
}

const REFRESH_MS = 10_000
const STATS_MS = 1_000

export class Administration {
  readonly processors: Processors
  private readonly options: AdministrationOptions
  private readonly runtime: ReturnType<typeof runtimeSource>
  private readonly unread: UnreadWatch
  private readonly checksums: Checksums

  constructor(options: AdministrationOptions) {
    const { config, configuration, engine, service, store, pool, tables, own, clock, log } = options
    const { brokerAddress, waitingSends } = options
    this.options = options
    const stalledMs = () => service.stalls.stalledMs
    this.checksums = new Checksums({ settings: config, control: engine.control, log })
    this.unread = new UnreadWatch({ ...tables, store, pool, log, clock })
    this.runtime = runtimeSource({
      ...{ config, engine, service, pool, store, own, waitingSends, stalledMs, bootTimestamp: clock.now() },
      replication: options.replication,
      checksums: this.checksums,
      unread: () => ({ expiring: this.unread.expiring, deleted: this.unread.deleted() }),
    })
    const cleaning = new QueueCleaning({
      engine,
      acks: service.acks,
      ...tables,
      forget: (topic, queues) => this.forget(topic, queues),
    })
    this.processors = adminProcessors({
      settings: config,
      ...tables,
      store,
      runtime: this.runtime,
      config: { text: () => configuration.text(), dataVersion: () => configuration.version },
      cleaning,
      brokerAddress,
      releasePulls: (group, topic, queueId) => service.release(group, topic, queueId),
      clock,
      log,
    })
    tables.topics.onChange(({ kind, topic }) => {
      if (kind === 'deleted') this.deleted(topic.topicName)
    })
  }

  addTo(schedule: Schedule): void {
    const { config, engine, store, tables, log } = this.options
    this.checksums.addTo(schedule)
    schedule.add(STATS_MS, () => tables.stats.tick())
    schedule.add(REFRESH_MS, () => void this.runtime.refresh())
    schedule.add(SLOW_CONSUMERS_CHECK_MS, () => {
      void checkSlowConsumers({ ...tables, settings: config, control: engine.control, store, log })
    })
  }

  close(): Promise<void> {
    return this.checksums.close()
  }

  /** Ten times a second, by a timer: who has waited too long, and for whom (brokerFastFailureEnable). */
  tick(): void {
    const now = performance.now()
    this.options.service.stalls.look(now)
    this.options.pool.tick(now)
  }

  /** Retention is going to remove what is below. */
  expiring(below: number): void {
    void this.unread.expire(below)
  }

  /** Its queues, offsets and counters go; twice when a start has found it again. */
  deleted(topic: string): void {
    const { engine, tables, config } = this.options
    this.forget(topic, engine.queueIds.leave(topic))
    tables.offsets.removeTopic(topic)
    if (config.autoDeleteUnusedStats) tables.stats.forgetTopic(topic)
  }

  private forget(topic: string, queues: { queue: number; queueId: number }[]): void {
    for (const { queue } of queues) this.options.store.forget(queue)
    this.options.service.forget(topic, queues)
  }
}

/**
 * What stores messages of the broker's own, put together: delay levels and what consumers send back.
 *
 *   new ─▶ recovered ─▶ start ─▶ stop (nothing begins any more) ─▶ close (progress is written)
 */
import type { Clock } from '../clock.ts'
import type { BrokerConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import { DelayService } from './delay/index.ts'
import type { Engine } from './engine.ts'
import type { InternalPut } from './put/index.ts'
import { StoredMessages } from './put/index.ts'
import { sendBackProcessors } from './retry/index.ts'
import type { Processor } from './router.ts'
import type { Schedule } from './schedule.ts'
import type { StoreView } from './store-view.ts'
import type { Tables } from './tables.ts'

export interface OwnMessagesOptions {
  config: BrokerConfig
  engine: Engine
  tables: Tables
  store: StoreView
  puts: InternalPut
  clock: Clock
  log: Log
}

export class OwnMessages {
  readonly delay: DelayService
  /** Of the requests that make the broker store one. */
  readonly processors: [number, Processor][]
  private readonly options: OwnMessagesOptions

  /** Throws StoreError METADATA_DAMAGED. */
  constructor(options: OwnMessagesOptions) {
    const { config, engine, tables, store, puts, clock, log } = options
    const { control, table, submit, queueIds, metadata, recovered } = engine
    this.options = options
    this.delay = new DelayService({
      ...tables,
      ...{ settings: config, control, table, submit, queueIds, metadata, puts, store, clock, log },
    })
    this.delay.recover(recovered.min, recovered.end)
    const messages = new StoredMessages(store, control)
    this.processors = sendBackProcessors({ settings: config, ...tables, puts, messages })
  }

  start(schedule: Schedule): void {
    schedule.add(this.options.config.flushDelayOffsetInterval, () => this.delay.persist())
    this.delay.start()
  }

  /** Every 100 ms. */
  tick(): void {
    this.delay.tick()
  }

  /** The clock was moved. */
  step(): void {
    this.delay.step()
  }

  stop(): void {
    this.delay.stop()
  }

  close(): Promise<void> {
    return this.delay.close()
  }
}

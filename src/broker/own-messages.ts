/**
 * What the broker does with messages beside storing and serving them, put together: delay levels, what consumers send
 * back, transactions, replies.
 *
 *   new ─▶ recovered ─▶ start ─▶ stop (nothing begins any more) ─▶ close (progress is written)
 *   in a DLedger group: new ─▶ start ─▶ lead ─▶ follow ─▶ lead …; what is recovered is the log at each lead()
 */
import type { Clock } from '../clock.ts'
import type { BrokerConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import { DelayService } from './delay/index.ts'
import type { Engine } from './engine.ts'
import type { MessageService } from './message-service.ts'
import { transactionProcessors } from './processors/transactions.ts'
import { StoredMessages } from './put/index.ts'
import { replyProcessors } from './reply/index.ts'
import { sendBackProcessors } from './retry/index.ts'
import type { Processor } from './router.ts'
import type { Schedule } from './schedule.ts'
import type { Host } from './send/record-encoder.ts'
import type { StoreView } from './store-view.ts'
import type { Tables } from './tables.ts'
import { Transactions } from './transaction/index.ts'

export interface OwnMessagesOptions {
  config: BrokerConfig
  engine: Engine
  tables: Tables
  store: StoreView
  service: MessageService
  storeHost: Host
  clock: Clock
  log: Log
}

const TIMER_MS = 100

export class OwnMessages {
  readonly delay: DelayService
  readonly transactions: Transactions
  /** Of the requests that make the broker store one. */
  readonly processors: [number, Processor][]
  private readonly options: OwnMessagesOptions

  /** Throws StoreError METADATA_DAMAGED. */
  constructor(options: OwnMessagesOptions) {
    const { config, engine, tables, store, service, storeHost, clock, log } = options
    const { control, table, submit, queueIds, metadata, recovered } = engine
    const { puts } = service
    const messages = new StoredMessages(store, control)
    this.options = options
    this.delay = new DelayService({
      ...tables,
      ...{ settings: config, control, table, submit, queueIds, metadata, puts, store, clock, log },
      safe: () => this.safe(),
    })
    if (!config.enableDLegerCommitLog) this.delay.recover(recovered.min, recovered.end)
    const common = { settings: config, ...tables, puts, storeHost, clock, log }
    this.transactions = new Transactions({
      ...common,
      messages,
      source: { view: store, queueIds },
      appended: () => control.load('appended'),
      flushed: () => this.safe(),
      visible: () => control.visible(),
      epoch: () => control.epoch,
    })
    this.processors = [
      ...sendBackProcessors({ settings: config, ...tables, puts, messages }),
      ...transactionProcessors(this.transactions),
      ...replyProcessors({
        ...common,
        counted: (topic, queueId, bytes) => service.counters.put(topic, queueId, 1, bytes),
      }),
    ]
  }

  /** A slave's master delivers what is delayed, and asks about transactions. */
  private get isSlave(): boolean {
    return this.options.config.brokerRole === 'SLAVE'
  }

  start(schedule: Schedule): void {
    const { config } = this.options
    schedule.add(
      () => config.flushDelayOffsetInterval,
      () => {
        if (!this.isSlave) this.delay.persist()
      },
    )
    schedule.add(TIMER_MS, () => {
      if (!this.isSlave) this.transactions.tick()
    })
    schedule.add(
      () => config.transactionCheckInterval,
      () => void this.transactions.check(),
    )
    if (!this.isSlave) this.delay.start()
  }

  /** This member leads its group. `handedOver`: the files of the former leader's progress are ours. */
  lead(handedOver: Promise<void>): void {
    this.transactions.lead()
    void this.delay.lead(handedOver)
  }

  /** Another one does: nothing of ours is put any more. */
  follow(): void {
    this.delay.follow()
    this.transactions.follow()
    this.options.service.puts.refuseWaiting()
  }

  /** No crash and no other leader takes back what is in the log below. */
  safe(): number {
    const { control } = this.options.engine
    const flushed = control.load('flushed')
    return this.options.config.enableDLegerCommitLog ? Math.min(flushed, control.load('replicated')) : flushed
  }

  /** Every 100 ms. */
  tick(): void {
    if (!this.isSlave) this.delay.tick()
  }

  /** The clock was moved. */
  step(): void {
    if (!this.isSlave) this.delay.step()
  }

  stop(): void {
    this.delay.stop()
  }

  close(): Promise<void> {
    // delayOffset.json is the master's word.
    if (this.isSlave) return Promise.resolve()
    return this.delay.close()
  }
}

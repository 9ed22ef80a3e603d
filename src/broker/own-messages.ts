/**
 * What the broker does with messages beside storing and serving them: transactions and replies, wired to its parts.
 */
import type { BrokerConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import type { Engine } from './engine.ts'
import type { MessageService } from './message-service.ts'
import { transactionProcessors } from './processors/transactions.ts'
import { StoredMessages } from './put/index.ts'
import { replyProcessors } from './reply/index.ts'
import type { Processor } from './router.ts'
import type { Host } from './send/record-encoder.ts'
import type { StoreView } from './store-view.ts'
import type { Tables } from './tables.ts'
import { Transactions } from './transaction/index.ts'

export interface OwnMessagesOptions {
  config: BrokerConfig
  engine: Engine
  tables: Tables
  view: StoreView
  service: MessageService
  storeHost: Host
  log: Log
}

export interface OwnMessages {
  transactions: Transactions
  processors: [number, Processor][]
}

export function ownMessages(options: OwnMessagesOptions): OwnMessages {
  const { config, engine, tables, view, service, storeHost, log } = options
  const { control, queueIds } = engine
  const common = { settings: config, ...tables, puts: service.puts, storeHost, clock: control, log }
  const transactions = new Transactions({
    ...common,
    messages: new StoredMessages(view, control),
    source: { view, queueIds },
    appended: () => control.load('appended'),
    flushed: () => control.load('flushed'),
    visible: () => control.visible(),
    epoch: () => control.epoch,
  })
  const replies = replyProcessors({ ...common, counted: (topic, bytes) => service.counters.put(topic, 1, bytes) })
  return { transactions, processors: [...transactionProcessors(transactions), ...replies] }
}

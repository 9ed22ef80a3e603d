/** A running broker as whoever started it sees it: the command, basaltmq/testing, and programs that have one inside. */
import type { BrokerConfig, Resolved } from '../config/index.ts'
import type { FaultSwitches } from '../faults.ts'
import type { Log } from '../log.ts'
import type { Engine } from './engine.ts'
import type { InternalPut } from './put/index.ts'
import type { BrokerAddresses } from './registration/index.ts'
import type { Transactions } from './transaction/index.ts'

export interface BrokerOptions {
  /** A checked configuration; `config` is resolved otherwise. */
  resolved?: Resolved<'broker'>
  /** RocketMQ's keys and ours. */
  config?: Partial<BrokerConfig>
  log?: Log
  faults?: FaultSwitches
}

export interface BrokerHandle {
  readonly addresses: BrokerAddresses
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
  /** Rounds of transaction checks, and messages of the broker's own. For tests. */
  readonly own: { readonly transactions: Transactions; readonly puts: InternalPut }
}

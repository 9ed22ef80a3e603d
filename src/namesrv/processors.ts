/**
 * The NameServer's requests: one function a code, from a decoded command to its answer.
 *
 * Called by: namesrv.ts, for every request that is not an answer. A RemotingError that a processor throws becomes an
 * answer with code 1 and the error's text; a code that is not here, code 3 (RocketMQ 4.9.8 gives no answer at all).
 * Rules: spec/namesrv.md §3.
 */
import type { NamesrvConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import type { RemotingCommand } from '../remoting/command.ts'
import { adminProcessors } from './admin-processors.ts'
import { brokerProcessors } from './broker-processors.ts'
import { configProcessors } from './config-processors.ts'
import type { KvConfig } from './kv-config.ts'
import { routeProcessors } from './route-processors.ts'
import type { RouteTables } from './route-tables.ts'
import type { Channel } from './types.ts'

/** What processors work on. */
export interface NamesrvState {
  readonly tables: RouteTables
  readonly kv: KvConfig
  /** 318 changes it in place. */
  readonly config: NamesrvConfig
  readonly log: Log
  /** Writes what 318 changed; resolves when it is on disk. */
  saveConfig(): Promise<void>
}

export type NamesrvProcessor = (
  request: RemotingCommand,
  channel: Channel,
) => RemotingCommand | Promise<RemotingCommand>

export function namesrvProcessors(state: NamesrvState): ReadonlyMap<number, NamesrvProcessor> {
  return new Map([
    ...routeProcessors(state),
    ...brokerProcessors(state),
    ...adminProcessors(state),
    ...configProcessors(state),
  ])
}

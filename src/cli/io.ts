/** What a command sees of the world, so that tests can run it in their own process. */

import type { Resolved } from '../config/index.ts'
import type { FaultSwitches } from '../faults.ts'
import type { Log } from '../log.ts'

/** What startBroker() gives, as far as the command needs it. Addresses are "host:port". */
export interface BrokerHandle {
  readonly addresses: {
    readonly broker: string
    /** How it was chosen. */
    readonly origin?: string | undefined
    readonly fast?: string | undefined
    readonly ha?: string | undefined
    /** Of the NameServer inside, where one runs. */
    readonly namesrv?: string | undefined
  }
  readonly store: { readonly folder: string; readonly recoveredMs: number; readonly found: string }
  /** Fulfilled once it is closed; rejected when it ended because of a failure. */
  readonly closed: Promise<void>
  close(): Promise<void>
}

export interface NamesrvHandle {
  readonly address: string
  close(): Promise<void>
}

/** The servers, loaded when one is started: --help and -p need none of it. */
export interface Engine {
  startBroker(resolved: Resolved<'broker'>, log: Log, faults: FaultSwitches | undefined): Promise<BrokerHandle>
  startNamesrv(resolved: Resolved<'namesrv'>, log: Log): Promise<NamesrvHandle>
}

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** Of a terminal that output goes to. */
export interface Terminal {
  readonly columns: number
  readonly rows: number
  /** Undefined where input comes from elsewhere. */
  readonly ask: ((question: string) => Promise<string>) | undefined
  /** Single keys, until the result is called. */
  onKey?(listener: (key: string) => void): () => void
}

export interface Io {
  out(text: string): void
  error(text: string): void
  /** Whether lines of the log are for eyes. */
  readonly isTerminal: boolean
  /** Undefined when output goes into a file or a pipe. */
  readonly terminal?: Terminal | undefined
  /** All of standard input. */
  input?(): Promise<Uint8Array>
  readonly env: Record<string, string | undefined>
  readonly cwd: string
  engine(): Promise<Engine>
  onSignal(listener: (signal: StopSignal) => void): () => void
  /** Ends the process at once. */
  exit(status: number): void
}

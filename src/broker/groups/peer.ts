/**
 * A connection as the groups see it, and what a heartbeat said of the client behind it.
 */
import type { Connection } from '../../remoting/connection.ts'

export type Peer = Pick<
  Connection,
  'id' | 'remoteAddress' | 'closed' | 'pendingAnswers' | 'invoke' | 'oneway' | 'close'
>

/** One client on one connection within one group. */
export interface GroupMember {
  readonly peer: Peer
  clientId: string
  language: string
  /** Ordinal of its release. */
  version: number
  /** Clock time of its last heartbeat. */
  lastUpdate: number
  /** What its last whole heartbeat subscribed to, as a text. */
  subscribed?: string | undefined
}

/** A client that sent no heartbeat for this long is closed by the scan. */
export const SILENCE_MS_MAX = 120_000

/** What is known of a DLedger group and its members after a look, and the rows that a broker of ours has of it. */
import type { BrokerAddress, RuntimeTable } from '../cluster.ts'

export type DLedgerRole = 'LEADER' | 'FOLLOWER' | 'CANDIDATE'

export interface DLedgerMemberLook {
  id: string
  /** Of its DLedger port, "host:port". */
  address: string
  /** Undefined where no NameServer knows it. */
  broker: BrokerAddress | undefined
  version: string
  /** Undefined where it tells nothing. */
  role: DLedgerRole | undefined
  /** Leads, and takes messages: all before is committed and dispatched. Undefined where it does not tell. */
  isReady: boolean | undefined
  /** −1: unknown. */
  term: number
  /** Whom it takes for the leader. */
  leaderId: string | undefined
  beginIndex: number | undefined
  endIndex: number | undefined
  committedIndex: number | undefined
  /** Where its committed log ends, in bytes. */
  committedPos: number | undefined
  /** Entries that the leader has and it has not. */
  lagEntries: number | undefined
  lagBytes: number | undefined
  /** Why its broker, or its DLedger port, told nothing; empty: it did. */
  brokerError: string
  memberError: string
}

export interface DLedgerGroupLook {
  group: string
  cluster: string
  brokerName: string
  /** By whom it is followed by a majority. */
  leaderId: string | undefined
  term: number
  members: DLedgerMemberLook[]
  /** What is wrong, in sentences. */
  notes: string[]
}

export interface DLedgerRows {
  group: string
  selfId: string
  role: DLedgerRole
  isReady: boolean
  term: number
  leaderId: string | undefined
}

/** What a broker of ours says of itself in its runtime table; undefined for all others. */
export function dledgerRowsOf(runtime: RuntimeTable): DLedgerRows | undefined {
  const [, role, doubt] = /^(LEADER|FOLLOWER|CANDIDATE)( .*)?$/.exec(runtime.basalt_dledger_role ?? '') ?? []
  if (role === undefined) return undefined
  return {
    group: runtime.basalt_dledger_group ?? '',
    selfId: runtime.basalt_dledger_self ?? '',
    role: role as DLedgerRole,
    isReady: role === 'LEADER' && doubt === undefined,
    term: Number(runtime.basalt_dledger_term ?? -1),
    leaderId: runtime.basalt_dledger_leader || undefined,
  }
}

/** A member as an administrator sees it. */
import type { Role } from './core/index.ts'

export interface DLedgerState {
  group: string
  selfId: string
  role: Role
  term: number
  leaderId: string | undefined
  /** Entry indexes, −1 when there is none. */
  beginIndex: number
  endIndex: number
  committedIndex: number
  /** Known to the leader only: up to which entry each other member has the log. */
  peers: { id: string; address: string; matchIndex: number | undefined }[]
}

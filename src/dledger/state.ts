/** A member's log and peers, as an administrator sees them. Its role is told by itself. */
export interface DLedgerState {
  /** Entry indexes, −1 when there is none. */
  beginIndex: number
  endIndex: number
  committedIndex: number
  /** Known to the leader only: up to which entry each other member has the log. */
  peers: { id: string; address: string; matchIndex: number | undefined }[]
}

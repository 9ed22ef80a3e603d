/** DLedger for the broker: its thread (stages/dledger.ts) and the recovery of its log. */
export type { Role } from './core/index.ts'
export type { DLedgerState } from './state.ts'

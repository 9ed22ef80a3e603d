/** DLedger for the broker: the recovery of its log, and what its thread (stages/dledger.ts) is made of. */

export { answerClient } from './broker-clients.ts'
export { brokerLogSettings, type RecoveredDLedgerLog, recoverDLedgerLog, removeParted } from './broker-log.ts'
export { FAST_TIMERS, JVM_TIMERS, type Role } from './core/index.ts'
export { GroupMember } from './group-member.ts'
export { DLedgerLog, type Found as FoundLog } from './log/index.ts'
export type { LogDriver, LogWatch } from './log-driver.ts'
export type { DLedgerState } from './state.ts'
export { ENTRY_HEADER_SIZE } from './wire/index.ts'

/**
 * The inspector: reads a store of RocketMQ's or ours, offline or beside a running broker, and says what is in it and whether
 * it is whole. It never locks, never writes (but for repair), and parses with the store's own code.
 *
 *   open-store, store-files, geometry, in-use   what is there, and with which sizes it was made
 *   log-walk, log-end                           records one by one, over damage, up to the end
 *   summary, mode-hints, tables, queue-units    what is in it
 *   log-records, queue-records, index-entries   one by one; record-match and message: which, and as what
 *   find                                        messages by what somebody has in hand
 *   verify/                                     whether it is whole
 *   dry-start/                                  what a start would do to it
 *   diff/                                       two stores against each other
 *   export/, repair/                            messages out of one and into one, what can be mended: these alone lock and write
 */
export { type DryStart, dryStart } from './dry-start/dry-start.ts'
export * from './find.ts'
export * from './index-entries.ts'
export * from './log-records.ts'
export * from './message.ts'
export * from './open-store.ts'
export * from './queue-records.ts'
export * from './record-match.ts'
export { PARTS, type Part, type RepairPlan } from './repair/plan.ts'
export { type Planned, planOnly, type Repaired, repairStore, undo as undoRepairOf } from './repair/repair.ts'
export * from './summary.ts'
export * from './tables.ts'
export type { Finding, FindingCode, Severity } from './verify/finding.ts'
export { type Verification, type VerifyOptions, verifyStore } from './verify/verify.ts'

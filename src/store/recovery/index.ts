/**
 * Recovery: from whatever files a stop left to a log with a known end.
 *
 *   recover-log     the whole of it, and the decisions behind it
 *   mend-segments   short and missing files        scan-start   which marks are believed
 *   log-window, log-scanner                        big preads, and what counts as a record
 *   resync, seal-damage                            on behind damage
 *   tail            cut, zero, rewrite and sync    verify       the same judgement, without touching anything
 *   recover-store   log, queues and index          rehearse     all of it on a disk that only remembers (dry-disk, dry-file, dry-source)
 *
 * It knows the CommitLog only; queues and indexes are rebuilt by dispatch from the position that can be proved.
 */

export type { DryChange } from './dry-disk.ts'
export * from './finding.ts'
export { LogScanner, type Verdict } from './log-scanner.ts'
export { LogWindow, type Range } from './log-window.ts'
export { type RecoveredLog, type RecoverLogOptions, recoverLog } from './recover-log.ts'
export { type Rehearsal, rehearseStart } from './rehearse.ts'
export { type ResyncLimits, resync } from './resync.ts'
export type { LogMarks } from './scan-start.ts'
export { DAMAGED_TOPIC } from './seal-damage.ts'
export { rewriteRange } from './tail.ts'
export { nextRecordBehind, type VerifiedLog, verifyLog } from './verify.ts'

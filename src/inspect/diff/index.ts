/**
 * Two stores, or a store and the hashes of another one.
 *
 *   log-side, hash-file, hash-log   what is compared, and how it travels
 *   log-diff, block-tasks           which bytes differ
 *   differing-records               which messages those are
 *   queue-diff, table-diff          what follows from the log, and config/
 *   diff                            all of it, and what it comes to
 */
export * from './diff.ts'
export type { Difference, DifferenceKind, SideRecord } from './differing-records.ts'
export * from './hash-file.ts'
export * from './hash-log.ts'
export { type HashedRange, type LogSide, storeSide } from './log-side.ts'
export type { QueueDiff } from './queue-diff.ts'
export { bytesOf, type Range } from './ranges.ts'
export type { TableDiff } from './table-diff.ts'

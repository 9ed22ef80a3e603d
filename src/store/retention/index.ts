/**
 * The log's room: segments made ahead of the tail, segments removed behind, and the disk that holds them.
 *
 *   segment-supply.ts    the next and next-but-one segment, before they are needed
 *   disk-use.ts          how full a file system is, as RocketMQ counts it
 *   disk-watch.ts        looks at it each second, and at the segment in use
 *   disk-state.ts        one flag, one message: why senders are refused
 *   retention-rules.ts   which segments go, as pure functions of times and percentages
 *   retention-clock.ts   a clock that a jump does not make delete early
 *   retention.ts, expired-queue-files.ts   remove segments, then ConsumeQueue and index files that only spoke of them
 *
 * Source: spec/store-format.md §11. All of it runs on the housekeeping thread; nothing here waits.
 */
export { DiskState } from './disk-state.ts'
export { type DiskUse, diskUse } from './disk-use.ts'
export { DiskWatch } from './disk-watch.ts'
export { FileWatch } from './file-watch.ts'
export { Retention, removeUnusedSegments } from './retention.ts'
export { RetentionClock } from './retention-clock.ts'
export { type CleanDecision, decide, expired, hoursOf, type SegmentAge } from './retention-rules.ts'
export { SegmentSupply } from './segment-supply.ts'

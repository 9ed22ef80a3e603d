/**
 * Which segments go: pure functions of times, percentages and settings.
 * Source: spec/store-format.md §11.
 */
import type { StoreSettings } from '../settings.ts'

export const HOUR_MS = 3_600_000
/** Files a round, so that a round stays short. */
export const FILES_PER_ROUND = 10

export interface CleanInput {
  /** Local hour of day, 0–23. */
  hour: number
  /** Used percent of the CommitLog's and of the ConsumeQueues' file system. */
  logPercent: number
  queuePercent: number
  /** Asked for by an operator (request 329). */
  isManual: boolean
}

export interface CleanDecision {
  /** Why expired files go now; undefined: they stay until their hour. */
  reason: 'hour' | 'space' | 'manual' | undefined
  /** Files go whatever their age. */
  isForced: boolean
}

export function decide(
  input: CleanInput,
  settings: Pick<
    StoreSettings,
    'deleteWhen' | 'diskMaxUsedSpaceRatio' | 'diskSpaceCleanForciblyRatio' | 'cleanFileForciblyEnable'
  >,
): CleanDecision {
  const fullest = Math.max(input.logPercent, input.queuePercent)
  const isForced = settings.cleanFileForciblyEnable && fullest > settings.diskSpaceCleanForciblyRatio
  if (fullest > settings.diskMaxUsedSpaceRatio || isForced) return { reason: 'space', isForced }
  if (hoursOf(settings.deleteWhen).includes(input.hour)) return { reason: 'hour', isForced }
  if (input.isManual) return { reason: 'manual', isForced }
  return { reason: undefined, isForced }
}

/** `04` or `04;16`: hours of day. What is no hour is left out. */
export function hoursOf(deleteWhen: string): number[] {
  return deleteWhen
    .split(';')
    .map((part) => part.trim())
    .filter((part) => /^\d{1,2}$/.test(part))
    .map(Number)
    .filter((hour) => hour < 24)
}

export interface SegmentAge {
  start: number
  /** Last write, ms. */
  changedAt: number
}

/**
 * Starts of the segments that go now, oldest first; stops at the first that stays. `keepFrom`: segments that end above it
 * are still needed, whatever their age. The last one always stays.
 */
export function expired(
  segments: SegmentAge[],
  options: { now: number; reservedHours: number; isForced: boolean; keepFrom: number; segmentSize: number },
): number[] {
  const { now, reservedHours, isForced, keepFrom, segmentSize } = options
  const going: number[] = []
  for (const segment of segments.slice(0, -1)) {
    if (going.length === FILES_PER_ROUND) break
    if (segment.start + segmentSize > keepFrom) break
    const isExpired = now - segment.changedAt >= reservedHours * HOUR_MS
    if (!isExpired && !isForced) break
    going.push(segment.start)
  }
  return going
}

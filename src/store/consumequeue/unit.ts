/**
 * One unit of a ConsumeQueue: where a message is, and the number that filters it.
 *
 *   0   int64  physical offset of the record
 *   8   int32  totalSize of the record
 *   12  int64  tagsCode: String.hashCode of TAGS, delivery time in the schedule topic, or an address in the ext file
 *
 * Big-endian. The unit of queue offset q is at byte 20·q of the queue. Three kinds: a real one; a blank (offset 0, size
 * 0x7fffffff, tagsCode 0), which stands for messages that this store never had; and zeros, which were never written.
 *
 * Format: spec/store-format.md §4.
 */
import { assert } from '../../assert.ts'

export const UNIT_SIZE = 20
export const UNIT = { physicalOffset: 0, size: 8, tagsCode: 12 } as const
/** Size of a blank unit; no record is that large. */
export const BLANK_UNIT_SIZE = 0x7fff_ffff
/** A pull looks at no more units than this at a time (RocketMQ 4.9.8: 16,000 bytes). */
export const UNITS_PER_READ_MAX = 800

/** A queueOffset further ahead than this is damage in the record, not a gap. */
export const GAP_UNITS_MAX = 4_000_000

const HIGH = 0x1_0000_0000

assert(UNIT.tagsCode + 8 === UNIT_SIZE, 'a unit is 20 bytes')

/** Writes one unit. The halves of tagsCode are int32. */
export function writeUnit(
  view: DataView,
  at: number,
  physicalOffset: number,
  size: number,
  tagsHigh: number,
  tagsLow: number,
): void {
  view.setInt32(at, (physicalOffset / HIGH) | 0)
  view.setInt32(at + 4, physicalOffset | 0)
  view.setInt32(at + 8, size)
  view.setInt32(at + 12, tagsHigh)
  view.setInt32(at + 16, tagsLow)
}

/** Physical offset of the unit at `at`; may be negative or nonsense when the unit is damaged. */
export function physicalOffsetAt(view: DataView, at: number): number {
  return view.getInt32(at) * HIGH + view.getUint32(at + 4)
}

/** True for a unit that points at a record, false for blanks and for bytes that were never written. */
export function isReal(view: DataView, at: number): boolean {
  const size = view.getInt32(at + UNIT.size)
  return size > 0 && size !== BLANK_UNIT_SIZE && view.getInt32(at) >= 0
}

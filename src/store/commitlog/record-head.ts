/**
 * Whether a ConsumeQueue unit points at its record, told from four fields at the record's start: cheap enough for each
 * record of each pull, and no consumer gets the bytes that a damaged unit points at. RocketMQ 4.9.8 sends them.
 *
 * Format: spec/store-format.md §2. The body's CRC is not looked at.
 */
import { FIELD, RECORD_MAGIC, RECORD_MAGIC_V2 } from './record.ts'

/** Bytes that standsAt() reads. */
export const RECORD_HEAD = 40
/** Types "prepared" and "rollback" have it: no ConsumeQueue has a unit of such a record. */
const UNSEEN_TRANSACTION = 4
const HIGH = 0x1_0000_0000

/** Whether the record that a unit of (`physicalOffset`, `size`) promises is at index `at`. */
export function standsAt(view: DataView, at: number, physicalOffset: number, size: number): boolean {
  const magic = view.getInt32(at + FIELD.magic)
  return (
    view.getInt32(at) === size &&
    (magic === RECORD_MAGIC || magic === RECORD_MAGIC_V2) &&
    view.getInt32(at + FIELD.physicalOffset + 4) === (physicalOffset | 0) &&
    view.getInt32(at + FIELD.physicalOffset) === Math.floor(physicalOffset / HIGH) &&
    (view.getInt32(at + FIELD.sysFlag) & UNSEEN_TRANSACTION) === 0
  )
}

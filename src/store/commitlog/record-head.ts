/**
 * Whether a ConsumeQueue unit points at its record, and whether that record can be read by its lengths: cheap enough for
 * each record of each pull. RocketMQ 4.9.8 sends whatever a unit points at, and its clients drop all messages behind one
 * that they cannot decode.
 *
 * Format: spec/store-format.md §2. The body's CRC is not looked at.
 */
import { FIELD, RECORD_MAGIC, RECORD_MAGIC_V2, SYS_FLAG } from './record.ts'

/** Bytes that headStandsAt() reads. */
export const RECORD_HEAD = 40
/** Types "prepared" and "rollback" have it: no ConsumeQueue has a unit of such a record. */
const UNSEEN_TRANSACTION = 4
const HIGH = 0x1_0000_0000
/** Position of bodyLength in a record without hosts, and what a host of IPv6 adds to that of IPv4. */
const BODY_LENGTH = 68
const HOSTS_V4 = 16
const HOST_V6_MORE = 12

/** Whether the record that a unit of (`physicalOffset`, `size`) promises is at index `at`, by its first fields. */
export function headStandsAt(view: DataView, at: number, physicalOffset: number, size: number): boolean {
  const magic = view.getInt32(at + FIELD.magic)
  return (
    view.getInt32(at) === size &&
    (magic === RECORD_MAGIC || magic === RECORD_MAGIC_V2) &&
    view.getInt32(at + FIELD.physicalOffset + 4) === (physicalOffset | 0) &&
    view.getInt32(at + FIELD.physicalOffset) === Math.floor(physicalOffset / HIGH) &&
    (view.getInt32(at + FIELD.sysFlag) & UNSEEN_TRANSACTION) === 0
  )
}

/** The same, and its parts add up to its size. `size` bytes are there, at least RECORD_SIZE_MIN. */
export function standsAt(view: DataView, at: number, physicalOffset: number, size: number): boolean {
  if (!headStandsAt(view, at, physicalOffset, size)) return false
  const bodyAt = bodyOf(view, at)
  if (bodyAt > size) return false
  const bodyLength = view.getInt32(at + bodyAt - 4)
  const topicAt = bodyAt + bodyLength
  if (bodyLength < 0 || topicAt + 4 > size) return false
  const isFirst = isFirstVersion(view, at)
  const propertiesAt = behindTopic(view, at + topicAt, isFirst) - at
  if (propertiesAt < topicAt + (isFirst ? 3 : 4) || propertiesAt > size) return false
  return propertiesAt + view.getInt16(at + propertiesAt - 2) === size
}

/** Where the properties of a record that standsAt() found begin, from its start; they go to its end. */
export function propertiesAt(view: DataView, at: number): number {
  return behindTopic(view, at + topicAt(view, at), isFirstVersion(view, at)) - at
}

/** Where the topic's length is, from the record's start; anything when the record is damaged. */
export function topicAt(view: DataView, at: number): number {
  const bodyAt = bodyOf(view, at)
  return bodyAt + view.getInt32(at + bodyAt - 4)
}

/** Index behind the length of the properties, which follow the topic whose length is at `at`. */
export function behindTopic(view: DataView, at: number, isFirst: boolean): number {
  return isFirst ? at + 3 + view.getInt8(at) : at + 4 + view.getInt16(at)
}

export function isFirstVersion(view: DataView, at: number): boolean {
  return view.getInt32(at + FIELD.magic) === RECORD_MAGIC
}

function bodyOf(view: DataView, at: number): number {
  const sysFlag = view.getInt32(at + FIELD.sysFlag)
  const bornHost = (sysFlag & SYS_FLAG.bornHostV6) === 0 ? 0 : HOST_V6_MORE
  const storeHost = (sysFlag & SYS_FLAG.storeHostV6) === 0 ? 0 : HOST_V6_MORE
  return BODY_LENGTH + HOSTS_V4 + bornHost + storeHost + 4
}

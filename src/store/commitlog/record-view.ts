/**
 * The CommitLog record read in place: where its fields are and how long they are. Layout: record.ts.
 *
 * Owns nothing, needs nothing: the client reads what it pulls with it.
 * Format: spec/store-format.md, "CommitLog record" (§2).
 */

export const RECORD_MAGIC = 0xdaa320a7 | 0
/** RocketMQ 5.x, topic longer than 127 bytes: the topic's length is an int16. */
export const RECORD_MAGIC_V2 = 0xdaa320ab | 0
/** Behind the last record of a full file: int32 bytes left in the file, then this. */
export const BLANK_MAGIC = 0xcbd43194 | 0
export const BLANK_SIZE = 8

export const FIELD = {
  totalSize: 0,
  magic: 4,
  bodyCRC: 8,
  queueId: 12,
  flag: 16,
  queueOffset: 20,
  physicalOffset: 28,
  sysFlag: 36,
  bornTimestamp: 40,
  bornHost: 48,
} as const

export const SYS_FLAG = {
  compressed: 0x1,
  multiTags: 0x2,
  transactionMask: 0xc,
  prepared: 0x4,
  commit: 0x8,
  rollback: 0xc,
  bornHostV6: 0x10,
  storeHostV6: 0x20,
  compressionMask: 0x700,
} as const

/** V1 with two IPv4 hosts, empty body, topic and properties. */
export const RECORD_SIZE_MIN = 91
export const TOPIC_LENGTH_MAX = 127
export const PROPERTIES_LENGTH_MAX = 32767
const FIXED = 75 // without hosts and variable parts
export const PORT_BYTES = 4
export const V4_BYTES = 4
export const V6_BYTES = 16

/**
 * What read() found. `end`: no magic, so nothing was ever written here (or it is garbage). `bad`: a record's magic, but
 * its lengths do not add up or it does not end before the limit.
 */
export type RecordKind = 'record' | 'blank' | 'end' | 'bad'

export const readInt64 = (view: DataView, at: number): number =>
  view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4)

/** Bytes of a record. Host lengths are those of the address alone: 4 or 16. `version` 2 has one byte more. */
export function recordSize(
  bodyLength: number,
  topicLength: number,
  propertiesLength: number,
  bornHostBytes: number = V4_BYTES,
  storeHostBytes: number = V4_BYTES,
  version: 1 | 2 = 1,
): number {
  const hosts = bornHostBytes + storeHostBytes + 2 * PORT_BYTES
  return FIXED + hosts + bodyLength + topicLength + propertiesLength + (version - 1)
}

/** Parses records in place. One object serves any number of records; all fields are numbers, positions index `bytes`. */
export class RecordView {
  at = 0
  totalSize = 0
  magic = 0
  bodyCRC = 0
  queueId = 0
  flag = 0
  queueOffset = 0
  physicalOffset = 0
  sysFlag = 0
  bornTimestamp = 0
  bornHostStart = 0
  /** 4 or 16; the port follows as int32. */
  bornHostLength = 0
  storeTimestamp = 0
  storeTimestampAt = 0
  storeHostStart = 0
  storeHostLength = 0
  reconsumeTimes = 0
  preparedTransactionOffset = 0
  bodyStart = 0
  bodyLength = 0
  topicStart = 0
  topicLength = 0
  propertiesStart = 0
  propertiesLength = 0

  /**
   * Reads what starts at index `at`; nothing at or above `limit` is looked at. After `blank` only at, totalSize and magic
   * are set; after `bad` the fields up to where the lengths went wrong. The CRC is not looked at: record.ts, bodyIsIntact().
   */
  read(_bytes: Uint8Array, view: DataView, at: number, limit: number): RecordKind {
    this.at = at
    if (limit - at < BLANK_SIZE) return 'end'
    const totalSize = view.getInt32(at)
    const magic = view.getInt32(at + FIELD.magic)
    this.totalSize = totalSize
    this.magic = magic
    if (magic === BLANK_MAGIC) return 'blank'
    if (magic !== RECORD_MAGIC && magic !== RECORD_MAGIC_V2) return 'end'
    if (limit - at < RECORD_SIZE_MIN) return 'bad'

    this.bodyCRC = view.getInt32(at + FIELD.bodyCRC)
    this.queueId = view.getInt32(at + FIELD.queueId)
    this.flag = view.getInt32(at + FIELD.flag)
    this.queueOffset = readInt64(view, at + FIELD.queueOffset)
    this.physicalOffset = readInt64(view, at + FIELD.physicalOffset)
    const sysFlag = view.getInt32(at + FIELD.sysFlag)
    this.sysFlag = sysFlag
    this.bornTimestamp = readInt64(view, at + FIELD.bornTimestamp)
    const end = at + totalSize
    if (totalSize < RECORD_SIZE_MIN || end > limit) return 'bad'

    const born = (sysFlag & SYS_FLAG.bornHostV6) === 0 ? V4_BYTES : V6_BYTES
    const store = (sysFlag & SYS_FLAG.storeHostV6) === 0 ? V4_BYTES : V6_BYTES
    const wide = magic === RECORD_MAGIC ? 0 : 1
    let variable = totalSize - FIXED - 2 * PORT_BYTES - born - store - wide
    if (variable < 0) return 'bad'
    let next = at + FIELD.bornHost
    this.bornHostStart = next
    this.bornHostLength = born
    next += born + PORT_BYTES
    this.storeTimestampAt = next
    this.storeTimestamp = readInt64(view, next)
    next += 8
    this.storeHostStart = next
    this.storeHostLength = store
    next += store + PORT_BYTES
    this.reconsumeTimes = view.getInt32(next)
    this.preparedTransactionOffset = readInt64(view, next + 4)
    const bodyLength = view.getInt32(next + 12)
    next += 16
    if (bodyLength < 0 || bodyLength > variable) return 'bad'
    this.bodyStart = next
    this.bodyLength = bodyLength
    variable -= bodyLength
    next += bodyLength
    const topicLength = wide === 0 ? view.getInt8(next) : view.getInt16(next)
    next += 1 + wide
    if (topicLength < 0 || topicLength > variable) return 'bad'
    this.topicStart = next
    this.topicLength = topicLength
    variable -= topicLength
    next += topicLength
    if (view.getInt16(next) !== variable) return 'bad'
    this.propertiesStart = next + 2
    this.propertiesLength = variable
    return 'record'
  }
}

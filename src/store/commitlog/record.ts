/**
 * The CommitLog record: where its fields are, how it is read in place, written, and turned into an object.
 *
 *   0 totalSize  4 magic  8 bodyCRC  12 queueId  16 flag  20 queueOffset(8)  28 physicalOffset(8)  36 sysFlag
 *   40 bornTimestamp(8)  48 bornHost(b)  48+b storeTimestamp(8)  56+b storeHost(s)  56+b+s reconsumeTimes
 *   60+b+s preparedTransactionOffset(8)  68+b+s bodyLength(4) body  topicLength(1; V2: 2) topic  propertiesLength(2) properties
 *
 * b and s are 8 (IPv4 and port) or 20 (IPv6 and port). All integers are big-endian and signed. Offsets are bytes of the
 * log, times milliseconds since 1970.
 * Format: spec/store-format.md, "CommitLog record" (§2).
 */
import { assert } from '../../assert.ts'
import { crcOfBody } from './crc.ts'
import { parseProperties } from './properties.ts'

export { crcOfBody } from './crc.ts'

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
const PORT = 4
const V4 = 4
const V6 = 16

/**
 * What read() found. `end`: no magic, so nothing was ever written here (or it is garbage). `bad`: a record's magic, but
 * its lengths do not add up or it does not end before the limit.
 */
export type RecordKind = 'record' | 'blank' | 'end' | 'bad'

const int64 = (view: DataView, at: number): number => view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4)

/** Bytes of a record. Host lengths are those of the address alone: 4 or 16. `version` 2 has one byte more. */
export function recordSize(
  bodyLength: number,
  topicLength: number,
  propertiesLength: number,
  bornHostBytes: number = V4,
  storeHostBytes: number = V4,
  version: 1 | 2 = 1,
): number {
  const hosts = bornHostBytes + storeHostBytes + 2 * PORT
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
   * are set; after `bad` the fields up to where the lengths went wrong. The CRC is not looked at: see bodyIsIntact().
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
    this.queueOffset = int64(view, at + FIELD.queueOffset)
    this.physicalOffset = int64(view, at + FIELD.physicalOffset)
    const sysFlag = view.getInt32(at + FIELD.sysFlag)
    this.sysFlag = sysFlag
    this.bornTimestamp = int64(view, at + FIELD.bornTimestamp)
    const end = at + totalSize
    if (totalSize < RECORD_SIZE_MIN || end > limit) return 'bad'

    const born = (sysFlag & SYS_FLAG.bornHostV6) === 0 ? V4 : V6
    const store = (sysFlag & SYS_FLAG.storeHostV6) === 0 ? V4 : V6
    const wide = magic === RECORD_MAGIC ? 0 : 1
    let variable = totalSize - FIXED - 2 * PORT - born - store - wide
    if (variable < 0) return 'bad'
    let next = at + FIELD.bornHost
    this.bornHostStart = next
    this.bornHostLength = born
    next += born + PORT
    this.storeTimestampAt = next
    this.storeTimestamp = int64(view, next)
    next += 8
    this.storeHostStart = next
    this.storeHostLength = store
    next += store + PORT
    this.reconsumeTimes = view.getInt32(next)
    this.preparedTransactionOffset = int64(view, next + 4)
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

  /** The body has the CRC that the record says. An empty body has none and is always right. */
  bodyIsIntact(bytes: Uint8Array): boolean {
    if (this.bodyLength === 0) return true
    return crcOfBody(bytes, this.bodyStart, this.bodyStart + this.bodyLength) === this.bodyCRC
  }
}

/** Address of 4 or 16 bytes and a port. */
export interface Host {
  address: Uint8Array
  port: number
}

/** What writeRecord() writes. Fields that the append thread fills in later may be left out: they are 0. */
export interface RecordInput {
  version?: 1 | 2
  /** Computed from the body when left out. */
  bodyCRC?: number
  queueId: number
  flag?: number
  queueOffset?: number
  physicalOffset?: number
  /** The two IPv6 bits are set from the hosts. */
  sysFlag?: number
  bornTimestamp: number
  bornHost: Host
  storeTimestamp?: number
  storeHost: Host
  reconsumeTimes?: number
  preparedTransactionOffset?: number
  body: Uint8Array
  topic: Uint8Array | string
  properties: Uint8Array | string
}

const asBytes = (text: Uint8Array | string): Uint8Array => (typeof text === 'string' ? Buffer.from(text) : text)

/** Writes one record at index `at` and returns its size. For everything but the hot path, which patches a template. */
export function writeRecord(bytes: Buffer, view: DataView, at: number, input: RecordInput): number {
  const topic = asBytes(input.topic)
  const properties = asBytes(input.properties)
  const version = input.version ?? 1
  const { bornHost, storeHost, body } = input
  assert(
    topic.length <= (version === 1 ? TOPIC_LENGTH_MAX : PROPERTIES_LENGTH_MAX),
    'topic is longer than its length field',
  )
  assert(properties.length <= PROPERTIES_LENGTH_MAX, 'properties are longer than their length field')
  const born = bornHost.address.length
  const store = storeHost.address.length
  assert((born === V4 || born === V6) && (store === V4 || store === V6), 'a host has 4 or 16 bytes')
  const size = recordSize(body.length, topic.length, properties.length, born, store, version)
  const v6 = (born === V6 ? SYS_FLAG.bornHostV6 : 0) | (store === V6 ? SYS_FLAG.storeHostV6 : 0)

  view.setInt32(at, size)
  view.setInt32(at + FIELD.magic, version === 1 ? RECORD_MAGIC : RECORD_MAGIC_V2)
  view.setInt32(at + FIELD.bodyCRC, input.bodyCRC ?? crcOfBody(body, 0, body.length))
  view.setInt32(at + FIELD.queueId, input.queueId)
  view.setInt32(at + FIELD.flag, input.flag ?? 0)
  writeInt64(view, at + FIELD.queueOffset, input.queueOffset ?? 0)
  writeInt64(view, at + FIELD.physicalOffset, input.physicalOffset ?? 0)
  view.setInt32(at + FIELD.sysFlag, ((input.sysFlag ?? 0) & ~(SYS_FLAG.bornHostV6 | SYS_FLAG.storeHostV6)) | v6)
  writeInt64(view, at + FIELD.bornTimestamp, input.bornTimestamp)
  let next = writeHost(bytes, view, at + FIELD.bornHost, bornHost)
  writeInt64(view, next, input.storeTimestamp ?? 0)
  next = writeHost(bytes, view, next + 8, storeHost)
  view.setInt32(next, input.reconsumeTimes ?? 0)
  writeInt64(view, next + 4, input.preparedTransactionOffset ?? 0)
  view.setInt32(next + 12, body.length)
  bytes.set(body, next + 16)
  next += 16 + body.length
  if (version === 1) view.setInt8(next, topic.length)
  else view.setInt16(next, topic.length)
  next += version
  bytes.set(topic, next)
  next += topic.length
  view.setInt16(next, properties.length)
  bytes.set(properties, next + 2)
  assert(next + 2 + properties.length === at + size, 'record size and its parts differ')
  return size
}

/** Big-endian int64 of an integer below 2^53 in magnitude. */
export function writeInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / 0x1_0000_0000))
  view.setInt32(at + 4, value | 0)
}

export { int64 as readInt64 }

function writeHost(bytes: Uint8Array, view: DataView, at: number, host: Host): number {
  bytes.set(host.address, at)
  view.setInt32(at + host.address.length, host.port)
  return at + host.address.length + PORT
}

/** A record as an object, for tools and tests. The body is a view of the bytes that were given, still compressed. */
export interface Message extends Required<Omit<RecordInput, 'topic' | 'properties'>> {
  totalSize: number
  topic: string
  /** The text as stored, and as pairs. */
  propertiesText: string
  properties: Map<string, string>
  /** False: the body is not what was stored. */
  bodyIsIntact: boolean
}

/** Decodes the record at the start of `bytes`, or returns undefined where no whole record is. */
export function decodeRecord(bytes: Uint8Array, at = 0): Message | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const r = new RecordView()
  if (r.read(bytes, view, at, bytes.length) !== 'record') return undefined
  const text = (start: number, length: number) => Buffer.from(bytes.subarray(start, start + length)).toString('utf8')
  const host = (start: number, length: number): Host => ({
    address: Uint8Array.from(bytes.subarray(start, start + length)),
    port: view.getInt32(start + length),
  })
  const propertiesText = text(r.propertiesStart, r.propertiesLength)
  return {
    totalSize: r.totalSize,
    version: r.magic === RECORD_MAGIC ? 1 : 2,
    bodyCRC: r.bodyCRC,
    queueId: r.queueId,
    flag: r.flag,
    queueOffset: r.queueOffset,
    physicalOffset: r.physicalOffset,
    sysFlag: r.sysFlag,
    bornTimestamp: r.bornTimestamp,
    bornHost: host(r.bornHostStart, r.bornHostLength),
    storeTimestamp: r.storeTimestamp,
    storeHost: host(r.storeHostStart, r.storeHostLength),
    reconsumeTimes: r.reconsumeTimes,
    preparedTransactionOffset: r.preparedTransactionOffset,
    body: bytes.subarray(r.bodyStart, r.bodyStart + r.bodyLength),
    topic: text(r.topicStart, r.topicLength),
    propertiesText,
    properties: parseProperties(propertiesText),
    bodyIsIntact: r.bodyIsIntact(bytes),
  }
}

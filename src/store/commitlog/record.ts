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
import {
  FIELD,
  PORT_BYTES,
  PROPERTIES_LENGTH_MAX,
  RECORD_MAGIC,
  RECORD_MAGIC_V2,
  RecordView,
  recordSize,
  SYS_FLAG,
  TOPIC_LENGTH_MAX,
  V4_BYTES,
  V6_BYTES,
} from './record-view.ts'

export { crcOfBody } from './crc.ts'
export * from './record-view.ts'

/** The body has the CRC that the record says. An empty body has none and is always right. */
export function bodyIsIntact(record: RecordView, bytes: Uint8Array): boolean {
  if (record.bodyLength === 0) return true
  return crcOfBody(bytes, record.bodyStart, record.bodyStart + record.bodyLength) === record.bodyCRC
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
  assert(
    (born === V4_BYTES || born === V6_BYTES) && (store === V4_BYTES || store === V6_BYTES),
    'a host has 4 or 16 bytes',
  )
  const size = recordSize(body.length, topic.length, properties.length, born, store, version)
  const v6 = (born === V6_BYTES ? SYS_FLAG.bornHostV6 : 0) | (store === V6_BYTES ? SYS_FLAG.storeHostV6 : 0)

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

function writeHost(bytes: Uint8Array, view: DataView, at: number, host: Host): number {
  bytes.set(host.address, at)
  view.setInt32(at + host.address.length, host.port)
  return at + host.address.length + PORT_BYTES
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
    bodyIsIntact: bodyIsIntact(r, bytes),
  }
}

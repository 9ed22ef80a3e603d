/**
 * Encodes a send straight into the submit ring, once: the append thread patches queueOffset, physicalOffset and
 * storeTimestamp and copies the bytes into the log.
 *
 * Format: spec/store-format.md §2. The body is copied from the socket's chunk, its CRC is computed on the way; nothing is
 * allocated.
 */
import { copyWithCrc } from '../../native/index.ts'
import { FIELD, RECORD_MAGIC } from '../../store/commitlog/record.ts'

const HIGH = 0x1_0000_0000
const CRC_MASK = 0x7fffffff
export const BORN_HOST_V6 = 0x10
const STORE_HOST_V6 = 0x20
const HOST_BITS = BORN_HOST_V6 | STORE_HOST_V6
/** Everything but hosts' addresses, body, topic and properties (spec/store-format.md §2: 75 + 2 × 4 + 4 + 4 for IPv4). */
const FIXED_BYTES = 75

export interface Host {
  /** 4 or 16 bytes. */
  address: Uint8Array
  port: number
}

/** What a record is made of besides its bytes; one object reused for every send. */
export interface RecordHead {
  queueId: number
  flag: number
  /** The encoder sets the host bits; a client's would say that the record is laid out otherwise. */
  sysFlag: number
  bornTimestamp: number
  bornHost: Host
  storeHost: Host
  reconsumeTimes: number
  preparedTransactionOffset: number
}

export function recordBytes(
  head: RecordHead,
  bodyLength: number,
  topicLength: number,
  propertiesLength: number,
): number {
  return (
    FIXED_BYTES + hostBytes(head.bornHost) + hostBytes(head.storeHost) + bodyLength + topicLength + propertiesLength
  )
}

function hostBytes(host: Host): number {
  return host.address.length + 4
}

/** A range of bytes that becomes part of the record. */
export interface Range {
  bytes: Buffer
  start: number
  end: number
}

/** Writes one record at `at`; returns the position behind it. */
export function encodeRecord(
  into: Buffer,
  view: DataView,
  at: number,
  size: number,
  head: RecordHead,
  body: Range,
  topic: Buffer,
  properties: Range,
): number {
  const { bornHost, storeHost } = head
  const bodyLength = body.end - body.start
  view.setInt32(at + FIELD.totalSize, size)
  view.setInt32(at + FIELD.magic, RECORD_MAGIC)
  view.setInt32(at + FIELD.queueId, head.queueId)
  view.setInt32(at + FIELD.flag, head.flag)
  setInt64(view, at + FIELD.queueOffset, 0)
  setInt64(view, at + FIELD.physicalOffset, 0)
  view.setInt32(
    at + FIELD.sysFlag,
    (head.sysFlag & ~HOST_BITS) |
      (bornHost.address.length === 16 ? BORN_HOST_V6 : 0) |
      (storeHost.address.length === 16 ? STORE_HOST_V6 : 0),
  )
  setInt64(view, at + FIELD.bornTimestamp, head.bornTimestamp)
  let to = setHost(into, view, at + FIELD.bornHost, bornHost)
  setInt64(view, to, 0)
  to = setHost(into, view, to + 8, storeHost)
  view.setInt32(to, head.reconsumeTimes)
  setInt64(view, to + 4, head.preparedTransactionOffset)
  view.setInt32(to + 12, bodyLength)
  to += 16
  const crc = bodyLength === 0 ? 0 : copyWithCrc(into, to, body.bytes, body.start, bodyLength) & CRC_MASK
  view.setInt32(at + FIELD.bodyCRC, crc)
  to += bodyLength
  into[to] = topic.length
  to += 1
  for (let i = 0; i < topic.length; i += 1) into[to + i] = topic[i]
  to += topic.length
  view.setInt16(to, properties.end - properties.start)
  to += 2
  // A byte loop: Buffer.copy makes a view of its source and takes twice as long for so few bytes.
  const { bytes, end } = properties
  for (let from = properties.start; from < end; from += 1) into[to++] = bytes[from]
  return to
}

function setHost(into: Buffer, view: DataView, at: number, host: Host): number {
  const { address } = host
  for (let i = 0; i < address.length; i += 1) into[at + i] = address[i]
  view.setInt32(at + address.length, host.port)
  return at + address.length + 4
}

function setInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / HIGH))
  view.setInt32(at + 4, value >>> 0)
}

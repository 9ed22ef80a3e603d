/**
 * A record of SCHEDULE_TOPIC_XXXX, read in place, and the record that is stored when it is due.
 *
 *   waits      fields | body | SCHEDULE_TOPIC_XXXX | properties with REAL_TOPIC, REAL_QID
 *   delivered  fields | body | REAL_TOPIC          | the same properties
 *
 * Body, CRC and properties are copied as they are, so that a body that was damaged meanwhile stays recognizable. Nothing is
 * allocated for a message.
 * Format: spec/store-format.md §2 "delivered after delay".
 */
import { copyBytes } from '../../native/index.ts'
import { FIELD, RECORD_MAGIC, RecordView, writeInt64 } from '../../store/commitlog/record.ts'

const NAME_END = 1
const PAIR_END = 2
const REAL_TOPIC = Buffer.from('REAL_TOPIC\u0001')
const REAL_QID = Buffer.from('REAL_QID\u0001')
const QUEUE_ID_MAX = 65_535
const NO_QUEUE = -1

export class ScheduleRecord {
  readonly record = new RecordView()
  /** Where REAL_TOPIC's value is; an empty range without. */
  topicStart = 0
  topicEnd = 0
  /** REAL_QID, -1 without or when it is none. */
  queueId = NO_QUEUE
  bytes: Buffer = Buffer.alloc(0)

  /** Reads the record of `size` bytes at index `at`, which is there; false when it is none. */
  read(bytes: Buffer, view: DataView, at: number, size: number): boolean {
    const { record } = this
    this.bytes = bytes
    if (record.read(bytes, view, at, at + size) !== 'record' || record.totalSize !== size) return false
    this.findPlace(bytes, record.propertiesStart, record.propertiesStart + record.propertiesLength)
    return true
  }

  /** Bytes of the delivered record. */
  deliveredSize(topicLength: number): number {
    const { totalSize, topicLength: former, magic } = this.record
    return totalSize - former + topicLength - (magic === RECORD_MAGIC ? 0 : 1)
  }

  /** Writes the delivered record at index `to`: all but what append patches. */
  deliver(into: Buffer, view: DataView, to: number, topic: Buffer, queueId: number): void {
    const { bytes, record } = this
    const { at, bodyStart, bodyLength } = record
    const head = bodyStart + bodyLength - at
    const tail = record.propertiesStart - 2
    const tailLength = record.propertiesLength + 2
    copyBytes(into, to, bytes, at, head)
    into[to + head] = topic.length
    for (let i = 0; i < topic.length; i += 1) into[to + head + 1 + i] = topic[i]
    copyBytes(into, to + head + 1 + topic.length, bytes, tail, tailLength)
    view.setInt32(to, head + 1 + topic.length + tailLength)
    view.setInt32(to + FIELD.magic, RECORD_MAGIC)
    view.setInt32(to + FIELD.queueId, queueId)
    writeInt64(view, to + FIELD.queueOffset, 0)
    writeInt64(view, to + FIELD.physicalOffset, 0)
    // preparedTransactionOffset: of the record that waited, if of any.
    writeInt64(view, to + head - bodyLength - 12, 0)
  }

  /** True when `copy` is the delivered form of this record: every byte that deliver() keeps. */
  isDeliveredAs(copy: RecordView, copyBytes: Buffer): boolean {
    const { record, bytes } = this
    if (copy.queueId !== this.queueId || copy.bodyLength !== record.bodyLength) return false
    if (copy.bodyCRC !== record.bodyCRC || copy.propertiesLength !== record.propertiesLength) return false
    if (copy.sysFlag !== record.sysFlag || copy.flag !== record.flag) return false
    if (copy.bornTimestamp !== record.bornTimestamp || copy.reconsumeTimes !== record.reconsumeTimes) return false
    const hosts = record.storeTimestampAt - record.bornHostStart
    const storeHost = record.storeHostLength + 4
    return (
      same(bytes, this.topicStart, this.topicEnd, copyBytes, copy.topicStart, copy.topicLength) &&
      same(bytes, record.bornHostStart, record.bornHostStart + hosts, copyBytes, copy.bornHostStart, hosts) &&
      same(
        bytes,
        record.storeHostStart,
        record.storeHostStart + storeHost,
        copyBytes,
        copy.storeHostStart,
        storeHost,
      ) &&
      same(bytes, record.bodyStart, record.bodyStart + record.bodyLength, copyBytes, copy.bodyStart, copy.bodyLength) &&
      same(
        bytes,
        record.propertiesStart,
        record.propertiesStart + record.propertiesLength,
        copyBytes,
        copy.propertiesStart,
        copy.propertiesLength,
      )
    )
  }

  private findPlace(bytes: Buffer, start: number, end: number): void {
    this.topicStart = 0
    this.topicEnd = 0
    this.queueId = NO_QUEUE
    for (let from = start; from < end; ) {
      let to = from
      while (to < end && bytes[to] !== PAIR_END) to += 1
      // The last pair of a name wins; one without a value is none.
      if (startsWith(bytes, from, to, REAL_TOPIC)) {
        this.topicStart = from + REAL_TOPIC.length
        this.topicEnd = to
      } else if (startsWith(bytes, from, to, REAL_QID)) this.queueId = numberOf(bytes, from + REAL_QID.length, to)
      from = to + 1
    }
  }
}

/** A pair of this name (with 0x01 behind it) and some value. */
function startsWith(bytes: Buffer, from: number, to: number, name: Buffer): boolean {
  if (to - from <= name.length || bytes[from + name.length - 1] !== NAME_END) return false
  for (let i = 0; i < name.length; i += 1) if (bytes[from + i] !== name[i]) return false
  return true
}

function numberOf(bytes: Buffer, from: number, to: number): number {
  let value = 0
  for (let at = from; at < to; at += 1) {
    const digit = bytes[at] - 48
    if (digit < 0 || digit > 9) return NO_QUEUE
    value = value * 10 + digit
    if (value > QUEUE_ID_MAX) return NO_QUEUE
  }
  return value
}

function same(a: Buffer, start: number, end: number, b: Buffer, from: number, length: number): boolean {
  return end - start === length && a.compare(b, from, from + length, start, end) === 0
}

/**
 * The record that a leader begins its term with: rollback type, empty body. JVM brokers replicate it and leave it out of ConsumeQueue
 * and Index, as ours do; anything that is no record would stop their dispatch (spec/dledger.md §4.9 D2).
 */
import { FIELD, recordSize, SYS_FLAG, writeInt64, writeRecord } from '../store/commitlog/index.ts'
import { ENTRY_HEADER_SIZE } from './wire/index.ts'

/** Any name will do: nothing of it is ever seen. */
export const NOOP_TOPIC = 'BASALT_DLEDGER_TERM'
const NOBODY = { address: new Uint8Array(4), port: 0 }

export function noopRecord(now: number): Buffer {
  const bytes = Buffer.alloc(recordSize(0, NOOP_TOPIC.length, 0))
  writeRecord(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, {
    queueId: 0,
    sysFlag: SYS_FLAG.rollback,
    bornTimestamp: now,
    bornHost: NOBODY,
    storeTimestamp: now,
    storeHost: NOBODY,
    body: new Uint8Array(0),
    topic: NOOP_TOPIC,
    properties: '',
  })
  return bytes
}

/** A record holds its own offset: behind the header of its entry. */
export function patchOffset(record: Uint8Array, pos: number): void {
  writeInt64(
    new DataView(record.buffer, record.byteOffset, record.length),
    FIELD.physicalOffset,
    pos + ENTRY_HEADER_SIZE,
  )
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CLASSIC_LAYOUT,
  crcOfBody,
  DLEDGER_LAYOUT,
  decodeRecord,
  type Host,
  listSegments,
  type Message,
  RECORD_MAGIC,
  RECORD_MAGIC_V2,
  type RecordInput,
  RecordView,
  recordSize,
  writeRecord,
} from '../../../src/store/commitlog/index.ts'
import { recordedStore } from '../scratch.ts'

const DECODED = fileURLToPath(new URL('../../vectors/rocketmq-4.9.8/store/decoded/records.jsonl', import.meta.url))
const SEGMENT_SIZE = 65_536

interface RecordedRecord {
  at: number
  size: number
  magic: string
  kind?: string
  bodyCRC: number
  queueId: number
  flag: number
  queueOffset: number
  physicalOffset: number
  sysFlag: number
  bornTimestamp: number
  bornHost: string
  storeTimestamp: number
  storeHost: string
  reconsumeTimes: number
  preparedTransactionOffset: number
  storedBodyLength: number
  topic: string
  properties: string
  bodyBase64?: string
}

const recorded: RecordedRecord[] = readFileSync(DECODED, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const hostText = (host: Host) => `${host.address.join('.')}:${host.port}`

function logOf(store: string): Buffer {
  return Buffer.concat(listSegments(join(store, 'commitlog'), SEGMENT_SIZE).map(({ path }) => readFileSync(path)))
}

describe.each(['clean', 'unclean'] as const)('the %s store that RocketMQ 4.9.8 wrote', (kind) => {
  const isBlank = (r: RecordedRecord) => r.magic !== 'daa320a7'

  test('every record is decoded to what the recorder saw', () => {
    const log = logOf(recordedStore(kind))
    const records = recorded.filter((r) => !isBlank(r))
    expect(records.length).toBe(774)
    for (const expected of records) {
      const message = decodeRecord(log, expected.at) as Message
      expect({
        at: expected.at,
        size: message.totalSize,
        magic: 'daa320a7',
        bodyCRC: message.bodyCRC,
        queueId: message.queueId,
        flag: message.flag,
        queueOffset: message.queueOffset,
        physicalOffset: message.physicalOffset,
        sysFlag: message.sysFlag,
        bornTimestamp: message.bornTimestamp,
        bornHost: hostText(message.bornHost),
        storeTimestamp: message.storeTimestamp,
        storeHost: hostText(message.storeHost),
        reconsumeTimes: message.reconsumeTimes,
        preparedTransactionOffset: message.preparedTransactionOffset,
        storedBodyLength: message.body.length,
        crcOk: message.bodyIsIntact,
        topic: message.topic,
        properties: message.propertiesText,
      }).toEqual(Object.fromEntries(Object.entries(expected).filter(([name]) => name !== 'bodyBase64')))
      if (expected.bodyBase64 !== undefined) {
        expect(Buffer.from(message.body).toString('base64')).toBe(expected.bodyBase64)
      }
    }
  })

  test('every record written anew from what was decoded is the same, byte for byte', () => {
    const log = logOf(recordedStore(kind))
    for (const { at, size, magic } of recorded) {
      if (magic !== 'daa320a7') continue
      const message = decodeRecord(log, at) as Message
      const bytes = Buffer.alloc(size)
      const input: RecordInput = { ...message, properties: message.propertiesText }
      expect(writeRecord(bytes, viewOf(bytes), 0, input)).toBe(size)
      expect(bytes.equals(log.subarray(at, at + size))).toBe(true)
    }
  })

  test('the records and blanks follow each other without a gap', () => {
    const log = logOf(recordedStore(kind))
    const view = viewOf(log)
    const record = new RecordView()
    const found: { at: number; size: number; kind: string }[] = []
    for (let at = 0; at < log.length; ) {
      const what = record.read(log, view, at, log.length)
      if (what !== 'record' && what !== 'blank') break
      found.push({ at, size: record.totalSize, kind: what })
      at += record.totalSize
    }
    // The recorder's last line is the place behind the last record.
    const written = recorded.filter((r) => r.size > 0)
    expect(found).toEqual(written.map((r) => ({ at: r.at, size: r.size, kind: isBlank(r) ? 'blank' : 'record' })))
    expect(found.filter((each) => each.kind === 'blank').map((each) => each.size)).toEqual([2138, 1546, 286])
  })
})

const host = fc
  .tuple(
    fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
    fc.nat(65_535),
  )
  .map(([address, port]) => ({ address, port }))
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const text = fc.string({ unit: 'grapheme', maxLength: 60 })

const anyRecord = (version: 1 | 2) =>
  fc.record({
    version: fc.constant(version),
    queueId: int32,
    flag: int32,
    queueOffset: offset,
    physicalOffset: offset,
    sysFlag: int32,
    bornTimestamp: fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
    bornHost: host,
    storeTimestamp: offset,
    storeHost: host,
    reconsumeTimes: int32,
    preparedTransactionOffset: offset,
    body: fc.uint8Array({ maxLength: 300 }),
    topic: fc.string({ unit: 'binary-ascii', maxLength: version === 1 ? 127 : 400 }),
    properties: text,
  })

test.each([1, 2] as const)('any record of version %i comes back as it was written', (version) => {
  fc.assert(
    fc.property(anyRecord(version), fc.nat(50), (input, at) => {
      const bytes = Buffer.alloc(at + 4096)
      const size = writeRecord(bytes, viewOf(bytes), at, input)
      const message = decodeRecord(bytes, at) as Message
      const v6 = (input.bornHost.address.length === 16 ? 0x10 : 0) | (input.storeHost.address.length === 16 ? 0x20 : 0)
      expect(message).toMatchObject({
        ...input,
        body: Buffer.from(input.body),
        sysFlag: (input.sysFlag & ~0x30) | v6,
        topic: input.topic,
        properties: expect.anything(),
        propertiesText: input.properties,
        totalSize: size,
        bodyIsIntact: true,
      })
      const { topic, properties, body } = input
      const lengths = [body.length, Buffer.byteLength(topic), Buffer.byteLength(properties)] as const
      expect(size).toBe(recordSize(...lengths, input.bornHost.address.length, input.storeHost.address.length, version))
    }),
  )
})

test('a topic of more than 127 bytes is read from a record of version 2 only', () => {
  const bytes = Buffer.alloc(1024)
  const topic = 't'.repeat(200)
  const none = { address: Buffer.alloc(4), port: 0 }
  const input = {
    queueId: 1,
    bornTimestamp: 1,
    bornHost: none,
    storeHost: none,
    body: Buffer.from('b'),
    topic,
    properties: '',
  }
  expect(() => writeRecord(bytes, viewOf(bytes), 0, input)).toThrow('topic is longer')
  writeRecord(bytes, viewOf(bytes), 0, { ...input, version: 2 })
  expect(bytes.readInt32BE(4)).toBe(RECORD_MAGIC_V2)
  expect(decodeRecord(bytes)?.topic).toBe(topic)
  bytes.writeInt32BE(RECORD_MAGIC, 4)
  expect(new RecordView().read(bytes, viewOf(bytes), 0, bytes.length)).toBe('bad')
})

test('bytes that are no record are never taken for one that reaches behind the limit', () => {
  const record = new RecordView()
  fc.assert(
    fc.property(anyRecord(1), fc.nat(400), fc.nat(90), fc.nat(255), (input, cut, at, byte) => {
      const bytes = Buffer.alloc(2048)
      const size = writeRecord(bytes, viewOf(bytes), 0, input)
      bytes[at] = byte
      const limit = Math.max(0, size - cut)
      // A copy of exactly `limit` bytes: a read behind it would throw.
      const short = Uint8Array.from(bytes.subarray(0, limit))
      if (record.read(short, viewOf(short), 0, limit) === 'record') expect(record.totalSize).toBeLessThanOrEqual(limit)
    }),
    { numRuns: 2000 },
  )
})

test('a record that is cut anywhere is not a record', () => {
  const record = new RecordView()
  const whole = Buffer.alloc(512)
  const none = { address: Buffer.alloc(4), port: 0 }
  const input = {
    queueId: 1,
    bornTimestamp: 1,
    bornHost: none,
    storeHost: none,
    body: Buffer.from('body'),
    topic: 'T',
    properties: '',
  }
  const size = writeRecord(whole, viewOf(whole), 0, input)
  for (let length = 0; length < size; length++) {
    expect(record.read(whole, viewOf(whole), 0, length)).toBe(length < 8 ? 'end' : 'bad')
  }
  expect(record.read(whole, viewOf(whole), 0, size)).toBe('record')
})

test('the CRC of a body is that of zlib without its top bit, whatever the length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20), fc.nat(20), (bytes, before, after) => {
      const start = Math.min(before, bytes.length)
      const end = Math.max(start, bytes.length - after)
      expect(crcOfBody(bytes, start, end)).toBe(crc32(bytes.subarray(start, end)) & 0x7fffffff)
    }),
  )
  expect(crcOfBody(Buffer.alloc(0))).toBe(0)
})

describe('a log whose records stand behind headers of 48 bytes', () => {
  test('is read and ended like the plain one', () => {
    const bytes = Buffer.alloc(1024)
    const view = viewOf(bytes)
    const none = { address: Buffer.alloc(4), port: 0 }
    const size = writeRecord(bytes, view, 48, {
      queueId: 1,
      physicalOffset: 48,
      bornTimestamp: 1,
      bornHost: none,
      storeHost: none,
      body: Buffer.from('body'),
      topic: 'T',
      properties: '',
    })
    view.setInt32(0, 1)
    view.setInt32(4, 48 + size)
    const record = new RecordView()
    expect(DLEDGER_LAYOUT.read(record, bytes, view, 0, bytes.length)).toBe('record')
    expect(record.at).toBe(48)
    expect(DLEDGER_LAYOUT.sizeAt(view, 0)).toBe(DLEDGER_LAYOUT.headerSize + record.totalSize)
    const left = bytes.length - 48 - size
    DLEDGER_LAYOUT.writeBlank(view, 48 + size, left)
    expect(DLEDGER_LAYOUT.read(record, bytes, view, 48 + size, bytes.length)).toBe('blank')
    expect(record.totalSize).toBe(left)
    view.setInt32(4, 48 + size + 1)
    expect(DLEDGER_LAYOUT.read(record, bytes, view, 0, bytes.length)).toBe('bad')
  })

  test('an entry needs room for a blank behind it, in both layouts', () => {
    for (const layout of [CLASSIC_LAYOUT, DLEDGER_LAYOUT]) {
      expect(layout.fits(92, 100)).toBe(true)
      expect(layout.fits(93, 100)).toBe(false)
    }
  })
})

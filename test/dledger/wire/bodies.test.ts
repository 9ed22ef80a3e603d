/** Every body that real DLedger 0.3.1.2 members sent, read and written again: the same bytes. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CODES, type MemberRequest, REQUEST_CODES } from '../../../src/dledger/core/index.ts'
import {
  type ClientRequest,
  type DLedgerEntry,
  isSameEntry,
  readEntry,
  readRequest,
  readResponse,
  refusal,
  WireBatch,
  writeEntry,
  writeRequest,
  writeResponse,
  wrongAddress,
} from '../../../src/dledger/wire/index.ts'
import { type Body, bodiesOf, SCENARIOS } from './vectors.ts'

const MEMBER_KINDS = new Map<number, MemberRequest['kind']>([
  [REQUEST_CODES.VOTE, 'VOTE'],
  [REQUEST_CODES.HEART_BEAT, 'HEART_BEAT'],
  [REQUEST_CODES.PUSH, 'PUSH'],
  [REQUEST_CODES.LEADERSHIP_TRANSFER, 'LEADERSHIP_TRANSFER'],
])

/** What a JVM wrote, and not the recording client, whose keys have another order. */
const isJvm = (body: Body) => !body.link.startsWith('client')

describe.each(SCENARIOS)('%s', (scenario) => {
  const bodies = bodiesOf(scenario)

  test('requests of members: the same bytes again', () => {
    for (const body of bodies.filter((it) => it.isRequest && isJvm(it) && MEMBER_KINDS.has(it.code)))
      expect(writeRequest(readRequest(body.code, body.bytes) as MemberRequest).toString()).toBe(body.bytes.toString())
  })

  test('answers of members: the same bytes again', () => {
    for (const body of bodies.filter((it) => !it.isRequest && it.headerCode === 200)) {
      const kind = MEMBER_KINDS.get(body.code)
      if (kind !== undefined)
        expect(writeResponse(readResponse(kind, body.bytes)).toString()).toBe(body.bytes.toString())
    }
  })
})

test('every kind of message was among them, more than a thousand bodies', () => {
  expect(SCENARIOS.flatMap((it) => bodiesOf(it)).length).toBeGreaterThan(1000)
  const seen = new Set(SCENARIOS.flatMap((it) => bodiesOf(it)).map((it) => `${it.code} ${it.isRequest}`))
  for (const code of MEMBER_KINDS.keys()) for (const side of [true, false]) expect(seen).toContain(`${code} ${side}`)
})

test('requests of clients are read; an unanswerable code and junk are told apart', () => {
  const append = readRequest(50001, Buffer.from('{"group":"g1","remoteId":"n1","body":"aGVsbG8="}'))
  expect(append).toMatchObject({ kind: 'APPEND', group: 'g1', remoteId: 'n1', term: -1 })
  expect(Buffer.from((append as ClientRequest & { kind: 'APPEND' }).body!).toString()).toBe('hello')
  expect(readRequest(50002, Buffer.from('{"beginIndex":7,"maxSize":3}'))).toMatchObject({ kind: 'GET', beginIndex: 7 })
  expect(readRequest(51003, Buffer.from('{}'))).toBeUndefined()
  expect(() => readRequest(50001, Buffer.from('{bad'))).toThrow(/JSON/)
  expect(() => readRequest(51004, Buffer.from('{"type":"SNAPSHOT"}'))).toThrow(/SNAPSHOT as type/)
  expect(() => readRequest(51001, Buffer.from('{"term":9007199254740993}'))).toThrow(/as term/)
  expect(() => readRequest(51004, Buffer.from('{"entry":{"body":"*"}}'))).toThrow(/base64/)
})

test('what a JVM answers to who asks the wrong member or group', () => {
  let count = 0
  for (const body of bodiesOf('client').filter((it) => !it.isRequest && it.request !== undefined)) {
    const answer = JSON.parse(body.bytes.toString() || '{}')
    if (answer.code !== CODES.UNKNOWN_MEMBER && answer.code !== CODES.UNKNOWN_GROUP) continue
    const request = readRequest(body.code, body.request)!
    const code = wrongAddress(request, answer.code === CODES.UNKNOWN_MEMBER ? 'nobody' : request.remoteId!, 'g1')
    if (request.kind !== 'METADATA') continue
    count++
    expect(writeResponse(refusal(request, code!, 'n1')).toString()).toBe(body.bytes.toString())
  }
  expect(count).toBe(2)
  const request = readRequest(
    51004,
    Buffer.from('{"group":"g1","remoteId":"n1","leaderId":"n0","term":1,"type":"COMPARE"}'),
  )!
  expect(writeResponse(refusal(request, CODES.UNEXPECTED_ARGUMENT, 'n1')).toString()).toBe(
    '{"beginIndex":0,"code":411,"count":0,"endIndex":0,"group":"g1","leaderId":"n1","remoteId":"n1","term":1}',
  )
})

test('answers to clients are written as a JVM writes them', () => {
  const entry: DLedgerEntry = {
    magic: 1,
    size: 53,
    index: 0,
    term: 1,
    pos: 0,
    channel: 0,
    chainCrc: 0,
    bodyCrc: 0,
    body: Buffer.from('hello'),
  }
  expect(
    writeResponse({ kind: 'GET', code: 200, group: 'g1', term: -1, entries: new WireBatch([entry]) }).toString(),
  ).toBe(
    '{"code":200,"entries":[{"body":"aGVsbG8=","bodyCrc":0,"chainCrc":0,"channel":0,"index":0,"magic":1,"pos":0,"size":53,"term":1}],"group":"g1","term":-1}',
  )
  expect(
    writeResponse({ kind: 'APPEND', code: 200, group: 'g1', index: 0, leaderId: 'n1', pos: 0, term: 1 }).toString(),
  ).toBe('{"code":200,"group":"g1","index":0,"leaderId":"n1","pos":0,"term":1}')
  const peers = { n0: 'a:1', n1: 'b:2' }
  expect(writeResponse({ kind: 'METADATA', code: 200, group: 'g1', leaderId: 'n1', peers, term: -1 }).toString()).toBe(
    '{"code":200,"group":"g1","leaderId":"n1","peers":{"n0":"a:1","n1":"b:2"},"term":-1}',
  )
})

test('any entry written is the entry read', () => {
  const long = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  fc.assert(
    fc.property(
      long,
      long,
      long,
      int,
      int,
      fc.uint8Array({ maxLength: 200 }),
      (index, term, pos, chainCrc, bodyCrc, body) => {
        const entry = { magic: 1, size: 48 + body.length, index, term, pos, channel: 0, chainCrc, bodyCrc, body }
        const bytes = new Uint8Array(entry.size + 20)
        const view = new DataView(bytes.buffer)
        expect(writeEntry(view, bytes, 7, entry)).toBe(entry.size)
        const read = readEntry(view, bytes, 7)!
        expect({ ...read, body: [...read.body] }).toEqual({ ...entry, body: [...body] })
        expect(isSameEntry(read, { ...entry, bodyCrc: bodyCrc + 1 })).toBe(true)
        expect(isSameEntry(read, { ...entry, term: term + 1 })).toBe(false)
        expect(readEntry(view, bytes, 8)).toBeUndefined()
      },
    ),
  )
})

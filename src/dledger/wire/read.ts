/**
 * Bodies of requests and answers, read. Unknown keys are passed over, absent ones have DLedger's defaults, the derived ones (batch, count,
 * firstEntryIndex, lastEntryIndex, totalSize) are not believed. A number that is no safe integer is refused, never rounded.
 *
 * Source: spec/dledger.md §3.1–§3.4.
 */
import { RemotingError } from '../../errors.ts'
import { type JsonObject, type JsonValue, parse } from '../../remoting/fastjson.ts'
import { PUSH_TYPES, type PushType, REQUEST_CODES, VOTE_RESULTS, type VoteResult } from '../core/codes.ts'
import type { MemberRequest, MemberResponse, PushRequest, RequestBase } from '../core/messages.ts'
import type { ClientRequest, MetadataResponse } from './client-messages.ts'
import { type DLedgerEntry, ENTRY_HEADER_SIZE, WireBatch } from './entry.ts'
import { TIMERS_KEY } from './write.ts'

/** undefined: a code that no member answers (51003, and whatever came later). */
export function readRequest(code: number, body: Uint8Array | undefined): MemberRequest | ClientRequest | undefined {
  const json = objectOf(body)
  const base = baseOf(json)
  switch (code) {
    case REQUEST_CODES.VOTE:
      return {
        kind: 'VOTE',
        ...base,
        ledgerEndIndex: long(json, 'ledgerEndIndex', -1),
        ledgerEndTerm: long(json, 'ledgerEndTerm', -1),
      }
    case REQUEST_CODES.HEART_BEAT:
      return { kind: 'HEART_BEAT', ...base }
    case REQUEST_CODES.PUSH:
      return readPush(json, base)
    case REQUEST_CODES.LEADERSHIP_TRANSFER:
      return {
        kind: 'LEADERSHIP_TRANSFER',
        ...base,
        transferId: text(json, 'transferId'),
        transfereeId: text(json, 'transfereeId'),
        takeLeadershipLedgerIndex: long(json, 'takeLeadershipLedgerIndex', 0),
      }
    case REQUEST_CODES.METADATA:
      return { kind: 'METADATA', ...base }
    case REQUEST_CODES.APPEND:
      return { kind: 'APPEND', ...base, body: bytes(json, 'body') }
    case REQUEST_CODES.GET:
      return {
        kind: 'GET',
        ...base,
        beginIndex: json.beginIndex === undefined ? undefined : long(json, 'beginIndex', -1),
      }
    default:
      return undefined
  }
}

function readPush(json: JsonObject, base: RequestBase): PushRequest {
  const type = text(json, 'type') ?? 'APPEND'
  if (!PUSH_TYPES.includes(type as PushType)) throw wrong('type', type)
  return {
    kind: 'PUSH',
    ...base,
    type: type as PushType,
    commitIndex: long(json, 'commitIndex', -1),
    entries: entriesOf(json),
  }
}

function entriesOf(json: JsonObject): WireBatch | undefined {
  const batch = json.batchEntry
  if (Array.isArray(batch) && batch.length > 0) return new WireBatch(batch.map((it) => entryOf(it)))
  return json.entry === undefined || json.entry === null ? undefined : new WireBatch([entryOf(json.entry)])
}

function entryOf(value: JsonValue): DLedgerEntry {
  const json = asObject(value, 'entry')
  const body = bytes(json, 'body')
  if (body === undefined) throw wrong('entry.body', 'nothing')
  return {
    magic: long(json, 'magic', 0),
    size: ENTRY_HEADER_SIZE + body.length,
    index: long(json, 'index', 0),
    term: long(json, 'term', 0),
    pos: long(json, 'pos', 0),
    channel: long(json, 'channel', 0),
    chainCrc: long(json, 'chainCrc', 0),
    bodyCrc: long(json, 'bodyCrc', 0),
    body,
  }
}

/** The answer to METADATA. */
export function readMetadata(body: Uint8Array | undefined): MetadataResponse {
  const json = objectOf(body)
  const { peers = {} } = json
  const addresses = Object.entries(asObject(peers, 'peers')).map(([id, address]) => [id, String(address)])
  return { kind: 'METADATA', ...baseOf(json), code: long(json, 'code', 200), peers: Object.fromEntries(addresses) }
}

/** The answer to a request of a member. */
export function readResponse(kind: MemberRequest['kind'], body: Uint8Array | undefined): MemberResponse {
  const json = objectOf(body)
  const base = { ...baseOf(json), code: long(json, 'code', 200), timers: text(json, TIMERS_KEY) }
  switch (kind) {
    case 'VOTE': {
      const result = text(json, 'voteResult') ?? 'UNKNOWN'
      return {
        kind,
        ...base,
        voteResult: VOTE_RESULTS.includes(result as VoteResult) ? (result as VoteResult) : 'UNKNOWN',
      }
    }
    case 'PUSH':
      return {
        kind,
        ...base,
        index: json.index === undefined ? undefined : long(json, 'index', -1),
        beginIndex: long(json, 'beginIndex', 0),
        endIndex: long(json, 'endIndex', 0),
        count: long(json, 'count', 0),
      }
    case 'HEART_BEAT':
    case 'LEADERSHIP_TRANSFER':
      return { kind, ...base }
  }
}

function baseOf(json: JsonObject): RequestBase {
  return {
    group: text(json, 'group'),
    remoteId: text(json, 'remoteId'),
    localId: text(json, 'localId'),
    leaderId: text(json, 'leaderId'),
    term: long(json, 'term', -1),
    timers: text(json, TIMERS_KEY),
  }
}

function objectOf(body: Uint8Array | undefined): JsonObject {
  if (body === undefined || body.length === 0) throw wrong('body', 'nothing')
  return asObject(parse(body), 'body')
}

function asObject(value: JsonValue, where: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Map)
    throw wrong(where, JSON.stringify(value))
  return value
}

function text(json: JsonObject, key: string): string | undefined {
  const value = json[key]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw wrong(key, typeof value)
  return value
}

function long(json: JsonObject, key: string, absent: number): number {
  const value = json[key]
  if (value === undefined || value === null) return absent
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(key, String(value))
  return value
}

/**
 * Standard base64 with padding. Node reads past anything else, which the length then tells, and takes the other alphabet of the web: a
 * pattern over the text would take longer than the decoding.
 */
function bytes(json: JsonObject, key: string): Uint8Array | undefined {
  const value = text(json, key)
  if (value === undefined) return undefined
  const decoded = Buffer.from(value, 'base64')
  const padding = value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0
  const isWhole = value.length % 4 === 0 && decoded.length === (value.length / 4) * 3 - padding
  if (!isWhole || value.includes('-') || value.includes('_')) throw wrong(key, 'no base64')
  return decoded
}

function wrong(where: string, found: string): RemotingError {
  return new RemotingError('BAD_DLEDGER_BODY', {
    what: `a DLedger request or answer has ${found.slice(0, 100)} as ${where}`,
    where,
    todo: 'the peer is no DLedger 0.3 member: check dLegerPeers and its version',
  })
}

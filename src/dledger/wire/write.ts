/**
 * Bodies of requests and answers, written as fastjson writes them: keys in alphabetical order, absent ones left out, derived ones of
 * a push included. The same bytes as a JVM member's.
 *
 * Source: spec/dledger.md §3.1–§3.4; vectors/dledger-0.3.1.2.
 */
import { assert } from '../../assert.ts'
import { CODES, REQUEST_CODES } from '../core/codes.ts'
import type { MemberRequest, MemberResponse, PushRequest, RequestBase, ResponseBase } from '../core/messages.ts'
import { lastIndexOf } from '../core/messages.ts'
import type { ClientRequest, ClientResponse, MetadataRequest } from './client-messages.ts'
import { WireBatch } from './entry.ts'

export function codeOf(request: MemberRequest | MetadataRequest): number {
  return REQUEST_CODES[request.kind]
}

/** Which timers a member of ours has. Members of the JVM pass over the key, and say nothing of the kind. */
export type TimersMark = 'fast' | 'jvm'
export const TIMERS_KEY = 'basaltTimers'

/** `mark`: among our own. Without it these are the bytes of a JVM member. */
export function writeRequest(request: MemberRequest | MetadataRequest, mark?: TimersMark): Buffer {
  return request.kind === 'PUSH' ? pushBytes(request, mark) : Buffer.from(marked(requestJson(request), mark))
}

function requestJson(request: Exclude<MemberRequest, PushRequest> | MetadataRequest): string {
  return object({
    code: CODES.SUCCESS,
    group: request.group,
    leaderId: request.leaderId,
    ledgerEndIndex: request.kind === 'VOTE' ? request.ledgerEndIndex : undefined,
    ledgerEndTerm: request.kind === 'VOTE' ? request.ledgerEndTerm : undefined,
    localId: request.localId,
    remoteId: request.remoteId,
    ...(request.kind === 'LEADERSHIP_TRANSFER'
      ? {
          takeLeadershipLedgerIndex: request.takeLeadershipLedgerIndex,
          term: request.term,
          transferId: request.transferId,
          transfereeId: request.transfereeId,
        }
      : { term: request.term }),
  })
}

function marked(json: string, mark: TimersMark | undefined): string {
  return mark === undefined ? json : `${json.slice(0, -1)},"${TIMERS_KEY}":"${mark}"}`
}

/** Built by hand: the entries' bytes are shared by all peers, and nothing of them is made or scanned again. */
function pushBytes(request: PushRequest, mark: TimersMark | undefined): Buffer {
  const { entries } = request
  assert(entries === undefined || entries instanceof WireBatch, 'pushes carry entries of the wire')
  const count = entries?.count ?? 0
  const isBatch = count > 1
  const counts = `"code":200,"commitIndex":${request.commitIndex},"count":${count}`
  const rest = marked(
    `,"firstEntryIndex":${count === 0 ? -1 : entries!.firstIndex}${member('group', request.group)}` +
      `,"lastEntryIndex":${count === 0 ? -1 : lastIndexOf(entries!)}${member('leaderId', request.leaderId)}` +
      `${member('localId', request.localId)}${member('remoteId', request.remoteId)}` +
      `,"term":${request.term},"totalSize":${totalSize(entries)},"type":"${request.type}"}`,
    mark,
  )
  if (entries === undefined || count === 0) return Buffer.from(`{"batch":false,"batchEntry":[],${counts}${rest}`)
  return isBatch
    ? around(`{"batch":true,"batchEntry":[`, entries.json(), `],${counts}${rest}`)
    : around(`{"batch":false,"batchEntry":[],${counts},"entry":`, entries.json(), rest)
}

function around(before: string, middle: Buffer, behind: string): Buffer {
  const at = Buffer.byteLength(before)
  const out = Buffer.allocUnsafe(at + middle.length + Buffer.byteLength(behind))
  out.write(before)
  middle.copy(out, at)
  out.write(behind, at + middle.length)
  return out
}

/** DLedger counts it where it gathers a batch; a single entry's push says 0. */
function totalSize(entries: WireBatch | undefined): number {
  return entries !== undefined && entries.count > 1 ? entries.bytes : 0
}

/** Transfers are answered to administrators too, who are told what the original tells. */
export function writeResponse(response: MemberResponse | ClientResponse, mark?: TimersMark): Buffer {
  const { group, localId, remoteId, leaderId, term, code } = response
  const text = object({
    beginIndex: response.kind === 'PUSH' ? response.beginIndex : undefined,
    code,
    count: response.kind === 'PUSH' ? response.count : undefined,
    endIndex: response.kind === 'PUSH' ? response.endIndex : undefined,
    entries: response.kind === 'GET' ? [] : undefined,
    group,
    index: response.kind === 'PUSH' || response.kind === 'APPEND' ? response.index : undefined,
    leaderId,
    localId,
    peers: response.kind === 'METADATA' ? response.peers : undefined,
    pos: response.kind === 'APPEND' ? response.pos : undefined,
    remoteId,
    term,
    voteResult: response.kind === 'VOTE' ? response.voteResult : undefined,
  })
  const isMarked = response.kind === 'VOTE' || response.kind === 'HEART_BEAT' || response.kind === 'PUSH'
  if (isMarked) return Buffer.from(marked(text, mark))
  if (response.kind !== 'GET' || response.entries.count === 0) return Buffer.from(text)
  return Buffer.from(text.replace('"entries":[]', () => `"entries":[${response.entries.json().toString('latin1')}]`))
}

/**
 * The answer to a request that is for somebody else (401, 400) or that this member cannot serve: the request's base, with its
 * own belief about the leader (spec §3.2).
 */
export function refusal(
  request: MemberRequest | ClientRequest,
  code: number,
  leaderId: string | undefined,
): MemberResponse | ClientResponse {
  const base: RequestBase & ResponseBase = {
    group: request.group,
    remoteId: request.remoteId,
    localId: request.localId,
    leaderId,
    term: request.term,
    code,
  }
  switch (request.kind) {
    case 'VOTE':
      return { kind: 'VOTE', ...base, voteResult: 'UNKNOWN' }
    case 'PUSH':
      return { kind: 'PUSH', ...base, index: undefined, beginIndex: 0, endIndex: 0, count: 0 }
    case 'APPEND':
      return { kind: 'APPEND', ...base, index: -1, pos: -1 }
    case 'GET':
      return { kind: 'GET', ...base, entries: new WireBatch([]) }
    case 'HEART_BEAT':
    case 'LEADERSHIP_TRANSFER':
    case 'METADATA':
      return { kind: request.kind, ...base }
  }
}

/** 401 or 400 when the request is for somebody else. All eight requests are checked in this order. */
export function wrongAddress(
  request: MemberRequest | ClientRequest,
  selfId: string,
  group: string,
): number | undefined {
  if (request.remoteId !== selfId) return CODES.UNKNOWN_MEMBER
  return request.group === group ? undefined : CODES.UNKNOWN_GROUP
}

/** Its keys are in order already. */
function object(members: Record<string, unknown>): string {
  return JSON.stringify(members)
}

function member(key: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${key}":${JSON.stringify(value)}`
}

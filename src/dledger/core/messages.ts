/**
 * Requests and answers between members, one to one the JSON bodies of DLedger 0.3.1.2. `kind` is the request code in words
 * and does not travel.
 *
 * Entries are opaque here: the core looks at the numbers of an EntryBatch, the log and the wire know its bytes.
 * Source: spec/dledger.md §3.2–§3.4.
 */
import type { PushType, VoteResult } from './codes.ts'

/** Consecutive entries as the log gives them and the wire carries them. */
export interface EntryBatch {
  readonly firstIndex: number
  readonly count: number
  /** Term of the last entry. */
  readonly lastTerm: number
  /** Size of all entries, headers of 48 bytes included. */
  readonly bytes: number
}

export function lastIndexOf(batch: EntryBatch): number {
  return batch.firstIndex + batch.count - 1
}

/** Keys of every request. Absent ones are undefined. */
export interface RequestBase {
  group: string | undefined
  /** Whom it is for. */
  remoteId: string | undefined
  /** Who sent it. */
  localId: string | undefined
  /** The candidate (vote) or the leader (heartbeat, push). */
  leaderId: string | undefined
  term: number
  /** Of a member of ours: which timers it has. The core does not look at it. */
  timers?: string | undefined
}

export interface VoteRequest extends RequestBase {
  kind: 'VOTE'
  ledgerEndIndex: number
  ledgerEndTerm: number
}

export interface HeartBeatRequest extends RequestBase {
  kind: 'HEART_BEAT'
}

export interface PushRequest extends RequestBase {
  kind: 'PUSH'
  type: PushType
  commitIndex: number
  /** APPEND: one or many; COMPARE, TRUNCATE: one; COMMIT: undefined. */
  entries: EntryBatch | undefined
}

export interface TransferRequest extends RequestBase {
  kind: 'LEADERSHIP_TRANSFER'
  transferId: string | undefined
  transfereeId: string | undefined
  takeLeadershipLedgerIndex: number
}

export type MemberRequest = VoteRequest | HeartBeatRequest | PushRequest | TransferRequest

export interface ResponseBase {
  group?: string | undefined
  remoteId?: string | undefined
  localId?: string | undefined
  leaderId?: string | undefined
  term: number
  code: number
  /** As in requests. */
  timers?: string | undefined
}

export interface VoteResponse extends ResponseBase {
  kind: 'VOTE'
  voteResult: VoteResult
}

export interface HeartBeatResponse extends ResponseBase {
  kind: 'HEART_BEAT'
}

export interface PushResponse extends ResponseBase {
  kind: 'PUSH'
  /** First entry index of the request; undefined for COMMIT. */
  index: number | undefined
  /** The follower's ledger now, −1 and −1 when it is empty. */
  beginIndex: number
  endIndex: number
  count: number
}

export interface TransferResponse extends ResponseBase {
  kind: 'LEADERSHIP_TRANSFER'
}

export type MemberResponse = VoteResponse | HeartBeatResponse | PushResponse | TransferResponse

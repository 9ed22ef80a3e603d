/**
 * What goes into the core and what comes out of it.
 *
 *   driver ── Input ──▶ step(core, input, now, random, out) ── Effect[] ──▶ driver: network, log, hard state, gate
 *
 * Contract of the driver:
 *  1. Effects are carried out in their order. Those on the log (append, appendNoop, truncate, compare) are one queue: each is done
 *     when the former is.
 *  2. `persist` is durable (file synced, renamed, folder synced) before `persisted`; a write that fails ends the member.
 *  3. `truncate` erases everything behind the new end and syncs it before it completes: of a tail cut off nothing may come back
 *     behind newer entries after a power loss. Recovery does the same with what lies behind the end that it finds.
 *  4. With the gate open for a term, local writers append behind the end under that term, and `localEnd` tells how far. After
 *     `closeGate` none of them gets in, and `gateClosed` tells the end that stands, in the log's queue: behind a no-op that is on
 *     its way. It may come before the gate was ever open.
 *  5. After an append of epoch e failed, the log is in epoch e + 1: more of e is refused without a word. `flushed` of epoch e tells of bytes of the log as it was after the truncation that began e.
 *  6. What recovery finds is synced before the core is made: it counts as flushed.
 *  7. Every call (send) is answered by `response` or `callFailed`, or by nothing: the core has deadlines of its own. `reached` is
 *     told when a connection to a peer was opened anew: what was sent before it may be lost, and the peer another process.
 */
import type { EntryBatch, MemberRequest, MemberResponse } from './messages.ts'

export type Role = 'CANDIDATE' | 'LEADER' | 'FOLLOWER'

export interface LogEnd {
  /** −1 when the log is empty. */
  endIndex: number
  /** Term of the last entry, −1 when the log is empty. */
  endTerm: number
}

export type Input =
  | { kind: 'tick' }
  /** A request of a member (or of an administrator: LEADERSHIP_TRANSFER). `token` comes back in `answer`. */
  | { kind: 'request'; token: number; request: MemberRequest }
  | { kind: 'response'; peer: number; call: number; response: MemberResponse }
  | { kind: 'callFailed'; peer: number; call: number }
  | { kind: 'reached'; peer: number }
  | { kind: 'persisted'; sequence: number }
  /** Local writers have appended up to here, under the gate's term. */
  | ({ kind: 'localEnd'; epoch: number } & LogEnd)
  /** A batch of a leader, or the no-op, is in the log. */
  | ({ kind: 'appended'; epoch: number } & LogEnd)
  /** The log took not all of it: disk full, a position that does not fit. What is submitted behind it is refused too. */
  | ({ kind: 'appendFailed'; epoch: number } & LogEnd)
  | ({ kind: 'truncated'; epoch: number; beginIndex: number } & LogEnd)
  | ({ kind: 'truncateFailed'; epoch: number; beginIndex: number } & LogEnd)
  | { kind: 'flushed'; epoch: number; index: number }
  | { kind: 'compared'; ticket: number; equal: boolean }
  /** `entries` undefined: they are below the begin of the log, or cannot be read. */
  | { kind: 'read'; ticket: number; entries: EntryBatch | undefined }
  | ({ kind: 'gateClosed' } & LogEnd)
  /** Retention has deleted files: the log begins here now. */
  | { kind: 'began'; beginIndex: number }

export type Effect =
  | { kind: 'persist'; sequence: number; term: number; voteFor: string | undefined }
  | { kind: 'send'; peer: number; call: number; request: MemberRequest }
  | { kind: 'answer'; token: number; response: MemberResponse }
  | { kind: 'append'; epoch: number; entries: EntryBatch }
  /** A record that dispatch leaves out (sysFlag 12, empty body), as the first entry of a leader's term. */
  | { kind: 'appendNoop'; epoch: number; term: number }
  /**
   * The entry becomes the last: kept where it equals the own one, else the log is cut in front of it and it is written. With
   * `mustEqual` an unequal one fails. One that would leave a gap makes the log begin with it.
   */
  | { kind: 'truncate'; epoch: number; entry: EntryBatch; mustEqual: boolean }
  /** Are these entries in the log as they are? Out of its range: not equal. */
  | { kind: 'compare'; ticket: number; entries: EntryBatch }
  /** From `from` to at most `to`, at most `bytesMax` bytes but at least one entry. */
  | { kind: 'read'; ticket: number; from: number; to: number; bytesMax: number }
  | { kind: 'openGate'; epoch: number; term: number }
  | { kind: 'closeGate' }
  /** All entries up to here are held by a majority for ever. */
  | { kind: 'commit'; index: number }
  | { kind: 'role'; role: Role; term: number; leaderId: string | undefined }
  /** Something that only an operator can mend; said once per occurrence. */
  | { kind: 'alarm'; what: string }

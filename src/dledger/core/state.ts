/**
 * What a member knows, as one plain object that `step` changes in place.
 *
 * Invariants (asserted where they are touched): commitIndex ≤ log.appendedIndex ≤ log.endIndex; follower.verifiedIndex ≤ log.endIndex; `leading` is set exactly while role is LEADER; term never goes back.
 */
import type { Effect, Role } from './effects.ts'
import type { PushRequest } from './messages.ts'
import type { CoreSettings } from './settings.ts'

export interface Core {
  readonly settings: CoreSettings
  readonly selfId: string
  readonly quorum: number

  role: Role
  term: number
  voteFor: string | undefined
  leaderId: string | undefined
  commitIndex: number
  log: Log
  /** `opening`: the no-op is on its way into the log. */
  gate: 'closed' | 'opening' | 'open' | 'closing'

  /** Term and vote changed in this step: `persist` follows at its end. */
  dirty: boolean
  persistSequence: number
  persistedSequence: number
  /** Messages that say what is not durable yet. */
  held: { after: number; effect: Effect }[]

  candidate: Candidate
  follower: Follower
  leading: Leading | undefined
  transfer: Transfer | undefined
  taking: Taking | undefined

  nextId: number
  calls: Map<number, Call>

  /** Of the step under way. */
  now: number
  random: number
  out: Effect[]
}

export interface Log {
  beginIndex: number
  /** Last entry that was given to the log, written or not. */
  endIndex: number
  endTerm: number
  /** Last entry that is written. */
  appendedIndex: number
  appendedTerm: number
  /** As the flush thread told it: may be ahead of appendedIndex, whose completion is still on its way. */
  flushedIndex: number
  /** Truncations so far: completions of an older epoch tell of entries that may be gone. */
  epoch: number
  truncating: Truncating | undefined
}

export interface Truncating {
  token: number
  request: PushRequest
}

export interface Candidate {
  nextVoteAt: number
  round: Round | undefined
  /** The next round is in a new term. */
  raiseTerm: boolean
  /** Somebody better was let go first, since this member last ran in earnest. */
  gaveWay: boolean
  /** Term in which this member led already, or may have led before a restart: never again (spec D10). */
  closedTerm: number
}

export interface Round {
  /** A probe asks in a term in which this member cannot be elected: is there a leader, is my log good enough? */
  probe: boolean
  deadline: number
  answered: number
  accepted: number
  notReady: number
  valid: number
  biggerLedger: number
  /** Voters that have no leader, and only gave their vote already. */
  free: number
  hasLeader: boolean
  maxTerm: number
}

export interface Follower {
  /** Last term in which there was a leader to follow. */
  followedTerm: number
  lastHeardAt: number
  electionMs: number
  /** Up to here the log equals the leader's. −1: nothing was compared in this term and under this leader. */
  verifiedIndex: number
  leaderCommit: number
  /** Answers that wait for the log, by `needs`. */
  acks: Ack[]
  /** Pushes behind a gap, by first index. */
  gaps: Map<number, { token: number; request: PushRequest; since: number }>
  comparing: Map<number, { token: number; request: PushRequest; epoch: number }>
  /** Pushes that came while the gate was closing. */
  deferred: { token: number; request: PushRequest }[]
}

export interface Ack {
  token: number
  request: PushRequest
  needs: number
}

export interface Leading {
  /** First entry of the own term, −1 until it is written. */
  termStart: number
  peers: Progress[]
  nextPreferredCheckAt: number
}

export interface Progress {
  mode: 'compare' | 'truncate' | 'append'
  /** A heartbeat of this term was answered: the peer follows. */
  follows: boolean
  matchIndex: number
  nextIndex: number
  /** Negotiation: highest index known to be equal, lowest known to differ, step of the walk back, index being asked. */
  equalIndex: number
  differsIndex: number
  stride: number
  askIndex: number
  pauseUntil: number
  pushesInFlight: number
  negotiation: number
  reading: number
  /** What it was told to be committed, and when it has to be told more. */
  commitSent: number
  commitDueAt: number
  lastOkAt: number
  /** It has answered this leader once. */
  isHeard: boolean
  nextHeartbeatAt: number
}

export interface Transfer {
  /** −1: asked for by the preferred-leader check, nobody is answered. */
  token: number
  peer: number
  term: number
  call: number
}

export interface Taking {
  token: number
  term: number
  takeTerm: number
  needsIndex: number
  deadline: number
  campaigning: boolean
}

export type Call =
  | { kind: 'vote'; peer: number; deadline: number; round: Round }
  | { kind: 'heartbeat'; peer: number; deadline: number }
  | { kind: 'append'; peer: number; deadline: number; lastIndex: number }
  | { kind: 'negotiate'; peer: number; deadline: number; index: number; truncate: boolean }
  | { kind: 'commit'; peer: number; deadline: number }
  | { kind: 'transfer'; peer: number; deadline: number }

/** What the files say at the start. */
export interface Recovered {
  term: number
  voteFor: string | undefined
  beginIndex: number
  endIndex: number
  endTerm: number
  /** A committed index that is known to be so; −1 when unknown. */
  commitIndex: number
}

export function createCore(settings: CoreSettings, found: Recovered, now: number): Core {
  const half = Math.floor(settings.peers.length / 2)
  const selfId = settings.peers[settings.self]!
  const behindLog = found.term < found.endTerm
  const term = behindLog ? found.endTerm : found.term
  const voteFor = behindLog ? undefined : found.voteFor
  const mayHaveLed = !settings.flaws.leadSameTermAgain && (behindLog || voteFor === selfId)
  return {
    settings,
    selfId,
    quorum: settings.flaws.halfIsQuorum ? Math.max(1, half) : half + 1,
    role: 'CANDIDATE',
    term,
    voteFor,
    leaderId: undefined,
    commitIndex: Math.min(found.commitIndex, found.endIndex),
    log: {
      beginIndex: found.beginIndex,
      endIndex: found.endIndex,
      endTerm: found.endTerm,
      appendedIndex: found.endIndex,
      appendedTerm: found.endTerm,
      flushedIndex: found.endIndex,
      epoch: 0,
      truncating: undefined,
    },
    gate: 'closed',
    dirty: behindLog,
    persistSequence: 0,
    persistedSequence: 0,
    held: [],
    candidate: {
      nextVoteAt: now,
      round: undefined,
      raiseTerm: false,
      gaveWay: false,
      closedTerm: mayHaveLed ? term : -1,
    },
    follower: {
      followedTerm: -1,
      lastHeardAt: now,
      electionMs: settings.timers.electionMsMax,
      verifiedIndex: -1,
      leaderCommit: -1,
      acks: [],
      gaps: new Map(),
      comparing: new Map(),
      deferred: [],
    },
    leading: undefined,
    transfer: undefined,
    taking: undefined,
    nextId: 1,
    calls: new Map(),
    now,
    random: 0,
    out: [],
  }
}

/** Nothing is on its way into the log: what was claimed in a vote is what a leader starts with. */
export function logIsQuiet(core: Core): boolean {
  const { log } = core
  return log.appendedIndex === log.endIndex && log.truncating === undefined && core.gate === 'closed'
}

/**
 * What a member is told when it starts: who it is, its timers, what an acknowledgement means. Times in ms.
 *
 * Defaults are for groups with JVM members, whose leaders send a heartbeat each 2 s; FAST_TIMERS are for groups of our own.
 * Source: spec/dledger.md §1.1, §4.1, §4.9 D8.
 */

export interface CoreSettings {
  group: string
  /** Ids of all members, the own one included; `peer` numbers in inputs and effects are indexes into it. */
  peers: readonly string[]
  self: number
  /** True: acknowledged means synced, here and at a majority (flushDiskType SYNC_FLUSH). False: in the page cache. */
  flushBeforeAck: boolean
  preferredLeaderIds: readonly string[]
  timers: Timers
  limits: Limits
  flaws: Flaws
}

export interface Timers {
  heartbeatMs: number
  /** A follower that has not heard from its leader for min + random · (max − min) becomes a candidate. */
  electionMsMin: number
  electionMsMax: number
  /** A leader that a majority has not answered for so long steps down. */
  leaderLeakMs: number
  /** Pause of a candidate between rounds. */
  voteMsMin: number
  voteMsMax: number
  /** A vote round without result ends after it. */
  voteRoundMs: number
  /** A candidate whose voters hear a leader waits so much longer. */
  hasLeaderMs: number
  /** A call without an answer is given up after it. */
  callMs: number
  /** Pause before COMPARE starts again after an answer that leads nowhere. */
  retryMs: number
  /** COMMIT goes to a follower so long after the last commit that no entry carried. */
  commitMs: number
  /** A push behind a gap waits so long for the one before it. */
  gapMs: number
  /** A transferee waits so long for the entries that it lacks. */
  transferWaitMs: number
  preferredCheckMs: number
}

export interface Limits {
  /** Bytes of entries in one push. JVM members take frames below 16 MiB: 4/3 of it and 400 an entry must fit. */
  pushBytes: number
  /** Entries in one push. */
  pushEntries: number
  /** Pushes to one peer that are not answered yet. */
  pushesInFlight: number
  /** Pushes that wait at a follower for the one before them. */
  gapPushes: number
  /** Entries by which a transferee may be behind. */
  transferBehind: number
}

/** Beside JVM members. Followers hear pushes too and elect when the later of two is tired of waiting: in the end as soon as the original's. */
export const JVM_TIMERS: Timers = {
  heartbeatMs: 2000,
  electionMsMin: 5500,
  electionMsMax: 6300,
  leaderLeakMs: 6000,
  voteMsMin: 300,
  voteMsMax: 1000,
  voteRoundMs: 2500,
  hasLeaderMs: 6000,
  callMs: 3000,
  retryMs: 50,
  commitMs: 2,
  gapMs: 1000,
  transferWaitMs: 1000,
  preferredCheckMs: 1000,
}

export const FAST_TIMERS: Timers = {
  heartbeatMs: 50,
  electionMsMin: 150,
  electionMsMax: 300,
  leaderLeakMs: 300,
  voteMsMin: 20,
  voteMsMax: 120,
  voteRoundMs: 150,
  hasLeaderMs: 150,
  callMs: 500,
  retryMs: 20,
  commitMs: 1,
  gapMs: 100,
  transferWaitMs: 1000,
  preferredCheckMs: 1000,
}

export const LIMITS: Limits = {
  pushBytes: 512 * 1024,
  pushEntries: 2048,
  pushesInFlight: 8,
  gapPushes: 1024,
  transferBehind: 1000,
}

/**
 * Deliberate bugs, all off. The simulation turns each of them on to prove that it would find it (test/simulation/flaws.ts
 * says what each one is). Nothing but that test may set one.
 */
export interface Flaws {
  doubleVote: boolean
  voteWithoutLogCheck: boolean
  answerBeforePersist: boolean
  halfIsQuorum: boolean
  commitOldTermByCount: boolean
  ackBeforeAppend: boolean
  ackBeforeFlush: boolean
  leaderCountsUnflushed: boolean
  truncateAcknowledged: boolean
  staleTermAccepted: boolean
  appendWithoutCompare: boolean
  commitUnverified: boolean
  leadSameTermAgain: boolean
  staleFlushCounts: boolean
  gateStaysOpen: boolean
}

export const NO_FLAWS: Flaws = Object.freeze({
  doubleVote: false,
  voteWithoutLogCheck: false,
  answerBeforePersist: false,
  halfIsQuorum: false,
  commitOldTermByCount: false,
  ackBeforeAppend: false,
  ackBeforeFlush: false,
  leaderCountsUnflushed: false,
  truncateAcknowledged: false,
  staleTermAccepted: false,
  appendWithoutCompare: false,
  commitUnverified: false,
  leadSameTermAgain: false,
  staleFlushCounts: false,
  gateStaysOpen: false,
})

/** DLedger 0.3.1.2's timers and ours for groups with it, all at a tenth: the same proportions, ten times the history. Source: spec §4.1, §5. */
import { JVM_TIMERS, type Timers } from '../../src/dledger/core/index.ts'

export const JVM = {
  stepMs: 5,
  heartbeatMs: 200,
  heartbeatLeak: 3,
  voteMsMin: 30,
  voteMsMax: 100,
  takeMsMin: 5,
  takeMsMax: 10,
  voteRoundMs: 200,
  callMs: 300,
  errorPauseMs: 50,
  pushTimeoutMs: 100,
  commitMs: 100,
  flushMs: 5,
  /** Until the kernel writes back what nobody synced. */
  writeBackMs: 500,
} as const

export const TENTH: Timers = {
  ...JVM_TIMERS,
  heartbeatMs: 200,
  electionMsMin: 550,
  electionMsMax: 630,
  leaderLeakMs: 600,
  voteMsMin: 30,
  voteMsMax: 100,
  voteRoundMs: 250,
  hasLeaderMs: 600,
  callMs: 300,
  retryMs: 10,
  gapMs: 100,
  transferWaitMs: 100,
  preferredCheckMs: 100,
}

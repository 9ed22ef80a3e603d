/**
 * The protocol core: DLedger as a pure state machine. No clock, socket, file, chance or await.
 *
 * Read effects.ts first (what goes in and out, and what the driver owes), then state.ts, then step.ts.
 */
export type { Code, PushType, VoteResult } from './codes.ts'
export { CODES, PUSH_TYPES, REQUEST_CODES, VOTE_RESULTS } from './codes.ts'
export type { Effect, Input, LogEnd, Role } from './effects.ts'
export * from './messages.ts'
export type { AppendAnswer, PendingAppend } from './pending.ts'
export { PendingAppends } from './pending.ts'
export { neededFrom } from './progress.ts'
export type { CoreSettings, Flaws, Limits, Timers } from './settings.ts'
export { FAST_TIMERS, JVM_TIMERS, LIMITS, NO_FLAWS } from './settings.ts'
export type { Core, Recovered } from './state.ts'
export { createCore } from './state.ts'
export { step } from './step.ts'
export { nextTickAt } from './timers.ts'

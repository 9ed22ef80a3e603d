/**
 * What a round of checks does with one undecided half. Pure: the half, the time, the settings.
 *
 *   expired  given up: checked transactionCheckMax times, or older than fileReservedTime (its records go with retention)
 *   young    nobody is asked yet, and what came behind it is younger still: the round ends here
 *   later    its sender wants to be asked later than others: a copy takes its place, uncounted
 *   check    its producer group is asked
 *
 * Rules: spec/broker-requests.md §10.
 */
import type { Half } from './half-message.ts'

export type Decision = 'expired' | 'young' | 'later' | 'check'

export interface CheckSettings {
  /** Milliseconds since birth after which a half is checked. */
  transactionTimeOut: number
  transactionCheckMax: number
  /** Hours. */
  fileReservedTime: number
}

const HOUR_MS = 3_600_000

/** `roundStart`: what was stored since belongs to the next round. */
export function decide(half: Half, now: number, roundStart: number, settings: CheckSettings): Decision {
  const { bornTimestamp, storeTimestamp } = half.message
  // By the client's clock: one that is ahead gives a negative age, and is asked at once rather than when it is caught up.
  const age = now - bornTimestamp
  if (half.checkTimes >= settings.transactionCheckMax || age > settings.fileReservedTime * HOUR_MS) return 'expired'
  if (storeTimestamp >= roundStart) return 'young'
  if (half.immunityMs !== undefined) return age < half.immunityMs ? 'later' : 'check'
  return age >= 0 && age < settings.transactionTimeOut ? 'young' : 'check'
}

/**
 * What RocketMQ's documents claim about each mode, to set beside what was measured.
 *
 * Latency: asynchronous flush and replication, a few ms to tens; synchronous flush, tens to hundreds; both synchronous, hundreds of
 * ms to seconds. Loss: a killed process loses nothing; a crashed machine what asynchronous flush had not written; a lost disk what
 * the slave has not got. So that only both synchronous lose nothing in all three. Of a group (DLedger) they say that it loses nothing and
 * elects a new master by itself, not how long a send takes; what a majority has in its page cache only goes with the power of a majority.
 */
import type { Failure, Mode } from '../results.ts'
import { digits, MISSING } from './format.ts'

export interface Claim {
  readonly lowUs: number
  readonly highUs: number
  readonly text: string
}

const TENS: Claim = { lowUs: 1e3, highUs: 100e3, text: 'ms to tens of ms' }
const HUNDREDS: Claim = { lowUs: 10e3, highUs: 1e6, text: 'tens to hundreds of ms' }
const SECONDS: Claim = { lowUs: 100e3, highUs: 10e6, text: 'hundreds of ms to seconds' }

/** Undefined where the documents are silent. A master without a slave is taken as one that does not wait for it. */
export function claimOf({ flush, replication }: Mode): Claim | undefined {
  if (replication === 'DLEDGER') return undefined
  const waits = replication === 'SYNC_MASTER'
  if (flush === 'ASYNC_FLUSH') return waits ? undefined : TENS
  return waits ? SECONDS : HUNDREDS
}

/** Measured p50 to p99 beside the claim, in a few words. */
export function verdict(claim: Claim | undefined, p50: number | undefined, p99: number | undefined): string {
  if (claim === undefined) return 'no claim'
  const high = p99 ?? p50
  if (p50 === undefined || high === undefined) return MISSING
  if (high < claim.lowUs) return `${digits(claim.lowUs / Math.max(high, 1))}× faster`
  if (p50 > claim.highUs) return `${digits(p50 / claim.highUs)}× slower`
  if (high > claim.highUs) return 'p99 slower'
  return p50 < claim.lowUs ? 'p99 as claimed' : 'as claimed'
}

export function claimedLoss({ flush, replication }: Mode, failure: Failure): 'nothing' | 'some' | 'all' {
  if (failure === 'process-crash') return 'nothing'
  if (failure === 'majority-crash') return flush === 'SYNC_FLUSH' ? 'nothing' : 'some'
  if (replication === 'DLEDGER') return 'nothing'
  if (failure === 'machine-crash') return flush === 'SYNC_FLUSH' ? 'nothing' : 'some'
  if (replication === 'none') return 'all'
  return replication === 'SYNC_MASTER' ? 'nothing' : 'some'
}

/**
 * Repeated consumption made harmless: the effect of a key happens once, although its message may come again (a crash before the
 * commit, a rebalance, a producer's retry).
 *
 *   claim ──▶ claimed ──▶ fn() ──▶ complete        the effect is done; whoever comes later passes over it
 *     │          │           └─ throws ─▶ release   the next delivery tries again
 *     │          └─ lease runs out ─▶ the next claim gets it: its holder is believed dead
 *     ├──▶ completed                                done before: nothing to do
 *     └──▶ busy                                     somebody is at it: RECONSUME_LATER
 *
 * What it cannot do: where the effect is in another system than the store, a crash between the two leaves the effect without its mark,
 * and it happens again after the lease. Where both are in one database, put both into one transaction
 * (examples/once-sqlite.ts): then it is exactly once.
 */
import { randomUUID } from 'node:crypto'
import { ClientError } from '../errors.ts'
import { badOption, integer } from '../options.ts'

/** What a claim came to. */
export type ClaimState = 'claimed' | 'completed' | 'busy'

/** What it needs of a database. Each call is atomic, against all consumers that share it. */
export interface OnceStore {
  /**
   * 'claimed': the key is ours, under this token, for `leaseMs`; also where an older lease has run out. 'completed': it was done.
   * 'busy': another token's lease runs.
   */
  claim(key: string, leaseMs: number, token: string): Promise<ClaimState> | ClaimState
  /** Done for good. False: the claim is no longer this token's. */
  complete(key: string, token: string): Promise<boolean> | boolean
  /** Not done: free for the next claim. Does nothing where the claim is no longer this token's. */
  release(key: string, token: string): Promise<void> | void
}

/** Of one effect. */
export interface OnceOptions {
  /** How long others believe that we are at it: in milliseconds: longer than `fn` ever takes. @default 60_000 */
  leaseMs?: number
}

/** An effect that could not be had now. `code`: ONCE_BUSY (retriable) or ONCE_LEASE_LOST. */
export class OnceError extends ClientError {
  /** Always OnceError. */
  override name = 'OnceError'
}

/** Whether `fn` has run now, and what it gave. */
export type OnceResult<T> = { readonly isFirst: true; readonly value: T } | { readonly isFirst: false }

const LEASE_MS = 60_000

/**
 * Runs `fn` unless the key is completed in the store. Rejects with `fn`'s own error (the key is free again then), with OnceError
 * ONCE_BUSY while somebody else is at it, and with ONCE_LEASE_LOST where `fn` took longer than the lease and somebody else has
 * claimed the key meanwhile. Thrown out of a listener, each of them brings the message again later.
 *
 * `signal` of `fn` is aborted when the lease runs out: give it to what you call.
 */
export async function once<T>(
  key: string,
  fn: (signal: AbortSignal) => Promise<T> | T,
  store: OnceStore,
  { leaseMs = LEASE_MS }: OnceOptions = {},
): Promise<OnceResult<T>> {
  if (typeof key !== 'string' || key === '') throw badOption('key', key, 'a text: message.keys[0], or message.msgId')
  integer('leaseMs', leaseMs, 1, 2 ** 31 - 1)
  const token = randomUUID()
  const state = await store.claim(key, leaseMs, token)
  if (state === 'completed') return { isFirst: false }
  if (state === 'busy') {
    throw new OnceError('ONCE_BUSY', { what: `somebody else is at "${key}"`, hint: 'try again later', retriable: true })
  }
  const lease = new AbortController()
  const timer = setTimeout(() => lease.abort(leaseLost(key, leaseMs)), leaseMs)
  let value: T
  try {
    value = await fn(lease.signal)
  } catch (error) {
    clearTimeout(timer)
    await store.release(key, token)
    throw error
  }
  clearTimeout(timer)
  if (!(await store.complete(key, token))) throw leaseLost(key, leaseMs)
  return { isFirst: true, value }
}

function leaseLost(key: string, leaseMs: number): OnceError {
  return new OnceError('ONCE_LEASE_LOST', {
    what: `"${key}" took longer than its lease of ${leaseMs} ms`,
    hint: 'raise leaseMs beyond the longest time that the work takes, or give the signal to what it calls',
  })
}

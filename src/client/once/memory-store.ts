/** Keys of one process: for tests, and for consumers that are one process and may forget at a restart. */
import { type Clock, steadyClock } from '../../clock.ts'
import type { ClaimState, OnceStore } from './once.ts'

/** Of a store in memory. */
export interface MemoryOnceStoreOptions {
  /** Completed keys that are remembered; the oldest are forgotten first. @default 100_000 */
  max?: number
  /** Source of time, for tests. @default the machine's */
  clock?: Clock
}

interface Claim {
  readonly token: string
  readonly until: number
}

/** Keys of one process, kept in memory. */
export class MemoryOnceStore implements OnceStore {
  private readonly claims = new Map<string, Claim>()
  private readonly completed = new Set<string>()
  private readonly max: number
  private readonly clock: Clock

  constructor({ max = 100_000, clock = steadyClock() }: MemoryOnceStoreOptions = {}) {
    this.max = max
    this.clock = clock
  }

  claim(key: string, leaseMs: number, token: string): ClaimState {
    if (this.completed.has(key)) return 'completed'
    const now = this.clock.now()
    const other = this.claims.get(key)
    if (other !== undefined && other.token !== token && other.until > now) return 'busy'
    this.claims.set(key, { token, until: now + leaseMs })
    return 'claimed'
  }

  complete(key: string, token: string): boolean {
    if (this.claims.get(key)?.token !== token) return false
    this.claims.delete(key)
    this.completed.add(key)
    for (const oldest of this.completed) {
      if (this.completed.size <= this.max) break
      this.completed.delete(oldest)
    }
    return true
  }

  release(key: string, token: string): void {
    if (this.claims.get(key)?.token === token) this.claims.delete(key)
  }
}

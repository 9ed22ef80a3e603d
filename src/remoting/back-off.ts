/**
 * How long an address that refused to be connected is left alone: doubling from one failure to the next, forgotten when a
 * connection opens. Between two tries requests wait for the next one, or fail at once where their time ends before it.
 *
 * Bounds: one entry an address that failed; those that nobody asked for in ten minutes go.
 */
export interface BackOffLimits {
  readonly firstMs: number
  readonly mostMs: number
}

interface Failed {
  /** Clock time before which no connection is tried. */
  until: number
  waitMs: number
}

const FORGOTTEN_MS = 600_000

export class BackOff {
  private readonly limits: BackOffLimits
  private readonly failed = new Map<string, Failed>()

  constructor(limits: BackOffLimits) {
    this.limits = limits
  }

  /** Milliseconds until the address may be tried again; 0: now. Never more than the limit, whatever the clock did. */
  waitMs(address: string, now: number): number {
    const entry = this.failed.get(address)
    return entry === undefined ? 0 : Math.min(this.limits.mostMs, Math.max(0, entry.until - now))
  }

  failedAt(address: string, now: number): void {
    for (const [known, { until }] of this.failed) if (now - until > FORGOTTEN_MS) this.failed.delete(known)
    const before = this.failed.get(address)
    const waitMs = before === undefined ? this.limits.firstMs : Math.min(this.limits.mostMs, before.waitMs * 2)
    this.failed.set(address, { until: now + waitMs, waitMs })
  }

  opened(address: string): void {
    this.failed.delete(address)
  }

  /** The last try failed, and none has succeeded since. */
  isDown(address: string): boolean {
    return this.failed.has(address)
  }
}

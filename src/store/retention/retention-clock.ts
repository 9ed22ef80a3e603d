/**
 * The time by which files expire. A wall clock that is wrong for a moment must not delete a day's messages.
 *
 * Backwards jumps are believed at once: they keep files longer. A forward jump against the monotonic clock is believed
 * only after it has stood for `settleMs`; until then time goes on from where it was. What a test moved the broker by
 * (`moved`) is no jump: it counts at once.
 */
export interface TimeSources {
  /** The system's wall clock, ms. */
  wall(): number
  /** Monotonic ms. */
  steady(): number
  /** Ms that the injected clock was moved by on purpose. */
  moved(): number
}

/** Scheduling and clock slewing stay below this; a jump does not. */
const JUMP_MS = 60_000
export const SETTLE_MS = 10 * 60_000

export class RetentionClock {
  private readonly sources: TimeSources
  private readonly settleMs: number
  /** wall − steady as it is believed. */
  private offset: number
  private aheadSince: number | undefined

  constructor(sources: TimeSources, settleMs = SETTLE_MS) {
    this.sources = sources
    this.settleMs = settleMs
    this.offset = sources.wall() - sources.steady()
  }

  now(): number {
    const steady = this.sources.steady()
    const offset = this.sources.wall() - steady
    if (offset <= this.offset + JUMP_MS) {
      this.offset = offset
      this.aheadSince = undefined
    } else {
      this.aheadSince ??= steady
      if (steady - this.aheadSince >= this.settleMs) {
        this.offset = offset
        this.aheadSince = undefined
      }
    }
    return steady + this.offset + this.sources.moved()
  }

  /** True while a forward jump is not believed yet. */
  get isAhead(): boolean {
    return this.aheadSince !== undefined
  }
}

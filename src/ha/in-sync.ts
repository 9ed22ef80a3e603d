/**
 * Whether a slave keeps up, so that a sender may wait for it. Measured in rounds, as Raft measures a learner:
 *
 *   target := appended ──▶ … reports … ──▶ the slave has it: the round took so long ──▶ next target
 *
 * A slave counts once a round took at most half of slaveTimeout: what is appended now will be there in time. It counts no more
 * when a round takes longer than slaveTimeout, or when it is haSlaveFallbehindMax bytes behind. So a dead slave costs its
 * timeout once (RocketMQ: each send waits for it as long as the connection stands), and one that joins with GiBs to copy
 * costs nothing until it is there.
 *
 * Pure: time and positions come in. Source: spec/ha.md §5.
 */
export interface SyncLimits {
  readonly slaveTimeout: number
  readonly haSlaveFallbehindMax: number
}

/** Senders whose deadline this is are answered FLUSH_SLAVE_TIMEOUT before the rest is told that there is no slave. */
const MARGIN_MS = 200

export class InSync {
  isInSync = false
  /** End of the log when the round began; -1 while the slave has everything. */
  private target = -1
  private since = 0
  private readonly limits: SyncLimits

  constructor(limits: SyncLimits) {
    this.limits = limits
  }

  /** Called at each report, at each append that woke us, and by a timer. Returns whether the slave counts. */
  look(acknowledged: number, appended: number, now: number): boolean {
    const { slaveTimeout, haSlaveFallbehindMax } = this.limits
    const behind = appended - acknowledged
    if (this.target >= 0 && acknowledged >= this.target) {
      if (now - this.since <= slaveTimeout / 2) this.isInSync = true
      this.target = -1
    }
    if (behind === 0) {
      this.target = -1
      this.isInSync = true
    } else if (this.target < 0) {
      this.target = appended
      this.since = now
    }
    if (this.target >= 0 && now - this.since > slaveTimeout + MARGIN_MS) this.isInSync = false
    // 0: a slave counts only while it has everything.
    if (behind > 0 && behind >= haSlaveFallbehindMax) this.isInSync = false
    return this.isInSync
  }

  /** How long the slave has been without something that it is to have, milliseconds. */
  behindMs(now: number): number {
    return this.target < 0 ? 0 : now - this.since
  }
}

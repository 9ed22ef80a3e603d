/** When a consumer looks at whose the queues are: every 20 s, when something has changed, and sooner again where a look failed. */
import type { Waits } from './waits.ts'

export interface RoundsOptions {
  readonly waits: Waits
  readonly intervalMs: number
  /** Whoever gets one of our queues goes on from what is stored: it is stored before each look. */
  readonly before: () => Promise<unknown>
  /** False: something could not be looked at. Neither rejects. */
  readonly look: () => Promise<boolean>
}

const RETRY_MS = 1000

export class Rounds {
  private readonly options: RoundsOptions
  private isWanted = false
  private wake = () => {}

  constructor(options: RoundsOptions) {
    this.options = options
  }

  /** Something has changed: now. */
  want(): void {
    this.isWanted = true
    this.wake()
  }

  /** Until the waits are closed. `wasWhole`: what the first look, before, gave. */
  async run(wasWhole: boolean): Promise<void> {
    const { waits, intervalMs, before, look } = this.options
    let isWhole = wasWhole
    let retryMs = RETRY_MS
    for (;;) {
      if (waits.isClosed) return
      if (!this.isWanted) {
        const { elapsed, wake } = waits.waitOrWake(isWhole ? intervalMs : Math.min(retryMs, intervalMs))
        this.wake = wake
        if (!(await elapsed)) return
      }
      this.isWanted = false
      await before()
      isWhole = await look()
      retryMs = isWhole ? RETRY_MS : retryMs * 2
    }
  }
}

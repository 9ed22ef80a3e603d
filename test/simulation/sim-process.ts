/** A process in the simulated world: it lives, stands still, goes on, dies, and what an earlier life planned happens to nobody. */
import type { CrashPoint } from './member.ts'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

export class SimProcess {
  isUp = false
  /** Rises with each start and stop. */
  protected life = 0
  protected isPaused = false
  protected readonly timeline: Timeline
  protected readonly random: Random
  private inbox: (() => void)[] = []
  private crash: { point: CrashPoint; run: () => void } | undefined

  constructor(timeline: Timeline, random: Random) {
    this.timeline = timeline
    this.random = random
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    const { inbox, life } = this
    this.inbox = []
    // One of them may be what ends this life.
    for (const run of inbox) if (life === this.life) run()
  }

  crashAt(point: CrashPoint, run: () => void): void {
    this.crash = { point, run }
  }

  later(delay: number, run: () => void): void {
    const { life } = this
    this.timeline.after(delay, () => {
      if (life === this.life) this.inThisLife(run)
    })
  }

  passes(point: CrashPoint): void {
    if (this.crash?.point !== point) return
    const { run } = this.crash
    this.crash = undefined
    // Some way into it: messages of this step are out, the disk may have done it or not.
    this.later(this.random.unit() * this.random.unit() * 2, run)
  }

  /** Runs now, or when the process goes on, or never, if it ends before. */
  protected inThisLife(run: () => void): void {
    if (!this.isUp) return
    if (this.isPaused) this.inbox.push(run)
    else run()
  }

  protected end(): void {
    this.life++
    this.isUp = false
    this.isPaused = false
    this.inbox = []
  }
}

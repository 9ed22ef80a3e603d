/**
 * What a broker does every so often, on the injected clock: a test that moves the clock by ten minutes and calls step()
 * has everything done that was due. One timer for all of it.
 */
import type { Clock } from '../clock.ts'

interface Job {
  everyMs(): number
  last: number
  run(): void
}

export class Schedule {
  private readonly jobs: Job[] = []
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** A function as interval is asked each time: a key that requests change. */
  add(everyMs: number | (() => number), run: () => void): void {
    const interval = typeof everyMs === 'number' ? () => everyMs : everyMs
    this.jobs.push({ everyMs: interval, last: this.clock.now(), run })
  }

  /** Runs what is due. A clock that went back makes everything due once, so that nothing waits for it to catch up. */
  step(): void {
    const now = this.clock.now()
    for (const job of this.jobs) {
      if (now - job.last < job.everyMs() && now >= job.last) continue
      job.last = now
      job.run()
    }
  }
}

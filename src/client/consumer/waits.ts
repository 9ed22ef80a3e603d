/** Waits that end when their owner closes, on the timers of its instance, which lives on where others share it. */
import { setMaxListeners } from 'node:events'
import type { Timers } from '../timers.ts'

export class Waits {
  private readonly timers: Timers
  private readonly end = new AbortController()

  constructor(timers: Timers) {
    this.timers = timers
    // One a queue waits for it, and there may be thousands: that is no leak.
    setMaxListeners(0, this.end.signal)
  }

  get isClosed(): boolean {
    return this.end.signal.aborted || this.timers.isClosed
  }

  /** True after `ms`; false, at once, when the owner is closed. */
  async wait(ms: number): Promise<boolean> {
    await this.timers.sleep(ms, this.end.signal)
    return !this.isClosed
  }

  /** A wait that `wake` ends before its time. */
  waitOrWake(ms: number): { readonly elapsed: Promise<boolean>; wake(): void } {
    let wake = () => {}
    const elapsed = new Promise<boolean>((resolve) => {
      const finish = () => {
        timer.cancel()
        this.end.signal.removeEventListener('abort', finish)
        resolve(!this.isClosed)
      }
      const timer = this.timers.after(ms, finish)
      this.end.signal.addEventListener('abort', finish)
      wake = finish
      if (this.isClosed) finish()
    })
    return { elapsed, wake }
  }

  /** Runs `task` again and again: first after `firstMs`, then `everyMs` after its end. Its errors go to `failed`. */
  async repeat(
    firstMs: number,
    everyMs: number,
    task: () => Promise<unknown> | unknown,
    failed: (error: unknown) => void,
  ): Promise<void> {
    for (let ms = firstMs; await this.wait(ms); ms = everyMs) {
      try {
        await task()
      } catch (error) {
        failed(error)
      }
    }
  }

  close(): void {
    this.end.abort()
  }
}

/**
 * What a client does later or every so often, on the injected clock.
 *
 *   every(ms, run)     again and again; an interval that is a function is asked each time
 *   after(ms, run)     once
 *   sleep(ms)          the same as a promise
 *
 * Time passes by itself; a clock that a test moves says so (ClientClock.onMoved), and what is due by it runs at once.
 *
 * Owns:      every timer of the instance. While it is open they keep the process alive, after close() none is left.
 * Invariant: nothing runs after close(); sleepers wake at close(), and learn it from isClosed.
 */
import { type Clock, steadyClock } from '../clock.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'

/** The source of time of a client. */
export interface ClientClock extends Clock {
  /** Calls the listener whenever the clock was moved; gives what ends that. A clock that only runs needs none. */
  onMoved?(listener: () => void): () => void
}

export interface Timer {
  cancel(): void
}

/** The machine's pace from the system's time on. */
export const clientClock: ClientClock = steadyClock()

/** Node's longest timer. */
const TIMER_MS_MAX = 2 ** 31 - 1

interface Entry {
  deadline: number
  handle: NodeJS.Timeout | undefined
  run(): void
  /** At close(): only sleepers have one. */
  closed?(): void
}

export class Timers {
  readonly clock: ClientClock
  private readonly log: Log
  private readonly entries = new Set<Entry>()
  private readonly unlisten: (() => void) | undefined
  private stopped = false

  constructor(clock: ClientClock, log: Log) {
    this.clock = clock
    this.log = log
    this.unlisten = clock.onMoved?.(() => this.step())
  }

  get isClosed(): boolean {
    return this.stopped
  }

  /** How many wait. */
  get count(): number {
    return this.entries.size
  }

  after(ms: number, run: () => unknown): Timer {
    return this.add(ms, run)
  }

  /** First after `firstMs`, or one interval. The next interval begins when `run` was called, not when its promise ends. */
  every(everyMs: number | (() => number), run: () => unknown, firstMs?: number): Timer {
    const interval = typeof everyMs === 'number' ? () => everyMs : everyMs
    let current: Timer
    let cancelled = false
    const again = () => {
      if (!cancelled) current = this.add(interval(), again)
      return run()
    }
    current = this.add(firstMs ?? interval(), again)
    return {
      cancel: () => {
        cancelled = true
        current.cancel()
      },
    }
  }

  /** Resolves after that time, at once when the timers close or the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.stopped || signal?.aborted === true) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.add(ms, end, end)
      function end(): void {
        timer.cancel()
        signal?.removeEventListener('abort', end)
        resolve()
      }
      signal?.addEventListener('abort', end)
    })
  }

  /** The clock was moved: what is due by it runs now, in the order of its time. */
  step(): void {
    const now = this.clock.now()
    const due = [...this.entries].filter(({ deadline }) => deadline <= now).sort((a, b) => a.deadline - b.deadline)
    for (const entry of due) if (this.entries.has(entry)) this.fire(entry)
  }

  close(): void {
    this.stopped = true
    this.unlisten?.()
    for (const entry of [...this.entries]) {
      this.drop(entry)
      entry.closed?.()
    }
  }

  private add(ms: number, run: () => unknown, closed?: () => void): Timer {
    const entry: Entry = { deadline: this.clock.now() + ms, handle: undefined, run: () => this.guard(run) }
    if (closed !== undefined) entry.closed = closed
    if (!this.stopped) {
      this.entries.add(entry)
      entry.handle = setTimeout(() => this.fire(entry), Math.min(Math.max(ms, 0), TIMER_MS_MAX))
    }
    return { cancel: () => this.drop(entry) }
  }

  private fire(entry: Entry): void {
    this.drop(entry)
    entry.run()
  }

  private drop(entry: Entry): void {
    if (!this.entries.delete(entry)) return
    clearTimeout(entry.handle)
  }

  /** What runs by time has nobody to throw at. */
  private guard(run: () => unknown): void {
    try {
      const result = run()
      if (result instanceof Promise) result.catch((error: unknown) => this.failed(error))
    } catch (error) {
      this.failed(error)
    }
  }

  private failed(error: unknown): void {
    this.log.error(`a timer's work failed: ${describe(error)}`)
  }
}

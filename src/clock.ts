/**
 * The one source of time. Everything that compares, stores or waits by wall-clock time takes a Clock, so that a test
 * can move a broker by ten minutes in a millisecond. Latency is measured with process.hrtime, never with a Clock.
 */
export interface Clock {
  /** Milliseconds since 1970, as Java's System.currentTimeMillis. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }

/**
 * Time that goes forward at the machine's pace, whatever the system's time does: for waits, leases and signs of life, where only
 * differences count. It starts as the system's time. `moved`: milliseconds that a test moved it by.
 */
export function steadyClock(moved: () => number = () => 0): Clock {
  const startedAt = Date.now() - performance.now()
  return { now: () => Math.floor(startedAt + performance.now() + moved()) }
}

/**
 * The one source of time. Everything that compares, stores or waits by wall-clock time takes a Clock, so that a test
 * can move a broker by ten minutes in a millisecond. Latency is measured with process.hrtime, never with a Clock.
 */
export interface Clock {
  /** Milliseconds since 1970, as Java's System.currentTimeMillis. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }

/**
 * Sleeping and waking without lost wake-ups, on one 32-bit word.
 *
 *   0 awake      nobody needs to notify
 *   1 asleep     whoever publishes work notifies
 *   2 lingering  a nap of bounded length: only urgent work notifies (saves a futex call for each batch under load)
 *
 * The sleeper says that it sleeps, looks once more, and only then waits. The waker publishes first and looks at the word
 * afterwards. With sequentially consistent Atomics one of the two sees the other.
 */
export const AWAKE = 0
export const ASLEEP = 1
export const LINGERING = 2

/**
 * Sleeps until somebody wakes the word or `timeoutMs` has passed. `hasWork` is the second look.
 * Returns false when it did not sleep because there was work.
 */
export function sleep(words: Int32Array, index: number, hasWork: () => boolean, timeoutMs: number): boolean {
  return doze(words, index, ASLEEP, hasWork, timeoutMs)
}

/** A short nap during which only wakeUrgently() disturbs. */
export function linger(words: Int32Array, index: number, hasUrgentWork: () => boolean, timeoutMs: number): boolean {
  return doze(words, index, LINGERING, hasUrgentWork, timeoutMs)
}

function doze(words: Int32Array, index: number, state: number, hasWork: () => boolean, timeoutMs: number): boolean {
  Atomics.store(words, index, state)
  const waits = !hasWork()
  if (waits) Atomics.wait(words, index, state, timeoutMs)
  Atomics.store(words, index, AWAKE)
  return waits
}

/** Call after the work is published. Costs one atomic load while the other side is awake. */
export function wake(words: Int32Array, index: number): void {
  if (Atomics.load(words, index) !== ASLEEP) return
  if (Atomics.compareExchange(words, index, ASLEEP, AWAKE) === ASLEEP) Atomics.notify(words, index, 1)
}

/** Like wake(), and ends a nap too. */
export function wakeUrgently(words: Int32Array, index: number): void {
  if (Atomics.load(words, index) === AWAKE) return
  if (Atomics.exchange(words, index, AWAKE) !== AWAKE) Atomics.notify(words, index, 1)
}

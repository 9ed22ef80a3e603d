/**
 * Waking a thread that runs an event loop (the network thread) from a thread that does not.
 *
 * A waker is a napi_threadsafe_function behind a flag: wakes that come before its callback has run are one callback. It
 * measured best against Atomics.waitAsync and MessagePort (bench/micro-wake.mjs). It does not keep the process alive.
 */
import { NativeError } from '../errors.ts'
import { addon } from './addon.ts'

export class Waker {
  /** For wakeNetwork(), in any thread of this process; never reused, so a late wake of a closed waker does nothing. */
  readonly handle: bigint

  /** `onWake` runs in this thread's event loop, at least once after the last wake. What it throws is uncaught. */
  constructor(onWake: () => void) {
    this.handle = addon().openWaker(onWake)
    if (this.handle === 0n) throw new NativeError('TOO_MANY_WAKERS', { what: '256 wakers are open in this process' })
  }

  close(): void {
    addon().closeWaker(this.handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Publish the work first; costs a few hundred nanoseconds while a wake is pending, else a write to an eventfd. */
export function wakeNetwork(handle: bigint): void {
  addon().wake(handle)
}

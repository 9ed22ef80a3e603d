/**
 * Messages that wait for poll(), and those that were handed over and are not acknowledged yet.
 *
 *   pull loops ─▶ ready queues ─▶ take() ─▶ handed ─▶ acknowledge() (by the next poll, or commit) ─▶ consumed
 *                                              └─ putBack(): not consumed, handed over again
 *
 * Invariant: what was handed over counts as consumed only after it was acknowledged.
 */
import type { AssignedQueue } from './assigned-queue.ts'
import type { Consumption } from './consumption.ts'
import type { Entry } from './process-queue.ts'
import type { ReceivedMessage } from './received-message.ts'

export interface Handed {
  readonly assigned: AssignedQueue
  readonly entries: Entry<ReceivedMessage>[]
}

export class Polled implements Pick<Consumption, 'isOrdered' | 'submit'> {
  readonly isOrdered = false
  private readonly ready: AssignedQueue[] = []
  private handed: Handed[] = []
  private wake: (() => void) | undefined

  submit(assigned: AssignedQueue): void {
    if (assigned.isScheduled || assigned.process.waiting === 0) return
    assigned.isScheduled = true
    this.ready.push(assigned)
    this.wake?.()
  }

  /** `wake` is called with the next messages that come. */
  whenReady(wake: (() => void) | undefined): void {
    this.wake = wake
  }

  /** The next messages of one queue, the queues in turn; undefined: there are none. */
  take(count: number, now: number): Handed | undefined {
    for (;;) {
      const assigned = this.ready.shift()
      if (assigned === undefined) return undefined
      assigned.isScheduled = false
      if (assigned.dropped || assigned.process.paused) continue
      const entries = assigned.process.take(count, now)
      this.submit(assigned)
      if (entries.length > 0) return { assigned, entries }
    }
  }

  /** The user has these now. */
  hand(handed: Handed): void {
    this.handed.push(handed)
  }

  /** Everything that was handed over is consumed. */
  acknowledge(): void {
    for (const { assigned, entries } of this.handed) {
      assigned.process.done(entries)
      assigned.hasRoom()
    }
    this.handed = []
  }

  /** The last `count` messages that were taken of a queue were not consumed. */
  putBack(assigned: AssignedQueue, count: number): void {
    this.handed = this.handed.filter((one) => one.assigned !== assigned)
    if (assigned.dropped || count === 0) return
    assigned.process.again(count)
    this.submit(assigned)
  }
}

/** A queue that is ours at the moment: what was pulled of it, how far it is consumed, and (in order) whether the broker's lock is ours. */
import type { MessageQueue } from './message-queue.ts'
import type { OffsetSlot } from './offsets/index.ts'
import { ProcessQueue } from './process-queue.ts'
import type { ReceivedMessage } from './received-message.ts'

/** A lock is believed for so long after it was granted; the broker gives it away after 60 s. */
export const LOCK_VALID_MS = 30_000
/** A queue of which nothing was pulled for so long is made anew. */
export const PULL_SILENCE_MS_MAX = 120_000

export class AssignedQueue {
  readonly queue: MessageQueue
  readonly slot: OffsetSlot
  readonly process: ProcessQueue<ReceivedMessage>
  /** Where the next pull begins. */
  nextOffset: number
  /** Callbacks that run on messages of it. */
  running = 0
  /** No further batch begins: it is about to be given away. */
  isYielding = false
  /** Whether the consumption has it in its line, or waits for it. */
  isScheduled = false

  /** The broker's lock, of ordered consumption. */
  locked = false
  lockedAt = 0
  tryUnlockTimes = 0

  private roomWanted: (() => void) | undefined
  private restWanted: (() => void) | undefined

  constructor(queue: MessageQueue, slot: OffsetSlot, nextOffset: number, now: number) {
    this.queue = queue
    this.slot = slot
    this.nextOffset = nextOffset
    this.process = new ProcessQueue<ReceivedMessage>(now)
  }

  get dropped(): boolean {
    return this.process.dropped
  }

  /** Whether the lock was granted, and so recently that it is still ours. */
  holdsLock(now: number): boolean {
    return this.locked && now - this.lockedAt <= LOCK_VALID_MS
  }

  granted(now: number): void {
    this.locked = true
    this.lockedAt = now
  }

  /** Nobody consumes, pulls or commits any more of it. */
  drop(): void {
    this.process.dropped = true
    this.hasRoom()
  }

  /** No batch of it runs, and none begins; false when one still runs after `ms`: then it goes on as before. */
  async atRest(ms: number): Promise<boolean> {
    this.isYielding = true
    if (this.running > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.restWanted = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.restWanted = undefined
    }
    if (this.running === 0) return true
    this.isYielding = false
    return false
  }

  /** A batch has ended, and what it says is done. */
  batchEnded(): void {
    this.running--
    if (this.running === 0) this.restWanted?.()
  }

  /** `wake` is called once, when half of what is cached has been consumed, or the queue is dropped. */
  whenRoom(count: number, wake: () => void): void {
    this.roomWanted = () => {
      if (this.process.count > count && !this.dropped) return
      this.roomWanted = undefined
      wake()
    }
  }

  /** Some of it is consumed. */
  hasRoom(): void {
    this.roomWanted?.()
  }
}

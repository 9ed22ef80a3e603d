/**
 * Tasks that wait for a thread of the pool, in order of arrival: how many of each kind, how long the first has waited, and who
 * has waited too long.
 *
 * brokerFastFailure: RocketMQ answers a request that has waited too long for a thread at once (code 2), so that its client goes
 * elsewhere. Here a request waits for threads only when it needs the disk. (Others are handled in the turn of the event loop
 * in which they are read; sends that find a ring full wait in their socket, see front.ts.)
 *
 * Bounds: a number of tasks of each kind; a further one is refused at once.
 */
import { RESPONSE } from '../remoting/response-codes.ts'
import { RefusedRequest } from './router.ts'

export const KINDS = ['pull', 'query'] as const
export type WaitingKind = (typeof KINDS)[number]

interface Waiting {
  readonly kind: WaitingKind
  /** Monotonic milliseconds. */
  readonly since: number
  run(): void
  refuse(error: RefusedRequest): void
}

export class WaitingLine {
  private waiting: Waiting[] = []
  private readonly counts: Record<WaitingKind, number> = { pull: 0, query: 0 }
  private readonly capacityOf: (kind: WaitingKind) => number

  constructor(capacityOf: (kind: WaitingKind) => number) {
    this.capacityOf = capacityOf
  }

  count(kind: WaitingKind): number {
    return this.counts[kind]
  }

  /** How long the first of a kind has waited; 0 when none does. */
  headWaitMs(kind: WaitingKind, now: number): number {
    const first = this.counts[kind] === 0 ? undefined : this.waiting.find((task) => task.kind === kind)
    return first === undefined ? 0 : now - first.since
  }

  /** Throws RefusedRequest (code 2) when as many wait as may. */
  add(task: Waiting): void {
    const capacity = this.capacityOf(task.kind)
    if (this.counts[task.kind] >= capacity) {
      throw new RefusedRequest(
        RESPONSE.SYSTEM_BUSY,
        `[OVERLOAD]system busy, start flow control for a while: ${capacity} requests (${task.kind}) wait for the disk`,
      )
    }
    this.counts[task.kind] += 1
    this.waiting.push(task)
  }

  /** The one that waits longest runs now. */
  runNext(): boolean {
    const next = this.waiting.shift()
    if (next === undefined) return false
    this.counts[next.kind] -= 1
    next.run()
    return true
  }

  /** Refuses those of a kind that have waited longer than `limitMs`. */
  expire(kind: WaitingKind, limitMs: number, now: number): void {
    if (this.headWaitMs(kind, now) <= limitMs) return
    const size = this.counts[kind]
    const isLate = (task: Waiting) => task.kind === kind && now - task.since > limitMs
    const late = this.waiting.filter(isLate)
    this.waiting = this.waiting.filter((task) => !isLate(task))
    this.counts[kind] -= late.length
    for (const task of late) task.refuse(tooLate(now - task.since, size))
  }

  /** The pool ends: nobody runs them any more. */
  close(error: RefusedRequest): void {
    for (const task of this.waiting.splice(0)) task.refuse(error)
    for (const kind of KINDS) this.counts[kind] = 0
  }
}

function tooLate(waitedMs: number, size: number): RefusedRequest {
  return new RefusedRequest(RESPONSE.SYSTEM_BUSY, `${tooLateText(waitedMs, size)}, for the disk`)
}

/** RocketMQ's words. */
export function tooLateText(waitedMs: number, size: number): string {
  return (
    '[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, ' +
    `period in queue: ${Math.round(waitedMs)}ms, size of queue: ${size}`
  )
}

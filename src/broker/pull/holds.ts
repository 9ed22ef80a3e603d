/**
 * Pulls that wait for messages (long polling, spec/broker-requests.md §7).
 *
 *   hold ─▶ waiting flag of the queue (shared) ─▶ dispatch sees it, sends the queue through the arrival ring ─▶ arrived()
 *
 * A held pull is run again when its queue has grown and something beyond its offset may match, and when its deadline
 * has passed, seen every tick. Bounded: beyond `maxHeldPulls` a pull is answered at once as if nothing had come.
 */
import { ControlBlock } from '../../concurrency/control-block.ts'
import type { QueueTable } from '../../concurrency/queue-table.ts'
import type { Connection } from '../../remoting/connection.ts'
import type { PullRequest } from './pull-request.ts'

interface Held {
  request: PullRequest
  /** Milliseconds of the injected clock. */
  deadline: number
}

export interface HoldsOptions {
  control: ControlBlock
  table: QueueTable
  maxHeldPulls: number
  /** Whether a message at or beyond the request's offset may match its filter; `queue` is the integer of its queue. */
  mayMatch(request: PullRequest, queue: number): boolean
  /** Runs the pull again, this time for an answer: it is not held any more and must not be held again. */
  run(request: PullRequest): void
}

export class Holds {
  private readonly byQueue = new Map<number, Held[]>()
  private readonly options: HoldsOptions
  private heldCount = 0

  constructor(options: HoldsOptions) {
    this.options = options
  }

  get count(): number {
    return this.heldCount
  }

  /** False when too many are held, or when the queue has grown meanwhile: the caller answers or reads again. */
  hold(queue: number, request: PullRequest, deadline: number): boolean {
    const { table, maxHeldPulls, control } = this.options
    if (this.heldCount >= maxHeldPulls) return false
    // First the flag, then the look: dispatch publishes the maximum first and looks at the flag afterwards.
    Atomics.add(control.words, ControlBlock.index('heldPulls'), 1)
    table.setWaiting(queue, true)
    const held = this.byQueue.get(queue)
    if (held === undefined) this.byQueue.set(queue, [{ request, deadline }])
    else held.push({ request, deadline })
    this.heldCount += 1
    if (table.max(queue) > request.queueOffset && this.options.mayMatch(request, queue)) this.arrived(queue)
    return true
  }

  /** The queue has grown. */
  arrived(queue: number): void {
    const held = this.byQueue.get(queue)
    if (held === undefined) return
    const { table, mayMatch } = this.options
    this.sift(queue, held, ({ request }) => table.max(queue) > request.queueOffset && mayMatch(request, queue))
  }

  /** Ends what is past its deadline, and looks again at all queues in case a wake-up was for another filter. */
  tick(now: number): void {
    for (const [queue, held] of [...this.byQueue]) {
      this.sift(queue, held, ({ deadline }) => deadline <= now)
      this.arrived(queue)
    }
  }

  /** The connection is gone, and with it what it waited for. */
  drop(connection: Connection): void {
    for (const [queue, held] of [...this.byQueue]) {
      this.keep(
        queue,
        held.filter(({ request }) => request.connection !== connection),
        held.length,
      )
    }
  }

  /** Answers all: the broker stops. */
  releaseAll(): void {
    for (const [queue, held] of [...this.byQueue]) this.sift(queue, held, () => true)
  }

  private sift(queue: number, held: Held[], isDue: (held: Held) => boolean): void {
    const due = held.filter(isDue)
    if (due.length === 0) return
    this.keep(
      queue,
      held.filter((each) => !due.includes(each)),
      held.length,
    )
    for (const { request } of due) this.options.run(request)
  }

  private keep(queue: number, left: Held[], before: number): void {
    const gone = before - left.length
    if (gone === 0) return
    const { control, table } = this.options
    Atomics.sub(control.words, ControlBlock.index('heldPulls'), gone)
    this.heldCount -= gone
    if (left.length > 0) this.byQueue.set(queue, left)
    else {
      this.byQueue.delete(queue)
      table.setWaiting(queue, false)
    }
  }
}

/**
 * Pulls that wait for messages (long polling, spec/broker-requests.md §7).
 *
 *   hold ─▶ waiting flag of the queue (shared) ─▶ dispatch sees it, sends the queue through the arrival ring ─▶ arrived()
 *
 * A held pull is run again when its queue has grown and something new may match its tags; at each tick when its queue has
 * grown at all (its consumer's offset moves on, as with RocketMQ 4.9.8), and when its deadline has passed. Every unit is
 * looked at once for each held pull, however often its queue grows. Bounded: beyond `maxHeldPulls` a pull is answered at
 * once as if nothing had come.
 */
import { ControlBlock } from '../../concurrency/control-block.ts'
import type { QueueTable } from '../../concurrency/queue-table.ts'
import type { Connection } from '../../remoting/connection.ts'
import type { PullRequest } from './pull-request.ts'

interface Held {
  request: PullRequest
  /** Milliseconds of the injected clock. */
  deadline: number
  /** No unit below may match. */
  lookedTo: number
}

export interface HoldsOptions {
  control: ControlBlock
  table: QueueTable
  maxHeldPulls: number
  /** Whether a unit in [from, to) may match the request's filter; `queue` is the integer of its queue. */
  mayMatch(request: PullRequest, queue: number, from: number, to: number): boolean
  /** Runs the pull again, this time for an answer: it is not held any more and must not be held again. */
  run(request: PullRequest): void
}

export class Holds {
  /**
   * A queue stays when nobody waits on it any more: an entry that goes and comes with each pull is 50 bytes of V8's old
   * generation each time (measured).
   */
  private readonly byQueue = new Map<number, Held[]>()
  /** Queues on which a connection may hold pulls: those of a lost connection are found without looking at all. */
  private readonly queuesOf = new Map<Connection, Set<number>>()
  private readonly options: HoldsOptions
  private heldCount = 0
  private lastTick = 0

  constructor(options: HoldsOptions) {
    this.options = options
  }

  get count(): number {
    return this.heldCount
  }

  /** False when too many are held. What came meanwhile is seen: the pull may be answered before this returns. */
  hold(queue: number, request: PullRequest, deadline: number): boolean {
    const { table, maxHeldPulls, control } = this.options
    if (this.heldCount >= maxHeldPulls) return false
    // First the flag, then the look: dispatch publishes the maximum first and looks at the flag afterwards.
    Atomics.add(control.words, ControlBlock.index('heldPulls'), 1)
    table.setWaiting(queue, true)
    const held = this.byQueue.get(queue)
    const fresh = { request, deadline, lookedTo: request.queueOffset }
    if (held === undefined) this.byQueue.set(queue, [fresh])
    else held.push(fresh)
    const queues = this.queuesOf.get(request.connection)
    if (queues === undefined) this.queuesOf.set(request.connection, new Set([queue]))
    else queues.add(queue)
    this.heldCount += 1
    this.arrived(queue)
    return true
  }

  /** The queue has grown. */
  arrived(queue: number): void {
    const max = this.options.table.max(queue)
    this.sift(queue, (held) => {
      if (max <= held.lookedTo) return false
      if (this.options.mayMatch(held.request, queue, held.lookedTo, max)) return true
      held.lookedTo = max
      return false
    })
  }

  /** Every few seconds: ends what is past its deadline, and what could go on at a later offset. Everything when the clock went back. */
  tick(now: number): void {
    // A clock that was set back: the deadlines are too late by nobody knows how much.
    const wentBack = now < this.lastTick
    this.lastTick = now
    for (const queue of [...this.byQueue.keys()]) {
      const max = this.options.table.max(queue)
      this.sift(queue, ({ request, deadline }) => wentBack || deadline <= now || max > request.queueOffset)
    }
  }

  /** The connection is gone, and with it what it waited for. */
  drop(connection: Connection): void {
    const queues = this.queuesOf.get(connection)
    if (queues === undefined) return
    this.queuesOf.delete(connection)
    for (const queue of queues) this.take(queue, ({ request }) => request.connection === connection)
  }

  /** Answers all that wait for a queue, or those among them that are wanted. */
  release(queue: number, isWanted: (request: PullRequest) => boolean = () => true): void {
    this.sift(queue, ({ request }) => isWanted(request))
  }

  /** Answers all: the broker stops. */
  releaseAll(): void {
    for (const queue of [...this.byQueue.keys()]) this.sift(queue, () => true)
  }

  private sift(queue: number, isDue: (held: Held) => boolean): void {
    for (const { request } of this.take(queue, isDue)) this.options.run(request)
  }

  /** Takes those out that are due. */
  private take(queue: number, isDue: (held: Held) => boolean): Held[] {
    const held = this.byQueue.get(queue)
    if (held === undefined) return []
    const due: Held[] = []
    const left: Held[] = []
    for (const each of held) (isDue(each) ? due : left).push(each)
    if (due.length === 0) return due
    const { control, table } = this.options
    Atomics.sub(control.words, ControlBlock.index('heldPulls'), due.length)
    this.heldCount -= due.length
    this.byQueue.set(queue, left)
    if (left.length === 0) table.setWaiting(queue, false)
    return due
  }
}

/**
 * Ordered consumption: the batches of a queue one after the other, only while the broker's lock on the queue is ours.
 *
 *   turn of a queue:  lock? ─▶ batch ─▶ listener ─▶ SUCCESS ─▶ next batch … at most 60 s, then others' turn
 *                       │no                └─ SUSPEND ─▶ put back, again after a moment; too often: to the DLQ, and on
 *                       └─ ask for it, try again
 *
 * Invariant: a batch of a queue begins only after the one before has ended, and after a failed one it is the same again.
 * Source:    spec/client-behaviour.md §6 "Ordered consumption".
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AssignedQueue } from './assigned-queue.ts'
import type { ConsumedDirectly, ConsumeObserver, ConsumeReturnType, Consumption, Present } from './consumption.ts'
import type { ConsumeOrderlyContext, ConsumeOrderlyStatus, MessageListenerOrderly } from './listener.ts'
import { advance } from './offsets/index.ts'
import type { Entry } from './process-queue.ts'
import type { ReceivedMessage } from './received-message.ts'
import type { Waits } from './waits.ts'

export interface OrderedOptions {
  readonly listener: MessageListenerOrderly
  readonly consumeThreadMax: number
  readonly consumeMessageBatchMaxSize: number
  readonly suspendCurrentQueueTimeMillis: number
  readonly consumeTimeoutMs: number
  /** Tries of a message before it goes to the DLQ. */
  readonly maxReconsumeTimes: number
  /** Broadcasting: no broker's lock. */
  readonly isBroadcast: boolean
  /** Asks the broker for the lock of one queue. */
  readonly lock: (assigned: AssignedQueue) => Promise<boolean>
  /** Sends a message whose tries are over to the DLQ; rejects when no broker takes it. */
  readonly sendToDlq: (message: ReceivedMessage) => Promise<void>
  readonly present: Present
  readonly observer: ConsumeObserver | undefined
  readonly waits: Waits
  readonly now: () => number
  readonly log: Log
}

type Entries = Entry<ReceivedMessage>[]

const TURN_MS_MAX = 60_000
const YIELD_MS = 10
const NOT_LOCKED_MS = 3000
const SUSPEND_MS_MIN = 10
const SUSPEND_MS_MAX = 30_000

export class OrderedConsumption implements Consumption {
  readonly isOrdered = true
  private readonly options: OrderedOptions
  private readonly ready: AssignedQueue[] = []
  private running = 0
  private closed = false
  private ended: (() => void) | undefined

  constructor(options: OrderedOptions) {
    this.options = options
  }

  submit(assigned: AssignedQueue): void {
    if (assigned.isScheduled || assigned.process.waiting === 0) return
    assigned.isScheduled = true
    this.ready.push(assigned)
    this.pump()
  }

  async consumeDirectly(message: ReceivedMessage): Promise<ConsumedDirectly> {
    const { topic, brokerName, queueId } = message
    const context = newContext({ topic, brokerName, queueId })
    try {
      const status = (await this.options.listener([this.options.present(message)], context)) ?? 'SUCCESS'
      return { result: DIRECT[status], autoCommit: context.autoCommit, remark: undefined }
    } catch (error) {
      return { result: 'CR_THROW_EXCEPTION', autoCommit: context.autoCommit, remark: describe(error) }
    }
  }

  async close(timeoutMs: number): Promise<void> {
    this.closed = true
    this.ready.length = 0
    if (this.running === 0) return
    const { elapsed, wake } = this.options.waits.waitOrWake(timeoutMs)
    this.ended = wake
    await elapsed
  }

  private pump(): void {
    while (!this.closed && this.running < this.options.consumeThreadMax && this.ready.length > 0) {
      const assigned = this.ready.shift()!
      this.running++
      this.turn(assigned).then((pauseMs) => {
        this.running--
        if (this.closed) {
          if (this.running === 0) this.ended?.()
          return
        }
        this.after(assigned, pauseMs)
        this.pump()
      })
    }
  }

  /** The queue's next turn: when it has something to do, after `pauseMs`. */
  private async after(assigned: AssignedQueue, pauseMs: number): Promise<void> {
    if (pauseMs > 0 && !(await this.options.waits.wait(pauseMs))) return
    assigned.isScheduled = false
    if (!assigned.dropped) this.submit(assigned)
  }

  /** Consumes what is there. Returns how long the queue is to be left alone. */
  private async turn(assigned: AssignedQueue): Promise<number> {
    const { now, isBroadcast, consumeMessageBatchMaxSize } = this.options
    const began = now()
    while (!this.closed && !assigned.dropped && !assigned.isYielding) {
      if (!isBroadcast && !assigned.holdsLock(now())) return (await this.tryLock(assigned)) ? YIELD_MS : NOT_LOCKED_MS
      if (now() - began > TURN_MS_MAX) return YIELD_MS
      const entries = assigned.process.take(consumeMessageBatchMaxSize, now())
      if (entries.length === 0) return 0
      const pauseMs = await this.consume(assigned, entries)
      if (pauseMs > 0) return pauseMs
    }
    return 0
  }

  private async tryLock(assigned: AssignedQueue): Promise<boolean> {
    try {
      return await this.options.lock(assigned)
    } catch (error) {
      this.options.log.warn(`the lock of a queue cannot be asked for: ${describe(error)}`, { ...assigned.queue })
      return false
    }
  }

  private async consume(assigned: AssignedQueue, entries: Entries): Promise<number> {
    const { listener, present, observer, now, consumeTimeoutMs } = this.options
    const messages = entries.map(({ message }) => present(message))
    const context = newContext(assigned.queue)
    const batch = { queue: assigned.queue, messages }
    observer?.before(batch)
    const startedAt = now()
    let status: ConsumeOrderlyStatus = 'SUCCESS'
    let returned: ConsumeReturnType = 'SUCCESS'
    assigned.running++
    try {
      status = (await listener(messages, context)) ?? 'SUCCESS'
    } catch (error) {
      this.options.log.warn(`the listener failed: ${describe(error)}`, { ...assigned.queue })
      status = 'SUSPEND_CURRENT_QUEUE_A_MOMENT'
      returned = 'EXCEPTION'
    }
    const elapsed = now() - startedAt
    if (returned === 'SUCCESS' && elapsed > consumeTimeoutMs) returned = 'TIME_OUT'
    else if (status === 'SUSPEND_CURRENT_QUEUE_A_MOMENT' || status === 'ROLLBACK') {
      if (returned === 'SUCCESS') returned = 'FAILED'
    }
    observer?.after(batch, elapsed, returned)
    const pauseMs = assigned.dropped ? 0 : await this.settle(assigned, entries, status, context)
    assigned.batchEnded()
    return pauseMs
  }

  /** What the listener said is done. Returns how long the queue has to wait. */
  private async settle(
    assigned: AssignedQueue,
    entries: Entries,
    status: ConsumeOrderlyStatus,
    context: ConsumeOrderlyContext,
  ): Promise<number> {
    if (status === 'SUSPEND_CURRENT_QUEUE_A_MOMENT') {
      if (await this.mustComeAgain(entries)) {
        assigned.process.again(entries.length)
        return this.suspendMs(context)
      }
      if (context.autoCommit) this.commit(assigned, entries)
      return 0
    }
    if (context.autoCommit) {
      if (status !== 'SUCCESS') {
        this.options.log.warn(`${status} counts as SUCCESS while autoCommit is true`, { ...assigned.queue })
      }
      this.commit(assigned, entries)
    } else if (status === 'COMMIT') this.commit(assigned, assigned.process.uncommitted())
    else if (status === 'ROLLBACK') {
      assigned.process.again()
      return this.suspendMs(context)
    }
    return 0
  }

  private commit(assigned: AssignedQueue, entries: Entries): void {
    const committable = assigned.process.done(entries)
    if (!assigned.dropped) advance(assigned.slot, committable)
    assigned.hasRoom()
  }

  /** Counts the try. False: the tries of all of them are over, and the DLQ has them. */
  private async mustComeAgain(entries: Entries): Promise<boolean> {
    let mustCome = false
    for (const { message } of entries) {
      if (message.reconsumeTimes < this.options.maxReconsumeTimes) mustCome = true
      else if (!(await this.deadLetter(message))) mustCome = true
      message.reconsumeTimes++
    }
    return mustCome
  }

  private async deadLetter(message: ReceivedMessage): Promise<boolean> {
    try {
      await this.options.sendToDlq(message)
      return true
    } catch (error) {
      this.options.log.warn(`a message whose tries are over could not be sent to the DLQ: ${describe(error)}`, {
        msgId: message.msgId,
      })
      return false
    }
  }

  private suspendMs({ suspendCurrentQueueTimeMillis }: ConsumeOrderlyContext): number {
    const asked =
      suspendCurrentQueueTimeMillis === -1 ? this.options.suspendCurrentQueueTimeMillis : suspendCurrentQueueTimeMillis
    return Math.min(SUSPEND_MS_MAX, Math.max(SUSPEND_MS_MIN, asked))
  }
}

const DIRECT = {
  SUCCESS: 'CR_SUCCESS',
  COMMIT: 'CR_COMMIT',
  ROLLBACK: 'CR_ROLLBACK',
  SUSPEND_CURRENT_QUEUE_A_MOMENT: 'CR_LATER',
} as const

function newContext(messageQueue: AssignedQueue['queue']): ConsumeOrderlyContext {
  return { messageQueue, autoCommit: true, suspendCurrentQueueTimeMillis: -1 }
}

/**
 * Concurrent consumption: at most `consumeThreadMax` batches at a time, of all queues in turn.
 *
 *   ready queues ─▶ batch ─▶ listener ─▶ consumed ─▶ committable moves
 *        ▲                       └─ failed ─▶ sent back to the broker (36), consumed here
 *        └── put back at the end while messages wait     └─ not taken: again here after 5 s
 *
 * Invariant: a message counts as consumed only after its listener ended well, or after a broker has stored it for later.
 * Source:    spec/client-behaviour.md §6 "Concurrent consumption".
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AssignedQueue } from './assigned-queue.ts'
import type { ConsumedDirectly, ConsumeObserver, ConsumeReturnType, Consumption, Present } from './consumption.ts'
import type {
  ConsumeConcurrentlyContext,
  ConsumeConcurrentlyStatus,
  MessageListenerConcurrently,
  Nothing,
} from './listener.ts'
import { advance } from './offsets/index.ts'
import type { Entry } from './process-queue.ts'
import type { ReceivedMessage } from './received-message.ts'
import type { Waits } from './waits.ts'

export interface ConcurrentOptions {
  readonly listener: MessageListenerConcurrently
  readonly consumeThreadMax: number
  readonly consumeMessageBatchMaxSize: number
  readonly consumeTimeoutMs: number
  /** Broadcasting: what fails is logged and passed over. */
  readonly isBroadcast: boolean
  /** Stores a message for later at a broker; rejects when none takes it. */
  readonly sendBack: (message: ReceivedMessage, delayLevel: number) => Promise<void>
  readonly present: Present
  readonly observer: ConsumeObserver | undefined
  readonly waits: Waits
  readonly now: () => number
  readonly log: Log
}

type Entries = Entry<ReceivedMessage>[]
type Returned = ConsumeConcurrentlyStatus | Nothing

const RETRY_HERE_MS = 5000
const OVERDUE_MAX = 16
const OVERDUE_LEVEL = 3

export class ConcurrentConsumption implements Consumption {
  readonly isOrdered = false
  private readonly options: ConcurrentOptions
  private readonly ready: AssignedQueue[] = []
  private running = 0
  private closed = false
  private isPumping = false
  private ended: (() => void) | undefined

  constructor(options: ConcurrentOptions) {
    this.options = options
  }

  submit(assigned: AssignedQueue): void {
    if (!assigned.isScheduled && assigned.process.waiting > 0) {
      assigned.isScheduled = true
      this.ready.push(assigned)
    }
    this.pump()
  }

  /** What was handed out longer ago than consumeTimeout goes back to the broker, so that it holds its queue's progress no longer. */
  async giveBackOverdue(queues: Iterable<AssignedQueue>): Promise<void> {
    const { now, consumeTimeoutMs, log } = this.options
    for (const assigned of queues) {
      for (const entry of assigned.process.overdue(now() - consumeTimeoutMs, OVERDUE_MAX)) {
        try {
          await this.options.sendBack(entry.message, OVERDUE_LEVEL)
        } catch (error) {
          log.warn(`a message that is consumed for too long could not be sent back: ${describe(error)}`, {
            ...assigned.queue,
          })
          break
        }
        this.consumed(assigned, [entry])
      }
    }
  }

  async consumeDirectly(message: ReceivedMessage): Promise<ConsumedDirectly> {
    const { topic, brokerName, queueId } = message
    const context = newContext({ topic, brokerName, queueId })
    try {
      const status = await this.options.listener([this.options.present(message)], context)
      const result = status === 'RECONSUME_LATER' ? 'CR_LATER' : 'CR_SUCCESS'
      return { result, autoCommit: true, remark: undefined }
    } catch (error) {
      return { result: 'CR_THROW_EXCEPTION', autoCommit: true, remark: describe(error) }
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

  /** Starts batches while there is room; one that ends at once is followed in this loop, not in a deeper call. */
  private pump(): void {
    if (this.isPumping) return
    this.isPumping = true
    try {
      while (!this.closed && this.running < this.options.consumeThreadMax && this.ready.length > 0) {
        const assigned = this.ready.shift()!
        assigned.isScheduled = false
        if (assigned.dropped) continue
        const entries = assigned.process.take(this.options.consumeMessageBatchMaxSize, this.options.now())
        if (assigned.process.waiting > 0) {
          assigned.isScheduled = true
          this.ready.push(assigned)
        }
        if (entries.length > 0) this.consume(assigned, entries)
      }
    } finally {
      this.isPumping = false
    }
  }

  private consume(assigned: AssignedQueue, entries: Entries): void {
    const { listener, present, observer, now } = this.options
    const messages = entries.map(({ message }) => present(message))
    this.running++
    assigned.running++
    const context = newContext(assigned.queue)
    const batch = { queue: assigned.queue, messages }
    observer?.before(batch)
    const startedAt = now()
    const end = (status: Returned, error: unknown) => {
      const elapsed = now() - startedAt
      observer?.after(batch, elapsed, returnType(status, error, elapsed > this.options.consumeTimeoutMs))
      if (error !== undefined) this.warn('the listener failed', assigned, error)
      const isFailed = error !== undefined || status === 'RECONSUME_LATER'
      this.finish(assigned, entries, isFailed ? -1 : context.ackIndex, context.delayLevelWhenNextConsume)
    }
    let returned: ReturnType<MessageListenerConcurrently>
    try {
      returned = listener(messages, context)
    } catch (error) {
      end(undefined, error ?? new Error('the listener threw nothing'))
      return
    }
    if (!isPromise(returned)) end(returned, undefined)
    else
      returned.then(
        (status) => end(status, undefined),
        (error: unknown) => end(undefined, error ?? new Error('the listener rejected with nothing')),
      )
  }

  /** Those up to `ackIndex` are consumed; the others go back. */
  private finish(assigned: AssignedQueue, entries: Entries, ackIndex: number, delayLevel: number): void {
    const failed = ackIndex >= entries.length - 1 ? [] : entries.slice(Math.max(0, ackIndex + 1))
    if (failed.length === 0) {
      this.consumed(assigned, entries)
      this.release(assigned)
    } else if (this.options.isBroadcast) {
      for (const { message } of failed) {
        const { msgId, topic } = message
        this.options.log.warn('a broadcast message was not consumed and will not come again', { msgId, topic })
      }
      this.consumed(assigned, entries)
      this.release(assigned)
    } else {
      if (failed.length < entries.length) this.consumed(assigned, entries.slice(0, entries.length - failed.length))
      this.giveBack(assigned, failed, delayLevel).finally(() => this.release(assigned))
    }
  }

  private async giveBack(assigned: AssignedQueue, failed: Entries, delayLevel: number): Promise<void> {
    // What was dropped comes again to whoever has the queue now.
    if (assigned.dropped) return
    const stay: Entries = []
    const send = async (entry: Entry<ReceivedMessage>) => {
      // Given back already, because it took too long.
      if (entry.isDone) return
      try {
        await this.options.sendBack(entry.message, delayLevel)
        this.consumed(assigned, [entry])
      } catch (error) {
        this.warn('a message that failed could not be sent back; it is consumed here again', assigned, error)
        stay.push(entry)
      }
    }
    await Promise.all(failed.map(send))
    if (stay.length > 0) this.retryHere(assigned, stay)
  }

  private async retryHere(assigned: AssignedQueue, entries: Entries): Promise<void> {
    for (const { message } of entries) message.reconsumeTimes++
    const isTime = await this.options.waits.wait(RETRY_HERE_MS)
    if (!isTime || this.closed || assigned.dropped) return
    this.consume(assigned, entries)
  }

  private consumed(assigned: AssignedQueue, entries: Entries): void {
    const committable = assigned.process.done(entries)
    if (!assigned.dropped) advance(assigned.slot, committable)
    assigned.hasRoom()
  }

  private release(assigned: AssignedQueue): void {
    this.running--
    assigned.batchEnded()
    if (this.closed) {
      if (this.running === 0) this.ended?.()
    } else this.pump()
  }

  private warn(what: string, { queue }: AssignedQueue, error: unknown): void {
    this.options.log.warn(`${what}: ${describe(error)}`, { ...queue })
  }
}

function newContext(messageQueue: AssignedQueue['queue']): ConsumeConcurrentlyContext {
  return { messageQueue, delayLevelWhenNextConsume: 0, ackIndex: Number.MAX_SAFE_INTEGER }
}

function isPromise<T>(value: PromiseLike<T> | T): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value
}

function returnType(status: Returned, error: unknown, isLate: boolean): ConsumeReturnType {
  if (error !== undefined) return 'EXCEPTION'
  if (isLate) return 'TIME_OUT'
  return status === 'RECONSUME_LATER' ? 'FAILED' : 'SUCCESS'
}

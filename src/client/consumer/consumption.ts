/** What concurrent and ordered consumption have in common, towards the consumer that owns them. */
import type { AssignedQueue } from './assigned-queue.ts'
import type { MessageQueue } from './message-queue.ts'
import type { ReceivedMessage } from './received-message.ts'

/** CMResult of Java's client: what 309 answers. */
export type DirectResult = 'CR_SUCCESS' | 'CR_LATER' | 'CR_ROLLBACK' | 'CR_COMMIT' | 'CR_THROW_EXCEPTION'

export interface ConsumedDirectly {
  readonly result: DirectResult
  readonly autoCommit: boolean
  readonly remark: string | undefined
}

/** How a batch ended, for statistics and the trace: ConsumeReturnType of Java's client. */
export type ConsumeReturnType = 'SUCCESS' | 'TIME_OUT' | 'EXCEPTION' | 'RETURNNULL' | 'FAILED'

export interface ConsumeBatch {
  readonly queue: MessageQueue
  readonly messages: readonly ReceivedMessage[]
}

/** Told of every batch; both are called around the listener. */
export interface ConsumeObserver {
  before(batch: ConsumeBatch): void
  after(batch: ConsumeBatch, elapsedMs: number, returned: ConsumeReturnType): void
}

export interface Consumption {
  readonly isOrdered: boolean
  /** Messages have been put into its process queue. */
  submit(assigned: AssignedQueue): void
  /** One message at once, outside all queues (309). */
  consumeDirectly(message: ReceivedMessage): Promise<ConsumedDirectly>
  /** No further listener is called; resolves when those that run have ended, at most after `timeoutMs`. */
  close(timeoutMs: number): Promise<void>
}

/** Messages as the listener sees them. */
export type Present = (message: ReceivedMessage) => ReceivedMessage

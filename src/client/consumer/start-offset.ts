/** Where a queue begins that is new to us: where the group stopped, else where a new group is to begin. */
import type { ConsumerCalls } from './consumer-calls.ts'
import type { MessageQueue } from './message-queue.ts'
import type { OffsetStore } from './offsets/index.ts'
import type { ConsumeFromWhere } from './push-options.ts'
import { isRetryTopic } from './retry-topic.ts'

export interface StartRules {
  readonly consumeFromWhere: ConsumeFromWhere
  /** Milliseconds since 1970. */
  readonly consumeTimestamp: number
}

/**
 * Rejects when the store or the broker cannot be asked: to guess would be to leave messages out. A group's retry topic is read from its
 * beginning, because what is in it failed here.
 */
export async function startOffset(
  queue: MessageQueue,
  offsets: OffsetStore,
  calls: Pick<ConsumerCalls, 'maxOffset' | 'searchOffset'>,
  { consumeFromWhere, consumeTimestamp }: StartRules,
): Promise<number> {
  const stored = await offsets.fetch(queue)
  if (stored >= 0) return stored
  if (consumeFromWhere === 'CONSUME_FROM_FIRST_OFFSET' || isRetryTopic(queue.topic)) return 0
  return consumeFromWhere === 'CONSUME_FROM_TIMESTAMP'
    ? await calls.searchOffset(queue, consumeTimestamp)
    : await calls.maxOffset(queue)
}

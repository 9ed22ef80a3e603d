/** Tells the user whose queues are ours now. Names: MessageQueueListener of Apache RocketMQ 4.9. */
import { describe } from '../../errors.ts'
import type { ClientInstance } from '../instance.ts'
import { unwrapNamespace } from '../namespace.ts'
import type { AssignedQueue } from './assigned-queue.ts'
import type { MessageQueue } from './message-queue.ts'
import { isRetryTopic } from './retry-topic.ts'

/** Called when the queues of a topic that are ours have changed: with all that the topic has, and with ours. */
export type MessageQueueListener = (
  topic: string,
  all: readonly MessageQueue[],
  divided: readonly MessageQueue[],
) => unknown

/** An error of the listener's is logged: the queues are ours all the same. */
export function queuesChanged(
  instance: ClientInstance,
  listener: MessageQueueListener | undefined,
  topic: string,
  assigned: readonly AssignedQueue[],
): void {
  if (listener === undefined || isRetryTopic(topic)) return
  const { namespace } = instance.options
  const shown = (queue: MessageQueue) => ({ ...queue, topic: unwrapNamespace(namespace, queue.topic) })
  const all = instance.routes.known(topic)?.subscribeQueues ?? []
  const failed = (error: unknown) => instance.log.warn(`messageQueueListener failed: ${describe(error)}`, { topic })
  try {
    const given = listener(
      unwrapNamespace(namespace, topic),
      all.map(shown),
      assigned.map(({ queue }) => shown(queue)),
    )
    Promise.resolve(given).catch(failed)
  } catch (error) {
    failed(error)
  }
}

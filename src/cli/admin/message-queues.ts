/** Which queues a command means, and which of their messages. */
import { AdminError, type PlacedQueue, queuesOfTopic } from '../../admin/index.ts'
import type { Context } from './context.ts'
import type { Given } from './spec.ts'

export function filterOf(given: Given): { expression?: string; type?: 'TAG' | 'SQL92' } {
  const sql = given.text('sql')
  const tag = given.text('tag')
  if (sql !== undefined) return { expression: sql, type: 'SQL92' }
  return tag === undefined ? {} : { expression: tag, type: 'TAG' }
}

export async function chosenQueues(context: Context, given: Given, topic: string): Promise<PlacedQueue[]> {
  const queueId = given.count('queue')
  const broker = given.text('broker')
  const all = await queuesOfTopic(context.admin, topic)
  const chosen = all.filter(
    (queue) =>
      (queueId === undefined || queue.queueId === queueId) &&
      (broker === undefined || queue.brokerName === broker || queue.address === broker),
  )
  if (chosen.length > 0) return chosen
  throw new AdminError('NO_QUEUE', {
    what: `topic ${topic} has no such queue`,
    todo: `its queues: ${all
      .map(({ brokerName, queueId: id }) => `${brokerName}/${id}`)
      .slice(0, 20)
      .join(' ')}`,
  })
}

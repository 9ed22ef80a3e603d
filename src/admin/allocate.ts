/** Which consumer would get which queue, by the strategies that RocketMQ's clients have. */
import { byQueue, compareText, type MessageQueue } from './json.ts'

export type Strategy = 'averagely' | 'circle'

export interface Allocation {
  consumer: string
  queues: MessageQueue[]
}

/** Queues in order, consumers in the order of their ids: every client comes to the same result by itself. */
export function allocate(
  queues: readonly MessageQueue[],
  consumers: readonly string[],
  strategy: Strategy,
): Allocation[] {
  const all = [...queues].sort(byQueue)
  const ids = [...new Set(consumers)].sort(compareText)
  const least = Math.floor(all.length / ids.length)
  const more = all.length % ids.length
  return ids.map((consumer, i) => {
    if (strategy === 'circle') return { consumer, queues: all.filter((_, at) => at % ids.length === i) }
    const first = i * least + Math.min(i, more)
    return { consumer, queues: all.slice(first, first + least + (i < more ? 1 : 0)) }
  })
}

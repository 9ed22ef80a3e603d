/**
 * The strategies that go by a member's place in the sorted list of members.
 *
 *   10 queues, 3 members      first      second    third
 *   AVG                       0 1 2 3    4 5 6     7 8 9
 *   AVG_BY_CIRCLE             0 3 6 9    1 4 7     2 5 8
 */
import type { MessageQueue } from '../message-queue.ts'
import { type AllocateMessageQueueStrategy, type Allocation, placeOf } from './strategy.ts'

/** Consecutive queues; the first members get one more where it does not come out even. RocketMQ's default. */
export function allocateAveragely(): AllocateMessageQueueStrategy {
  return { name: 'AVG', allocate: averagely }
}

function averagely(allocation: Allocation): MessageQueue[] {
  const { queues, members } = allocation
  const index = placeOf(allocation)
  if (index === undefined) return []
  const rest = queues.length % members.length
  const size = queues.length <= members.length ? 1 : Math.floor(queues.length / members.length) + (index < rest ? 1 : 0)
  const start = rest > 0 && index < rest ? index * size : index * size + rest
  return queues.slice(start, start + size)
}

/** One queue a member in turn. */
export function allocateAveragelyByCircle(): AllocateMessageQueueStrategy {
  return {
    name: 'AVG_BY_CIRCLE',
    allocate(allocation) {
      const { queues, members } = allocation
      const index = placeOf(allocation)
      return queues.filter((_, at) => at % members.length === index)
    },
  }
}

/** The same queues whoever else is there. */
export function allocateByConfig(queues: readonly MessageQueue[]): AllocateMessageQueueStrategy {
  return { name: 'CONFIG', allocate: () => [...queues] }
}

/** Only queues of brokers named `<room>@<name>` of these rooms; averagely, what is left over one each to the first members. */
export function allocateByMachineRoom(rooms: Iterable<string>): AllocateMessageQueueStrategy {
  const own = new Set(rooms)
  return {
    name: 'MACHINE_ROOM',
    allocate(allocation) {
      const { queues, members } = allocation
      const index = placeOf(allocation)
      if (index === undefined) return []
      const near = queues.filter(({ brokerName }) => own.has(roomOf(brokerName) ?? ''))
      const size = Math.floor(near.length / members.length)
      const rest = near.length % members.length
      const mine = near.slice(index * size, index * size + size)
      if (index < rest) mine.push(near[index + size * members.length])
      return mine
    },
  }
}

/** Java's split("@") with two parts: @ at the end do not count. Undefined: no room in this name. */
function roomOf(brokerName: string): string | undefined {
  const parts = brokerName.split('@')
  while (parts.at(-1) === '') parts.pop()
  return parts.length === 2 ? parts[0] : undefined
}

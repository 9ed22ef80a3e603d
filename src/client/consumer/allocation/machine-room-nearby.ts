/**
 * MACHINE_ROOM_NEARBY: queues go to members of their own machine room, by an inner strategy; those of a room where nobody consumes
 * are shared among all.
 */
import { ClientError } from '../../errors.ts'
import { compareTexts, type MessageQueue, queueText } from '../message-queue.ts'
import { type AllocateMessageQueueStrategy, placeOf } from './strategy.ts'

/** In which room somebody is. */
export interface MachineRoomResolver {
  /** Room of the queue's broker. */
  brokerDeployIn(queue: MessageQueue): string
  /** Room of the member. */
  consumerDeployIn(clientId: string): string
}

/** Queues stay in their room where it has members; `inner` divides them. */
export function allocateNearby(
  inner: AllocateMessageQueueStrategy,
  rooms: MachineRoomResolver,
): AllocateMessageQueueStrategy {
  return {
    name: `MACHINE_ROOM_NEARBY-${inner.name}`,
    allocate(allocation) {
      const { group, clientId, queues, members } = allocation
      if (placeOf(allocation) === undefined) return []
      const queuesOf = grouped(queues, (queue) => roomOf(rooms.brokerDeployIn(queue), queueText(queue)))
      const membersOf = grouped(members, (member) => roomOf(rooms.consumerDeployIn(member), member))
      const room = rooms.consumerDeployIn(clientId)
      const near = queuesOf.get(room)
      const mine =
        near === undefined ? [] : inner.allocate({ group, clientId, queues: near, members: membersOf.get(room)! })
      for (const [other, far] of [...queuesOf].sort(([a], [b]) => compareTexts(a, b))) {
        if (!membersOf.has(other)) mine.push(...inner.allocate({ group, clientId, queues: far, members }))
      }
      return mine
    },
  }
}

function grouped<T>(list: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of list) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return groups
}

function roomOf(room: string | undefined, whose: string): string {
  if (room !== undefined && room !== '') return room
  throw new ClientError('BAD_OPTION', {
    what: `the resolver gives no machine room for ${whose}`,
    hint: 'brokerDeployIn and consumerDeployIn must name a room for every queue and every client id',
  })
}

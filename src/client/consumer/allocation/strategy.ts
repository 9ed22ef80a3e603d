/**
 * What an allocation strategy is: which of a topic's queues are whose. Every member of a group computes it for itself, from the same
 * sorted lists, so all of them (Java's too) must use the same strategy: two that differ leave queues to nobody, or to two.
 */
import { ClientError } from '../../errors.ts'
import type { MessageQueue } from '../message-queue.ts'

/** What a strategy divides. */
export interface Allocation {
  /** Name of the group. */
  readonly group: string
  /** Who asks. */
  readonly clientId: string
  /** All readable queues of one topic, sorted by compareQueues. */
  readonly queues: readonly MessageQueue[]
  /** Client ids of all members, sorted. */
  readonly members: readonly string[]
}

/** Says which queues are a member's. All members of a group need the same. */
export interface AllocateMessageQueueStrategy {
  /** RocketMQ's: AVG, AVG_BY_CIRCLE, CONFIG, MACHINE_ROOM, MACHINE_ROOM_NEARBY-<inner>, CONSISTENT_HASH. */
  readonly name: string
  /** The queues of `clientId`, which need not be among the members yet. */
  allocate(allocation: Allocation): MessageQueue[]
}

/**
 * The client's place among the members; undefined while the broker does not list it: it gets nothing then. No members or queues at
 * all are an error, as in Java's client.
 */
export function placeOf({ clientId, queues, members, group }: Allocation): number | undefined {
  if (clientId === '' || queues.length === 0 || members.length === 0) {
    throw new ClientError('BAD_OPTION', {
      what: `no allocation for "${clientId}" of group ${group}: ${queues.length} queues, ${members.length} members`,
    })
  }
  const index = members.indexOf(clientId)
  return index < 0 ? undefined : index
}

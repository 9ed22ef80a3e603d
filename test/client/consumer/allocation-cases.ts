/** Cases of Allocate.java (test/interop/java): what Java's strategy classes allocated, and what ours do for the same group. */
import {
  type AllocateMessageQueueStrategy,
  allocateAveragely,
  allocateAveragelyByCircle,
  allocateByConfig,
  allocateByConsistentHash,
  allocateByMachineRoom,
  allocateNearby,
} from '../../../src/client/consumer/allocation/index.ts'
import { isSameQueue, type MessageQueue } from '../../../src/client/consumer/message-queue.ts'

export interface AllocationCase {
  strategy: string
  inner?: string
  rooms?: string[]
  virtualNodes?: number
  /** Of CONFIG: indexes into queues. */
  config?: number[]
  topic: string
  clientId: string
  members: string[]
  /** Broker's name and queue id. */
  queues: [string, number][]
  /** Indexes into queues. */
  mine?: number[]
  error?: string
}

export function strategyOf(one: AllocationCase, name = one.strategy): AllocateMessageQueueStrategy {
  if (name === 'AVG') return allocateAveragely()
  if (name === 'AVG_BY_CIRCLE') return allocateAveragelyByCircle()
  if (name === 'CONSISTENT_HASH')
    return allocateByConsistentHash(one.virtualNodes === undefined ? {} : { virtualNodes: one.virtualNodes })
  if (name === 'MACHINE_ROOM') return allocateByMachineRoom(one.rooms ?? [])
  if (name === 'CONFIG') return allocateByConfig((one.config ?? []).map((at) => queuesOf(one)[at]))
  return allocateNearby(strategyOf(one, one.inner), {
    brokerDeployIn: ({ brokerName }) => brokerName.split('@')[0],
    consumerDeployIn: (clientId) => clientId.split('.')[0],
  })
}

function queuesOf({ topic, queues }: AllocationCase): MessageQueue[] {
  return queues.map(([brokerName, queueId]) => ({ topic, brokerName, queueId }))
}

/** What ours gives: as `mine` or `error` of the case. */
export function outcomeOf(one: AllocationCase): number[] | string {
  const { clientId, members } = one
  const queues = queuesOf(one)
  try {
    const mine = strategyOf(one).allocate({ group: 'group', clientId, queues, members })
    return mine.map((queue) => queues.findIndex((other) => isSameQueue(queue, other)))
  } catch (error) {
    return (error as Error).name
  }
}

/** What a round makes of what brokers say of a group. */
import { expect, test } from 'vitest'
import { allocateAveragely } from '../../../src/client/consumer/index.ts'
import { Rebalancer } from '../../../src/client/consumer/rebalance.ts'
import { silentLog } from '../../../src/log.ts'

const queues = [0, 1, 2, 3].map((queueId) => ({ topic: 'T', brokerName: 'b', queueId }))

/** A rebalancer of client "a" whose group is what the test says. */
function rebalancer(members: () => string[]) {
  const slots = new Map(queues.map((queue) => [queue, { queue, offset: 0 }]))
  return new Rebalancer({
    ...{ group: 'G', clientId: 'a', isBroadcast: false, isOrdered: false, strategy: allocateAveragely() },
    offsets: {
      ...{ load: async () => {}, fetch: async () => 0, persist: async () => undefined, remove: () => {} },
      slot: (queue) => slots.get(queue)!,
      known: () => [],
    },
    topics: () => ['T'],
    queuesOf: async () => queues,
    membersOf: async () => members(),
    startOffset: async () => 0,
    lock: async () => true,
    unlock: async () => {},
    added: () => {},
    changed: () => {},
    now: () => 0,
    log: silentLog,
  })
}

test('a client whom the broker names twice, since it does not know yet that a connection is dead, has one share', async () => {
  let members = ['a', 'b']
  const one = rebalancer(() => members)
  await one.rebalance()
  expect(one.of('T').map(({ queue }) => queue.queueId)).toEqual([0, 1])
  members = ['b', 'a', 'a', 'b', 'a']
  await one.rebalance()
  expect(one.of('T').map(({ queue }) => queue.queueId)).toEqual([0, 1])
  members = ['a', 'a']
  await one.rebalance()
  expect(one.of('T').length).toBe(4)
})

test('a group that the broker does not tell keeps what it has', async () => {
  let members = ['a']
  const one = rebalancer(() => members)
  await one.rebalance()
  members = []
  expect(await one.rebalance()).toBe(false)
  expect(one.of('T').length).toBe(4)
})

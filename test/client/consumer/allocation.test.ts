/**
 * Which queues are whose, against what Java's strategy classes of 4.9.7 gave for the same groups
 * (test/interop/client-allocation.test.ts makes such cases anew and compares 10,000 of them).
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  allocateAveragely,
  allocateAveragelyByCircle,
  allocateByConsistentHash,
  allocateNearby,
} from '../../../src/client/consumer/allocation/index.ts'
import { compareQueues, type MessageQueue, queueText } from '../../../src/client/consumer/message-queue.ts'
import { type AllocationCase, outcomeOf } from './allocation-cases.ts'

const CASES = readFileSync(new URL('../../vectors/allocation/rocketmq-4.9.7.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as AllocationCase)

describe('the strategies', () => {
  test.each([...new Set(CASES.map(({ strategy }) => strategy))])('%s gives what the Java class gave', (strategy) => {
    const cases = CASES.filter((one) => one.strategy === strategy)
    expect(cases.length).toBeGreaterThan(50)
    for (const one of cases) expect(outcomeOf(one), JSON.stringify(one)).toEqual(one.mine ?? one.error)
  })

  const groups = fc.record({
    queues: fc.integer({ min: 1, max: 40 }),
    members: fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 20 }),
  })
  const strategies = [
    allocateAveragely(),
    allocateAveragelyByCircle(),
    allocateByConsistentHash(),
    allocateNearby(allocateAveragely(), {
      brokerDeployIn: ({ queueId }) => `room-${queueId % 3}`,
      consumerDeployIn: (clientId) => `room-${clientId.length % 2}`,
    }),
  ]
  test.each(strategies)('$name: every queue has one member, and only one', (strategy) => {
    fc.assert(
      fc.property(groups, ({ queues: count, members }) => {
        members.sort()
        const queues = Array.from(
          { length: count },
          (_, queueId): MessageQueue => ({ topic: 'T', brokerName: 'b', queueId }),
        )
        const given = members.flatMap((clientId) => strategy.allocate({ group: 'g', clientId, queues, members }))
        expect(given.map(queueText).sort()).toEqual(queues.map(queueText).sort())
      }),
    )
  })

  test('who is not in the list of members gets nothing, and no members at all are an error', () => {
    const queues = [{ topic: 'T', brokerName: 'b', queueId: 0 }]
    const none = { group: 'g', clientId: 'me', queues, members: ['other'] }
    expect(allocateAveragely().allocate(none)).toEqual([])
    expect(() => allocateAveragely().allocate({ ...none, members: [] })).toThrow(/0 members/)
  })
})

test('queues are sorted as Java sorts them: topic and broker by code unit, ids by number', () => {
  const queue = (topic: string, brokerName: string, queueId: number) => ({ topic, brokerName, queueId })
  const sorted = [queue('A', 'b', 2), queue('A', 'b', 10), queue('A', 'c', 0), queue('Z', 'a', 0), queue('a', 'a', 0)]
  expect([...sorted].reverse().sort(compareQueues)).toEqual(sorted)
})

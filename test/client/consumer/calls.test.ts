/** Whom a consumer asks: the master, or for pulls the broker that the last answer suggested; and where it begins. */
import { describe, expect, test } from 'vitest'
import { ConsumerCalls } from '../../../src/client/consumer/consumer-calls.ts'
import type { ConsumeFromWhere } from '../../../src/client/consumer/index.ts'
import type { OffsetStore } from '../../../src/client/consumer/offsets/index.ts'
import { startOffset } from '../../../src/client/consumer/start-offset.ts'
import { subscriptionOf } from '../../../src/client/consumer/subscription.ts'
import type { ClientInstance } from '../../../src/client/instance.ts'
import { answerTo, type RemotingCommand } from '../../../src/remoting/command.ts'

const MASTER = '10.0.0.1:10911'
const SLAVE = '10.0.0.2:10911'
const queue = { topic: 'T', brokerName: 'b', queueId: 1 }

/** An instance whose broker group has a master and a slave; `suggested` is what pulls are answered with. */
function calls(brokers: Record<number, string>) {
  const asked: [string, RemotingCommand][] = []
  const state = { suggested: 0, code: 19 }
  const placeOf = (_: string, id: number) => {
    const found = [id, id + 1, ...Object.keys(brokers).map(Number)].find((one) => brokers[one] !== undefined)
    return found === undefined ? undefined : { address: brokers[found], brokerId: found }
  }
  const instance = {
    routes: { placeOf, look: async () => undefined },
    invoke: async (address: string, command: RemotingCommand) => {
      asked.push([address, command])
      const ext = {
        suggestWhichBrokerId: String(state.suggested),
        nextBeginOffset: '7',
        minOffset: '0',
        maxOffset: '9',
      }
      return { ...answerTo(command, state.code), ext }
    },
  } as unknown as ClientInstance
  return { calls: new ConsumerCalls(instance, 'G'), asked, state }
}
const pull = {
  queue,
  offset: 5,
  maxMsgNums: 32,
  commitOffset: 3,
  subscription: subscriptionOf('T', 'a', 11),
  isLite: false,
}

test('the first pull goes to the master, the next where it was suggested, and back', async () => {
  const { calls: consumer, asked, state } = calls({ 0: MASTER, 1: SLAVE })
  state.suggested = 1
  await consumer.pull(pull)
  state.suggested = 0
  await consumer.pull(pull)
  await consumer.pull(pull)
  expect(asked.map(([address]) => address)).toEqual([MASTER, SLAVE, MASTER])
})

test('what is consumed is told with the pull to a master, but not to a slave', async () => {
  const { calls: consumer, asked, state } = calls({ 0: MASTER, 1: SLAVE })
  state.suggested = 1
  await consumer.pull(pull)
  await consumer.pull(pull)
  await consumer.pull({ ...pull, commitOffset: 0 })
  expect(asked.map(([, { ext }]) => [ext?.sysFlag, ext?.commitOffset])).toEqual([
    ['3', '3'],
    ['2', '0'],
    ['2', '0'],
  ])
})

test('without a master the slave is asked', async () => {
  const { calls: consumer, asked } = calls({ 1: SLAVE })
  await consumer.pull(pull)
  expect(asked.map(([address]) => address)).toEqual([SLAVE])
})

test('a lite pull consumer’s subscription travels with the pull', async () => {
  const { calls: consumer, asked } = calls({ 0: MASTER })
  await consumer.pull({ ...pull, isLite: true })
  expect(asked[0][1].ext).toMatchObject({ sysFlag: '22', subscription: 'a', subVersion: '0', commitOffset: '0' })
})

test.each([
  [19, 'NO_NEW_MSG'],
  [20, 'NO_MATCHED_MSG'],
  [21, 'OFFSET_ILLEGAL'],
])('answer %d is %s', async (code, status) => {
  const { calls: consumer, state } = calls({ 0: MASTER })
  state.code = code
  expect(await consumer.pull(pull)).toMatchObject({ status, nextBeginOffset: 7, messages: [] })
})

test('any other answer is an error that names it', async () => {
  const { calls: consumer, state } = calls({ 0: MASTER })
  state.code = 16
  await expect(consumer.pull(pull)).rejects.toMatchObject({ code: 'REFUSED', answerCode: 16, address: MASTER })
})

test('no broker of that name: an error that may pass', async () => {
  const { calls: consumer } = calls({})
  await expect(consumer.pull(pull)).rejects.toMatchObject({ code: 'NO_BROKER', retriable: true })
})

describe('where a queue begins that is new to a consumer', () => {
  const broker = { maxOffset: async () => 100, searchOffset: async (_: unknown, timestamp: number) => timestamp / 10 }
  const stored = (offset: number) => ({ fetch: async () => offset }) as unknown as OffsetStore
  const begins = (topic: string, offset: number, consumeFromWhere: ConsumeFromWhere) =>
    startOffset({ topic, brokerName: 'b', queueId: 0 }, stored(offset), broker, {
      consumeFromWhere,
      consumeTimestamp: 420,
    })

  test.each([
    ['CONSUME_FROM_LAST_OFFSET', 100],
    ['CONSUME_FROM_FIRST_OFFSET', 0],
    ['CONSUME_FROM_TIMESTAMP', 42],
  ] as const)('%s: where the group stopped, else at %d; a retry topic from its beginning', async (from, offset) => {
    expect(await begins('T', 7, from)).toBe(7)
    expect(await begins('T', 0, from)).toBe(0)
    expect(await begins('T', -1, from)).toBe(offset)
    expect(await begins('%RETRY%G', -1, from)).toBe(0)
  })

  test('a store that cannot be asked is no store without an offset', async () => {
    const broken = { fetch: () => Promise.reject(new Error('gone')) } as unknown as OffsetStore
    const rules = { consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET', consumeTimestamp: 0 } as const
    await expect(startOffset(queue, broken, broker, rules)).rejects.toThrow('gone')
  })
})

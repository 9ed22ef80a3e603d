/** A lite pull consumer whose user decides: offsets of single queues, a selection of assigned queues, who has which queue. */
import { expect, onTestFinished, test, vi } from 'vitest'
import {
  LitePullConsumer,
  type LitePullConsumerOptions,
  type MessageQueue,
  PushConsumer,
} from '../../../src/client/index.ts'
import type { TestBroker } from '../../../src/testing/index.ts'
import { send, testBroker, texts } from './support.ts'

const patience = { timeout: 10_000 }

async function started(broker: TestBroker, options: Partial<LitePullConsumerOptions>) {
  const consumer = new LitePullConsumer({
    ...{ nameserver: broker.namesrv, group: 'G', consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' },
    rebalanceInterval: 200,
    ...options,
  })
  onTestFinished(() => consumer.close())
  await consumer.start()
  return consumer
}

async function polled(consumer: LitePullConsumer, count: number): Promise<string[]> {
  const got: string[] = []
  const until = performance.now() + patience.timeout
  while (got.length < count && performance.now() < until) {
    got.push(...(await consumer.poll({ timeout: 200 })).map(({ body }) => body.toString()))
  }
  return got
}

test('commit(offsets) stores what it is told, of these queues alone, also backwards; who comes next begins there', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(10), {}, 1)
  const first = await started(broker, { subscriptions: { T: '*' }, autoCommit: false, pullBatchSize: 10 })
  expect((await polled(first, 10)).length).toBe(10)
  const [queue] = first.queues().filter(({ queueId }) => queueId === 0)
  await first.commit(new Map([[queue, 8]]))
  expect(await first.committed(queue)).toBe(8)
  await first.commit(new Map([[queue, 4]]))
  expect(await first.committed(queue)).toBe(4)
  const strange = { topic: 'T', brokerName: 'nobody', queueId: 0 }
  await expect(first.commit(new Map([[strange, 1]]))).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(first.commit(new Map([[queue, -1]]))).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(first.commit({} as never)).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await first.close()
  const second = await started(broker, { subscriptions: { T: '*' }, autoCommit: false })
  const messages = await second.poll({ timeout: 5000 })
  expect(messages.map(({ body }) => body.toString())).toEqual(texts(10).slice(4))
  // A message is a queue, too.
  await second.commit(new Map([[messages[1], messages[1].queueOffset + 1]]))
  expect(await second.committed(queue)).toBe(6)
})

test.each([
  ['tags', 'even', {}],
  ['SQL92', { sql: "parity = 'even'" }, { enablePropertyFilter: true }],
])('assigned queues with a selection by %s', async (_, expression, config) => {
  const broker = await testBroker({ config })
  for (const [i, text] of texts(10).entries()) {
    const parity = i % 2 === 0 ? 'even' : 'odd'
    await send(broker, 'T', [text], { properties: { TAGS: parity, parity } })
  }
  const consumer = await started(broker, {})
  await vi.waitFor(async () => {
    await consumer.assign(await consumer.fetchMessageQueues('T'), expression)
    expect(consumer.queues().length).toBeGreaterThan(0)
  }, patience)
  expect((await polled(consumer, 5)).sort()).toEqual(texts(10).filter((_, i) => i % 2 === 0))
  expect(await consumer.poll({ timeout: 100 })).toEqual([])
  await expect(consumer.assign(consumer.queues(), { sql: ' ' })).rejects.toMatchObject({ code: 'BAD_OPTION' })
})

test.each(['lite', 'push'] as const)(
  'messageQueueListener of a %s consumer is told what it has, and an error of its own harms nobody',
  async (kind) => {
    const broker = await testBroker()
    await send(broker, 'T', texts(4))
    const told: [string, number, number][] = []
    const messageQueueListener = (topic: string, all: readonly MessageQueue[], mine: readonly MessageQueue[]) => {
      told.push([topic, all.length, mine.length])
      if (told.length === 1) throw new Error('at once')
      return Promise.reject(new Error('later'))
    }
    const common = { subscriptions: { T: '*' }, messageQueueListener, rebalanceInterval: 200 }
    const start = async () => {
      if (kind === 'lite') return started(broker, common)
      const consumer = new PushConsumer({
        nameserver: broker.namesrv,
        group: 'G',
        ...common,
        listener: () => undefined,
      })
      onTestFinished(() => consumer.close())
      await consumer.start()
      return consumer
    }
    await start()
    await vi.waitFor(() => expect(told).toEqual([['T', 4, 4]]), patience)
    const second = await start()
    await vi.waitFor(() => expect(told.filter(([, , mine]) => mine === 2).length).toBe(2), patience)
    await second.close()
    await vi.waitFor(() => expect(told.at(-1)).toEqual(['T', 4, 4]), patience)
    expect(new Set(told.map(([topic]) => topic))).toEqual(new Set(['T']))
  },
)

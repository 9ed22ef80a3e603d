/** Namespaces: only wrapped names travel, users see their own. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { LitePullConsumer, Producer } from '../../../src/client/index.ts'
import { TestClient } from '../../support/client.ts'
import { consume, testBroker } from './support.ts'

const patience = { timeout: 10_000 }

test('topic, group and retry topic are in the namespace at the broker, and without it for the listener', async () => {
  const broker = await testBroker()
  const producer = new Producer({ nameserver: broker.namesrv, group: 'P', namespace: 'ns' })
  onTestFinished(() => producer.close())
  await producer.send({ topic: 'T', body: 'inside' })
  const seen: [string, number][] = []
  const { consumer } = await consume(broker, {
    namespace: 'ns',
    listener: ([message], context) => {
      seen.push([message.topic, message.reconsumeTimes])
      context.delayLevelWhenNextConsume = 1
      if (message.reconsumeTimes === 0) throw new Error('later')
    },
  })
  await vi.waitFor(
    () =>
      expect(seen).toEqual([
        ['T', 0],
        ['T', 1],
      ]),
    patience,
  )
  expect(consumer.queues().map(({ queue }) => queue.topic)).toContain('T')
  await consumer.close()
  expect([broker.handle.lag('ns%G'), broker.handle.lag('G')]).toEqual([0, 0])
  const client = new TestClient(broker.address)
  const topics = Buffer.from((await client.invoke(21)).body ?? []).toString()
  await client.close()
  expect(topics).toContain('"ns%T"')
  expect(topics).toContain('"%RETRY%ns%G"')
  expect(topics).not.toContain('"T"')
})

test('a lite pull consumer, with queues and seeks by the user’s names', async () => {
  const broker = await testBroker()
  const producer = new Producer({ nameserver: broker.namesrv, group: 'P', namespace: 'ns' })
  onTestFinished(() => producer.close())
  await producer.send({ topic: 'T', body: 'inside' })
  const consumer = new LitePullConsumer({ nameserver: broker.namesrv, group: 'G', namespace: 'ns' })
  onTestFinished(() => consumer.close())
  await consumer.start()
  // The NameServer hears of a topic that a send creates a moment later.
  const queues = await vi.waitFor(() => consumer.fetchMessageQueues('T'), patience)
  await consumer.assign(queues)
  for (const queue of consumer.queues()) await consumer.seekToBegin(queue)
  await vi.waitFor(
    async () => expect((await consumer.poll({ timeout: 100 })).map(({ topic }) => topic)).toEqual(['T']),
    patience,
  )
})

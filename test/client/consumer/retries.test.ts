/** What becomes of messages that are not consumed: later, the DLQ, the retry topic where the broker does not take them back. */
import { expect, onTestFinished, test, vi } from 'vitest'
import type { TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { MovedClock, namesrvThatNames } from '../support.ts'
import { consume, orderly, send, testBroker, texts } from './support.ts'

const patience = { timeout: 10_000 }

/** Messages of level 3 and above are back at the broker, so many in all: before its clock moves, or they would wait from then on. */
async function isBack(broker: TestBroker, count: number): Promise<void> {
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await vi.waitFor(async () => {
    const waiting = await Promise.all([2, 3, 4].map((queueId) => client.drain('SCHEDULE_TOPIC_XXXX', queueId)))
    expect(waiting.flat().length).toBe(count)
  }, patience)
}

test('a message that fails comes again later, under its own topic, and counts its tries', async () => {
  const broker = await testBroker()
  await send(broker, 'T', ['good', 'bad'])
  const { messages } = await consume(broker, {}, ([message]) => {
    if (message.body.toString() === 'bad' && message.reconsumeTimes < 2) throw new Error('not yet')
  })
  await vi.waitFor(() => expect(messages.length).toBe(2), patience)
  for (const tries of [3, 4]) {
    // The first retry is after 10 s, the second after 30 s.
    await isBack(broker, tries - 2)
    broker.advance('31s')
    await vi.waitFor(() => expect(messages.length).toBe(tries), patience)
  }
  const tries = messages.filter(({ body }) => body.toString() === 'bad')
  expect(tries.map(({ topic, reconsumeTimes, msgId }) => [topic, reconsumeTimes, msgId])).toEqual([
    ['T', 0, 'bad'],
    ['T', 1, 'bad'],
    ['T', 2, 'bad'],
  ])
})

test('the delay level of the context is the broker’s', async () => {
  const broker = await testBroker()
  await send(broker, 'T', ['x'])
  const seen: number[] = []
  await consume(broker, {
    listener: ([message], context) => {
      seen.push(message.reconsumeTimes)
      context.delayLevelWhenNextConsume = 1
      return seen.length === 1 ? 'RECONSUME_LATER' : undefined
    },
  })
  // Level 1 is a second.
  await vi.waitFor(() => expect(seen).toEqual([0, 1]), patience)
})

test('of a batch only what is behind ackIndex comes again', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(8), {}, 1)
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  // All of them can be pulled: they are one batch.
  await vi.waitFor(async () => expect((await client.drain('T', 0)).length).toBe(8), patience)
  const got: string[][] = []
  await consume(broker, {
    consumeMessageBatchMaxSize: 8,
    listener: (messages, context) => {
      got.push(messages.map(({ body }) => body.toString()))
      context.delayLevelWhenNextConsume = 1
      if (got.length === 1) context.ackIndex = messages.length - 3
    },
  })
  await vi.waitFor(() => expect(got.flat().length).toBe(10), patience)
  expect(got.slice(1).flat().sort()).toEqual(got[0].slice(-2))
})

test('after its last try, or at once with delay level -1, a message is in the DLQ', async () => {
  const broker = await testBroker()
  await send(broker, 'T', ['tried', 'hopeless'])
  let tries = 0
  await consume(broker, {
    maxReconsumeTimes: 1,
    listener: ([message], context) => {
      tries++
      context.delayLevelWhenNextConsume = message.body.toString() === 'hopeless' ? -1 : 1
      return 'RECONSUME_LATER'
    },
  })
  const client = new TestClient(broker.address)
  const dead = async () => (await client.drain('%DLQ%G', 0)).map(({ body }) => Buffer.from(body).toString())
  await vi.waitFor(async () => expect(await dead()).toEqual(['hopeless', 'tried']), patience)
  expect(tries).toBe(3)
  await client.close()
})

test('a message that is consumed for longer than consumeTimeout goes back to the broker, and holds nothing up any more', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(8), {}, 1)
  const clock = new MovedClock()
  const { messages, consumer } = await consume(
    broker,
    { clock, consumeTimeout: 1, awaitTerminationMillisWhenShutdown: 100 },
    ([message]) => (message.queueOffset === 2 && message.reconsumeTimes === 0 ? new Promise(() => {}) : undefined),
  )
  await vi.waitFor(() => expect(messages.length).toBe(8), patience)
  const offset = () => consumer.queues().find(({ queue }) => queue.queueId === 0 && queue.topic === 'T')?.offset
  await vi.waitFor(() => expect(offset()).toBe(2), patience)
  clock.advance(61_000)
  await vi.waitFor(() => expect(offset()).toBe(8), patience)
  await isBack(broker, 1)
  broker.advance('11s')
  await vi.waitFor(() => expect(messages.at(-1)?.reconsumeTimes).toBe(1), patience)
  expect(messages.at(-1)?.body.toString()).toBe('m-2')
})

test('where the broker does not take a message back, it is sent to the retry topic', async () => {
  const broker = await testBroker()
  await send(broker, 'T', ['x'])
  const { consumer, messages } = await consume(broker, {}, ([message]) => {
    if (message.reconsumeTimes > 0) return
    // A place in the log where nothing begins: the broker answers 36 with an error.
    Object.defineProperty(message, 'commitLogOffset', { value: message.commitLogOffset + 7 })
    throw new Error('later')
  })
  await vi.waitFor(() => expect(messages.length).toBe(1), patience)
  await isBack(broker, 1)
  broker.advance('11s')
  await vi.waitFor(() => expect(messages.length).toBe(2), patience)
  const [, again] = messages
  expect([again.topic, again.reconsumeTimes, again.body.toString(), again.properties.ORIGIN_MESSAGE_ID]).toEqual([
    'T',
    1,
    'x',
    'x',
  ])
  await consumer.close()
})

test('a retry topic that NameServers do not know yet is no hindrance: the DLQ gets what its tries are over of, once', async () => {
  const broker = await testBroker()
  const namesrv = await namesrvThatNames(broker.address, (topic) => topic.startsWith('%'))
  onTestFinished(() => namesrv.close())
  await send(broker, 'T', texts(20), {}, 1)
  const { got } = await consume(
    broker,
    { ...orderly, nameserver: namesrv.address, suspendCurrentQueueTimeMillis: 10, maxReconsumeTimes: 1 },
    ([message]) => (Number(message.queueOffset) % 2 === 0 ? 'SUSPEND_CURRENT_QUEUE_A_MOMENT' : undefined),
  )
  await vi.waitFor(() => expect(new Set(got).size).toBe(20), patience)
  expect(got.length).toBe(30)
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await vi.waitFor(async () => {
    const dead = await client.drain('%DLQ%G', 0)
    expect(dead.map(({ body }) => Buffer.from(body).toString())).toEqual(texts(20).filter((_, i) => i % 2 === 0))
  }, patience)
})

test('a message that is given back after its listener has ended comes again; with level -1 it is in the DLQ', async () => {
  const broker = await testBroker()
  await send(broker, 'T', ['later', 'never'])
  const { consumer, messages } = await consume(broker)
  await vi.waitFor(() => expect(messages.length).toBe(2), patience)
  const of = (text: string) => messages.find(({ body }) => body.toString() === text)!
  await consumer.sendMessageBack(of('later'), 1)
  await consumer.sendMessageBack(of('never'), -1)
  await vi.waitFor(() => expect(messages.length).toBe(3), patience)
  expect([messages[2].topic, messages[2].body.toString(), messages[2].reconsumeTimes]).toEqual(['T', 'later', 1])
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await vi.waitFor(async () => {
    expect((await client.drain('%DLQ%G', 0)).map(({ body }) => Buffer.from(body).toString())).toEqual(['never'])
  }, patience)
  await expect(consumer.sendMessageBack(of('later'), 19)).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(consumer.sendMessageBack({} as never)).rejects.toMatchObject({ code: 'BAD_OPTION' })
})

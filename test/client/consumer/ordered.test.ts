/** Ordered consumption on a broker of ours: the order of each queue, locks, suspension, commits of one's own. */
import { expect, test, vi } from 'vitest'
import { TestClient } from '../../support/client.ts'
import { consume, orderly, send, testBroker, texts } from './support.ts'

const patience = { timeout: 15_000 }
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
/** Texts of each queue, in the order in which they came. */
const byQueue = (messages: readonly { queueId: number; body: Buffer }[]) =>
  [0, 1, 2, 3].map((id) => messages.filter(({ queueId }) => queueId === id).map(({ body }) => body.toString()))
const sentByQueue = (all: readonly string[]) => [0, 1, 2, 3].map((id) => all.filter((_, i) => i % 4 === id))

test('the messages of each queue come in their order, one batch at a time, while queues go on beside each other', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(200))
  const running = new Map<number, number>()
  let together = 0
  const { messages } = await consume(broker, { ...orderly, consumeMessageBatchMaxSize: 3 }, async ([{ queueId }]) => {
    running.set(queueId, (running.get(queueId) ?? 0) + 1)
    expect(running.get(queueId)).toBe(1)
    together = Math.max(
      together,
      [...running.values()].reduce((sum, one) => sum + one),
    )
    await wait(Math.random() * 3)
    running.set(queueId, 0)
  })
  await vi.waitFor(() => expect(messages.length).toBe(200), patience)
  expect(byQueue(messages)).toEqual(sentByQueue(texts(200)))
  expect(together).toBeGreaterThan(1)
})

test('what fails comes again after a moment, before anything behind it', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(40))
  let failures = 0
  const { messages, consumer } = await consume(
    broker,
    { ...orderly, suspendCurrentQueueTimeMillis: 30 },
    ([message]) => {
      if (message.queueOffset % 3 !== 1 || message.reconsumeTimes >= 2) return
      failures++
      if (failures % 2 === 0) throw new Error('again')
      return 'SUSPEND_CURRENT_QUEUE_A_MOMENT'
    },
  )
  const isLast = (at: number) =>
    messages[at + 1] === undefined || messages[at].body.toString() !== messages[at + 1].body.toString()
  await vi.waitFor(() => expect(new Set(messages.map(({ msgId }) => msgId)).size).toBe(40), patience)
  await vi.waitFor(() => expect(failures).toBe(24), patience)
  const once = sentByQueue(texts(40)).map((queue, id) => {
    const seen = byQueue(messages)[id].filter((text, at, all) => text !== all[at + 1])
    return [queue, seen]
  })
  for (const [queue, seen] of once) expect(seen).toEqual(queue)
  expect(isLast(messages.length - 1)).toBe(true)
  await consumer.close()
  expect(broker.handle.lag('G')).toBe(0)
})

test('after its last try a message is in the DLQ, and its queue goes on', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(4), {}, 1)
  const { got } = await consume(
    broker,
    { ...orderly, suspendCurrentQueueTimeMillis: 10, maxReconsumeTimes: 2 },
    ([message]) => (message.body.toString() === 'm-1' ? 'SUSPEND_CURRENT_QUEUE_A_MOMENT' : undefined),
  )
  await vi.waitFor(() => expect(got).toEqual(['m-0', 'm-1', 'm-1', 'm-1', 'm-2', 'm-3']), patience)
  const client = new TestClient(broker.address)
  await vi.waitFor(async () => {
    const dead = await client.drain('%DLQ%G', 0)
    expect(dead.map(({ body }) => Buffer.from(body).toString())).toEqual(['m-1'])
  }, patience)
  await client.close()
})

test('a queue has one consumer at a time: nothing is consumed by two, in whatever way they come and go', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(40))
  const running = new Set<number>()
  const exclusive = async ([{ queueId }]: { queueId: number }[]) => {
    expect(running.has(queueId)).toBe(false)
    running.add(queueId)
    await wait(2)
    running.delete(queueId)
  }
  const one = await consume(broker, orderly, exclusive)
  await vi.waitFor(() => expect(one.got.length).toBeGreaterThan(10), patience)
  const two = await consume(broker, { ...orderly, rebalanceInterval: 300 }, exclusive)
  await send(broker, 'T', texts(200, 'n'))
  await vi.waitFor(() => expect(new Set([...one.got, ...two.got]).size).toBe(240), patience)
  const queues = two.consumer.queues().filter(({ queue }) => queue.topic === 'T')
  await vi.waitFor(
    () => expect(two.consumer.queues().filter(({ queue }) => queue.topic === 'T').length).toBe(2),
    patience,
  )
  expect(queues.length).toBeLessThanOrEqual(2)
  await one.consumer.close()
  // Its locks were given back: the other need not wait until they run out.
  await vi.waitFor(
    () => expect(two.consumer.queues().filter(({ queue }) => queue.topic === 'T').length).toBe(4),
    patience,
  )
  await send(broker, 'T', texts(8, 'o'))
  await vi.waitFor(() => expect(two.got.filter((text) => text.startsWith('o')).length).toBe(8), patience)
  for (const [id, queue] of byQueue([...one.messages, ...two.messages]).entries()) {
    const first = queue.filter((text, at) => queue.indexOf(text) === at)
    expect(first, `queue ${id}`).toEqual(sentByQueue([...texts(40), ...texts(200, 'n'), ...texts(8, 'o')])[id])
  }
})

test('a consumer that commits by itself: what it rolls back comes again, what it commits counts', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(6), {}, 1)
  const got: string[] = []
  const { consumer } = await consume(broker, {
    orderlyListener: ([message], context) => {
      context.autoCommit = false
      context.suspendCurrentQueueTimeMillis = 10
      got.push(message.body.toString())
      if (got.length === 3) return 'ROLLBACK'
      return message.body.toString() === 'm-3' ? 'COMMIT' : 'SUCCESS'
    },
  })
  await vi.waitFor(() => expect(got.length).toBe(9), patience)
  expect(got).toEqual(['m-0', 'm-1', 'm-2', ...texts(6)])
  await consumer.close()
  expect(broker.handle.lag('G')).toBe(2)
})

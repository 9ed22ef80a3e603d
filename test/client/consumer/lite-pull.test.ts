/** A consumer that is asked for messages: poll, iteration, commits, seeks, pauses, assigned and shared queues. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { LitePullConsumer, type LitePullConsumerOptions } from '../../../src/client/consumer/index.ts'
import type { TestBroker } from '../../../src/testing/index.ts'
import { send, testBroker, texts } from './support.ts'

const patience = { timeout: 10_000 }

async function lite(broker: TestBroker, options: Partial<LitePullConsumerOptions> = {}) {
  const consumer = new LitePullConsumer({
    nameserver: broker.namesrv,
    group: 'G',
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    subscriptions: { T: '*' },
    ...options,
  })
  onTestFinished(() => consumer.close())
  await consumer.start()
  // The NameServer hears of a topic that a send creates a moment later.
  if (options.subscriptions === undefined)
    await vi.waitFor(() => expect(consumer.queues().length).toBeGreaterThan(0), patience)
  return consumer
}
const textsOf = (messages: readonly { body: Buffer }[]) => messages.map(({ body }) => body.toString())

/** Polls until so many have come. */
async function polled(consumer: LitePullConsumer, count: number): Promise<string[]> {
  const got: string[] = []
  const until = performance.now() + 10_000
  while (got.length < count && performance.now() < until) got.push(...textsOf(await consumer.poll({ timeout: 500 })))
  return got
}

describe('poll', () => {
  test('gives every message, in batches of one queue', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(100))
    const consumer = await lite(broker, { pullBatchSize: 7 })
    const batch = await consumer.poll()
    expect(batch.length).toBeLessThanOrEqual(7)
    expect(new Set(batch.map(({ queueId }) => queueId)).size).toBe(1)
    expect([...textsOf(batch), ...(await polled(consumer, 100 - batch.length))].sort()).toEqual(texts(100).sort())
    expect(await consumer.poll({ timeout: 0 })).toEqual([])
  })

  test('waits for what comes, and no longer than it is told', async () => {
    const broker = await testBroker()
    await send(broker, 'T', ['first'])
    const consumer = await lite(broker)
    expect(textsOf(await consumer.poll())).toEqual(['first'])
    const began = performance.now()
    expect(await consumer.poll({ timeout: 100 })).toEqual([])
    expect(performance.now() - began).toBeLessThan(2000)
    const waiting = consumer.poll()
    await send(broker, 'T', ['second'])
    expect(textsOf(await waiting)).toEqual(['second'])
  })

  test('is ended by a signal, and by close', async () => {
    const broker = await testBroker()
    await send(broker, 'T', ['x'])
    const consumer = await lite(broker)
    await polled(consumer, 1)
    await expect(consumer.poll({ timeout: 60_000, signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    const waiting = consumer.poll({ timeout: 60_000 })
    await consumer.close()
    expect(await waiting).toEqual([])
    await expect(consumer.poll()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })
})

describe('what counts as consumed', () => {
  test('is what was polled before the last poll; the rest comes again to the next consumer', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(30), {}, 1)
    const consumer = await lite(broker)
    const first = textsOf(await consumer.poll())
    await consumer.poll()
    await consumer.close()
    const next = await lite(broker)
    expect(await polled(next, 30 - first.length)).toEqual(texts(30).slice(first.length))
  })

  test('without autoCommit: what was there at commit(), and nothing else', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(30), {}, 1)
    const consumer = await lite(broker, { autoCommit: false })
    const first = textsOf(await consumer.poll())
    await consumer.commit()
    const [queue] = consumer.queues()
    expect(await consumer.committed(queue)).toBe(first.length)
    await consumer.poll()
    await consumer.poll()
    await consumer.close()
    const next = await lite(broker)
    expect((await polled(next, 30 - first.length))[0]).toBe(`m-${first.length}`)
  })

  test('messages that a filter left out count when all before them is consumed', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(4, 'wanted'), { properties: { TAGS: 'A' } }, 1)
    await send(broker, 'T', texts(4, 'other'), { properties: { TAGS: 'B' } }, 1)
    const consumer = await lite(broker, { subscriptions: { T: 'A' }, autoCommitIntervalMillis: 0 })
    expect(await polled(consumer, 4)).toEqual(texts(4, 'wanted'))
    const [queue] = consumer.queues()
    await vi.waitFor(async () => {
      await consumer.poll({ timeout: 10 })
      expect(await consumer.committed(queue)).toBe(8)
    }, patience)
  })
})

describe('iteration', () => {
  test('gives message after message; the one at which it is left comes again', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(25), {}, 1)
    const consumer = await lite(broker)
    const got: string[] = []
    for await (const message of consumer) {
      got.push(message.body.toString())
      if (got.length === 13) break
    }
    for await (const message of consumer) {
      got.push(message.body.toString())
      if (got.length === 26) break
    }
    expect(got).toEqual([...texts(13), ...texts(25).slice(12)])
    await consumer.close()
    const next = await lite(broker)
    expect(await polled(next, 1)).toEqual(['m-24'])
  })

  test('ends with the signal, and when the consumer is closed', async () => {
    const broker = await testBroker()
    await send(broker, 'T', ['x'])
    const consumer = await lite(broker)
    const got: string[] = []
    for await (const message of consumer.messages({ signal: AbortSignal.timeout(300) }))
      got.push(message.body.toString())
    const ended = (async () => {
      for await (const message of consumer) got.push(message.body.toString())
    })()
    await consumer.close()
    await ended
    expect(got).toEqual(['x'])
  })
})

describe('seek', () => {
  test('to an offset, the begin, the end, a time; what was cached is forgotten', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(10), {}, 1)
    const between = Date.now() + 5
    await new Promise((resolve) => setTimeout(resolve, 10))
    await send(broker, 'T', texts(10, 'n'), {}, 1)
    const consumer = await lite(broker)
    const [queue] = consumer.queues().filter(({ queueId }) => queueId === 0)
    expect(await polled(consumer, 20)).toEqual([...texts(10), ...texts(10, 'n')])
    await consumer.seek(queue, 7)
    expect((await polled(consumer, 13))[0]).toBe('m-7')
    await consumer.seekToBegin(queue)
    expect((await polled(consumer, 20)).length).toBe(20)
    await consumer.seekToEnd(queue)
    expect(await consumer.poll({ timeout: 100 })).toEqual([])
    const at = await consumer.offsetForTimestamp(queue, new Date(between))
    await consumer.seek(queue, at)
    expect((await polled(consumer, 20 - at)).length).toBe(20 - at)
    await expect(consumer.seek(queue, 21)).rejects.toMatchObject({ code: 'BAD_OPTION', hint: 'the queue has 0 to 20' })
  })

  test('of a queue that is not its own is refused', async () => {
    const broker = await testBroker()
    await send(broker, 'T', ['x'])
    const consumer = await lite(broker)
    const other = { ...consumer.queues()[0], queueId: 77 }
    await expect(consumer.seekToBegin(other)).rejects.toThrow(/not this consumer's/)
  })
})

test('queues that are paused give nothing until they are resumed', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(40))
  const consumer = await lite(broker)
  const paused = consumer.queues().filter(({ queueId }) => queueId < 2)
  consumer.pause(paused)
  const got = await polled(consumer, 20)
  expect(got.every((text) => Number(text.slice(2)) % 4 >= 2)).toBe(true)
  expect(await consumer.poll({ timeout: 100 })).toEqual([])
  consumer.resume(paused)
  expect((await polled(consumer, 20)).length).toBe(20)
})

test('assigned queues are read by whoever is assigned them, beside the group that shares them', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(40))
  const sharing = await lite(broker)
  const consumer = await lite(broker, { subscriptions: {}, group: 'Other' })
  const queues = await vi.waitFor(() => consumer.fetchMessageQueues('T'), patience)
  await consumer.assign(queues.slice(0, 2))
  expect((await polled(consumer, 20)).sort()).toEqual(
    texts(40)
      .filter((_, i) => i % 4 < 2)
      .sort(),
  )
  await consumer.assign(queues.slice(2, 3))
  expect((await polled(consumer, 10)).length).toBe(10)
  expect((await polled(sharing, 40)).length).toBe(40)
  await expect(consumer.subscribe('T')).rejects.toThrow(/subscribe\(\) or assign\(\)/)
})

test('two members of a group share the queues', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(8))
  const [one, two] = [await lite(broker), await lite(broker)]
  await vi.waitFor(() => expect([one.queues().length, two.queues().length]).toEqual([2, 2]), patience)
})

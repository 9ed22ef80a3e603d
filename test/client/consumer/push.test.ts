/** A push consumer on a broker of ours: what it gets, how far it counts as consumed, how it shares, how it ends. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { PushConsumer } from '../../../src/client/consumer/index.ts'
import { ClientError } from '../../../src/client/index.ts'
import { TestClient } from '../../support/client.ts'
import { HeardLog } from '../support.ts'
import { consume, send, testBroker, texts } from './support.ts'

const sorted = (list: readonly string[]) => [...list].sort()
const patience = { timeout: 10_000 }
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('a consumer', () => {
  test('gets every message once, and the group has committed all of them when it is closed', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(100))
    const { consumer, got } = await consume(broker)
    await vi.waitFor(() => expect(sorted(got)).toEqual(sorted(texts(100))), patience)
    await send(broker, 'T', texts(20, 'later'))
    await vi.waitFor(() => expect(got.length).toBe(120), patience)
    await consumer.close()
    expect(broker.handle.lag('G')).toBe(0)
    const { got: again } = await consume(broker)
    await send(broker, 'T', ['new'])
    await vi.waitFor(() => expect(again).toEqual(['new']), patience)
  })

  test('gets batches where it asks for them, and at most so many at a time', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(60), {}, 1)
    const sizes: number[] = []
    let running = 0
    let most = 0
    const { got } = await consume(
      broker,
      { consumeMessageBatchMaxSize: 8, consumeThreadMax: 3 },
      async ({ length }) => {
        sizes.push(length)
        most = Math.max(most, ++running)
        await wait(5)
        running--
      },
    )
    await vi.waitFor(() => expect(got.length).toBe(60), patience)
    expect([Math.max(...sizes), most]).toEqual([8, 3])
  })

  test('of tags gets those and no others, also where two tags share a hash code', async () => {
    const broker = await testBroker()
    for (const tag of ['Aa', 'BB', 'C']) await send(broker, 'T', texts(5, tag), { properties: { TAGS: tag } })
    const { got, consumer } = await consume(broker, { subscriptions: { T: 'Aa || C' } })
    await vi.waitFor(() => expect(got.length).toBe(10), patience)
    await wait(100)
    expect(sorted(got)).toEqual(sorted([...texts(5, 'Aa'), ...texts(5, 'C')]))
    await consumer.close()
    expect(broker.handle.lag('G')).toBe(0)
  })

  test('of an SQL92 expression gets what the broker lets through; one that does not parse is refused at the start', async () => {
    const broker = await testBroker({ config: { enablePropertyFilter: true } })
    for (const price of [5, 15])
      await send(broker, 'T', texts(3, `p${price}`), { properties: { price: String(price) } })
    const { got } = await consume(broker, { subscriptions: { T: { sql: 'price > 10' } } })
    await vi.waitFor(() => expect(sorted(got)).toEqual(texts(3, 'p15')), patience)
    const refused = consume(broker, { group: 'Other', subscriptions: { T: { sql: 'price >' } } })
    await expect(refused).rejects.toMatchObject({ code: 'REFUSED', answerCode: 23 })
  })

  test('that begins at the end leaves out what is there', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(4, 'old'))
    // A young queue, whose first message is still in memory, is read from its beginning (code 14 answers 0); the end is asked for.
    const clientless = { consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET' } as const
    const { got } = await consume(broker, clientless)
    await vi.waitFor(() => expect(got.length).toBe(4), patience)
  })

  test('that is paused gets nothing, and goes on when it is resumed', async () => {
    const broker = await testBroker()
    const { consumer, got } = await consume(broker, { subscriptions: { T: '*' } })
    await send(broker, 'T', ['first'])
    await vi.waitFor(() => expect(got).toEqual(['first']), patience)
    consumer.pause()
    // The pull that is held at the broker brings what comes first; after it none is sent.
    await send(broker, 'T', texts(4, 'held'))
    let before = -1
    while (before !== got.length) {
      before = got.length
      await wait(400)
    }
    await send(broker, 'T', texts(8, 'later'))
    await wait(300)
    expect(got.length).toBe(before)
    consumer.resume()
    await vi.waitFor(() => expect(got.length).toBe(13), patience)
  })

  test('takes up a topic while it runs, and leaves one', async () => {
    const broker = await testBroker()
    await send(broker, 'T', ['t'])
    await send(broker, 'U', ['u'])
    const { consumer, got } = await consume(broker)
    await vi.waitFor(() => expect(got).toEqual(['t']), patience)
    await consumer.subscribe('U')
    await vi.waitFor(() => expect(got).toEqual(['t', 'u']), patience)
    await consumer.unsubscribe('T')
    await send(broker, 'T', ['t2'])
    await send(broker, 'U', ['u2'])
    await vi.waitFor(() => expect(got).toEqual(['t', 'u', 'u2']), patience)
  })

  test('finds a topic that is created after it started', async () => {
    const broker = await testBroker()
    const { got } = await consume(broker, { pollNameServerInterval: 200, subscriptions: { Late: '*' } })
    await send(broker, 'Late', ['there'])
    await vi.waitFor(() => expect(got).toEqual(['there']), patience)
  })
})

describe('members of a group', () => {
  test('share the queues without overlap, and take over those of one that leaves', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(4, 'a'))
    const one = await consume(broker)
    await vi.waitFor(() => expect(one.got.length).toBe(4), patience)
    // What is consumed is stored every 5 s, and when the members change.
    const two = await consume(broker)
    const queuesOf = ({ consumer }: typeof one) =>
      consumer.queues().flatMap(({ queue }) => (queue.topic === 'T' ? [queue.queueId] : []))
    await vi.waitFor(() => expect([queuesOf(one), queuesOf(two)].map(({ length }) => length)).toEqual([2, 2]), patience)
    expect([...queuesOf(one), ...queuesOf(two)].sort()).toEqual([0, 1, 2, 3])
    await send(broker, 'T', texts(40, 'b'))
    // A queue that changes hands may bring again what its former owner had not stored yet.
    await vi.waitFor(() => expect(new Set([...one.got, ...two.got]).size).toBe(44), patience)
    expect(one.got.length + two.got.length).toBeLessThanOrEqual(48)
    await one.consumer.close()
    await vi.waitFor(() => expect(queuesOf(two).sort()).toEqual([0, 1, 2, 3]), patience)
    await send(broker, 'T', texts(8, 'c'))
    await vi.waitFor(() => expect(two.got.filter((text) => text.startsWith('c')).length).toBe(8), patience)
  })

  test('a group is one member of a client id only', async () => {
    const broker = await testBroker()
    await send(broker, 'T', ['x'])
    const first = await consume(broker, { instanceName: 'same' })
    // The topic is new: until NameServers know it nobody is a member of anything.
    await vi.waitFor(() => expect(first.got).toEqual(['x']), patience)
    await expect(consume(broker, { instanceName: 'same' })).rejects.toMatchObject({ code: 'GROUP_IN_USE' })
    // The one that was refused does not take the other one out of the group.
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    const { body } = await client.invoke(38, { consumerGroup: 'G' })
    expect(JSON.parse(Buffer.from(body ?? '{}').toString()).consumerIdList).toHaveLength(1)
    await send(broker, 'T', ['y'])
    await vi.waitFor(() => expect(first.got).toEqual(['x', 'y']), patience)
  })
})

describe('the end', () => {
  test('waits for the listener, whose messages then count, and calls it no more', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(50), {}, 1)
    const { consumer, got } = await consume(broker, { consumeThreadMax: 1 }, () => wait(30))
    await vi.waitFor(() => expect(got.length).toBeGreaterThan(2), patience)
    await consumer.close()
    const consumed = got.length
    await wait(80)
    expect(got.length).toBe(consumed)
    const { got: rest } = await consume(broker)
    await vi.waitFor(() => expect(rest.length).toBe(50 - consumed), patience)
    expect([...got, ...rest]).toEqual(texts(50))
  })

  test('comes by await using, and by a signal', async () => {
    const broker = await testBroker()
    await send(broker, 'T', ['x'])
    const options = { nameserver: broker.namesrv, group: 'G', subscriptions: { T: '*' }, listener: () => {} }
    const members = () => broker.handle.engine
    {
      await using consumer = new PushConsumer(options)
      await consumer.start()
      expect(members()).toBeDefined()
    }
    const abort = new AbortController()
    const consumer = new PushConsumer({ ...options, signal: abort.signal })
    await consumer.start()
    abort.abort(new Error('enough'))
    await consumer.close()
    expect(() => consumer.pause()).toThrow(ClientError)
    await expect(consumer.start()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test('a start that cannot be says why, and leaves nothing behind', async () => {
    const options = { nameserver: '127.0.0.1:1', group: 'G', subscriptions: { T: '*' }, listener: () => {} }
    await expect(new PushConsumer(options).start()).rejects.toMatchObject({ code: 'NO_NAMESRV' })
    expect(() => new PushConsumer({ ...options, orderlyListener: () => {} })).toThrow(/given twice/)
    expect(() => new PushConsumer({ ...options, consumeThreadMax: 0 })).toThrow(/consumeThreadMax is 0/)
    await expect(new PushConsumer({ ...options, subscriptions: {} }).start()).rejects.toThrow(/no topic/)
  })
})

test('a listener that fails is said in the log, with its queue', async () => {
  const broker = await testBroker()
  await send(broker, 'T', ['x'])
  const log = new HeardLog()
  await consume(broker, { log }, () => {
    throw new Error('no such account')
  })
  await vi.waitFor(() => expect(log.lines.join('\n')).toContain('warn the listener failed: no such account'), patience)
})

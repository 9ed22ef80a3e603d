/**
 * The client in the hands of somebody who reads no manual, without types: whatever is given, and in whatever order, the answer is a
 * ClientError that says what was wrong, at once, as a rejection where a promise was to come; and nothing is left behind.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  Admin,
  ClientError,
  LitePullConsumer,
  MemoryOnceStore,
  once,
  Producer,
  PushConsumer,
} from '../../src/client/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { startNamesrvProcess } from '../faults/support/namesrv-process.ts'

let broker: TestBroker
const patience = { timeout: 15_000 }
const unhandled: unknown[] = []
const onUnhandled = (error: unknown) => unhandled.push(error)

beforeAll(async () => {
  broker = await startTestBroker()
})
afterAll(() => broker.close())
beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', onUnhandled)
})
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onUnhandled)
  expect(unhandled).toEqual([])
})

/** What users without types may do. */
// biome-ignore lint/suspicious/noExplicitAny: these tests give what the types forbid
type Anything = any
const T = { topic: 'T', body: 'x' }
const queue = { topic: 'T', brokerName: 'nobody', queueId: 0 }
const options = (more: object = {}): Anything => ({ nameserver: broker.namesrv, group: 'odd', ...more })
const listener = () => undefined

/** The code it rejects with; 'thrown' in front where it threw instead, the name of another class where it is none of ours. */
async function codeOf(run: () => unknown): Promise<string> {
  let promise: unknown
  try {
    promise = run()
  } catch (error) {
    return `thrown ${codeIn(error)}`
  }
  const late = new Promise((resolve) => setTimeout(resolve, 3000, 'nothing in 3 s').unref())
  return String(await Promise.race([Promise.resolve(promise).then(() => 'resolved', codeIn), late]))
}

const codeIn = (error: unknown) => (error instanceof ClientError ? error.code : `not ours: ${error}`)

describe('a producer', () => {
  const cases: [string, string, (producer: Anything) => unknown][] = [
    ['no message', 'BAD_MESSAGE', (p) => p.send()],
    ['null', 'BAD_MESSAGE', (p) => p.send(null)],
    ['no topic', 'BAD_MESSAGE', (p) => p.send({ body: 'x' })],
    ['an empty topic', 'BAD_MESSAGE', (p) => p.send({ topic: '', body: 'x' })],
    ['a topic with umlauts', 'BAD_MESSAGE', (p) => p.send({ topic: 'größe', body: 'x' })],
    ['an empty body', 'BAD_MESSAGE', (p) => p.send({ topic: 'T', body: '' })],
    ['an object as body', 'BAD_MESSAGE', (p) => p.send({ topic: 'T', body: {} })],
    ['a body of 5 MiB', 'BAD_MESSAGE', (p) => p.send({ topic: 'T', body: Buffer.alloc(5 << 20) })],
    ['a number as key', 'BAD_MESSAGE', (p) => p.send({ ...T, keys: 5 })],
    ['a key with a blank', 'BAD_MESSAGE', (p) => p.send({ ...T, keys: ['a b'] })],
    ['an empty key', 'BAD_MESSAGE', (p) => p.send({ ...T, keys: ['a', ''] })],
    ['a number as property', 'BAD_MESSAGE', (p) => p.send({ ...T, properties: { a: 5 } })],
    ['properties of 40 kB', 'BAD_MESSAGE', (p) => p.send({ ...T, properties: { a: 'x'.repeat(40_000) } })],
    ['half a delay', 'BAD_MESSAGE', (p) => p.send({ ...T, delayTimeLevel: 1.5 })],
    ['no time', 'BAD_OPTION', (p) => p.send(T, { timeout: 0 })],
    ['NaN as time', 'BAD_OPTION', (p) => p.send(T, { timeout: Number.NaN })],
    ['text as time', 'BAD_OPTION', (p) => p.request(T, { timeout: '5' })],
    ['an aborted signal', 'ABORTED', (p) => p.send(T, { signal: AbortSignal.abort() })],
    ['one-way, no message', 'BAD_MESSAGE', (p) => p.sendOneway()],
    ['one-way, to no queue', 'BAD_OPTION', (p) => p.sendOneway(T, {})],
    ['no batch', 'BAD_MESSAGE', (p) => p.sendBatch()],
    ['nothing in a batch', 'BAD_MESSAGE', (p) => p.sendBatch([T, undefined])],
    ['no queue', 'BAD_OPTION', (p) => p.sendToQueue(T)],
    ['another topic’s queue', 'BAD_OPTION', (p) => p.sendToQueue(T, { ...queue, topic: 'U' })],
    ['a queue of nobody', 'NO_BROKER', (p) => p.sendToQueue(T, queue)],
    ['no sharding key', 'BAD_OPTION', (p) => p.sendOrderly(T)],
    ['a number as sharding key', 'BAD_OPTION', (p) => p.sendOrderly(T, 42)],
    ['no selector', 'BAD_LISTENER', (p) => p.sendBySelector(T)],
    ['an async selector', 'BAD_LISTENER', (p) => p.sendBySelector(T, async (all: unknown[]) => all[0])],
    ['no half message', 'BAD_MESSAGE', (p) => p.sendInTransaction(undefined, listener)],
    ['no local transaction', 'BAD_LISTENER', (p) => p.sendInTransaction(T)],
    ['no request', 'BAD_MESSAGE', (p) => p.request()],
    ['a reply to nothing', 'BAD_MESSAGE', (p) => p.reply(undefined, 'x')],
    ['queues of no topic', 'BAD_MESSAGE', (p) => p.fetchPublishMessageQueues('')],
    ['a start for no topic', 'BAD_MESSAGE', (p) => p.start('no topic')],
  ]
  test.each(cases)('that is given %s: %s', async (_, code, run) => {
    await using producer = new Producer(options())
    expect(await codeOf(() => run(producer))).toBe(code)
  })

  test('any text is sent and comes back: 日本語 😀', async () => {
    await using producer = new Producer(options())
    const { msgId } = await producer.send({
      topic: 'Unicode',
      body: '日本語 😀',
      tags: 'タグ',
      keys: ['ключ'],
      properties: { größe: '大' },
    })
    await using admin = new Admin(options())
    const found = await vi.waitFor(
      async () => (await admin.queryByMsgId('Unicode', msgId))[0] ?? Promise.reject('not yet'),
      patience,
    )
    expect(found.body.toString()).toBe('日本語 😀')
    expect(found).toMatchObject({ tags: 'タグ', keys: ['ключ'] })
    expect(found.properties.größe).toBe('大')
  })

  test('may be closed twice; after it, everything is CLIENT_CLOSED', async () => {
    const producer: Anything = new Producer(options({ checkLocalTransaction: listener }))
    await Promise.all([producer.close(), producer.close()])
    await producer.close()
    const methods = ['send', 'sendOneway', 'sendToQueue', 'sendOrderly', 'sendBySelector', 'sendBatch']
    const more = ['sendInTransaction', 'request', 'reply', 'fetchPublishMessageQueues', 'start']
    for (const method of [...methods, ...more]) {
      expect([method, await codeOf(() => producer[method](T, 'key'))]).toEqual([method, 'CLIENT_CLOSED'])
    }
  })
})

test.each<[string, Anything]>([
  ['nothing', undefined],
  ['no group', { group: undefined }],
  ['a group with umlauts', { group: 'grün' }],
  ['a number as NameServer', { nameserver: 9876 }],
  ['half an address', { nameserver: 'localhost' }],
  ['no account', { acl: null }],
  ['half an account', { acl: { accessKey: 'a' } }],
  ['text for tls', { tls: 'yes' }],
  ['a name as clientIP', { clientIP: 'localhost' }],
  ['half a timeout', { connectTimeout: 1.5 }],
])('a client that is given %s: BAD_OPTION', async (_, more) => {
  const given = more === undefined ? undefined : options(more)
  const consumer = more === undefined ? undefined : { ...given, listener }
  expect(await codeOf(() => new Producer(given))).toBe('thrown BAD_OPTION')
  expect(await codeOf(() => new PushConsumer(consumer as Anything))).toBe('thrown BAD_OPTION')
  expect(await codeOf(() => new LitePullConsumer(given))).toBe('thrown BAD_OPTION')
})

test('a signal that is aborted already: ABORTED, from all of them', async () => {
  const signal = AbortSignal.abort(new Error('mine'))
  const subscriptions = { T: '*' }
  expect(await codeOf(() => new Producer(options({ signal })))).toBe('thrown ABORTED')
  expect(await codeOf(() => new PushConsumer(options({ signal, listener, subscriptions })).start())).toBe('ABORTED')
  expect(await codeOf(() => new LitePullConsumer(options({ signal, subscriptions })).start())).toBe('ABORTED')
})

describe('a push consumer', () => {
  test.each<[string, string, () => unknown]>([
    ['no listener', 'thrown BAD_OPTION', () => new PushConsumer(options())],
    ['two listeners', 'thrown BAD_OPTION', () => new PushConsumer(options({ listener, orderlyListener: listener }))],
    ['text as listener', 'thrown BAD_OPTION', () => new PushConsumer(options({ listener: 'f' }))],
    [
      'a name as strategy',
      'thrown BAD_OPTION',
      () => new PushConsumer(options({ listener, allocateMessageQueueStrategy: 'AVG' })),
    ],
    [
      'no date',
      'thrown BAD_OPTION',
      () => new PushConsumer(options({ listener, consumeTimestamp: new Date(Number.NaN) })),
    ],
    ['no topic', 'BAD_OPTION', () => new PushConsumer(options({ listener })).start()],
    ['an empty topic', 'BAD_OPTION', () => new PushConsumer(options({ listener })).subscribe('')],
    ['no expression', 'BAD_OPTION', () => new PushConsumer(options({ listener })).subscribe('T', null as Anything)],
    ['a number', 'BAD_OPTION', () => new PushConsumer(options({ listener })).subscribe('T', 5 as Anything)],
  ])('that is given %s: %s', async (_, code, run) => {
    expect(await codeOf(run)).toBe(code)
  })

  test('may be started, and closed, twice; after it, everything is CLIENT_CLOSED', async () => {
    const consumer = new PushConsumer(options({ listener, subscriptions: { T: '*' } }))
    expect(await codeOf(() => consumer.pause())).toBe('thrown CLIENT_CLOSED')
    await Promise.all([consumer.start(), consumer.start()])
    await consumer.start()
    await consumer.unsubscribe('another')
    await Promise.all([consumer.close(), consumer.close()])
    expect(consumer.queues()).toEqual([])
    expect(await codeOf(() => consumer.start())).toBe('CLIENT_CLOSED')
    expect(await codeOf(() => consumer.subscribe('U'))).toBe('CLIENT_CLOSED')
  })

  test('a subscription that the broker refuses leaves the one before', async () => {
    await using producer = new Producer(options({ group: 'P' }))
    const got: string[] = []
    await using consumer = new PushConsumer(
      options({
        group: 'refused',
        subscriptions: { Kept: 'a' },
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        listener: ([message]: Anything) => void got.push(message.body.toString()),
      }),
    )
    await using admin = new Admin(options())
    // Returns when consumers find it: the broker is asked about an expression where it is known.
    await admin.createTopic('Kept')
    await producer.send({ topic: 'Kept', body: 'first', tags: 'a' })
    await consumer.start()
    // enablePropertyFilter is off.
    expect(await codeOf(() => consumer.subscribe('Kept', { sql: 'x > 1' }))).toBe('REFUSED')
    await producer.send({ topic: 'Kept', body: 'other', tags: 'b' })
    await producer.send({ topic: 'Kept', body: 'second', tags: 'a' })
    await vi.waitFor(() => expect(got).toEqual(['first', 'second']), patience)
  })

  test('a listener that never ends is waited for as long as was said', async () => {
    await using producer = new Producer(options({ group: 'P' }))
    await producer.send({ topic: 'Never', body: 'x' })
    let began = false
    const consumer = new PushConsumer(
      options({
        group: 'never',
        subscriptions: { Never: '*' },
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        awaitTerminationMillisWhenShutdown: 300,
        listener: () => {
          began = true
          return new Promise(() => {})
        },
      }),
    )
    await consumer.start()
    await vi.waitFor(() => expect(began).toBe(true), patience)
    const start = performance.now()
    await consumer.close()
    expect(performance.now() - start).toBeLessThan(2000)
    // Not consumed: another gets it.
    expect(broker.handle.lag('never')).toBe(1)
  })

  test('closed while it starts: the start is CLIENT_CLOSED', async () => {
    for (const consumer of [
      new PushConsumer(options({ group: 'early', listener, subscriptions: { T: '*' } })),
      new LitePullConsumer(options({ group: 'early', subscriptions: { T: '*' } })),
    ]) {
      const starting = codeOf(() => consumer.start())
      await consumer.close()
      expect(await starting).toBe('CLIENT_CLOSED')
    }
  })

  test('a start that failed may be tried again', async () => {
    const port = await freeBrokerPort()
    const nameserver = `127.0.0.1:${port}`
    for (const consumer of [
      new PushConsumer(options({ nameserver, listener, subscriptions: { T: '*' } })),
      new LitePullConsumer(options({ nameserver, subscriptions: { T: '*' } })),
    ]) {
      expect(await codeOf(() => consumer.start())).toBe('NO_NAMESRV')
      await using namesrv = await startNamesrvProcess({ listenPort: port })
      expect(namesrv.address).toBe(nameserver)
      await consumer.start()
      await consumer.close()
    }
  })
})

describe('a lite pull consumer', () => {
  test('that is given nonsense says so at once', async () => {
    const consumer: Anything = new LitePullConsumer(options({ group: 'lite' }))
    onTestFinished(() => consumer.close())
    expect(await codeOf(() => consumer.poll())).toBe('CLIENT_CLOSED')
    await consumer.start()
    expect(await consumer.poll({ timeout: 0 })).toEqual([])
    expect(await codeOf(() => consumer.poll({ timeout: Number.NaN }))).toBe('BAD_OPTION')
    expect(await codeOf(() => consumer.poll({ timeout: -1 }))).toBe('BAD_OPTION')
    expect(await codeOf(() => consumer.poll({ signal: AbortSignal.abort() }))).toBe('ABORTED')
    expect(await codeOf(() => consumer.assign())).toBe('BAD_OPTION')
    expect(await codeOf(() => consumer.offsetForTimestamp(queue, new Date(Number.NaN)))).toBe('BAD_OPTION')
    expect(await codeOf(() => consumer.seek(queue, 0))).toBe('NO_BROKER')
    await consumer.close()
    await consumer.close()
    const iterate = async () => {
      for await (const _ of consumer) break
    }
    const calls = [() => consumer.poll(), iterate, () => consumer.offsetForTimestamp(queue, 0), () => consumer.start()]
    for (const call of calls) expect(await codeOf(call)).toBe('CLIENT_CLOSED')
  })

  test('a message says what its queue held when it was pulled', async () => {
    await using producer = new Producer(options({ group: 'P', defaultTopicQueueNums: 1 }))
    for (const body of ['a', 'b', 'c']) await producer.send({ topic: 'Ranges', body })
    await using consumer = new LitePullConsumer(
      options({ group: 'ranges', subscriptions: { Ranges: '*' }, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' }),
    )
    await consumer.start()
    const [first] = await consumer.poll()
    expect({ ...first.properties }).toMatchObject({ MIN_OFFSET: '0', MAX_OFFSET: '3' })
  })
})

test('an admin: what is wrong is named, also after close', async () => {
  expect(await codeOf(() => new Admin(options({ timeout: -5 })))).toBe('thrown BAD_OPTION')
  const admin: Anything = new Admin(options())
  expect(await codeOf(() => admin.viewMessage('xx'))).toBe('BAD_OPTION')
  expect(await codeOf(() => admin.resetOffset('g', 'T', 'nonsense'))).toBe('BAD_OPTION')
  expect(await codeOf(() => admin.queueOffsets('nope'))).toBe('NO_ROUTE')
  expect(await codeOf(() => admin.createTopic('X', { cluster: 'nope' }))).toBe('NO_BROKER')
  const lost = new Admin(options({ nameserver: '127.0.0.1:1' }))
  await expect(lost.topics()).rejects.toMatchObject({ code: 'NO_NAMESRV', hint: expect.stringContaining('nameserver') })
  await lost.close()
  await Promise.all([admin.close(), admin.close()])
  expect(await codeOf(() => admin.topics())).toBe('CLIENT_CLOSED')
})

test('once: its errors are ClientErrors too, and nonsense is named', async () => {
  const store = new MemoryOnceStore()
  expect(await codeOf(() => once('', listener, store))).toBe('BAD_OPTION')
  expect(await codeOf(() => once('k', listener, store, { leaseMs: -1 }))).toBe('BAD_OPTION')
  let end = () => {}
  const first = once('k', () => new Promise<void>((resolve) => (end = resolve)), store)
  await expect(once('k', listener, store)).rejects.toMatchObject({
    name: 'OnceError',
    code: 'ONCE_BUSY',
    retriable: true,
  })
  expect(await codeOf(() => once('k', listener, store))).toBe('ONCE_BUSY')
  end()
  await first
})

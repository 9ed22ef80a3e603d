/** What a producer sends is what a broker stores: read back with a bare pull. */
import { inflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ClientError,
  type Message,
  type MessageQueue,
  Producer,
  type ProducerOptions,
} from '../../../src/client/index.ts'
import { javaHash } from '../../../src/store/commitlog/java-hash.ts'
import type { Message as StoredMessage } from '../../../src/store/commitlog/record.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

let broker: TestBroker
let reader: TestClient

beforeAll(async () => {
  broker = await startTestBroker()
  reader = new TestClient(broker.address)
})
afterAll(async () => {
  await reader.close()
  await broker.close()
})

const options = (more: Partial<ProducerOptions> = {}): ProducerOptions => ({
  nameserver: broker.namesrv,
  group: 'p',
  ...more,
})

/** The topic's messages queue by queue, once there are so many: what is acknowledged is in its queue a little later. */
async function stored(topic: string, count: number): Promise<StoredMessage[]> {
  for (const until = performance.now() + 5000; ; await new Promise((resolve) => setTimeout(resolve, 5))) {
    const queues = await Promise.all([0, 1, 2, 3].map((queueId) => reader.drain(topic, queueId)))
    const all = queues.flat()
    if (all.length >= count || performance.now() > until) return all
  }
}
const text = ({ body }: { body: Uint8Array }) => Buffer.from(body).toString()

test('a message is stored with its body, tag, keys, properties and id', async () => {
  await using producer = new Producer(options())
  const result = await producer.send({
    topic: 'whole',
    body: 'grüß dich',
    tags: 'new',
    keys: ['a', 'b'],
    properties: { tenant: 'x"y\\z', naïve: '€' },
    flag: 7,
  })
  expect(result).toMatchObject({ sendStatus: 'SEND_OK', queueOffset: 0, regionId: 'DefaultRegion', traceOn: true })
  expect(result.msgId).toMatch(/^[\dA-F]{32}$/)
  const [message, ...more] = await stored('whole', 1)
  expect(more).toEqual([])
  expect(text(message)).toBe('grüß dich')
  expect(message).toMatchObject({ queueId: result.messageQueue.queueId, flag: 7, sysFlag: 0, reconsumeTimes: 0 })
  expect(Object.fromEntries(message.properties)).toMatchObject({
    TAGS: 'new',
    KEYS: 'a b',
    tenant: 'x"y\\z',
    naïve: '€',
    UNIQ_KEY: result.msgId,
  })
  expect(message.bodyIsIntact).toBe(true)
})

test('sends take the queues in turns, and the sends of one turn of the loop are one write', async () => {
  await using producer = new Producer(options())
  await producer.start('turns')
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, i) => producer.send({ topic: 'turns', body: `${i}` })),
  )
  const counts = [0, 0, 0, 0]
  for (const { messageQueue } of results) counts[messageQueue.queueId] += 1
  expect(counts).toEqual([10, 10, 10, 10])
  expect(new Set(results.map(({ msgId }) => msgId)).size).toBe(40)
  expect((await stored('turns', 40)).map(text).sort()).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`).sort())
})

test('what is sent at once arrives in the order of its queue', async () => {
  await using producer = new Producer(options())
  await producer.start('row')
  const [queue] = await producer.fetchPublishMessageQueues('row')
  const results = await Promise.all(
    Array.from({ length: 300 }, (_, i) => producer.sendToQueue({ topic: 'row', body: `${i}` }, queue)),
  )
  expect(results.map(({ queueOffset }) => queueOffset)).toEqual(results.map((_, i) => i))
  expect((await stored('row', 300)).map(text)).toEqual(results.map((_, i) => `${i}`))
})

test.each(['JSON', 'ROCKETMQ'] as const)('large bodies are compressed, with %s headers', async (headers) => {
  await using producer = new Producer(options({ headers }))
  const topic = `large-${headers}`
  const large = 'abcdefgh'.repeat(20_000)
  await producer.send({ topic, body: large })
  await producer.send({ topic, body: 'x'.repeat(4095) })
  const random = Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(Math.random() * 256)))
  await producer.send({ topic, body: random })
  const messages = await stored(topic, 3)
  const packed = messages.find(({ sysFlag }) => sysFlag === 0x301)
  expect(inflateSync(packed!.body).toString()).toBe(large)
  expect(messages.map(({ sysFlag }) => sysFlag).sort()).toEqual([0, 0, 0x301])
  // What does not get smaller stays as it is.
  expect(messages.some(({ body }) => random.equals(body))).toBe(true)
})

test('the same key goes to the queue that Java would take', async () => {
  await using producer = new Producer(options())
  for (const key of ['order-1', 'order-2', 'ünïcode', 'polygenelubricants']) {
    const { messageQueue } = await producer.sendOrderly({ topic: 'sharded', body: key }, key)
    expect(messageQueue.queueId, key).toBe(Math.abs(javaHash(key) % 4))
  }
  await expect(
    producer.sendBySelector({ topic: 'sharded', body: 'x' }, () => undefined as unknown as MessageQueue),
  ).rejects.toMatchObject({ code: 'BAD_LISTENER' })
})

test('a one-way send is stored', async () => {
  await using producer = new Producer(options())
  await producer.sendOneway({ topic: 'oneway', body: 'gone' })
  await producer.close()
  expect((await stored('oneway', 1)).map(text)).toEqual(['gone'])
})

test('a delayed message comes when its level is over', async () => {
  await using producer = new Producer(options())
  await producer.start('delayed')
  await producer.send({ topic: 'delayed', body: 'later', delayTimeLevel: 3 })
  expect(await stored('delayed', 0)).toEqual([])
  broker.advance('11s')
  expect((await stored('delayed', 1)).map(text)).toEqual(['later'])
})

describe('batches', () => {
  test('are cut to the size limit; every message has its own id and place', async () => {
    await using producer = new Producer(options({ maxMessageSize: 10_000 }))
    const messages = Array.from(
      { length: 100 },
      (_, i): Message => ({ topic: 'batch', body: `${i}`.padEnd(500, '.'), keys: `k${i}`, flag: i }),
    )
    const results = await producer.sendBatch(messages)
    expect(results).toHaveLength(100)
    const all = await stored('batch', 100)
    const byId = new Map(all.map((one) => [one.properties.get('UNIQ_KEY'), one]))
    expect(byId.size).toBe(100)
    for (const [i, { msgId, queueOffset, messageQueue, offsetMsgId }] of results.entries()) {
      const one = byId.get(msgId)!
      expect([one.queueOffset, one.queueId, one.flag]).toEqual([queueOffset, messageQueue.queueId, i])
      expect(offsetMsgId.endsWith(one.physicalOffset.toString(16).toUpperCase())).toBe(true)
      expect(one.properties.get('KEYS')).toBe(`k${i}`)
    }
    // 17 requests of six or fewer each went to four queues.
    expect(new Set(results.map(({ messageQueue }) => messageQueue.queueId)).size).toBeGreaterThan(1)
  })

  test('of several topics are sent topic by topic, and the results keep the order', async () => {
    await using producer = new Producer(options())
    const messages = Array.from({ length: 10 }, (_, i): Message => ({ topic: `batch-${i % 2}`, body: `${i}` }))
    const results = await producer.sendBatch(messages)
    expect(results.map(({ messageQueue }) => messageQueue.topic)).toEqual(messages.map(({ topic }) => topic))
    expect((await stored('batch-0', 5)).map(text)).toEqual(['0', '2', '4', '6', '8'])
  })

  test('refuse what a batch cannot have, before anything is sent', async () => {
    await using producer = new Producer(options({ maxMessageSize: 1000 }))
    const fine = { topic: 'batch-no', body: 'x' }
    for (const bad of [
      { topic: 'batch-no', body: 'x', delayTimeLevel: 2 },
      { topic: '%RETRY%p', body: 'x' },
      { topic: 'batch-no', body: 'x'.repeat(990) },
      { topic: 'batch-no', body: '' },
    ]) {
      await expect(producer.sendBatch([fine, bad])).rejects.toMatchObject({ code: 'BAD_MESSAGE' })
    }
    await producer.send(fine)
    expect(await stored('batch-no', 1)).toHaveLength(1)
    expect(await producer.sendBatch([])).toEqual([])
  })
})

test('a namespace is on the wire, not in what users see', async () => {
  await using producer = new Producer(options({ namespace: 'ns' }))
  const result = await producer.send({ topic: 'spaced', body: 'x' })
  expect(result.messageQueue.topic).toBe('spaced')
  const [queue] = await producer.fetchPublishMessageQueues('spaced')
  expect(queue.topic).toBe('spaced')
  await producer.sendToQueue({ topic: 'spaced', body: 'y' }, queue)
  const [message, ...others] = await stored('ns%spaced', 2)
  expect(message.properties.get('INSTANCE_ID')).toBe('ns')
  expect(others).toHaveLength(1)
})

describe('messages that cannot be sent', () => {
  test.each([
    ['no topic', { topic: '', body: 'x' }, /no topic/],
    ['a topic with a blank', { topic: 'a b', body: 'x' }, /letters/],
    ['a long topic', { topic: 'x'.repeat(128), body: 'x' }, /128 characters/],
    ["the broker's own topic", { topic: 'SCHEDULE_TOPIC_XXXX', body: 'x' }, /broker's own/],
    ['an empty body', { topic: 't', body: '' }, /empty/],
    ['an object as body', { topic: 't', body: { a: 1 } as unknown as string }, /JSON\.stringify/],
    ['a body that is too large', { topic: 't', body: Buffer.alloc(1001) }, /1001 bytes/],
    ["a property of RocketMQ's", { topic: 't', body: 'x', properties: { UNIQ_KEY: 'a' } }, /RocketMQ's own/],
    ['a property that is no text', { topic: 't', body: 'x', properties: { a: 1 as unknown as string } }, /number/],
    ['an empty property', { topic: 't', body: 'x', properties: { a: '' } }, /empty/],
    ['a property with a divider', { topic: 't', body: 'x', properties: { a: 'b\u0001c' } }, /control/],
    [
      'properties that are too long',
      { topic: 't', body: 'x', properties: { a: 'ä'.repeat(17_000) } },
      /34\d\d\d bytes/,
    ],
    ['a flag that is no integer', { topic: 't', body: 'x', flag: 0.5 }, /flag/],
    ['a delay that is no level', { topic: 't', body: 'x', delayTimeLevel: -1 }, /delayTimeLevel/],
  ] as [string, Message, RegExp][])('%s', async (_, message, says) => {
    await using producer = new Producer(options({ maxMessageSize: 1000 }))
    const failed = producer.send(message)
    await expect(failed).rejects.toMatchObject({ name: 'ClientError', code: 'BAD_MESSAGE', retriable: false })
    await expect(failed).rejects.toThrow(says)
  })
})

test('a broker that refuses is heard at once, with its words', async () => {
  await using producer = new Producer(options({ maxMessageSize: 8_000_000, compressMsgBodyOverHowmuch: 10_000_000 }))
  const failed = producer.send({ topic: 'refused', body: Buffer.alloc(5_000_000) })
  await expect(failed).rejects.toMatchObject({
    code: 'REFUSED',
    answerCode: 13,
    address: broker.address,
    retriable: false,
  })
})

test('options that are wrong are named', () => {
  for (const [more, says] of [
    [{ group: 'a b' }, /option group is "a b"/],
    [{ group: 'DEFAULT_PRODUCER' }, /DEFAULT_PRODUCER/],
    [{ nameserver: 'nonsense' }, /nameserver "nonsense"/],
    [{ nameserver: '' }, /no NameServer/],
    [{ sendMsgTimeout: 0 }, /sendMsgTimeout is 0.*from 1 up/],
    [{ compressType: 'LZO' as 'LZ4' }, /compressType is "LZO".*'ZLIB' or 'LZ4'/],
    [{ compressLevel: 10 }, /compressLevel/],
    [{ acl: { accessKey: 'a', secretKey: '' } }, /acl\.secretKey/],
    [{ tls: { trustCertPath: '/does/not/exist' } }, /option tls/],
  ] as [Partial<ProducerOptions>, RegExp][]) {
    expect(() => new Producer(options(more)), String(says)).toThrow(says)
    expect(() => new Producer(options(more))).toThrow(ClientError)
  }
})

test('a signal that is aborted ends a send at once, and closes a producer', async () => {
  const producer = new Producer(options())
  await producer.start('aborted')
  const stop = new AbortController()
  broker.faults.set('holdAppend', 1)
  const held = producer.send({ topic: 'aborted', body: 'x' }, { signal: stop.signal })
  stop.abort(new Error('the user went away'))
  await expect(held).rejects.toMatchObject({ code: 'ABORTED', message: expect.stringContaining('the user went away') })
  broker.faults.set('holdAppend', 0)
  await expect(producer.send({ topic: 'aborted', body: 'x' }, { signal: stop.signal })).rejects.toMatchObject({
    code: 'ABORTED',
  })
  const batch = [{ topic: 'aborted', body: 'of a batch' }]
  await expect(producer.sendBatch(batch, { signal: stop.signal })).rejects.toMatchObject({ code: 'ABORTED' })
  await producer.close()
  await expect(producer.send({ topic: 'aborted', body: 'x' })).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })

  const life = new AbortController()
  const other = new Producer(options({ signal: life.signal }))
  await other.send({ topic: 'aborted', body: 'x' })
  life.abort()
  await expect(other.send({ topic: 'aborted', body: 'x' })).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  await other.close()
})

test('close waits for what is under way', async () => {
  const producer = new Producer(options())
  await producer.start('closing')
  broker.faults.set('holdAppend', 1)
  const sends = Array.from({ length: 20 }, (_, i) => producer.send({ topic: 'closing', body: `${i}` }))
  const closed = producer.close()
  await new Promise((resolve) => setTimeout(resolve, 20))
  broker.faults.set('holdAppend', 0)
  await closed
  expect((await Promise.all(sends)).every(({ sendStatus }) => sendStatus === 'SEND_OK')).toBe(true)
})

test('disk that does not confirm in time is a status, not an error', async () => {
  await using slow = await startTestBroker({ config: { flushDiskType: 'SYNC_FLUSH', syncFlushTimeout: 50 } })
  await using producer = new Producer(options({ nameserver: slow.namesrv }))
  await producer.start('slow')
  slow.faults.set('holdSync', 1)
  const result = await producer.send({ topic: 'slow', body: 'x' })
  slow.faults.set('holdSync', 0)
  expect(result.sendStatus).toBe('FLUSH_DISK_TIMEOUT')
  expect(result.queueOffset).toBe(0)
})

test('more than a connection takes at once waits for it', async () => {
  await using producer = new Producer(options({ sendMsgTimeout: 20_000, compressMsgBodyOverHowmuch: 1 << 24 }))
  await producer.start('flood')
  const body = Buffer.alloc(100_000, 1)
  // More than a connection may hold at all: 64 MiB.
  const results = await Promise.all(Array.from({ length: 1500 }, () => producer.send({ topic: 'flood', body })))
  expect(results.every(({ sendStatus }) => sendStatus === 'SEND_OK')).toBe(true)
})

test('with tls nothing is said in the clear', async () => {
  await using secure = await startTestBroker({
    config: { 'tls.server.mode': 'enforcing', 'tls.test.mode.enable': true },
  })
  await using producer = new Producer(options({ nameserver: secure.namesrv, tls: true }))
  expect((await producer.send({ topic: 'secret', body: 'x' })).sendStatus).toBe('SEND_OK')
  await using plain = new Producer(options({ nameserver: secure.namesrv, sendMsgTimeout: 500 }))
  await expect(plain.send({ topic: 'secret', body: 'x' })).rejects.toMatchObject({ code: 'NO_NAMESRV' })
})

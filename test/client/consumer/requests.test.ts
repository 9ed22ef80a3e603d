/** What brokers and administrators ask of a consumer: offsets set anew, its state, one message now; and broadcast. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { parse } from '../../../src/remoting/fastjson.ts'
import { TestClient } from '../../support/client.ts'
import { consume, orderly, send, testBroker, texts } from './support.ts'

const patience = { timeout: 15_000 }
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function admin(address: string): TestClient {
  const client = new TestClient(address)
  onTestFinished(() => client.close())
  return client
}
const bodyOf = (answer: { code: number; remark: string | undefined; body: Uint8Array | undefined }) => {
  expect(answer.code, answer.remark).toBe(0)
  return parse(answer.body ?? Buffer.from('{}')) as Record<string, unknown>
}

test('offsets that an administrator sets back: everything from there comes again, once', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(40))
  const { got, consumer } = await consume(broker, { persistConsumerOffsetInterval: 100 })
  await vi.waitFor(() => expect(got.length).toBe(40), patience)
  await vi.waitFor(() => expect(broker.handle.lag('G')).toBe(0), patience)
  const reset = { topic: 'T', group: 'G', timestamp: '0', isForce: 'true' }
  const client = admin(broker.address)
  // Refused until every queue has an offset.
  await vi.waitFor(async () => expect((await client.invoke(222, reset)).code).toBe(0), patience)
  await vi.waitFor(() => expect(got.length).toBe(80), patience)
  await send(broker, 'T', ['new'])
  await vi.waitFor(() => expect(got.length).toBe(81), patience)
  await consumer.close()
  expect(broker.handle.lag('G')).toBe(0)
})

test('how far it is, by queue', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(8))
  const { got, consumer } = await consume(broker)
  await vi.waitFor(() => expect(got.length).toBe(8), patience)
  const status = bodyOf(await admin(broker.address).invoke(223, { topic: 'T', group: 'G' }))
  const table = (status.consumerTable as Record<string, Map<unknown, number>>)[consumer.clientId]
  expect([...table].map(([, offset]) => offset)).toEqual([2, 2, 2, 2])
})

test('what it does: subscriptions, queues, rates', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(8))
  const { got, consumer } = await consume(broker, { ...orderly, subscriptions: { T: '*' } })
  await vi.waitFor(() => expect(got.length).toBe(8), patience)
  const ask = { consumerGroup: 'G', clientId: consumer.clientId, jstackEnable: 'true' }
  const info = bodyOf(await admin(broker.address).invoke(307, ask))
  expect(info.properties).toMatchObject({
    PROP_NAMESERVER_ADDR: broker.namesrv,
    PROP_CONSUMEORDERLY: 'true',
    PROP_CONSUME_TYPE: 'CONSUME_PASSIVELY',
    PROP_THREADPOOL_CORE_SIZE: '20',
  })
  expect((info.subscriptionSet as { topic: string }[]).map(({ topic }) => topic).sort()).toEqual(['%RETRY%G', 'T'])
  const queues = [...(info.mqTable as Map<{ topic: string }, Record<string, unknown>>)].filter(
    ([{ topic }]) => topic === 'T',
  )
  expect(queues.map(([, queue]) => [queue.commitOffset, queue.cachedMsgCount, queue.locked])).toEqual(
    Array.from({ length: 4 }, () => [2, 0, true]),
  )
  expect((info.statusTable as Record<string, { consumeOKTPS: number }>).T.consumeOKTPS).toBeGreaterThan(0)
  expect(info.jstack).toContain(process.version)
})

test.each([
  ['CR_SUCCESS', () => undefined],
  ['CR_LATER', () => 'RECONSUME_LATER'],
  ['CR_THROW_EXCEPTION', () => Promise.reject(new Error('no account'))],
])('one message directly: %s', async (result, then) => {
  const broker = await testBroker()
  await send(broker, 'T', ['x'])
  const seen: string[] = []
  const { consumer, messages } = await consume(broker, {}, ([message]) => {
    seen.push(message.topic)
    return seen.length === 1 ? undefined : then()
  })
  await vi.waitFor(() => expect(messages.length).toBe(1), patience)
  const ask = { consumerGroup: 'G', clientId: consumer.clientId, msgId: messages[0].offsetMsgId }
  const answer = bodyOf(await admin(broker.address).invoke(309, ask))
  expect(answer).toMatchObject({ consumeResult: result, order: false, autoCommit: true })
  if (result === 'CR_THROW_EXCEPTION') expect(answer.remark).toBe('no account')
  expect(seen).toEqual(['T', 'T'])
})

test('broadcast: every client gets every message, what fails does not come again, and the offsets are in its own file', async () => {
  const broker = await testBroker()
  const folder = mkdtempSync(join(tmpdir(), 'basalt-broadcast-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  await send(broker, 'T', texts(20))
  const options = (instanceName: string) =>
    ({
      messageModel: 'BROADCASTING',
      offsetStoreFolder: folder,
      instanceName,
      persistConsumerOffsetInterval: 50,
    }) as const
  const one = await consume(broker, options('one'), () => 'RECONSUME_LATER')
  const two = await consume(broker, options('two'))
  for (const { got } of [one, two])
    await vi.waitFor(() => expect([...got].sort()).toEqual([...texts(20)].sort()), patience)
  await one.consumer.close()
  const file = readFileSync(join(folder, '127.0.0.1@one', 'G', 'offsets.json'), 'utf8')
  expect([...((parse(file) as { offsetTable: unknown }).offsetTable as Map<unknown, number>).values()]).toEqual([
    5, 5, 5, 5,
  ])
  await send(broker, 'T', ['later'])
  const again = await consume(broker, options('one'))
  await vi.waitFor(() => expect(again.got).toEqual(['later']), patience)
})

test('an offset that is not in the queue any more is corrected, and consumption goes on', async () => {
  const broker = await testBroker()
  await send(broker, 'T', texts(8))
  const client = admin(broker.address)
  const commit = { consumerGroup: 'G', topic: 'T', queueId: '0', commitOffset: '500' }
  expect((await client.invoke(15, commit)).code).toBe(0)
  const { got } = await consume(broker)
  await vi.waitFor(() => expect(got.length).toBe(6), patience)
  await wait(1500)
  await send(broker, 'T', texts(4, 'n'))
  await vi.waitFor(() => expect(got.filter((text) => text.startsWith('n')).length).toBe(4), patience)
})

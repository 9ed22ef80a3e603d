/** brokerPermission taken away and given back while the broker runs: what clients and NameServers see of it. */
import { expect, test } from 'vitest'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

const NO_PERMISSION = 16

interface Route {
  queueDatas: { brokerName: string; perm: number }[]
}

async function permOf(namesrv: TestClient, topic: string): Promise<number> {
  const answer = await namesrv.invoke(105, { topic, acceptStandardJsonOnly: 'true' })
  return (JSON.parse(Buffer.from(answer.body ?? []).toString()) as Route).queueDatas[0].perm
}

function clients(broker: TestBroker): { client: TestClient; namesrv: TestClient } & AsyncDisposable {
  const [client, namesrv] = [new TestClient(broker.address), new TestClient(broker.namesrv)]
  const close = async () => {
    await client.close()
    await namesrv.close()
  }
  return { client, namesrv, [Symbol.asyncDispose]: close }
}

function createTopic(client: TestClient, topic: string, perm: number, queues = 4) {
  const numbers = { readQueueNums: String(queues), writeQueueNums: String(queues), perm: String(perm) }
  return client.invoke(17, { topic, defaultTopic: 'TBW102', topicFilterType: 'SINGLE_TAG', order: 'false', ...numbers })
}

test('without write every send is refused with 16, pulls go on, and no route offers a queue to write to', async () => {
  await using broker = await startTestBroker()
  await using both = clients(broker)
  const { client, namesrv } = both
  await createTopic(client, 'ReadOnly', 4)
  await createTopic(client, 'WriteOnly', 2)
  expect((await client.send('T', 'before')).code).toBe(0)
  await expect.poll(() => permOf(namesrv, 'T')).toBe(6)

  broker.handle.config.brokerPermission = 4
  for (const topic of ['T', 'New']) {
    const answer = await client.send(topic, 'refused')
    expect([answer.code, answer.remark]).toEqual([NO_PERMISSION, 'the broker[127.0.0.1] sending message is forbidden'])
  }
  expect((await client.pull('T', 0, 0, { suspendMs: 3000 })).messages).toHaveLength(1)
  await expect.poll(() => permOf(namesrv, 'T'), { timeout: 5000 }).toBe(4)
  const perms = await Promise.all(['TBW102', 'ReadOnly', 'WriteOnly'].map((topic) => permOf(namesrv, topic)))
  expect(perms).toEqual([4, 4, 0])

  broker.handle.config.brokerPermission = 6
  expect((await client.send('T', 'after')).code).toBe(0)
  await expect.poll(() => permOf(namesrv, 'T'), { timeout: 5000 }).toBe(6)
  expect(await permOf(namesrv, 'TBW102')).toBe(7)
})

test('without read every pull is refused with 16, one that is held too, and sends go on', async () => {
  await using broker = await startTestBroker()
  await using both = clients(broker)
  const { client, namesrv } = both
  expect((await client.send('T', 'first')).code).toBe(0)
  await client.pull('T', 0, 0, { suspendMs: 5000 })
  const held = client.pull('T', 0, 1, { suspendMs: 15_000 })
  await new Promise((resolve) => setTimeout(resolve, 50))
  broker.handle.config.brokerPermission = 2
  const { code, answer } = await client.pull('T', 0, 0)
  expect([code, answer.remark]).toEqual([NO_PERMISSION, 'the broker[127.0.0.1] pulling message is forbidden'])
  const began = performance.now()
  expect((await held).code).toBe(NO_PERMISSION)
  expect(performance.now() - began).toBeLessThan(5000)
  expect((await client.send('T', 'second')).code).toBe(0)
  await expect.poll(() => permOf(namesrv, 'T'), { timeout: 5000 }).toBe(2)
})

test('a topic without read is refused to pulls; a topic without write is only hidden from producers, as in 4.9', async () => {
  await using broker = await startTestBroker()
  await using both = clients(broker)
  const { client, namesrv } = both
  await createTopic(client, 'ReadOnly', 4)
  await createTopic(client, 'WriteOnly', 2)
  // By routes alone: whoever has an old one is served.
  expect((await client.send('ReadOnly', 'm')).code).toBe(0)
  expect((await client.send('WriteOnly', 'm')).code).toBe(0)
  expect((await client.pull('ReadOnly', 0, 0, { suspendMs: 3000 })).code).toBe(0)
  const { code, answer } = await client.pull('WriteOnly', 0, 0)
  expect([code, answer.remark]).toEqual([NO_PERMISSION, 'the topic[WriteOnly] pulling message is forbidden'])
  expect(await Promise.all(['ReadOnly', 'WriteOnly'].map((topic) => permOf(namesrv, topic)))).toEqual([4, 2])
})

test('a stopped broker leaves the routes at once', async () => {
  await using namesrvOnly = await startTestBroker()
  const config = { nameServerInside: 'never', namesrvAddr: namesrvOnly.namesrv, brokerName: 'second' } as const
  const broker = await startTestBroker({ config })
  await using both = clients(namesrvOnly)
  const { namesrv } = both
  expect((await namesrv.invoke(105, { topic: 'second' })).code).toBe(0)
  await broker.close()
  expect((await namesrv.invoke(105, { topic: 'second' })).code).toBe(17)
})

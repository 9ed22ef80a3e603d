/** The processors in a whole broker: real sockets, real store, a restart. */
import { expect, test } from 'vitest'
import { parse } from '../../../src/remoting/fastjson.ts'
import type { RemotingCommand } from '../../../src/remoting/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { bodyOf, heartbeat, subscription, textOf } from '../rig.ts'

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const NEW_TOPIC = {
  topic: 'Admin',
  defaultTopic: 'TBW102',
  readQueueNums: '2',
  writeQueueNums: '2',
  perm: '6',
  topicFilterType: 'SINGLE_TAG',
  order: 'false',
}

test('a topic is created, filled, asked about, and known to the NameServer and after a restart', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  expect(await client.invoke(17, NEW_TOPIC)).toMatchObject({ code: 0 })
  const namesrv = new TestClient(broker.namesrv)
  expect(bodyOf(await namesrv.invoke(105, { topic: 'Admin' }))).toMatchObject({
    queueDatas: [{ readQueueNums: 2, writeQueueNums: 2, perm: 6 }],
  })
  const started = Date.now()
  const sent = await client.send('Admin', 'hello', { queueId: 1, properties: { KEYS: 'a b', UNIQ_KEY: 'U1' } })
  expect(sent.code).toBe(0)
  await client.pull('Admin', 1, 0, { suspendMs: 5_000 })
  const { offsetTable } = parse(textOf(await client.invoke(202, { topic: 'Admin' }))) as {
    offsetTable: Map<{ queueId: number }, { maxOffset: number; minOffset: number; lastUpdateTimestamp: number }>
  }
  const rows = new Map([...offsetTable].map(([queue, row]) => [queue.queueId, row]))
  expect(rows.get(0)).toEqual({ lastUpdateTimestamp: 0, maxOffset: 0, minOffset: 0 })
  expect(rows.get(1)).toMatchObject({ maxOffset: 1, minOffset: 0 })
  expect(rows.get(1)!.lastUpdateTimestamp).toBeGreaterThanOrEqual(started - 1)

  const physicalOffset = BigInt(`0x${sent.ext!.msgId.slice(-16)}`).toString()
  expect(textOf(await client.invoke(33, { offset: physicalOffset }))).toContain('hello')
  const query = { topic: 'Admin', maxNum: '32', beginTimestamp: '0', endTimestamp: '9223372036854775807' }
  expect(textOf(await client.invoke(12, { ...query, key: 'b' }))).toContain('hello')
  expect(await client.invoke(12, { ...query, key: 'c' })).toMatchObject({ code: 22 })
  const queue = { topic: 'Admin', queueId: '1' }
  expect((await client.invoke(30, queue)).ext).toEqual({ offset: '1' })
  expect((await client.invoke(31, queue)).ext).toEqual({ offset: '0' })
  expect((await client.invoke(29, { ...queue, timestamp: '0' })).ext).toEqual({ offset: '0' })
  expect(Number((await client.invoke(32, queue)).ext?.timestamp)).toBe(rows.get(1)!.lastUpdateTimestamp)
  expect((await client.invoke(14, { ...queue, consumerGroup: 'CG' })).ext).toEqual({ offset: '0' })
  expect(await client.invoke(15, { ...queue, consumerGroup: 'CG', commitOffset: '1' })).toMatchObject({ code: 0 })
  await namesrv.close()
  await client.close()

  await using second = await broker.restart()
  const again = new TestClient(second.address)
  expect(bodyOf(await again.invoke(351, { topic: 'Admin' }))).toMatchObject({ writeQueueNums: 2 })
  expect((await again.invoke(14, { ...queue, consumerGroup: 'CG' })).ext).toEqual({ offset: '1' })
  expect(bodyOf(await again.invoke(352, { group: 'CG' }))).toMatchObject({ retryMaxTimes: 16 })
  await again.close()
})

test('consumers of a group hear of each other as they come and go, over either port', async () => {
  await using broker = await startTestBroker()
  const heard = { a: 0, b: 0 }
  const hears = (name: 'a' | 'b') => (command: RemotingCommand) => {
    if (command.code === 40 && command.ext?.consumerGroup === 'G') heard[name]++
    return undefined
  }
  const a = new TestClient(broker.address, hears('a'))
  const b = new TestClient(broker.handle.addresses.fast, hears('b'))
  const body = (id: string) => json(heartbeat(id, { G: [subscription('T')] }))
  expect(await a.invoke(34, {}, body('a'))).toMatchObject({ code: 0 })
  expect(heard).toEqual({ a: 1, b: 0 })
  expect(await b.invoke(34, {}, body('b'))).toMatchObject({ code: 0 })
  expect(heard.b).toBe(1)
  await expect.poll(() => heard.a).toBe(2)
  expect(bodyOf(await a.invoke(38, { consumerGroup: 'G' }))).toEqual({ consumerIdList: ['a', 'b'] })
  await b.close()
  await expect.poll(() => heard.a).toBe(3)
  expect(bodyOf(await a.invoke(38, { consumerGroup: 'G' }))).toEqual({ consumerIdList: ['a'] })
  await a.close()
})

test('a client that falls silent for two minutes of the broker’s clock is closed', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  await client.invoke(34, {}, json(heartbeat('a', { G: [subscription('T')] })))
  broker.advance('119s')
  expect(await client.invoke(38, { consumerGroup: 'G' })).toMatchObject({ code: 0 })
  broker.advance('30s')
  await expect.poll(async () => (await client.invoke(38, { consumerGroup: 'G' })).code).toBe(1)
  await client.close()
})

test('the runtime table shows what was sent, as text', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  for (let i = 0; i < 10; i++) await client.send('T', 'x')
  const { table } = bodyOf(await client.invoke(28)) as { table: Record<string, string> }
  expect(table).toMatchObject({ msgPutTotalTodayNow: '10', putMessageTimesTotal: '10', brokerVersionDesc: 'V4_9_8' })
  expect(Object.entries(table).filter(([, value]) => typeof value !== 'string')).toEqual([])
  expect(Number(table.commitLogMaxOffset)).toBeGreaterThan(0)
  expect(textOf(await client.invoke(26))).toContain('brokerName=')
  await client.close()
})

test('a bad request costs an answer, not the connection', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  expect(await client.invoke(9999)).toMatchObject({ code: 3, remark: ' request type 9999 not supported' })
  expect(await client.invoke(34, {}, Buffer.from([0xff, 0xfe, 0]))).toMatchObject({ code: 1 })
  expect(await client.invoke(30, { topic: '../../x', queueId: '0' })).toMatchObject({ code: 1 })
  expect(await client.invoke(30, { topic: 'T' })).toMatchObject({
    code: 1,
    remark: 'the header of request 30 has no field queueId',
  })
  expect(await client.invoke(30, { topic: 'T', queueId: '0' })).toMatchObject({ code: 0 })
  await client.close()
})

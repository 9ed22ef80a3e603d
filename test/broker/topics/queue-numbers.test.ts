/**
 * Numbers of queues to write and to read, and permissions, in a whole broker: RocketMQ's own examples. What is written and not
 * read is kept; shrinking in the right order loses nothing.
 */
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { bodyOf } from '../rig.ts'

async function setUp() {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const namesrv = new TestClient(broker.namesrv)
  onTestFinished(() => namesrv.close())
  const topic = async (write: number, read: number, perm = 6) => {
    const ext = { topic: 'T', defaultTopic: 'TBW102', readQueueNums: String(read), writeQueueNums: String(write) }
    const more = { perm: String(perm), topicFilterType: 'SINGLE_TAG', order: 'false' }
    expect((await client.invoke(17, { ...ext, ...more })).code).toBe(0)
  }
  /** Queues as producers and consumers take them from the route. */
  const route = async () => {
    const { queueDatas } = bodyOf(await namesrv.invoke(105, { topic: 'T' })) as {
      queueDatas: { readQueueNums: number; writeQueueNums: number; perm: number }[]
    }
    return [queueDatas[0].writeQueueNums, queueDatas[0].readQueueNums, queueDatas[0].perm]
  }
  const send = async (queueId: number, body = `q${queueId}`) => (await client.send('T', body, { queueId })).code
  const readable = async (queueId: number) => {
    const max = async () => Number((await client.invoke(30, { topic: 'T', queueId: String(queueId) })).ext?.offset)
    await vi.waitFor(() => {
      const { control } = broker.handle.engine
      expect(control.load('dispatched')).toBe(control.load('appended'))
    })
    const { code, messages } = await client.pull('T', queueId, 0)
    return { code, bodies: messages.map((m) => m.body.toString()), stored: await max() }
  }
  return { broker, client, topic, route, send, readable }
}

test('8 to write, 4 to read: queues 4 to 7 take messages, and nobody is given them until they are opened', async () => {
  const { topic, route, send, readable } = await setUp()
  await topic(8, 4)
  expect(await route()).toEqual([8, 4, 6])
  for (let queueId = 0; queueId < 8; queueId++) expect(await send(queueId)).toBe(0)
  expect(await send(8)).toBe(1)
  for (let queueId = 0; queueId < 4; queueId++) {
    expect(await readable(queueId)).toEqual({ code: 0, bodies: [`q${queueId}`], stored: 1 })
  }
  for (let queueId = 4; queueId < 8; queueId++) {
    expect(await readable(queueId)).toEqual({ code: 1, bodies: [], stored: 1 })
  }
  await topic(8, 8)
  for (let queueId = 4; queueId < 8; queueId++) expect((await readable(queueId)).bodies).toEqual([`q${queueId}`])
})

test('4 to write, 8 to read: whoever consumes 4 to 7 waits for what never comes', async () => {
  const { topic, route, send, readable } = await setUp()
  await topic(4, 8)
  expect(await route()).toEqual([4, 8, 6])
  for (let queueId = 0; queueId < 4; queueId++) await send(queueId)
  for (let queueId = 0; queueId < 8; queueId++) {
    const expected = queueId < 4 ? { code: 0, bodies: [`q${queueId}`], stored: 1 } : { code: 19, bodies: [], stored: 0 }
    expect(await readable(queueId)).toEqual(expected)
  }
})

test('a send that leaves the choice to the broker goes only to queues that are written', async () => {
  const { client, topic } = await setUp()
  await topic(2, 8)
  const chosen = new Set<string | undefined>()
  for (let i = 0; i < 40; i++) chosen.add((await client.send('T', 'x', { queueId: -1 })).ext?.queueId)
  expect([...chosen].sort()).toEqual(['0', '1'])
})

test('16 to 8 without loss: first fewer to write, then the rest is drained, then fewer to read; also over a restart', async () => {
  const { broker, client, topic, send, readable } = await setUp()
  await topic(16, 16)
  for (let queueId = 0; queueId < 16; queueId++) expect(await send(queueId)).toBe(0)
  await topic(8, 16)
  for (let queueId = 0; queueId < 8; queueId++) expect(await send(queueId, `second-${queueId}`)).toBe(0)
  const got: string[] = []
  for (let queueId = 0; queueId < 16; queueId++) got.push(...(await readable(queueId)).bodies)
  expect(got).toHaveLength(24)
  await topic(8, 8)
  expect((await readable(8)).code).toBe(1)
  expect(await send(8)).toBe(1)
  await client.close()
  await using second = await broker.restart()
  const later = new TestClient(second.address)
  expect(bodyOf(await later.invoke(351, { topic: 'T' }))).toMatchObject({ readQueueNums: 8, writeQueueNums: 8 })
  for (let queueId = 0; queueId < 8; queueId++) expect(await later.drain('T', queueId)).toHaveLength(2)
  await later.close()
})

test('permissions: 2 is not read, 4 is taken off the routes of producers, 6 is both, and each goes back', async () => {
  const { client, topic, route, send, readable } = await setUp()
  await topic(1, 1, 6)
  expect(await send(0)).toBe(0)
  await topic(1, 1, 2)
  expect(await route()).toEqual([1, 1, 2])
  expect(await send(0)).toBe(0)
  expect(await client.pull('T', 0, 0)).toMatchObject({
    code: 16,
    answer: { remark: 'the topic[T] pulling message is forbidden' },
  })
  await topic(1, 1, 4)
  expect(await route()).toEqual([1, 1, 4])
  expect((await readable(0)).bodies).toEqual(['q0', 'q0'])
  await topic(1, 1, 6)
  expect((await readable(0)).bodies).toHaveLength(2)
})

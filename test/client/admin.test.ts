/** Topics, groups, offsets and messages of a broker, through the client's admin. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Admin, Producer } from '../../src/client/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { eventually } from './support.ts'

let broker: TestBroker
let admin: Admin

beforeAll(async () => {
  broker = await startTestBroker()
  admin = new Admin({ nameserver: broker.namesrv })
})
afterAll(async () => {
  await admin.close()
  await broker.close()
})

test('a topic that is created can be sent to at once; one that is deleted is gone', async () => {
  await admin.createTopic('orders', { queues: 3, order: true })
  expect(await admin.topics()).toContain('orders')
  await using producer = new Producer({ nameserver: broker.namesrv, group: 'p' })
  expect(await producer.fetchPublishMessageQueues('orders')).toHaveLength(3)
  for (let i = 0; i < 6; i++) await producer.send({ topic: 'orders', body: `${i}` })
  // What is acknowledged is in its queue a little later.
  await eventually(async () => {
    const offsets = await admin.queueOffsets('orders')
    return offsets.every(({ min, max }) => min === 0 && max === 2)
  })
  expect((await admin.searchOffsets('orders', new Date(0))).map(({ offset }) => offset)).toEqual([0, 0, 0])
  await admin.deleteTopic('orders')
  expect(await admin.route('orders')).toBeUndefined()
  await expect(admin.queueOffsets('orders')).rejects.toMatchObject({ name: 'ClientError', code: 'NO_ROUTE' })
})

test('offsets of a group are moved to the end, to a time, to an offset', async () => {
  await admin.createTopic('moved', { queues: 2 })
  await admin.createGroup('movers', { retryMaxTimes: 3 })
  await using producer = new Producer({ nameserver: broker.namesrv, group: 'p' })
  for (let i = 0; i < 10; i++) await producer.send({ topic: 'moved', body: `${i}` })
  await eventually(async () => (await admin.queueOffsets('moved')).every(({ max }) => max === 5))
  const at = async () => (await admin.offsets('movers', 'moved')).map(({ consumerOffset }) => consumerOffset)
  for (const [to, expected, lag] of [
    ['latest', [5, 5], 0],
    [2, [2, 2], 6],
    [new Date(0), [0, 0], 10],
    ['latest', [5, 5], 0],
    ['earliest', [0, 0], 10],
  ] as const) {
    await admin.resetOffset('movers', 'moved', to)
    expect([await at(), await admin.lag('movers', 'moved')], String(to)).toEqual([expected, lag])
  }
  expect(await admin.consumers('movers')).toBeUndefined()
  await admin.deleteGroup('movers')
  await expect(admin.resetOffset('movers', 'moved', 'now' as 'latest')).rejects.toMatchObject({ code: 'BAD_OPTION' })
})

test('messages are found by their ids and by key', async () => {
  await using producer = new Producer({ nameserver: broker.namesrv, group: 'p' })
  await admin.createTopic('found')
  const sent = await producer.send({ topic: 'found', body: 'here', keys: ['needle', 'straw'] })
  expect((await admin.viewMessage(sent.offsetMsgId)).body.toString()).toBe('here')
  await eventually(async () => (await admin.queryMessage('found', 'needle')).length === 1)
  const [byKey] = await admin.queryMessage('found', 'needle')
  expect(byKey).toMatchObject({ msgId: sent.msgId, keys: ['needle', 'straw'], queueOffset: 0 })
  expect((await admin.queryByMsgId('found', sent.msgId)).map(({ offsetMsgId }) => offsetMsgId)).toEqual([
    sent.offsetMsgId,
  ])
  expect(await admin.queryMessage('found', 'hay')).toEqual([])
  await expect(admin.viewMessage('nonsense')).rejects.toMatchObject({ code: 'BAD_OPTION' })
})

test('a namespace is put on and taken off', async () => {
  await using spaced = new Admin({ nameserver: broker.namesrv, namespace: 'ns' })
  await spaced.createTopic('mine', { queues: 1 })
  expect(await spaced.topics()).toContain('mine')
  expect(await admin.topics()).toContain('ns%mine')
})

test('nobody there is one error', async () => {
  await using lost = new Admin({ nameserver: '127.0.0.1:1', timeout: 500 })
  await expect(lost.topics()).rejects.toMatchObject({ name: 'ClientError', code: 'NO_NAMESRV', retriable: true })
})

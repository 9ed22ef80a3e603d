/** Half messages and their ends, through sockets and files: what is stored where, what is answered, what consumers get. */
import { test as base, expect } from 'vitest'
import { brokerFixture, startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { allRecords } from './log-records.ts'
import { COMMIT, ROLLBACK, TransactionClient, UNKNOWN } from './transaction-client.ts'

const test = base.extend<{ broker: TestBroker; producer: TransactionClient; client: TestClient }>({
  broker: brokerFixture(),
  producer: async ({ broker }, use) => {
    const producer = new TransactionClient(broker.address)
    await use(producer)
    await producer.close()
  },
  client: async ({ broker }, use) => {
    const client = new TestClient(broker.address)
    await use(client)
    await client.close()
  },
})

const sizeOf = (store: string) => allRecords(store).reduce((sum, { totalSize }) => sum + totalSize, 0)
const bodies = (list: { body: Uint8Array }[]) => list.map(({ body }) => Buffer.from(body).toString())
const pairs = (text: string) => Object.fromEntries(text.split('\u0002').map((pair) => pair.split('\u0001')))

test('a half message waits in the half topic; its commit is delivered, with the sender’s data', async ({
  broker,
  producer,
  client,
}) => {
  const half = await producer.half('Orders', 'committed', { TAGS: 'A', KEYS: 'k' }, { e: '3' })
  expect(half).toMatchObject({ code: 0, queueId: 3, queueOffset: 0 })
  expect((await client.pull('Orders', 3, 0)).messages).toEqual([])
  expect((await producer.end(half, COMMIT)).code).toBe(0)
  await expect.poll(async () => bodies(await client.drain('Orders', 3))).toEqual(['committed'])

  const [stored, committed, op] = allRecords(broker.folder)
  expect(stored).toMatchObject({ topic: 'RMQ_SYS_TRANS_HALF_TOPIC', queueId: 0, queueOffset: 0, sysFlag: 0, flag: 7 })
  // Apache's own (store-format.md §2): WAIT stays, REAL_TOPIC and REAL_QID come, nothing else changes.
  expect(pairs(stored.propertiesText)).toEqual({
    ...{ REAL_TOPIC: 'Orders', REAL_QID: '3', TRAN_MSG: 'true', PGROUP: 'TxProducer', WAIT: 'true', TAGS: 'A' },
    ...{ KEYS: 'k', UNIQ_KEY: 'id-committed', CLUSTER: 'DefaultCluster' },
  })
  expect(committed).toMatchObject({
    ...{ topic: 'Orders', queueId: 3, queueOffset: 0, sysFlag: 8, flag: 7, reconsumeTimes: 0 },
    ...{ bornTimestamp: stored.bornTimestamp, bornHost: stored.bornHost, storeHost: stored.storeHost },
    preparedTransactionOffset: half.physicalOffset,
    propertiesText: stored.propertiesText,
    body: stored.body,
  })
  expect(op).toMatchObject({ topic: 'RMQ_SYS_TRANS_OP_HALF_TOPIC', queueId: 0, sysFlag: 0, bornHost: op.storeHost })
  expect(Buffer.from(op.body).toString()).toBe('0')
  expect(op.propertiesText).toBe('WAIT\u0001true\u0002TAGS\u0001d')
})

test('a rolled-back one is never delivered; one that is unknown stays open and is not answered', async ({
  broker,
  producer,
  client,
}) => {
  const rolledBack = await producer.half('Orders', 'rolled back')
  const open = await producer.half('Orders', 'open')
  expect((await producer.end(rolledBack, ROLLBACK)).code).toBe(0)
  await producer.endOneway(open, UNKNOWN)
  await expect.poll(() => broker.handle.engine.control.load('dispatched')).toBe(sizeOf(broker.folder))
  expect(await client.drain('Orders', 0)).toEqual([])
  const topics = allRecords(broker.folder).map(({ topic }) => topic)
  expect(topics.filter((topic) => topic === 'RMQ_SYS_TRANS_OP_HALF_TOPIC').length).toBe(1)
  expect(topics).not.toContain('Orders')
})

test('the same end again stores nothing again, and the other one does not take it back', async ({
  broker,
  producer,
  client,
}) => {
  const committed = await producer.half('Orders', 'committed')
  const rolledBack = await producer.half('Orders', 'rolled back')
  const answers = await Promise.all([
    ...Array.from({ length: 20 }, () => producer.end(committed, COMMIT)),
    producer.end(rolledBack, ROLLBACK),
    producer.end(rolledBack, COMMIT),
    producer.end(committed, ROLLBACK),
  ])
  expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([0]))
  await expect.poll(async () => bodies(await client.drain('Orders', 0))).toEqual(['committed'])
  expect(allRecords(broker.folder).length).toBe(5)
})

test('wrong ends are refused with Apache’s codes and texts, and change nothing', async ({ broker, producer }) => {
  const half = await producer.half('Orders', 'half')
  const noGroup = await producer.half('Orders', 'no group', { PGROUP: '' })
  const plain = await producer.half('Orders', 'plain', { TRAN_MSG: '' }, { f: '0' })
  const answers = [
    await producer.end(half, COMMIT, { producerGroup: 'Other' }),
    await producer.end({ ...half, queueOffset: 77 }, COMMIT),
    await producer.end({ ...half, physicalOffset: half.physicalOffset + 1 }, COMMIT),
    await producer.end({ ...half, physicalOffset: 1e12 }, COMMIT),
    await producer.end({ ...half, physicalOffset: -1 }, COMMIT),
    await producer.end(noGroup, COMMIT),
    await producer.end({ ...plain, queueOffset: 0 }, COMMIT),
  ]
  expect(answers.map(({ code }) => code)).toEqual([1, 1, 1, 1, 1, 1, 1])
  expect(answers.map(({ remark }) => remark)).toEqual([
    'The producer group wrong',
    'The transaction state table offset wrong',
    ...Array.from({ length: 5 }, () => 'Find prepared transaction message failed'),
  ])
  const bad = await producer.end(half, 5)
  expect([bad.code, bad.remark]).toEqual([1, expect.stringContaining('commitOrRollback field wrong')])
  expect((await producer.invoke(37, { producerGroup: 'TxProducer' })).code).toBe(1)
  expect(allRecords(broker.folder).length).toBe(3)
})

test('rejectTransactionMessage: halves are refused with 16, other messages are not', async () => {
  await using broker = await startTestBroker({ config: { rejectTransactionMessage: true } })
  const producer = new TransactionClient(broker.address)
  expect(await producer.half('Orders', 'half')).toMatchObject({
    code: 16,
    remark: 'the broker[127.0.0.1] sending transaction message is forbidden',
  })
  expect(await producer.half('Orders', 'plain', { TRAN_MSG: 'false' }, { f: '0' })).toMatchObject({ code: 0 })
  await producer.close()
})

test('SYNC_FLUSH: a half that did not wait for the disk can be ended before it is there', async () => {
  await using broker = await startTestBroker({ config: { flushDiskType: 'SYNC_FLUSH' } })
  const producer = new TransactionClient(broker.address)
  const client = new TestClient(broker.address)
  await producer.end(await producer.half('Orders', 'first'), ROLLBACK)
  broker.faults.set('holdSync', 1)
  const half = await producer.half('Orders', 'not on disk', { WAIT: 'false' })
  const ended = producer.end(half, COMMIT)
  expect(await Promise.race([ended, new Promise((fulfil) => setTimeout(fulfil, 100, 'waits'))])).toBe('waits')
  broker.faults.set('holdSync', 0)
  expect((await ended).code).toBe(0)
  await expect.poll(async () => (await client.drain('Orders', 0)).length).toBe(1)
  await Promise.all([producer.close(), client.close()])
})

test('nobody sends to, creates or deletes the topics of transactions, also not when a half has been stored', async ({
  producer,
  client,
}) => {
  await producer.half('Orders', 'half')
  await producer.end(await producer.half('Orders', 'half'), COMMIT)
  for (const topic of ['RMQ_SYS_TRANS_HALF_TOPIC', 'RMQ_SYS_TRANS_OP_HALF_TOPIC', 'TRANS_CHECK_MAX_TIME_TOPIC']) {
    expect((await client.send(topic, 'x')).code).toBe(16)
    const removed = await client.invoke(215, { topic })
    expect([removed.code, removed.remark]).toEqual([1, `The topic[${topic}] is conflict with system topic.`])
  }
  const end = () => client.invoke(30, { topic: 'RMQ_SYS_TRANS_HALF_TOPIC', queueId: '0' })
  await expect.poll(async () => (await end()).ext?.offset).toBe('2')
})

test('a half whose properties leave no room for two more is refused, a large one is stored', async ({ producer }) => {
  const room = 32_767 - 'REAL_TOPIC\u0001Orders\u0002REAL_QID\u00010\u0002'.length
  const others =
    'TRAN_MSG\u0001true\u0002PGROUP\u0001TxProducer\u0002WAIT\u0001true\u0002UNIQ_KEY\u0001id-x\u0002CLUSTER\u0001DefaultCluster\u0002big\u0001'
  const big = 'b'.repeat(room - others.length)
  expect(await producer.half('Orders', 'x', { big })).toMatchObject({ code: 0, queueOffset: 0 })
  expect(await producer.half('Orders', 'x', { big: `${big}b` })).toMatchObject({ code: 13 })
  expect(await producer.half('Orders', 'x')).toMatchObject({ code: 0, queueOffset: 1 })
})

test('ends that are under way show in the runtime table', async ({ producer, client, broker }) => {
  const row = async () => JSON.parse(Buffer.from((await client.invoke(28)).body ?? []).toString()).table
  expect(await row()).toMatchObject({ EndTransactionQueueSize: '0', EndTransactionThreadPoolQueueCapacity: '100000' })
  const half = await producer.half('Orders', 'half')
  broker.faults.set('holdAppend', 1)
  const ended = producer.end(half, COMMIT)
  await expect.poll(async () => (await row()).EndTransactionQueueSize).toBe('1')
  broker.faults.set('holdAppend', 0)
  expect((await ended).code).toBe(0)
})

/** What 306, 316 and 329 remove from a running broker, and what they never touch. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'

const SEGMENT = 1024 * 1024
const config = {
  mappedFileSizeCommitLog: SEGMENT,
  maxMessageSize: 64 * 1024,
  deleteCommitLogFilesInterval: 1,
  // Segments go only when queues and index are on disk beyond them.
  flushConsumeQueueThoroughInterval: 100,
}

async function setUp() {
  const broker = await startTestBroker({ config })
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const topic = (name: string, queues: number) => {
    const numbers = { readQueueNums: String(queues), writeQueueNums: String(queues), perm: '6' }
    return client.invoke(17, { topic: name, defaultTopic: 'TBW102', ...numbers, topicFilterType: 'SINGLE_TAG' })
  }
  return { broker, client, topic }
}

async function settled({ handle }: TestBroker): Promise<void> {
  const { control } = handle.engine
  await vi.waitFor(() => expect(control.load('settled')).toBe(control.load('appended')), 10_000)
}

async function dispatched({ handle }: TestBroker): Promise<void> {
  const { control } = handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 10_000)
}

/** Fills segments with messages of another topic, and has those before removed because they are old. */
async function expire(broker: TestBroker, client: TestClient): Promise<void> {
  const { control } = broker.handle.engine
  const until = control.load('appended') + 2 * SEGMENT
  while (control.load('appended') < until) await client.send('Filler', Buffer.alloc(60_000, 1))
  const end = control.load('appended')
  await settled(broker)
  // Nor before they are on disk themselves.
  await vi.waitFor(() => expect(control.load('flushed')).toBeGreaterThanOrEqual(end - (end % SEGMENT)), 10_000)
  broker.advance('80h')
  // The connection was idle for 80 hours: another one takes its place.
  await vi.waitFor(async () => expect((await client.invoke(329)).code).toBe(0))
  await vi.waitFor(() => expect(control.load('retained')).toBe(end - (end % SEGMENT)), 10_000)
}

const max = async (client: TestClient, topic: string, queueId: number) =>
  Number((await client.invoke(30, { topic, queueId: String(queueId) })).ext?.offset)

test('329 removes expired segments at once; 306 removes queues beyond the topic’s numbers, and only those', async () => {
  const { broker, client, topic } = await setUp()
  const folder = (queueId: number) => join(broker.folder, 'consumequeue', 'T', String(queueId))
  await topic('T', 4)
  for (let queueId = 0; queueId < 4; queueId++) for (let i = 0; i < 3; i++) await client.send('T', 'old', { queueId })
  for (const queueId of ['1', '3']) {
    await client.invoke(15, { consumerGroup: 'G', topic: 'T', queueId, commitOffset: '3' })
  }
  await settled(broker)
  await topic('T', 2)
  // Nothing has expired yet.
  await client.invoke(306)
  expect([0, 1, 2, 3].map((queueId) => existsSync(folder(queueId)))).toEqual([true, true, true, true])
  await expire(broker, client)
  await vi.waitFor(
    async () => expect((await client.invoke(31, { topic: 'T', queueId: '3' })).ext?.offset).toBe('3'),
    10_000,
  )
  expect((await client.invoke(306)).code).toBe(0)
  await vi.waitFor(() => expect(existsSync(folder(3))).toBe(false), 10_000)
  expect([0, 1, 2].map((queueId) => existsSync(folder(queueId)))).toEqual([true, true, false])
  // Queues that go on keep their numbers: nobody's offset points behind the end.
  expect([await max(client, 'T', 0), await max(client, 'T', 1), await max(client, 'T', 3)]).toEqual([3, 3, 0])
  expect((await client.invoke(14, { consumerGroup: 'G', topic: 'T', queueId: '1' })).ext?.offset).toBe('3')
  await client.send('T', 'new', { queueId: 1 })
  await dispatched(broker)
  expect((await client.drain('T', 1, 3)).map((m) => [m.queueOffset, m.body.toString()])).toEqual([[3, 'new']])
  // Those that are gone begin anew when the topic grows again, for everybody.
  await topic('T', 4)
  expect((await client.invoke(14, { consumerGroup: 'G', topic: 'T', queueId: '3' })).ext?.offset).toBe('0')
  await client.send('T', 'again', { queueId: 3 })
  await dispatched(broker)
  expect((await client.drain('T', 3)).map((m) => [m.queueOffset, m.body.toString()])).toEqual([[0, 'again']])
  await client.close()
  await using second = await broker.restart()
  const later = new TestClient(second.address)
  expect([await max(later, 'T', 1), await max(later, 'T', 3)]).toEqual([4, 1])
  await later.close()
})

test('a queue beyond the numbers that still holds messages stays, and is there when the topic grows again', async () => {
  const { broker, client, topic } = await setUp()
  await topic('T', 4)
  await client.send('T', 'kept', { queueId: 3 })
  await topic('T', 2)
  await dispatched(broker)
  await client.invoke(306)
  await topic('T', 4)
  expect((await client.drain('T', 3)).map((m) => m.body.toString())).toEqual(['kept'])
})

test('316 removes nothing that has a topic, nor RocketMQ’s own queues', async () => {
  const { broker, client, topic } = await setUp()
  await topic('T', 1)
  await client.send('T', 'kept')
  await dispatched(broker)
  expect((await client.invoke(316)).code).toBe(0)
  expect(readdirSync(join(broker.folder, 'consumequeue'))).toContain('T')
  expect((await client.drain('T', 0)).map((m) => m.body.toString())).toEqual(['kept'])
})

test('a topic that is deleted and made again begins at 0 for its groups too: nobody skips its first messages', async () => {
  const { broker, client, topic } = await setUp()
  await topic('T', 1)
  for (let i = 0; i < 5; i++) await client.send('T', `old ${i}`)
  await client.invoke(15, { consumerGroup: 'G', topic: 'T', queueId: '0', commitOffset: '5' })
  await client.invoke(215, { topic: 'T' })
  await topic('T', 1)
  await client.send('T', 'new')
  await dispatched(broker)
  expect((await client.invoke(14, { consumerGroup: 'G', topic: 'T', queueId: '0' })).ext?.offset).toBe('0')
  expect((await client.drain('T', 0)).map((m) => m.body.toString())).toEqual(['new'])
})

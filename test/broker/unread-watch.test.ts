/** Retention and groups that are behind: said before, counted after. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'
import { bodyOf } from './rig.ts'

const SEGMENT = 1024 * 1024

test('messages that expire before a group has read them are told an hour before they go, by group and topic', async () => {
  const lines: string[] = []
  const say = (line: string) => void lines.push(line)
  const broker = await startTestBroker({
    config: {
      mappedFileSizeCommitLog: SEGMENT,
      maxMessageSize: 64 * 1024,
      deleteCommitLogFilesInterval: 1,
      cleanResourceInterval: 100,
      flushConsumeQueueThoroughInterval: 100,
    },
    log: { info: say, warn: say, error: say },
  })
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const row = async (name: string) => (bodyOf(await client.invoke(28)) as { table: Record<string, string> }).table[name]
  const commit = (consumerGroup: string, queueId: number, commitOffset: number) =>
    client.invoke(15, { consumerGroup, topic: 'T', queueId: String(queueId), commitOffset: String(commitOffset) })
  for (let i = 0; i < 3; i += 1) for (const queueId of [0, 1]) await client.send('T', 'm', { queueId })
  for (const queueId of [0, 1]) {
    await commit('slow', queueId, 1)
    await commit('done', queueId, 3)
  }
  const { control } = broker.handle.engine
  while (control.load('appended') < 2.5 * SEGMENT) await client.send('Filler', Buffer.alloc(60_000, 1))
  // Above what expires: not in danger.
  for (const queueId of [0, 1]) await client.send('T', 'later', { queueId })
  await vi.waitFor(() => expect(control.load('settled')).toBe(control.load('appended')), 10_000)
  await vi.waitFor(() => expect(control.load('flushed')).toBeGreaterThan(2 * SEGMENT), 10_000)
  expect(await row('basalt_unread_expiring')).toBe('0')

  broker.advance('71h')
  broker.advance('5m')
  const warning =
    /^4 messages of topic T expire .* before group slow, of which no consumer is online has consumed them$/
  await vi.waitFor(() => expect(lines.filter((line) => warning.test(line))).toHaveLength(1), 10_000)
  expect(lines.filter((line) => /expire .*group done/.test(line))).toEqual([])
  expect(control.load('retained')).toBe(0)
  // 71 hours without a word closed the connection: the next request opens another.
  await vi.waitFor(async () => expect(await row('basalt_unread_expiring')).toBe('4'), 5000)
  expect(await row('basalt_unread_deleted')).toBe('0')

  broker.advance('2h')
  await vi.waitFor(async () => expect((await client.invoke(329)).code).toBe(0), 5000)
  await vi.waitFor(() => expect(control.load('retained')).toBe(2 * SEGMENT), 10_000)
  const told = lines.findIndex((line) => warning.test(line))
  expect(told).toBeLessThan(lines.findIndex((line) => line.startsWith('CommitLog segment removed')))
  await vi.waitFor(async () => expect(await row('basalt_unread_deleted')).toBe('4'), 10_000)
  // The group reads what is left, and that is that.
  for (const queueId of [0, 1]) {
    expect((await client.pull('T', queueId, 1, { group: 'slow' })).next).toBe(3)
    await commit('slow', queueId, 4)
  }
  expect(await row('basalt_unread_deleted')).toBe('0')
}, 60_000)

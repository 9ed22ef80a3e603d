/** Row 24: a slave that has more than its master, or another log. It is named, never counted, never written over. */
import { expect, test } from 'vitest'
import { end, logBytes, type Node, sendMany, startMaster, startSlave, TINY, until } from '../ha/support.ts'

const OK = 0
const SLAVE_NOT_AVAILABLE = 11
const SIZE = TINY.mappedFileSizeCommitLog!

const replicated = ({ broker }: Node) => broker.handle.engine.control.load('replicated')

test('a slave that is ahead of its restarted master is found, named and not counted; its log stays what it is', async () => {
  const master = await startMaster()
  const slave = await startSlave(master)
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  await sendMany(master, 50)
  const { folder } = slave.broker
  const long = end(slave)
  await master.close()
  await slave.close()
  const bytes = logBytes(folder, 0, long)
  // A master that has lost everything: the same name, another, shorter log.
  const poor = await startMaster()
  await poor.client.send('T', 'another history', { properties: { WAIT: 'false' } })
  const ahead = await startSlave(poor, {}, folder)
  await until(() => poor.lines.of('error').some((line) => line.includes('bytes that this master does not have')))
  expect((await poor.client.send('T', 'x')).code).toBe(SLAVE_NOT_AVAILABLE)
  expect(replicated(poor)).toBe(0)
  // It grows past the slave's end with other bytes: still nothing of it is taken.
  await sendMany(poor, 200)
  expect(end(poor)).toBeGreaterThan(long + SIZE)
  await until(() => ahead.lines.of('error').some((line) => line.includes('cannot follow it')), 20_000)
  expect(end(ahead)).toBe(long)
  expect((await poor.client.send('T', 'x')).code).toBe(SLAVE_NOT_AVAILABLE)
  await ahead.close()
  expect(logBytes(folder, 0, long).equals(bytes)).toBe(true)
})

test('records of one size: the slave of another history is found by its last message', async () => {
  const same = (client: Node['client'], count: number, name: string) =>
    Promise.all(Array.from({ length: count }, (_, i) => client.send('T', Buffer.alloc(1000, `${name} ${i % 10} `))))
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await same(master.client, 50, 'one')
  const slave = await startSlave(master)
  await until(() => end(slave) === end(master))
  const { folder } = slave.broker
  await until(() => slave.broker.handle.engine.control.load('dispatched') === end(slave))
  await slave.close()
  await master.close()
  const other = await startMaster()
  await same(other.client, 80, 'two')
  expect(end(other)).toBeGreaterThan(end(slave))
  const stray = await startSlave(other, {}, folder)
  await until(() => stray.lines.of('error').some((line) => line.includes('has another message than this log')))
  expect(end(stray)).toBe(end(slave))
  expect(replicated(other)).toBe(0)
  expect((await other.client.send('T', 'x')).code).toBe(SLAVE_NOT_AVAILABLE)
})

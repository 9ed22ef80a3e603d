/** A master and its slaves: what senders, consumers and administrators see of replication. */
import { describe, expect, test } from 'vitest'
import { THREADS } from '../../src/testing/index.ts'
import { end, logBytes, logStart, runtime, sendMany, startMaster, startSlave, TINY, until } from './support.ts'

const OK = 0
const SLAVE_NOT_AVAILABLE = 11
const FLUSH_SLAVE_TIMEOUT = 12

test('SYNC_MASTER: 11 without a slave, 0 with one, whose log is the same bytes over many files', async () => {
  const master = await startMaster()
  expect((await master.client.send('T', 'alone')).code).toBe(SLAVE_NOT_AVAILABLE)
  const slave = await startSlave(master)
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  expect(new Set(await sendMany(master, 1000))).toEqual(new Set([OK]))
  expect(end(slave)).toBe(end(master))
  expect(end(master)).toBeGreaterThan(5 * TINY.mappedFileSizeCommitLog!)
  const { broker, client } = slave
  await until(() => broker.handle.engine.control.load('dispatched') === end(slave))
  await until(async () => (await client.pull('T', 0, 0)).code === OK)
  const [here, there] = await Promise.all([client.drain('T', 0), master.client.drain('T', 0)])
  expect(here.map(({ physicalOffset }) => physicalOffset)).toEqual(there.map(({ physicalOffset }) => physicalOffset))
  expect(await runtime(master)).toMatchObject({ basalt_stored_on: '2 of 2', basalt_unreplicated_bytes: '0' })
  await slave.close()
  expect((await master.client.send('T', 'alone again')).code).toBe(SLAVE_NOT_AVAILABLE)
  expect(await runtime(master)).toMatchObject({ basalt_stored_on: '1 of 1' })
  const to = end(slave)
  expect(logBytes(broker.folder, 0, to).equals(logBytes(master.broker.folder, 0, to))).toBe(true)
})

test('a slave that stands still costs its timeout once, then sends are answered at once and consumers go on', async () => {
  const master = await startMaster({ slaveTimeout: 300 })
  const slave = await startSlave(master)
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  slave.broker.faults.set('holdAppend', 1)
  const sent = await Promise.all(['a', 'b', 'c'].map((body) => master.client.send('T', body)))
  expect(sent.map(({ code }) => code)).toEqual([FLUSH_SLAVE_TIMEOUT, FLUSH_SLAVE_TIMEOUT, FLUSH_SLAVE_TIMEOUT])
  await until(async () => (await master.client.send('T', 'x')).code === SLAVE_NOT_AVAILABLE)
  const from = performance.now()
  for (let i = 0; i < 10; i += 1) expect((await master.client.send('T', 'x')).code).toBe(SLAVE_NOT_AVAILABLE)
  expect(performance.now() - from).toBeLessThan(300)
  const { control } = master.broker.handle.engine
  await until(() => control.load('dispatched') === end(master))
  slave.broker.faults.set('holdAppend', 0)
  slave.broker.handle.engine.moveClock(0)
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  expect(control.brokenInvariant()).toBeUndefined()
  expect(end(slave)).toBe(end(master))
})

test('the death of the HA thread ends the broker, with its name', async () => {
  const { broker } = await startMaster()
  broker.faults.set('killThread', THREADS.ha)
  await expect(broker.handle.closed).rejects.toThrow(/the ha thread failed/)
})

test('an ASYNC_MASTER says where it stands before a slave has come, and starts the HA thread with the first', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await sendMany(master, 5)
  const alone = await runtime(master)
  expect(alone).toMatchObject({ basalt_stored_on: '1 of 1', basalt_unreplicated_bytes: String(end(master)) })
  const slave = await startSlave(master)
  await until(() => end(slave) === end(master))
  await until(async () => (await runtime(master)).basalt_stored_on === '2 of 2')
})

test('WAIT=false is not waited for, a batch waits as one', async () => {
  const master = await startMaster({ slaveTimeout: 60_000 })
  const slave = await startSlave(master)
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  slave.broker.faults.set('holdAppend', 1)
  const waits = master.client.send('T', 'waits')
  expect((await master.client.send('T', 'x', { properties: { WAIT: 'false' } })).code).toBe(OK)
  const { control } = master.broker.handle.engine
  // Consumers do not see what no slave has.
  expect(control.load('dispatched')).toBeLessThan(end(master))
  slave.broker.faults.set('holdAppend', 0)
  slave.broker.handle.engine.moveClock(0)
  expect((await waits).code).toBe(OK)
})

test('one of two slaves is enough', async () => {
  const master = await startMaster({ slaveTimeout: 20_000 })
  const first = await startSlave(master, { brokerId: 1 })
  const second = await startSlave(master, { brokerId: 2 })
  await until(async () => (await runtime(master)).basalt_stored_on === '3 of 3')
  first.broker.faults.set('holdAppend', 1)
  expect((await master.client.send('T', 'x')).code).toBe(OK)
  first.broker.faults.set('holdAppend', 0)
  await second.close()
  await until(async () => (await master.client.send('T', 'x')).code === OK)
})

test.each([
  { name: 'stop and wait', ofMaster: { haTransfer: 'pull' as const, haTransferBatchSize: 1000 }, ofSlave: {} },
  {
    name: 'nothing is sent that is not flushed',
    ofMaster: { haTransferUnflushed: false, flushDiskType: 'SYNC_FLUSH' as const },
    ofSlave: {},
  },
  { name: 'the slave reports what is on its disk', ofMaster: {}, ofSlave: { slaveAckAfter: 'flush' as const } },
  {
    name: 'all on disk',
    ofMaster: { flushDiskType: 'SYNC_FLUSH' as const },
    ofSlave: { flushDiskType: 'SYNC_FLUSH' as const, slaveAckAfter: 'flush' as const },
  },
  {
    name: 'the log is written through a map',
    ofMaster: { tailWriter: 'map' as const },
    ofSlave: { tailWriter: 'map' as const },
  },
])('$name: confirmed by the slave, the same log', async ({ ofMaster, ofSlave }) => {
  const master = await startMaster(ofMaster)
  const slave = await startSlave(master, ofSlave)
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  expect(new Set(await sendMany(master, 200))).toEqual(new Set([OK]))
  const { control } = slave.broker.handle.engine
  if (ofSlave.slaveAckAfter === 'flush') expect(control.load('flushed')).toBe(end(master))
  expect(end(slave)).toBe(end(master))
  for (const { broker } of [master, slave]) expect(broker.handle.engine.control.brokenInvariant()).toBeUndefined()
  const to = end(slave)
  await slave.close()
  expect(logBytes(slave.broker.folder, 0, to).equals(logBytes(master.broker.folder, 0, to))).toBe(true)
})

describe('a slave that comes later', () => {
  test('gets the whole log from a master of ours', async () => {
    const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
    await sendMany(master, 400)
    const slave = await startSlave(master)
    await until(() => end(slave) === end(master))
    expect(logStart(slave.broker.folder)).toBe(0)
    await sendMany(master, 100)
    await until(() => end(slave) === end(master))
    await slave.close()
    const to = end(slave)
    expect(logBytes(slave.broker.folder, 0, to).equals(logBytes(master.broker.folder, 0, to))).toBe(true)
  })

  test('gets the last file, as from RocketMQ, with haFillFrom=last; it starts again, and the queues say where they begin', async () => {
    const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
    await sendMany(master, 400)
    const size = TINY.mappedFileSizeCommitLog!
    const begin = end(master) - (end(master) % size)
    const slave = await startSlave(master, { haFillFrom: 'last' })
    await until(() => end(slave) === end(master))
    const { folder } = slave.broker
    expect(logStart(folder)).toBe(begin)
    await sendMany(master, 200)
    await until(() => end(slave) === end(master))
    await until(() => slave.broker.handle.engine.control.load('dispatched') === end(slave))
    let min = 0
    await until(async () => {
      min = Number((await slave.client.invoke(31, { topic: 'T', queueId: '0' })).ext?.offset ?? 0)
      return min > 0
    })
    const pulled = await slave.client.pull('T', 0, min, { count: 3 })
    expect(pulled.messages[0].physicalOffset).toBeGreaterThanOrEqual(begin)
    const to = end(slave)
    await slave.close()
    expect(logBytes(folder, begin, to).equals(logBytes(master.broker.folder, begin, to))).toBe(true)
    const again = await startSlave(master, { haFillFrom: 'last' }, folder)
    expect(end(again)).toBe(to)
    await sendMany(master, 10)
    await until(() => end(again) === end(master))
    expect(again.lines.of('error')).toEqual([])
  })
})

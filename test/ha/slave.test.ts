/** A broker that is a slave, as clients and administrators see it. */
import { expect, test } from 'vitest'
import { end, runtime, sendMany, startMaster, startSlave, until } from './support.ts'

const OK = 0
const SYSTEM_ERROR = 1
const SLAVE_NOT_AVAILABLE = 11
const SERVICE_NOT_AVAILABLE = 14
const RETRY_IMMEDIATELY = 20
const ON_SLAVE = "Can't modify topic or subscription group from slave broker, please execute it from master broker."

const SYNC = '11s'

async function offsetOf({ client }: { client: { invoke: Invoke } }, queueId = 0): Promise<number> {
  const ext = { consumerGroup: 'G', topic: 'T', queueId: String(queueId), setZeroIfNotFound: 'false' }
  return Number((await client.invoke(14, ext)).ext?.offset ?? -1)
}
type Invoke = (code: number, ext?: Record<string, string>) => Promise<{ code: number; ext?: Record<string, string> }>

function commit({ client }: { client: { invoke: Invoke } }, offset: number, queueId = 0) {
  return client.invoke(15, { consumerGroup: 'G', topic: 'T', queueId: String(queueId), commitOffset: String(offset) })
}

test('it takes no message and no change, and serves what its master has', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await sendMany(master, 40)
  const slave = await startSlave(master)
  expect(await slave.client.send('T', 'x')).toMatchObject({ code: SERVICE_NOT_AVAILABLE })
  const topic = { topic: 'New', defaultTopic: 'TBW102', readQueueNums: '4', writeQueueNums: '4', perm: '6' }
  const more = { topicFilterType: 'SINGLE_TAG', topicSysFlag: '0', order: 'false' }
  const created = await slave.client.invoke(17, { ...topic, ...more })
  expect([created.code, created.remark]).toEqual([SYSTEM_ERROR, ON_SLAVE])
  const ended = {
    producerGroup: 'P',
    tranStateTableOffset: '0',
    commitLogOffset: '0',
    commitOrRollback: '8',
    msgId: 'x',
    transactionId: 'x',
  }
  expect((await slave.client.invoke(37, ended)).code).toBe(SLAVE_NOT_AVAILABLE)
  const back = { group: 'G', originTopic: 'T', offset: '0', delayLevel: '1' }
  expect((await slave.client.invoke(36, back)).code).toBe(SYSTEM_ERROR)
  await until(() => slave.broker.handle.engine.control.load('dispatched') === end(master))
  // Its tables come by themselves.
  await until(async () => (await slave.client.pull('T', 0, 0)).code === OK)
  expect((await slave.client.drain('T', 2)).length).toBe((await master.client.drain('T', 2)).length)
  // It may be the slave that is behind: nobody is sent to another offset by it.
  const beyond = await slave.client.pull('T', 0, 1_000_000)
  expect([beyond.code, beyond.next]).toEqual([RETRY_IMMEDIATELY, 1_000_000])
  expect((await runtime(slave)).basalt_master).toMatch(/ live$/)
})

test('with offsetCheckInSlave it does', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await sendMany(master, 8)
  const slave = await startSlave(master, { offsetCheckInSlave: true })
  await until(async () => (await slave.client.pull('T', 0, 0)).code === OK)
  expect(await slave.client.pull('T', 0, 100)).toMatchObject({ code: 21, next: 2 })
})

test('a pull that waits on a slave is answered when its message comes', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await sendMany(master, 4)
  const slave = await startSlave(master)
  await until(async () => (await slave.client.pull('T', 0, 0)).code === OK)
  const held = slave.client.pull('T', 0, 1, { suspendMs: 20_000 })
  await new Promise((resolve) => setTimeout(resolve, 50))
  const from = performance.now()
  await master.client.send('T', 'at last')
  expect((await held).messages.map(({ body }) => Buffer.from(body).toString())).toEqual(['at last'])
  expect(performance.now() - from).toBeLessThan(2000)
})

test('its tables follow the master’s; offsets that were committed here while it was away go back to it, never backwards', async () => {
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER' })
  await sendMany(master, 40)
  await commit(master, 3)
  await commit(master, 5, 1)
  const slave = await startSlave(master)
  await until(async () => (await offsetOf(slave)) === 3)
  await commit(master, 4)
  slave.broker.advance(SYNC)
  await until(async () => (await offsetOf(slave)) === 4)
  // A consumer reads here for a while, and another goes on there.
  await commit(slave, 9)
  await commit(slave, 2, 1)
  await commit(master, 6, 1)
  slave.broker.advance(SYNC)
  await until(async () => (await offsetOf(master)) === 9)
  expect(await offsetOf(slave)).toBe(9)
  await until(async () => (await offsetOf(slave, 1)) === 6)
  expect(await offsetOf(master, 1)).toBe(6)
  // An administrator takes the group back: that counts, for nobody has committed here since.
  await commit(master, 1)
  slave.broker.advance(SYNC)
  await until(async () => (await offsetOf(slave)) === 1)
  expect(await offsetOf(master)).toBe(1)
})

test('consumers that are far behind are sent to the slave, and back when they are near', async () => {
  const drift = { slaveReadEnable: true, accessMessageInMemoryMaxRatio: 0 }
  const master = await startMaster({ brokerRole: 'ASYNC_MASTER', ...drift })
  await sendMany(master, 40)
  const slave = await startSlave(master, { slaveReadEnable: true })
  await until(async () => (await slave.client.pull('T', 0, 0)).code === OK)
  expect((await master.client.pull('T', 0, 0)).answer.ext?.suggestWhichBrokerId).toBe('1')
  expect((await slave.client.pull('T', 0, 0)).answer.ext?.suggestWhichBrokerId).toBe('0')
})

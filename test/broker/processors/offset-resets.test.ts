/** Reset of offsets (222): by 4.9's way through the clients, and by 5.x's way on the broker. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { heartbeat, type Rig, rig, subscription, textOf } from '../rig.ts'

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const queue = (queueId: number) => `{"brokerName":"broker-a","queueId":${queueId},"topic":"T"}`
const table = (...offsets: number[]) =>
  `{"offsetTable":{${offsets.map((offset, queueId) => `${queue(queueId)}:${offset}`).join(',')}}}`
const RESET = { topic: 'T', group: 'G', timestamp: '-1', isForce: 'true' }

/** Topic T of two queues: five messages of 1,000 … 5,000 ms, and two. */
async function filled(rigged: Rig) {
  const topic = { topic: 'T', defaultTopic: 'TBW102', readQueueNums: '2', writeQueueNums: '2', perm: '6' }
  await rigged.ask(17, { ...topic, topicFilterType: 'SINGLE_TAG', order: 'false' })
  for (let i = 1; i <= 5; i++) rigged.store.put('T', 0, i * 1000)
  for (let i = 1; i <= 2; i++) rigged.store.put('T', 1, i * 1000)
  await rigged.ask(200, undefined, { groupName: 'G' })
  return rigged
}

function committed({ state }: Rig): number[] {
  return [0, 1].map((queueId) => state.offsets.query('G', 'T', queueId))
}

describe('by 4.9’s way', () => {
  async function online(rigged: Rig, language = 'JAVA', version = 409) {
    const consumer = rigged.connect()
    const beat = heartbeat(`${language}-client`, { G: [subscription('T')] })
    await rigged.ask(34, undefined, beat, { from: consumer, language, version })
    consumer.sent.length = 0
    return consumer
  }

  test('every client is told the offsets that the time means, and stores them itself', async () => {
    const rigged = await filled(rig())
    const { ask, state } = rigged
    const [a, b] = [await online(rigged), await online(rigged)]
    b.sent.length = 0
    a.sent.length = 0
    state.offsets.commit('G', 'T', 0, 3, 'h')
    state.offsets.commit('G', 'T', 1, 1, 'h')
    expect(textOf(await ask(222, { ...RESET, timestamp: '2000' }))).toBe(table(1, 1))
    for (const client of [a, b]) {
      expect(client.sent).toHaveLength(1)
      expect(client.sent[0]).toMatchObject({
        code: 220,
        ext: { topic: 'T', group: 'G', timestamp: '2000', isForce: 'false' },
      })
      expect(Buffer.from(client.sent[0].body!).toString()).toBe(table(1, 1))
    }
    expect(committed(rigged)).toEqual([3, 1])
    // -1 is the end; without force nothing is skipped.
    expect(textOf(await ask(222, RESET))).toBe(table(5, 2))
    expect(textOf(await ask(222, { ...RESET, isForce: 'false' }))).toBe(table(3, 1))
  })

  test('clients that read only a list get one, whatever the administrator’s tool speaks', async () => {
    const rigged = await filled(rig())
    for (const queueId of [0, 1]) rigged.state.offsets.commit('G', 'T', queueId, 1, 'h')
    const cpp = await online(rigged, 'CPP')
    const go = await online(rigged, 'GO')
    const java = await online(rigged)
    const list = `{"offsetTable":[{"brokerName":"broker-a","queueId":0,"offset":5,"topic":"T"},{"brokerName":"broker-a","queueId":1,"offset":2,"topic":"T"}]}`
    const bodies = () => [cpp, go, java].map((it) => Buffer.from(it.sent.pop()?.body ?? []).toString())
    await rigged.ask(222, RESET)
    expect(bodies()).toEqual([list, table(5, 2), table(5, 2)])
    await rigged.ask(222, RESET, undefined, { language: 'CPP' })
    expect(bodies()).toEqual([list, list, table(5, 2)])
  })

  test.each([
    ['an unknown topic', { topic: 'X' }, 1, '[reset-offset] reset offset failed, no topic in this broker. topic=X'],
    ['a group without offsets', { group: 'H' }, 1, 'THe consumer group <H> not exist'],
    ['a group that has consumed one queue only', { group: 'Half' }, 1, 'THe consumer group <Half> not exist'],
    [
      'a group that is offline',
      {},
      206,
      'Consumer not online, so can not reset offset, Group: G Topic: T Timestamp: -1',
    ],
    ['a group of no legal name', { group: '../x' }, 1, 'illegal characters'],
  ])('%s is refused as 4.9.7 refuses it', async (_, more, code, remark) => {
    const rigged = await filled(rig())
    for (const queueId of [0, 1]) rigged.state.offsets.commit('G', 'T', queueId, 1, 'h')
    rigged.state.offsets.commit('Half', 'T', 0, 1, 'h')
    const answer = await rigged.ask(222, { ...RESET, ...more })
    expect(answer?.code).toBe(code)
    expect(answer?.remark).toContain(remark)
  })

  test('nobody is told when one client is too old to understand', async () => {
    const rigged = await filled(rig())
    for (const queueId of [0, 1]) rigged.state.offsets.commit('G', 'T', queueId, 1, 'h')
    const young = await online(rigged)
    await online(rigged, 'JAVA', 27)
    young.sent.length = 0
    expect(await rigged.ask(222, RESET)).toMatchObject({
      code: 1,
      remark: expect.stringContaining('the client does not support this feature. version=27'),
    })
    expect(young.sent).toEqual([])
  })
})

describe('on the broker (useServerSideResetOffset, or one queue of 5.x)', () => {
  test('offsets are set at once; commits of the consumer count again when a pull has taken the reset', async () => {
    const rigged = await filled(rig({ useServerSideResetOffset: true }))
    const { ask, state, done } = rigged
    state.offsets.commit('G', 'T', 0, 5, 'h')
    expect(textOf(await ask(222, { ...RESET, timestamp: '2000' }))).toBe(table(1, 1))
    expect(committed(rigged)).toEqual([1, 1])
    expect(done).toEqual(['G T 0', 'G T 1'])
    const commit = { consumerGroup: 'G', topic: 'T', queueId: '0', commitOffset: '4' }
    expect(await ask(15, commit)).toMatchObject({ code: 0, remark: 'Offset has been previously reset' })
    expect((await ask(14, commit))?.ext).toEqual({ offset: '1' })
    expect(state.offsets.takeReset('G', 'T', 0)).toBe(1)
    expect(state.offsets.takeReset('G', 'T', 0)).toBe(-1)
    expect(await ask(15, commit)).toMatchObject({ code: 0, remark: undefined })
    expect((await ask(14, commit))?.ext).toEqual({ offset: '4' })
    // The other queue's is still pending; it goes with the group.
    expect(await ask(15, { ...commit, queueId: '1' })).toMatchObject({ remark: 'Offset has been previously reset' })
    await ask(207, { groupName: 'G', removeOffset: 'true' })
    expect(await ask(15, { ...commit, queueId: '1' })).toMatchObject({ remark: undefined })
  })

  test('one queue goes to an offset or a time, and the others stay where they are', async () => {
    const rigged = await filled(rig())
    rigged.state.offsets.commit('G', 'T', 0, 5, 'h')
    rigged.state.offsets.commit('G', 'T', 1, 2, 'h')
    const one = { ...RESET, timestamp: '0', queueId: '0' }
    expect(textOf(await rigged.ask(222, { ...one, offset: '2' }))).toBe(table(2))
    expect(committed(rigged)).toEqual([2, 2])
    expect(textOf(await rigged.ask(222, { ...one, timestamp: '4000' }))).toBe(table(3))
    expect(textOf(await rigged.ask(222, { ...one, timestamp: '-1', offset: '-1' }))).toBe(table(5))
    expect(committed(rigged)).toEqual([5, 2])
  })

  test.each([
    [{ queueId: '0', offset: '6' }, 1, 'Target offset 6 not in consume queue range [0-5]'],
    [{ queueId: '2', offset: '0' }, 1, 'queueId is 2, topic T has 2 queues to read'],
    [{ queueId: '-7' }, 1, 'queueId is -7'],
    [{ queueId: '0', group: 'H' }, 26, 'Group H does not exist'],
    [{ queueId: '0', topic: 'X' }, 1, 'no topic in this broker. topic=X'],
  ])('%j is refused with %i', async (more, code, remark) => {
    const answer = await (await filled(rig())).ask(222, { ...RESET, ...more })
    expect(answer?.code).toBe(code)
    expect(answer?.remark).toContain(remark)
  })
})

test('a consumer whose queue is reset on the broker goes on there, also one that was waiting, and again after a restart', async () => {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  for (let i = 0; i < 5; i += 1) await client.send('T', `m${i}`)
  await client.invoke(200, {}, json({ groupName: 'CG' }))
  await vi.waitFor(async () => expect((await client.invoke(30, { topic: 'T', queueId: '0' })).ext?.offset).toBe('5'))
  const commit = (offset: number) =>
    client.invoke(15, { consumerGroup: 'CG', topic: 'T', queueId: '0', commitOffset: String(offset) })
  await commit(5)
  const waiting = client.pull('T', 0, 5, { suspendMs: 60_000 })
  const other = client.pull('T', 0, 5, { suspendMs: 60_000, group: 'Other' })
  await vi.waitFor(async () => {
    const { table: rows } = JSON.parse(textOf(await client.invoke(28))) as { table: Record<string, string> }
    expect(rows.basalt_held_pulls).toBe('2')
  })
  const reset = { topic: 'T', group: 'CG', timestamp: '0', isForce: 'true', queueId: '0', offset: '2' }
  expect((await client.invoke(222, reset)).code).toBe(0)
  expect(await waiting).toMatchObject({ code: 21, next: 2, answer: { remark: 'OFFSET_RESET' } })
  await commit(5)
  // The other group's pull still waits.
  await client.send('T', 'm5')
  expect((await other).messages.map((m) => m.body.toString())).toEqual(['m5'])
  const again = await client.pull('T', 0, 2)
  expect(again.messages.map((m) => m.body.toString())).toEqual(['m2', 'm3', 'm4', 'm5'])
  await commit(3)
  await client.close()
  await using second = await broker.restart()
  const later = new TestClient(second.address)
  const { ext } = await later.invoke(14, { consumerGroup: 'CG', topic: 'T', queueId: '0' })
  expect(ext).toEqual({ offset: '3' })
  await later.close()
})

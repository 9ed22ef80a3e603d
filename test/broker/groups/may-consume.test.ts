/** Who may consume, in a whole broker: groups that are switched off, groups that may not broadcast, bans on one topic. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { heartbeat, subscription } from '../rig.ts'

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

async function setUp() {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await client.send('T', 'x')
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')))
  const group = (more: Record<string, unknown>) => client.invoke(200, {}, json({ groupName: 'CG', ...more }))
  const join = async (messageModel: string) => {
    const body = heartbeat('c', { CG: [subscription('T')] }) as { consumerDataSet: Record<string, unknown>[] }
    body.consumerDataSet[0].messageModel = messageModel
    expect((await client.invoke(34, {}, json(body))).code).toBe(0)
  }
  /** A pull without an expression: the registered subscription counts, as for push consumers. */
  const pull = async () => {
    const ext = { consumerGroup: 'CG', topic: 'T', queueId: '0', queueOffset: '0', maxMsgNums: '32', sysFlag: '0' }
    const answer = await client.invoke(11, { ...ext, commitOffset: '0', suspendTimeoutMillis: '0', subVersion: '0' })
    return [answer.code, answer.remark]
  }
  return { broker, client, group, join, pull }
}

test('a group that is switched off is refused until it is switched on again; nothing is lost meanwhile', async () => {
  const { client, group } = await setUp()
  expect((await client.pull('T', 0, 0)).code).toBe(0)
  await group({ consumeEnable: false })
  expect(await client.pull('T', 0, 0)).toMatchObject({
    code: 16,
    answer: { remark: 'subscription group no permission, CG' },
  })
  await group({ consumeEnable: true })
  expect((await client.pull('T', 0, 0)).messages).toHaveLength(1)
})

test('a group that may not broadcast is refused while its members do', async () => {
  const { group, join, pull } = await setUp()
  await group({ consumeBroadcastEnable: false })
  await join('BROADCASTING')
  expect(await pull()).toEqual([16, 'the consumer group[CG] can not consume by broadcast way'])
  await join('CLUSTERING')
  expect(await pull()).toEqual([0, 'FOUND'])
  await group({ consumeBroadcastEnable: true })
  await join('BROADCASTING')
  expect(await pull()).toEqual([0, 'FOUND'])
})

test('a ban on a topic (353) holds for every kind of pull and over a restart, and for no other topic or group', async () => {
  const { broker, client, join, pull } = await setUp()
  await join('CLUSTERING')
  const ban = { group: 'CG', topic: 'T' }
  const remark = 'the consumer group[CG] is forbidden for topic[T]'
  await client.invoke(353, { ...ban, readable: 'false' })
  expect(await pull()).toEqual([16, remark])
  expect(await client.pull('T', 0, 0)).toMatchObject({ code: 16, answer: { remark } })
  expect((await client.pull('T', 0, 0, { group: 'Other' })).code).toBe(0)
  await client.close()
  await using second = await broker.restart()
  const later = new TestClient(second.address)
  expect((await later.pull('T', 0, 0)).code).toBe(16)
  await later.invoke(353, { ...ban, readable: 'true' })
  expect((await later.pull('T', 0, 0)).messages).toHaveLength(1)
  await later.close()
})

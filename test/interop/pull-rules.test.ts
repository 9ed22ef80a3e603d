/** The pull table row by row: the same requests to the broker under test and to Apache's give the same answers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { apacheIsThere, KIND, ORACLE, Scratch, type System, startSystem } from './support/systems.ts'

/** Numbers that decide, small enough to reach. */
const MEMORY = {
  maxTransferCountOnMessageInMemory: 32,
  maxTransferBytesOnMessageInMemory: 262_144,
}
/** Every message counts as being on disk, so that consumers are sent to a slave. */
const DISK = { accessMessageInMemoryMaxRatio: 0, slaveReadEnable: true }

type Ask = (client: TestClient) => Promise<unknown>

describe.skipIf(!apacheIsThere(ORACLE)).each([
  ['in memory', MEMORY],
  ['on disk, with a slave to read from', DISK],
])(`pulls of messages %s, at the ${KIND} broker and Apache's`, (_, config) => {
  const scratch = new Scratch()
  const systems: System[] = []
  let clients: TestClient[] = []

  beforeAll(async () => {
    systems.push(
      ...(await Promise.all([startSystem({ scratch, config }), startSystem({ scratch, kind: 'apache', config })])),
    )
    clients = systems.map((system) => new TestClient(system.address))
    for (const [i, client] of clients.entries()) {
      for (const topic of ['Small', 'Large', 'Tagged', 'Empty']) await systems[i].createTopic(topic, 2)
      for (let n = 0; n < 100; n += 1) await client.send('Small', `m${n}`)
      for (let n = 0; n < 12; n += 1) await client.send('Large', Buffer.alloc(60_000, n))
      for (let n = 0; n < 900; n += 1) await client.send('Tagged', 'x', { properties: { TAGS: n === 850 ? 'b' : 'a' } })
      await dispatched(client)
    }
  })
  afterAll(async () => {
    for (const client of clients) await client.close()
    for (const system of systems) await system.close()
    scratch.remove()
  })

  async function dispatched(client: TestClient): Promise<void> {
    for (let code = 0; code !== 19; ) code = (await client.pull('Tagged', 0, 900)).code
  }

  async function same(ask: Ask): Promise<void> {
    const [ours, theirs] = await Promise.all(clients.map(ask))
    expect(ours).toEqual(theirs)
  }

  /** All of an answer that is the same on two brokers with the same messages. */
  async function shown(client: TestClient, ext: Record<string, string>): Promise<unknown> {
    const header = {
      consumerGroup: 'CG',
      topic: 'Small',
      queueId: '0',
      queueOffset: '0',
      maxMsgNums: '32',
      sysFlag: '4',
      commitOffset: '0',
      suspendTimeoutMillis: '0',
      subscription: '*',
      subVersion: '0',
      expressionType: 'TAG',
      ...ext,
    }
    const { code, remark, ext: out, body } = await client.invoke(11, header)
    const { nextBeginOffset, minOffset, maxOffset, suggestWhichBrokerId } = out ?? {}
    return {
      code,
      remark: remark?.replace(/:\d+\]$/, ':port]'),
      nextBeginOffset,
      minOffset,
      maxOffset,
      suggestWhichBrokerId,
      bytes: body?.length ?? 0,
    }
  }

  test.each([
    ['found', {}],
    ['fewer than wanted', { queueOffset: '95' }],
    ['more than a batch', { maxMsgNums: '100' }],
    ['five', { maxMsgNums: '5' }],
    ['one for none', { maxMsgNums: '0' }],
    ['large ones', { topic: 'Large' }],
    ['a tag beyond 800 messages', { topic: 'Tagged', subscription: 'b' }],
    ['a tag behind them', { topic: 'Tagged', subscription: 'b', queueOffset: '800' }],
    ['no tag at all', { topic: 'Tagged', subscription: 'none', queueOffset: '850' }],
    ['a tag and few of it', { topic: 'Tagged', subscription: 'a||b', queueOffset: '840', maxMsgNums: '20' }],
    ['an empty queue at 0', { topic: 'Empty' }],
    ['an empty queue at 5', { topic: 'Empty', queueOffset: '5' }],
    ['a queue that nobody wrote', { queueId: '1' }],
    ['a queue that nobody wrote, at 7', { queueId: '1', queueOffset: '7' }],
    ['its end', { queueOffset: '100' }],
    ['beyond its end', { queueOffset: '101' }],
    ['before its start', { queueOffset: '-1' }],
    ['a queue that does not exist', { queueId: '2' }],
    ['a negative queue', { queueId: '-1' }],
    ['a group that does not subscribe', { sysFlag: '0', consumerGroup: 'Nobody' }],
  ])('%s', (_name, ext) => same((client) => shown(client, ext)))

  test('a topic that does not exist: the same code', async () => {
    await same(async (client) => (await client.invoke(11, { ...MISSING })).code)
  })

  const MISSING = {
    consumerGroup: 'CG',
    topic: 'Missing',
    queueId: '0',
    queueOffset: '0',
    maxMsgNums: '32',
    sysFlag: '4',
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
  }

  async function putGroup(client: TestClient, groupName: string, changes: Record<string, unknown>): Promise<void> {
    const group = {
      groupName,
      consumeEnable: true,
      consumeFromMinEnable: true,
      consumeBroadcastEnable: true,
      retryQueueNums: 1,
      retryMaxTimes: 16,
      brokerId: 0,
      whichBrokerWhenConsumeSlowly: 1,
      notifyConsumerIdsChangedEnable: true,
      ...changes,
    }
    expect((await client.invoke(200, {}, Buffer.from(JSON.stringify(group)))).code).toBe(0)
  }

  test.each([
    [{ whichBrokerWhenConsumeSlowly: 3 }, {}],
    [{ whichBrokerWhenConsumeSlowly: 3, brokerId: 2 }, {}],
    [{ whichBrokerWhenConsumeSlowly: 3, brokerId: 2 }, { queueOffset: '100' }],
    [{ whichBrokerWhenConsumeSlowly: 3, brokerId: 2 }, { queueOffset: '500' }],
    [
      { whichBrokerWhenConsumeSlowly: 3, brokerId: 2 },
      { topic: 'Tagged', subscription: 'none' },
    ],
    [{ consumeEnable: false }, {}],
  ])('a group with %j, pulling %j', (changes, ext) =>
    same(async (client) => {
      const consumerGroup = `Set-${JSON.stringify(changes).replace(/\W/g, '')}`
      await putGroup(client, consumerGroup, changes)
      return shown(client, { consumerGroup, ...ext })
    }),
  )

  test('a pull commits the offset that it carries, whatever it finds', () =>
    same(async (client) => {
      await shown(client, { consumerGroup: 'Commits', sysFlag: '5', commitOffset: '42', queueOffset: '100' })
      const { code, ext } = await client.invoke(14, { consumerGroup: 'Commits', topic: 'Small', queueId: '0' })
      return [code, ext?.offset]
    }))
})

/** Questions about groups: 300, 308, 314, 317, 328, 343, 345, 353, and units of a queue 321. */
import { describe, expect, test } from 'vitest'
import { bodyOf, heartbeat, type Rig, rig, subscription, textOf } from '../rig.ts'

const TOPIC = { defaultTopic: 'TBW102', perm: '6', topicFilterType: 'SINGLE_TAG', order: 'false' }
const topicOf = (topic: string, queues: number) => ({
  ...TOPIC,
  topic,
  readQueueNums: String(queues),
  writeQueueNums: String(queues),
})

function commit({ state }: Rig, group: string, ...offsets: number[]): void {
  for (const [queueId, offset] of offsets.entries()) state.offsets.commit(group, 'T', queueId, offset, 'h')
}

async function filled(): Promise<Rig> {
  const rigged = rig()
  await rigged.ask(17, topicOf('T', 2))
  for (const queueId of [0, 1]) for (let i = 1; i <= 5; i++) rigged.store.put('T', queueId, i * 1000)
  return rigged
}

describe('the smallest offsets over groups (308)', () => {
  test('are per queue; a group that is behind all others reads Long.MAX', async () => {
    const rigged = await filled()
    const ask = async (more: Record<string, string>) => textOf(await rigged.ask(308, { topic: 'T', ...more }))
    commit(rigged, 'A', 2, 3)
    commit(rigged, 'B', 1, 4)
    commit(rigged, 'C', 4)
    expect(await ask({ compareGroup: 'A' })).toBe('{"correctionOffsets":{0:1,1:3}}')
    expect(await ask({ compareGroup: 'None' })).toBe('{"correctionOffsets":{0:1,1:3}}')
    expect(await ask({ compareGroup: 'B', filterGroups: 'B' })).toBe(
      '{"correctionOffsets":{0:9223372036854775807,1:3}}',
    )
    expect(await ask({ compareGroup: 'A', filterGroups: 'A,B,C' })).toBe('{"correctionOffsets":{}}')
    expect(await ask({ compareGroup: 'A', topic: 'X' })).toBe('{"correctionOffsets":{}}')
  })

  test('do not count what lies below the queue’s first message, and change nothing (4.9.7 deletes offsets here)', async () => {
    const rigged = await filled()
    commit(rigged, 'A', 1, 3)
    commit(rigged, 'B', 4, 4)
    rigged.store.minimum.set('T-0', 2)
    const before = textOf(await rigged.ask(43))
    expect(textOf(await rigged.ask(308, { topic: 'T', compareGroup: 'B', filterGroups: 'Z' }))).toBe(
      '{"correctionOffsets":{1:3,0:4}}',
    )
    await rigged.ask(308, { topic: 'T', compareGroup: 'B', filterGroups: 'A' })
    expect(textOf(await rigged.ask(43))).toBe(before)
  })
})

describe('offsets of one group for another (314)', () => {
  const clone = { srcGroup: 'A', destGroup: 'B', topic: 'T', offline: 'true' }
  const of = (rigged: Rig, group: string) => [...(rigged.state.offsets.queryAll(group, 'T') ?? [])]

  test('replace what the other has; each goes its own way afterwards', async () => {
    const rigged = await filled()
    commit(rigged, 'A', 2, 3)
    commit(rigged, 'B', 5, 5)
    expect((await rigged.ask(314, clone))?.code).toBe(0)
    expect(of(rigged, 'B')).toEqual([
      [0, 2],
      [1, 3],
    ])
    commit(rigged, 'A', 4)
    expect(of(rigged, 'B')).toEqual([
      [0, 2],
      [1, 3],
    ])
  })

  test('are of all topics when none is named; none is made up', async () => {
    const rigged = await filled()
    await rigged.ask(17, topicOf('U', 1))
    commit(rigged, 'A', 2, 3)
    rigged.state.offsets.commit('A', 'U', 0, 7, 'h')
    rigged.state.offsets.commit('A', 'Gone', 0, 7, 'h')
    await rigged.ask(314, { srcGroup: 'A', destGroup: 'B' })
    expect(rigged.state.offsets.topicsOf('B')).toEqual(['T', 'U'])
    await rigged.ask(314, { ...clone, srcGroup: 'Nobody', destGroup: 'C' })
    expect(rigged.state.offsets.topicsOf('C')).toEqual([])
    expect(await rigged.ask(314, { ...clone, destGroup: '../x' })).toMatchObject({ code: 1 })
  })

  test('leave a topic out that the online group reads no more, unless the administrator says "offline"', async () => {
    const rigged = await filled()
    commit(rigged, 'A', 2, 3)
    await rigged.ask(34, undefined, heartbeat('a', { A: [subscription('U')] }))
    await rigged.ask(314, { ...clone, offline: 'false' })
    expect(of(rigged, 'B')).toEqual([])
    await rigged.ask(314, clone)
    expect(of(rigged, 'B')).toHaveLength(2)
  })
})

test('the progress of all groups (317) names the broker, each group and what they lack together', async () => {
  const rigged = await filled()
  await rigged.ask(200, undefined, { groupName: 'A' })
  await rigged.ask(200, undefined, { groupName: 'B' })
  commit(rigged, 'A', 2, 3)
  commit(rigged, 'B', 5)
  rigged.state.offsets.commit('A', 'Gone', 0, 2, 'h')
  const text = textOf(await rigged.ask(317, { isOrder: 'false' }))
  const queue = (queueId: number) => `{"brokerName":"broker-a","queueId":${queueId},"topic":"T"}`
  const row = (offset: number) => `{"brokerOffset":5,"consumerOffset":${offset},"lastTimestamp":${offset * 1000}}`
  expect(text.startsWith('{"brokerAddr":"192.0.2.1:10911","consumeStatsList":[')).toBe(true)
  const stats = (a: number, b: number) =>
    `[{"consumeTps":0,"offsetTable":{${queue(0)}:${row(a)},${queue(1)}:${row(b)}}}]`
  expect(text).toContain(`{"A":${stats(2, 3)}}`)
  expect(text).toContain(`{"B":${stats(5, 0)}}`)
  expect(text).toContain('{"TOOLS_CONSUMER":[]}')
  // 3 + 2 and 0 + 5
  expect(text.endsWith('"totalDiff":10}')).toBe(true)
  const ordered = textOf(await rigged.ask(317, { isOrder: 'true' }))
  expect(ordered).toContain('{"A":[]}')
  expect(ordered.endsWith('"totalDiff":0}')).toBe(true)
})

test('all producers (328), with their addresses as Java writes them', async () => {
  const { ask, connect, clock } = rig()
  const [a, b] = [connect('192.0.2.1:1'), connect('192.0.2.2:2')]
  await ask(34, undefined, heartbeat('a', {}, ['P', 'Q']), { from: a })
  await ask(34, undefined, heartbeat('b', {}, ['P']), { from: b, language: 'GO', version: 317 })
  const row = (id: string, ip: string, language = 'JAVA', version = 409) => ({
    ...{ clientId: id, language, lastUpdateTimestamp: clock.ms, remoteIP: `/${ip}`, version },
  })
  expect(bodyOf(await ask(328))).toEqual({
    data: { P: [row('a', '192.0.2.1:1'), row('b', '192.0.2.2:2', 'GO', 317)], Q: [row('a', '192.0.2.1:1')] },
  })
  b.close('closed by the peer')
  a.close('closed by the peer')
  expect(bodyOf(await ask(328))).toEqual({ data: {} })
})

test('topics of a group (343) and one subscription (345), as 5.3.3 answers them', async () => {
  const rigged = await filled()
  const { ask } = rigged
  commit(rigged, 'A', 1)
  await ask(34, undefined, heartbeat('a', { A: [subscription('T', 'x', 5)] }))
  expect(bodyOf(await ask(343, { group: 'A' }))).toEqual({ brokerAddr: '192.0.2.1:10911', topicList: ['T'] })
  expect(bodyOf(await ask(343, { group: 'B' }))).toEqual({ brokerAddr: '192.0.2.1:10911', topicList: [] })
  expect(bodyOf(await ask(345, { group: 'A', topic: 'T' }))).toEqual({
    group: 'A',
    subscriptionData: {
      ...{ classFilterMode: false, codeSet: [120], expressionType: 'TAG', subString: 'x', subVersion: 5 },
      ...{ tagsSet: ['x'], topic: 'T' },
    },
    topic: 'T',
  })
  expect(bodyOf(await ask(345, { group: 'B', topic: 'T' }))).toEqual({ group: 'B', topic: 'T' })
})

test('a ban of a group on a topic (353) is asked about, set, kept over a restart, and lifted', async () => {
  const first = rig()
  const banned = { group: 'A', topic: 'T' }
  expect(bodyOf(await first.ask(353, banned))).toEqual({ ...banned, readable: true })
  expect(bodyOf(await first.ask(201))).not.toHaveProperty('forbiddenTable')
  expect(bodyOf(await first.ask(353, { ...banned, readable: 'false' }))).toEqual({ ...banned, readable: false })
  expect(bodyOf(await first.ask(353, banned))).toEqual({ ...banned, readable: false })
  expect(bodyOf(await first.ask(201))).toMatchObject({ forbiddenTable: { A: { T: 4 } } })
  const second = rig({}, { files: first.files })
  expect(bodyOf(await second.ask(353, banned))).toEqual({ ...banned, readable: false })
  expect(bodyOf(await second.ask(353, { ...banned, readable: 'true' }))).toEqual({ ...banned, readable: true })
  expect(bodyOf(await second.ask(201))).not.toHaveProperty('forbiddenTable')
  expect(await second.ask(353, { ...banned, topic: '../x', readable: 'false' })).toMatchObject({ code: 1 })
  expect(await rig({ brokerRole: 'SLAVE' }).ask(353, { ...banned, readable: 'false' })).toMatchObject({ code: 1 })
})

describe('units of a queue (321)', () => {
  const unit = (physicOffset: number) => ({ eval: false, physicOffset, physicSize: 100, tagsCode: -1 })
  const asked = { topic: 'T', queueId: '1', index: '1', count: '2' }

  test('are listed from an index on, with the subscription of a group that is online', async () => {
    const rigged = await filled()
    const range = { maxQueueIndex: 5, minQueueIndex: 0 }
    const queueData = [unit(600), unit(700)]
    expect(bodyOf(await rigged.ask(321, asked))).toEqual({ ...range, queueData })
    expect(bodyOf(await rigged.ask(321, { ...asked, count: '0' }))).toEqual({ ...range, queueData: [] })
    expect(bodyOf(await rigged.ask(321, { ...asked, consumerGroup: 'A' }))).toEqual({
      ...range,
      filterData: 'A@T is not online!',
      queueData,
    })
    await rigged.ask(34, undefined, heartbeat('a', { A: [subscription('T')] }))
    expect(bodyOf(await rigged.ask(321, { ...asked, consumerGroup: 'A' }))).toMatchObject({
      filterData: 'null',
      subscriptionData: { topic: 'T', subString: '*' },
    })
  })

  test('outside the queue are answered as 4.9.7 does; a huge count is cut', async () => {
    const rigged = await filled()
    for (const index of ['5', '-1', '9007199254740991']) {
      const answer = await rigged.ask(321, { ...asked, index })
      expect(answer).toMatchObject({ code: 0, body: undefined, remark: `Index ${index} of 1@T is not exist!` })
    }
    expect(await rigged.ask(321, { ...asked, queueId: '7' })).toMatchObject({ code: 1, remark: '7@T is not exist!' })
    expect(await rigged.ask(321, { ...asked, topic: 'X' })).toMatchObject({ code: 1, remark: '1@X is not exist!' })
    expect(await rigged.ask(321, { ...asked, topic: '../x' })).toMatchObject({ code: 1 })
    const all = bodyOf(await rigged.ask(321, { ...asked, count: '2147483647' })) as { queueData: unknown[] }
    expect(all.queueData).toHaveLength(4)
  })
})

describe('many at once', () => {
  const topics = (...names: string[]) => ({
    topicConfigList: names.map((topicName) => ({ topicName, readQueueNums: 2, writeQueueNums: 3, perm: 6 })),
  })

  test('topics (18) and groups (225) are made all or none', async () => {
    const { ask, state } = rig()
    expect(await ask(18, undefined, topics('L1', 'L2'))).toMatchObject({ code: 0 })
    expect(state.topics.get('L2')).toMatchObject({ readQueueNums: 2, writeQueueNums: 3, topicFilterType: 'SINGLE_TAG' })
    for (const bad of ['TBW102', '../x', '']) {
      expect(await ask(18, undefined, topics('L3', bad))).toMatchObject({ code: 1 })
    }
    expect(state.topics.get('L3')).toBe(undefined)
    expect(await ask(18, undefined, { topicConfigList: [] })).toMatchObject({ code: 0 })
    expect(await ask(18, undefined, { topicConfigList: [5] })).toMatchObject({ code: 1 })
    expect(await ask(225, undefined, { groupConfigList: [{ groupName: 'G1' }, { groupName: 'n ok' }] })).toMatchObject({
      code: 1,
    })
    expect(state.groups.get('G1')).toBe(undefined)
    await ask(225, undefined, { groupConfigList: [{ groupName: 'G1' }, { groupName: 'G2', retryMaxTimes: 3 }] })
    expect([state.groups.get('G1')?.retryMaxTimes, state.groups.get('G2')?.retryMaxTimes]).toEqual([16, 3])
  })

  test('a slave makes none', async () => {
    const { ask } = rig({ brokerRole: 'SLAVE' })
    for (const code of [18, 225]) expect(await ask(code, undefined, topics('L1'))).toMatchObject({ code: 1 })
  })
})

test('attributes of a topic (17 of 5.x) are added and taken away; what would change the store is refused', async () => {
  const { ask, state } = rig()
  const attributes = (text: string) => ask(17, { ...topicOf('At', 1), attributes: text })
  await attributes('+message.type=FIFO')
  expect(state.topics.get('At')?.attributes).toEqual({ 'message.type': 'FIFO' })
  await ask(17, topicOf('At', 2))
  expect(state.topics.get('At')).toMatchObject({ readQueueNums: 2, attributes: { 'message.type': 'FIFO' } })
  for (const bad of ['+queue.type=BatchCQ', '+nonsense=1', '+message.type=X', 'message.type', '+message.type']) {
    expect(await attributes(bad)).toMatchObject({ code: 1 })
  }
  await attributes('-message.type')
  expect(state.topics.get('At')?.attributes).toEqual({})
})

test('removal by administrators (306, 316, 329) is handed on, and named in the log', async () => {
  const { ask, done } = rig()
  for (const code of [306, 316, 329]) expect(await ask(code)).toMatchObject({ code: 0 })
  expect(done).toEqual(['expired queues', 'unused topics', 'expired log'])
})

test.each([400, 401, 402, 901, 902, 903, 904, 905, 906, 907, 908, 354, 355, 370, 513, 2001, 3001, 13, 22, 23, 27, 224])(
  '%i is of another release or another server: answered 3',
  async (code) => {
    expect(await rig().ask(code)).toMatchObject({ code: 3, remark: ` request type ${code} not supported` })
  },
)

test.each([222, 223, 307, 308, 309, 314, 317, 321, 343, 345, 353])(
  '%i without a header names the missing field',
  async (code) => {
    const answer = await rig().ask(code)
    expect(answer?.code).toBe(1)
    expect(answer?.remark).toMatch(/^the header of request \d+ has no field \w+$/)
  },
)

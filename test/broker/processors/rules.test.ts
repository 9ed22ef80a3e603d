import { describe, expect, test } from 'vitest'
import { byteText, runtimeText } from '../../../src/broker/processors/broker-admin.ts'
import { type Processor, Router } from '../../../src/broker/router.ts'
import { RemotingError } from '../../../src/errors.ts'
import { request } from '../../../src/remoting/command.ts'
import { asConnection, bodyOf, CollectedLog, FakeConnection, heartbeat, rig, subscription, textOf } from '../rig.ts'

const TOPIC = {
  topic: 'T',
  defaultTopic: 'TBW102',
  readQueueNums: '4',
  writeQueueNums: '2',
  perm: '6',
  topicFilterType: 'SINGLE_TAG',
  topicSysFlag: '0',
  order: 'true',
}

describe('the router', () => {
  const connection = asConnection(new FakeConnection())
  const router = new Router(
    new Map<number, Processor>([
      [1, () => undefined],
      [2, () => Promise.reject(new RemotingError('X', { what: 'what happened', todo: 'do this' }))],
      [
        3,
        () => {
          throw new TypeError('oops')
        },
      ],
    ]),
    new CollectedLog(),
  )

  test('answers an unknown code 3, with the text of 4.9.8', async () => {
    expect(await router.handle(request(9999), connection)).toMatchObject({
      code: 3,
      remark: ' request type 9999 not supported',
    })
  })

  test('answers what a processor throws with 1 and its text', async () => {
    expect(await router.handle(request(2), connection)).toMatchObject({ code: 1, remark: 'what happened; do this' })
    expect(await router.handle(request(3), connection)).toMatchObject({ code: 1, remark: 'TypeError: oops' })
    expect(await router.handle(request(1), connection)).toBe(undefined)
  })

  test('never answers a one-way request', async () => {
    for (const code of [1, 2, 3, 9999]) {
      expect(await router.handle({ ...request(code), flag: 2 }, connection)).toBe(undefined)
    }
  })
})

describe('creating a topic (17)', () => {
  test('takes everything but the order flag, which 4.9.8 drops too', async () => {
    const { ask, state } = rig()
    expect(await ask(17, TOPIC)).toMatchObject({ code: 0 })
    expect(state.topics.get('T')).toEqual({
      order: false,
      perm: 6,
      readQueueNums: 4,
      topicFilterType: 'SINGLE_TAG',
      topicName: 'T',
      topicSysFlag: 0,
      writeQueueNums: 2,
    })
    await ask(17, { ...TOPIC, perm: '4', topicFilterType: 'MULTI_TAG' })
    expect(state.topics.get('T')).toMatchObject({ perm: 4, topicFilterType: 'MULTI_TAG' })
    expect(state.topics.dataVersion.counter).toBe(2)
  })

  test.each([
    ['a path', { topic: '../../x' }, 'illegal characters'],
    ['no name', { topic: '' }, 'The specified topic is blank.'],
    ['a system topic', { topic: 'TBW102' }, 'The topic[TBW102] is conflict with system topic.'],
    ['the cluster', { topic: 'LabCluster' }, 'The topic[LabCluster] is conflict with system topic.'],
    ['a system prefix', { topic: 'rmq_sys_x' }, 'The topic[rmq_sys_x] is conflict with system topic.'],
    ['negative queues', { readQueueNums: '-1' }, 'readQueueNums is -1, allowed are 0 to 65536'],
    ['endless queues', { writeQueueNums: '2000000000' }, 'writeQueueNums is 2000000000'],
    ['queues that are no number', { writeQueueNums: 'x' }, 'writeQueueNums'],
    ['a permission of other bits', { perm: '64' }, 'perm is 64'],
    ['another filter', { topicFilterType: 'ALL' }, 'topicFilterType is "ALL"'],
  ])('refuses %s with 1 and says why', async (_, more, remark) => {
    const { ask, state } = rig()
    const before = JSON.stringify(state.topics)
    const answer = await ask(17, { ...TOPIC, ...more })
    expect(answer?.code).toBe(1)
    expect(answer?.remark).toContain(remark)
    expect(JSON.stringify(state.topics)).toBe(before)
  })

  test('without a field names the field', async () => {
    const { perm: _, ...rest } = TOPIC
    expect((await rig().ask(17, rest))?.remark).toContain('perm')
  })
})

describe('a slave', () => {
  test.each([
    [17, TOPIC, undefined],
    [215, { topic: 'T' }, undefined],
    [200, undefined, { groupName: 'G' }],
    [207, { groupName: 'G' }, undefined],
  ])('answers %i with 1: its master decides', async (code, ext, body) => {
    const answer = await rig({ brokerRole: 'SLAVE' }).ask(code, ext, body)
    expect(answer).toMatchObject({ code: 1 })
    expect(answer?.remark).toContain('slave')
  })
})

describe('topics', () => {
  test('are deleted (215), also twice, but not system topics', async () => {
    const { ask, state } = rig()
    await ask(17, TOPIC)
    expect(await ask(215, { topic: 'T' })).toMatchObject({ code: 0 })
    expect(state.topics.get('T')).toBe(undefined)
    expect(await ask(215, { topic: 'T' })).toMatchObject({ code: 0 })
    expect(await ask(215, { topic: 'RMQ_SYS_TRANS_HALF_TOPIC' })).toMatchObject({ code: 1 })
  })

  test('show the range and last store time of each write queue (202)', async () => {
    const { ask, store } = rig()
    await ask(17, TOPIC)
    store.put('T', 1, 1_000)
    store.put('T', 1, 2_000)
    expect(textOf(await ask(202, { topic: 'T' }))).toBe(
      '{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0},' +
        '{"brokerName":"broker-a","queueId":1,"topic":"T"}:{"lastUpdateTimestamp":2000,"maxOffset":2,"minOffset":0}}}',
    )
    expect(await ask(202, { topic: 'U' })).toMatchObject({ code: 17, remark: 'topic[U] not exist' })
    expect(textOf(await ask(202, { topic: 'T' }, undefined, { version: 479 }))).toMatch(/,"topicPutTps":0\}$/)
  })

  test('are shown one by one to 5.x (351), or 17', async () => {
    const { ask } = rig()
    expect(bodyOf(await ask(351, { topic: 'TBW102' }))).toMatchObject({ topicName: 'TBW102', perm: 7 })
    expect(await ask(351, { topic: 'U' })).toMatchObject({ code: 17 })
  })
})

describe('groups', () => {
  test('are configured (200), shown (201, 352) and deleted with their offsets (207)', async () => {
    const { ask, state } = rig()
    const config = { groupName: 'G', retryMaxTimes: 3, consumeEnable: false, groupSysFlag: 5, attributes: { a: 'b' } }
    expect(await ask(200, undefined, config)).toMatchObject({ code: 0 })
    expect(bodyOf(await ask(352, { group: 'G' }))).toMatchObject({ ...config, retryQueueNums: 1 })
    const all = bodyOf(await ask(201)) as { subscriptionGroupTable: Record<string, unknown>; dataVersion: unknown }
    expect(all.subscriptionGroupTable.G).toMatchObject(config)
    expect(all.dataVersion).toMatchObject({ counter: 1 })
    state.offsets.commit('G', 'T', 0, 4, 'h')
    await ask(207, { groupName: 'G' })
    expect(state.offsets.query('G', 'T', 0)).toBe(4)
    await ask(207, { groupName: 'G', cleanOffset: 'true' })
    expect([state.groups.get('G'), state.offsets.query('G', 'T', 0)]).toEqual([undefined, -1])
  })

  test('that are missing are created when looked up, or answered 26', async () => {
    expect(await rig().ask(352, { group: 'G' })).toMatchObject({ code: 0 })
    expect(await rig({ autoCreateSubscriptionGroup: false }).ask(352, { group: 'G' })).toMatchObject({ code: 26 })
    expect(await rig().ask(352, { group: '../x' })).toMatchObject({ code: 26 })
  })

  test.each([
    [{}, 'has no groupName'],
    [{ groupName: 'a b' }, 'illegal characters'],
    [{ groupName: 'G', retryQueueNums: -1 }, 'retryQueueNums is -1'],
    [{ groupName: 'G', retryQueueNums: 5000 }, 'retryQueueNums is 5000'],
    [{ groupName: 'G', consumeEnable: 'perhaps' }, 'consumeEnable is "perhaps"'],
    [{ groupName: 'G', brokerId: 'x' }, 'brokerId is "x"'],
  ])('%j is refused: %s', async (body, remark) => {
    const answer = await rig().ask(200, undefined, body)
    expect(answer?.code).toBe(1)
    expect(answer?.remark).toContain(remark)
  })
})

describe('who consumes what', () => {
  const online = async (topics = ['T']) => {
    const it = rig()
    const c = it.connect('192.0.2.1:4000')
    await it.ask(34, undefined, heartbeat('c', { G: topics.map((t) => subscription(t, 'A', 5)) }, ['P']), { from: c })
    await it.ask(17, TOPIC)
    return it
  }

  test('the connections of a group (203) and a producer group (204)', async () => {
    const { ask } = await online()
    expect(bodyOf(await ask(203, { consumerGroup: 'G' }))).toEqual({
      connectionSet: [{ clientAddr: '192.0.2.1:4000', clientId: 'c', language: 'JAVA', version: 409 }],
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      consumeType: 'CONSUME_PASSIVELY',
      messageModel: 'CLUSTERING',
      subscriptionTable: {
        T: {
          classFilterMode: false,
          codeSet: [65],
          expressionType: 'TAG',
          subString: 'A',
          subVersion: 5,
          tagsSet: ['A'],
          topic: 'T',
        },
      },
    })
    expect(bodyOf(await ask(204, { producerGroup: 'P' }))).toMatchObject({ connectionSet: [{ clientId: 'c' }] })
    expect(await ask(203, { consumerGroup: 'X' })).toMatchObject({
      code: 206,
      remark: 'the consumer group[X] not online',
    })
    expect(await ask(204, { producerGroup: 'X' })).toMatchObject({ code: 1 })
  })

  test('the groups of a topic (300): online ones and those with offsets', async () => {
    const { ask, state } = await online()
    state.offsets.commit('Offline', 'T', 0, 1, 'h')
    state.offsets.commit('G', 'T', 0, 1, 'h')
    expect(bodyOf(await ask(300, { topic: 'T' }))).toEqual({ groupList: ['G', 'Offline'] })
    expect(bodyOf(await ask(300, { topic: 'X' }))).toEqual({ groupList: [] })
  })

  test('the progress of a group (208): its topics that exist and that it still subscribes to', async () => {
    const { ask, state, store } = await online()
    for (let i = 1; i <= 3; i++) store.put('T', 0, i * 1000)
    state.offsets.commit('G', 'T', 0, 2, 'h')
    state.offsets.commit('G', 'Gone', 0, 2, 'h')
    state.offsets.commit('G', 'BenchmarkTest', 0, 2, 'h')
    const text = textOf(await ask(208, { consumerGroup: 'G' }))
    expect(text.startsWith('{"consumeTps":0,"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:')).toBe(
      true,
    )
    expect(text).toContain('{"brokerOffset":3,"consumerOffset":2,"lastTimestamp":2000}')
    expect(text.match(/queueId/g)).toHaveLength(4)
    expect(text).not.toContain('BenchmarkTest')
    expect(textOf(await ask(208, { consumerGroup: 'G' }, undefined, { version: 479 }))).toContain(
      '{"brokerOffset":3,"consumerOffset":2,"lastTimestamp":2000,"pullOffset":2}',
    )
    expect(textOf(await ask(208, { consumerGroup: 'G', topic: 'X' }))).toBe('{"consumeTps":0,"offsetTable":{}}')
  })

  test('the time spans of a group on a topic (303)', async () => {
    const { ask, state, store, clock } = await online()
    for (let i = 0; i < 3; i++) store.put('T', 0, clock.ms - 3_000 + i * 1_000)
    state.offsets.commit('G', 'T', 0, 1, 'h')
    const { consumeTimeSpanSet } = bodyOf(await ask(303, { topic: 'T', group: 'G' })) as {
      consumeTimeSpanSet: Record<string, unknown>[]
    }
    expect(consumeTimeSpanSet).toHaveLength(2)
    expect(consumeTimeSpanSet[0]).toMatchObject({
      messageQueue: { brokerName: 'broker-a', queueId: 0, topic: 'T' },
      minTimeStamp: clock.ms - 3_000,
      maxTimeStamp: clock.ms - 1_000,
      consumeTimeStamp: clock.ms - 3_000,
      delayTime: 2_000,
    })
    expect(consumeTimeSpanSet[0].minTimeStampStr).toMatch(/^\d{4}-\d\d-\d\d#\d\d:\d\d:\d\d:\d{3}$/)
    expect(consumeTimeSpanSet[1]).toMatchObject({ minTimeStamp: -1, maxTimeStamp: -1, delayTime: 0 })
    expect(await ask(303, { topic: 'X', group: 'G' })).toMatchObject({ code: 17 })
  })
})

describe('messages', () => {
  test('are found by key (12), at most 64, and by physical offset (33)', async () => {
    const { ask, store } = rig()
    for (let i = 0; i < 100; i++) store.put('T', 0, 1000 + i, ['k'])
    const range = { topic: 'T', key: 'k', beginTimestamp: '0', endTimestamp: '9223372036854775807' }
    const answer = await ask(12, { ...range, maxNum: '1000' })
    expect(answer).toMatchObject({
      code: 0,
      ext: { indexLastUpdatePhyoffset: '9900', indexLastUpdateTimestamp: '1099' },
    })
    expect(answer?.body?.length).toBe(6400)
    const unique = await ask(12, { ...range, maxNum: '1', _UNIQUE_KEY_QUERY: 'true' })
    expect(unique?.body?.length).toBe(3200)
    expect(await ask(12, { ...range, key: 'x', maxNum: '1' })).toMatchObject({
      code: 22,
      ext: { indexLastUpdatePhyoffset: '0', indexLastUpdateTimestamp: '0' },
    })
    const hour = { ...range, key: 'x', maxNum: '1', beginTimestamp: '1795426000000', endTimestamp: '1795429600000' }
    expect((await ask(12, hour))?.remark).toBe(
      'can not find message, maybe time range not correct: searched were store times ' +
        '2026-11-23T09:26:40.000Z to 2026-11-23T10:26:40.000Z, the index is empty',
    )
    expect((await ask(33, { offset: '200' }))?.body).toEqual(store.messages[2].bytes)
    for (const offset of ['201', '-1', '10000', '9223372036854775807']) {
      expect(await ask(33, { offset })).toMatchObject({
        code: 1,
        remark: `can not find message by the offset, ${offset}`,
      })
    }
  })
})

describe('offsets of a queue', () => {
  test('of which nobody has heard are 0, and its earliest time −1', async () => {
    const { ask } = rig()
    const queue = { topic: 'X', queueId: '7' }
    expect(await ask(30, queue)).toMatchObject({ code: 0, ext: { offset: '0' } })
    expect(await ask(31, queue)).toMatchObject({ code: 0, ext: { offset: '0' } })
    expect(await ask(29, { ...queue, timestamp: '5' })).toMatchObject({ code: 0, ext: { offset: '0' } })
    expect(await ask(32, queue)).toMatchObject({ code: 0, ext: { timestamp: '-1' } })
  })
})

describe('hostile values get one clear error', () => {
  const queue = { topic: 'T', queueId: '0', consumerGroup: 'G', commitOffset: '1', timestamp: '0' }
  test.each(
    [14, 15, 29, 30, 31, 32].flatMap((code) => [
      [code, { topic: '../../x' }, 'illegal characters'] as const,
      [code, { queueId: '-1' }, 'queueId is -1, queues count from 0'] as const,
      [code, { queueId: '99999999999' }, 'queueId'] as const,
      [code, { queueId: '' }, 'queueId'] as const,
    ]),
  )('%i with %j: %s', async (code, more, remark) => {
    const answer = await rig().ask(code, { ...queue, ...more })
    expect(answer?.code).toBe(1)
    expect(answer?.remark).toContain(remark)
  })

  test.each([
    [15, { ...queue, commitOffset: '-5' }, 'commitOffset is -5'],
    [15, { ...queue, commitOffset: '9223372036854775807' }, 'commitOffset is'],
    [15, { ...queue, consumerGroup: 'a@b' }, 'illegal characters'],
    [12, { topic: 'T', key: 'k', maxNum: '-1', beginTimestamp: '0', endTimestamp: '1' }, 'maxNum is -1'],
    [12, { topic: '..', key: 'k', maxNum: '1', beginTimestamp: '0', endTimestamp: '1' }, 'illegal characters'],
  ])('%i with %j: %s', async (code, ext, remark) => {
    const answer = await rig().ask(code, ext)
    expect(answer?.code).toBe(1)
    expect(answer?.remark).toContain(remark)
  })

  test.each([12, 14, 15, 17, 29, 30, 31, 32, 33, 35, 38, 202, 203, 204, 207, 208, 215, 300, 303, 315, 351, 352])(
    '%i without a header names the missing field',
    async (code) => {
      const answer = await rig().ask(code)
      expect(answer?.code).toBe(1)
      expect(answer?.remark).toMatch(/^the header of request \d+ has no field \w+$/)
    },
  )

  test.each([
    [41, { consumerGroup: 'G', clientId: 'c', mqSet: [{ topic: 'T', brokerName: 'b', queueId: -1 }] }, 'queueId -1'],
    [41, { consumerGroup: '../x', clientId: 'c', mqSet: [] }, 'illegal characters'],
    [42, { consumerGroup: 'G', mqSet: [] }, 'has no clientId'],
    [46, { clientId: 'c' }, 'has no group'],
  ])('%i with the body %j: %s', async (code, body, remark) => {
    const answer = await rig().ask(code, undefined, body)
    expect(answer?.code).toBe(1)
    expect(answer?.remark).toContain(remark)
  })
})

describe('the broker', () => {
  test('shows its configuration with a version (26)', async () => {
    const answer = await rig().ask(26)
    expect(textOf(answer)).toBe('brokerName=broker-a\n')
    expect(answer?.ext).toEqual({ version: '{"counter":0,"timestamp":1}' })
  })

  test('shows how far each delay level is (45)', async () => {
    expect(bodyOf(await rig().ask(45))).toEqual({ offsetTable: { 1: 3 } })
  })

  test('shows a statistics item (315), or 1', async () => {
    const { ask, state, clock } = rig()
    const key = { statsName: 'TOPIC_PUT_NUMS', statsKey: 'T' }
    expect(await ask(315, key)).toMatchObject({ code: 1, remark: 'The stats <TOPIC_PUT_NUMS> <T> not exist' })
    expect(await ask(315, { statsName: '__proto__', statsKey: 'T' })).toMatchObject({ code: 1 })
    const item = state.stats.item('TOPIC_PUT_NUMS', 'T')
    for (let second = 0; second < 30; second++) {
      item.add(10, 2)
      clock.ms += 1_000
      state.tick()
    }
    expect(bodyOf(await ask(315, key))).toMatchObject({ statsMinute: { tps: 10, avgpt: 5 } })
  })

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [252 * 1024 ** 3, '252.0 GiB'],
  ])('says %i bytes as %s', (bytes, text) => expect(byteText(bytes)).toBe(text))

  test('says how long it runs as 4.9.8 does', () => {
    expect(runtimeText(81_499)).toBe('[ 0 days, 0 hours, 1 minutes, 21 seconds ]')
    expect(runtimeText(((26 * 60 + 3) * 60 + 4) * 1000)).toBe('[ 1 days, 2 hours, 3 minutes, 4 seconds ]')
  })
})

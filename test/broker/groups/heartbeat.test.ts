import { describe, expect, test } from 'vitest'
import { SILENCE_MS_MAX } from '../../../src/broker/groups/index.ts'
import { bodyOf, type FakeConnection, heartbeat, type Rig, rig, subscription } from '../rig.ts'

const retry = (group: string) => subscription(`%RETRY%${group}`)

describe('a heartbeat', () => {
  test('brings the group, its retry topic and its members into being', async () => {
    const { ask, state, connect } = rig()
    const c = connect()
    const answer = await ask(34, undefined, heartbeat('c1', { G: [subscription('T', 'A || B'), retry('G')] }, ['P']), {
      from: c,
    })
    expect(answer).toMatchObject({ code: 0, ext: undefined, body: undefined })
    expect(state.groups.get('G')?.retryMaxTimes).toBe(16)
    expect(state.topics.get('%RETRY%G')).toMatchObject({ readQueueNums: 1, perm: 6, topicSysFlag: 0 })
    const group = state.consumers.group('G')!
    expect(group.messageModel).toBe('CLUSTERING')
    expect(group.subscription('T')).toMatchObject({ subString: 'A || B', tagsSet: ['A', 'B'], expressionType: 'TAG' })
    expect([...group.subscription('T')!.codeSet]).toEqual([65, 66])
    expect(state.producers.group('P')?.map((it) => it.clientId)).toEqual(['c1'])
    expect(c.notified()).toEqual(['G'])
    expect(bodyOf(await ask(38, { consumerGroup: 'G' }))).toEqual({ consumerIdList: ['c1'] })
  })

  test('a client that comes back while its former connection seems open is named once', async () => {
    const { ask, connect, state } = rig()
    const [stranded, again] = [connect(), connect()]
    for (const from of [stranded, again])
      await ask(34, undefined, heartbeat('c1', { G: [subscription('T')] }), { from })
    expect(state.consumers.group('G')!.members.size).toBe(2)
    expect(bodyOf(await ask(38, { consumerGroup: 'G' }))).toEqual({ consumerIdList: ['c1'] })
  })

  test('computes the codes of the tags, whatever the client says', async () => {
    const { ask, state } = rig()
    const sent = { topic: 'T', subString: ' AaAa||BBBB ||', codeSet: [1, 2, 3], subVersion: '7' }
    await ask(34, undefined, heartbeat('c', { G: [sent] }))
    const subscribed = state.consumers.group('G')!.subscription('T')!
    expect([...subscribed.codeSet]).toEqual([2031744])
    expect(subscribed).toMatchObject({ tagsSet: ['AaAa', 'BBBB'], subVersion: 7, expressionType: 'TAG' })
    await ask(34, undefined, heartbeat('c', { H: [{ topic: 'T', tagsSet: ['x'], subVersion: 1 }] }))
    expect([...state.consumers.group('H')!.subscription('T')!.codeSet]).toEqual([120])
  })

  test('tells all members when one is new, and when a topic comes or goes, but not when only a version rises', async () => {
    const { ask, connect } = rig()
    const [a, b] = [connect(), connect()]
    const beat = (from: typeof a, id: string, topics: Record<string, unknown>[]) =>
      ask(34, undefined, heartbeat(id, { G: topics }), { from })
    const told = () => [a.notified().length, b.notified().length]
    await beat(a, 'a', [subscription('T')])
    expect(told()).toEqual([1, 0])
    await beat(b, 'b', [subscription('T')])
    expect(told()).toEqual([1, 1])
    await beat(a, 'a', [subscription('T', 'A', 2)])
    expect(told()).toEqual([0, 0])
    await beat(a, 'a', [subscription('T', 'A', 2), subscription('U')])
    expect(told()).toEqual([1, 1])
    await beat(a, 'a', [subscription('T', 'A', 2)])
    expect(told()).toEqual([1, 1])
  })

  test('replaces an expression only by one with a larger version', async () => {
    const { ask, state } = rig()
    const beat = (expression: string, version: number) =>
      ask(34, undefined, heartbeat('a', { G: [subscription('T', expression, version)] }))
    await beat('A', 5)
    await beat('B', 4)
    expect(state.consumers.group('G')!.subscription('T')!.subString).toBe('A')
    await beat('C', 6)
    expect(state.consumers.group('G')!.subscription('T')!.subString).toBe('C')
  })

  test.each([
    ['the broker', { notifyConsumerIdsChangedEnable: false }, true],
    ['the group', {}, false],
  ])('tells nobody when %s switched that off', async (_, settings, groupNotifies) => {
    const { ask, connect } = rig(settings)
    await ask(200, undefined, { groupName: 'G', notifyConsumerIdsChangedEnable: groupNotifies })
    const c = connect()
    await ask(34, undefined, heartbeat('c', { G: [subscription('T')] }), { from: c })
    expect(c.notified()).toEqual([])
  })

  test('of 5.3.3 with its extra fields is taken as a whole one', async () => {
    const { ask, state } = rig()
    const body = { ...heartbeat('c', { G: [subscription('T')] }), heartbeatFingerprint: 0, withoutSub: false }
    expect((await ask(34, undefined, body, { version: 479 }))?.ext).toMatchObject({ IS_SUPPORT_HEART_BEAT_V2: 'true' })
    expect(state.consumers.group('G')!.subscription('T')).toBeDefined()
    await ask(34, undefined, { ...heartbeat('c', { G: [] }), withoutSub: true })
    expect(state.consumers.group('G')!.subscription('T')).toBeDefined()
  })

  test('creates as many retry queues as the group has, none for 0, and marks unit mode', async () => {
    const { ask, state } = rig()
    await ask(200, undefined, { groupName: 'G', retryQueueNums: 3 })
    await ask(200, undefined, { groupName: 'H', retryQueueNums: 0 })
    const body = heartbeat('c', { G: [], H: [] })
    for (const data of body.consumerDataSet as Record<string, unknown>[]) data.unitMode = true
    await ask(34, undefined, body)
    expect(state.topics.get('%RETRY%G')).toMatchObject({ readQueueNums: 3, topicSysFlag: 2 })
    expect(state.topics.get('%RETRY%H')).toBe(undefined)
  })

  test('registers a group without a configuration where none may be created', async () => {
    const { ask, state } = rig({ autoCreateSubscriptionGroup: false })
    await ask(34, undefined, heartbeat('c', { G: [subscription('T')], CID_RMQ_SYS_X: [] }))
    expect(state.groups.get('G')).toBe(undefined)
    expect(state.groups.get('CID_RMQ_SYS_X')).toBeDefined()
    expect(state.consumers.group('G')).toBeDefined()
    expect(state.topics.get('%RETRY%G')).toBe(undefined)
  })

  test.each([
    ['no body', undefined, 'the body of request HEART_BEAT is missing'],
    ['no JSON', '{"clientID"', 'the body of request HEART_BEAT is no JSON'],
    ['a list', '[]', 'the body of request HEART_BEAT is no JSON object'],
    ['no client', { consumerDataSet: [] }, 'the body of request HEART_BEAT has no clientID'],
    ['a client that is no text', { clientID: 5 }, 'the body of request HEART_BEAT has no clientID'],
    ['groups that are no list', { clientID: 'c', producerDataSet: {} }, 'that is no list'],
    ['a group that is null', { clientID: 'c', consumerDataSet: [null] }, 'that is no object'],
    ['a group without a name', { clientID: 'c', producerDataSet: [{}] }, 'has no groupName'],
    ['a group with a path', heartbeat('c', { '../../x': [] }), 'The specified group contains illegal characters'],
    ['an endless expression', heartbeat('c', { G: [subscription('T', 'x'.repeat(70_000))] }), 'at most 65536'],
  ])('with %s is answered 1 and says why', async (_, body, remark) => {
    const { ask, state } = rig()
    const answer = await ask(34, undefined, body)
    expect(answer?.code).toBe(1)
    expect(answer?.remark).toContain(remark)
    expect([...state.consumers.groups()]).toEqual([])
    expect(state.topics.get('%RETRY%../../x')).toBe(undefined)
  })

  test('with one bad group still takes the good ones', async () => {
    const { ask, state } = rig()
    const answer = await ask(34, undefined, heartbeat('c', { 'a/b': [], G: [subscription('T')] }, ['P']))
    expect(answer).toMatchObject({ code: 1 })
    expect(answer?.remark).toContain('"a/b"')
    expect(state.consumers.group('G')).toBeDefined()
    expect(state.producers.group('P')).toBeDefined()
  })
})

describe('a client leaves', () => {
  test('by 35: the others of its group are told, it is not', async () => {
    const { ask, state, connect } = rig()
    const [a, b] = [connect(), connect()]
    await ask(34, undefined, heartbeat('a', { G: [subscription('T')] }, ['P']), { from: a })
    await ask(34, undefined, heartbeat('b', { G: [subscription('T')] }), { from: b })
    a.notified()
    b.notified()
    expect(
      await ask(35, { clientID: 'a', consumerGroup: 'G', producerGroup: 'P' }, undefined, { from: a }),
    ).toMatchObject({ code: 0 })
    expect([a.notified(), b.notified()]).toEqual([[], ['G']])
    expect(state.producers.group('P')).toBe(undefined)
    expect(bodyOf(await ask(38, { consumerGroup: 'G' }))).toEqual({ consumerIdList: ['b'] })
    await ask(35, { clientID: 'b', consumerGroup: 'G' }, undefined, { from: b })
    expect(await ask(38, { consumerGroup: 'G' })).toMatchObject({ code: 1, remark: 'no consumer for this group, G' })
  })

  test('by its connection: at once, from every group', async () => {
    const { ask, state, connect } = rig()
    const [a, b] = [connect(), connect()]
    await ask(34, undefined, heartbeat('a', { G: [], H: [] }, ['P', 'Q']), { from: a })
    await ask(34, undefined, heartbeat('b', { G: [] }), { from: b })
    b.notified()
    a.close('reset by peer')
    expect(b.notified()).toEqual(['G'])
    expect(state.consumers.group('H')).toBe(undefined)
    expect([state.producers.group('P'), state.producers.group('Q')]).toEqual([undefined, undefined])
  })

  test('by silence: after 120 s without a heartbeat the scan closes its connection', async () => {
    const { ask, state, connect, clock } = rig()
    const [a, b, p] = [connect(), connect(), connect()]
    await ask(34, undefined, heartbeat('a', { G: [] }), { from: a })
    await ask(34, undefined, heartbeat('p', {}, ['P']), { from: p })
    clock.ms += SILENCE_MS_MAX - 5_000
    await ask(34, undefined, heartbeat('b', { G: [] }), { from: b })
    b.notified()
    state.tick()
    expect([a.closed, p.closed]).toEqual([false, false])
    clock.ms += 10_000
    state.tick()
    expect([a.closed, b.closed, p.closed]).toEqual([true, false, true])
    expect(a.closedBecause).toBe('consumer a of group G sent no heartbeat for 120 s')
    expect(state.consumers.member('G', 'b')).toBeDefined()
    expect(state.producers.group('P')).toBe(undefined)
  })
})

describe('producers', () => {
  test('are asked in turn, and never one that is gone', async () => {
    const { ask, state, connect } = rig()
    const all = [connect(), connect(), connect()]
    for (const [i, from] of all.entries()) await ask(34, undefined, heartbeat(`p${i}`, {}, ['P']), { from })
    const picked = new Set([0, 1, 2].map(() => state.producers.pick('P')?.id))
    expect(picked).toEqual(new Set(all.map((it) => it.id)))
    all[0].closed = true
    all[1].closed = true
    expect(state.producers.pick('P')?.id).toBe(all[2].id)
    all[2].closed = true
    expect(state.producers.pick('P')).toBe(undefined)
    expect(state.producers.pick('Q')).toBe(undefined)
  })

  test('are found by client id as long as they are in some group', async () => {
    const { ask, state, connect } = rig()
    const c = connect()
    await ask(34, undefined, heartbeat('p', {}, ['P', 'Q']), { from: c })
    await ask(35, { clientID: 'p', producerGroup: 'P' }, undefined, { from: c })
    expect(state.producers.connection('p')?.id).toBe(c.id)
    await ask(35, { clientID: 'p', producerGroup: 'Q' }, undefined, { from: c })
    expect(state.producers.connection('p')).toBe(undefined)
  })
})

describe('a client check (46)', () => {
  const ask46 = (expressionType: string, settings = {}, subString = 'a > 1') =>
    rig(settings).ask(46, undefined, {
      clientId: 'c',
      group: 'G',
      subscriptionData: { topic: 'T', subString, expressionType, subVersion: 1 },
    })

  test('passes tags, and SQL92 where it is on and parses', async () => {
    expect(await ask46('TAG')).toMatchObject({ code: 0 })
    expect(await ask46('SQL92', { enablePropertyFilter: true })).toMatchObject({ code: 0 })
  })

  test('refuses SQL92 with 1 where it is off, and with 23 where it does not parse', async () => {
    expect(await ask46('SQL92')).toMatchObject({
      code: 1,
      remark: 'The broker does not support consumer to filter message by SQL92',
    })
    expect(await ask46('SQL92', { enablePropertyFilter: true }, "a > 'x'")).toMatchObject({
      code: 23,
      remark: "java.lang.RuntimeException: Value ''x'' cannot be compared.",
    })
    // Not taken for "*", as an empty tag expression is.
    expect(await ask46('SQL92', { enablePropertyFilter: true }, '')).toMatchObject({ code: 23 })
    expect(await ask46('FOO', { enablePropertyFilter: true })).toMatchObject({ code: 23 })
  })
})

describe('heartbeat V2 of RocketMQ 5', () => {
  type Beat = { fingerprint?: number; withoutSub?: boolean; topics?: string[] }
  const wholeAgain = async (rigged: Rig, from: FakeConnection, beat: Beat) => {
    const { fingerprint = 0, withoutSub = false, topics = ['T'] } = beat
    const body = { ...heartbeat('c', { G: topics.map((topic) => subscription(topic)) }, ['P']), withoutSub }
    const answer = await rigged.ask(
      34,
      undefined,
      { ...body, heartbeatFingerprint: fingerprint },
      { from, version: 479 },
    )
    expect(answer?.ext?.IS_SUPPORT_HEART_BEAT_V2).toBe('true')
    return answer?.ext?.IS_SUB_CHANGE === 'true'
  }

  test('a client that says its fingerprint need not repeat its subscriptions, until somebody says something else', async () => {
    const rigged = rig()
    const [a, b] = [rigged.connect(), rigged.connect()]
    // As 5.3.3 answered these: whole with V1, then V2, the same, another fingerprint, back again.
    expect(await wholeAgain(rigged, a, {})).toBe(true)
    expect(await wholeAgain(rigged, a, { fingerprint: 12345 })).toBe(true)
    expect(await wholeAgain(rigged, a, { fingerprint: 12345, withoutSub: true, topics: [] })).toBe(false)
    expect(rigged.state.consumers.group('G')?.subscription('T')).toBeDefined()
    expect(await wholeAgain(rigged, b, { fingerprint: 777, topics: ['T', 'U'] })).toBe(true)
    expect(await wholeAgain(rigged, a, { fingerprint: 12345, withoutSub: true })).toBe(true)
    expect(await wholeAgain(rigged, a, { fingerprint: 12345 })).toBe(false)
  })

  test('a broker that has just started wants the subscriptions, which nobody has told it', async () => {
    const rigged = rig()
    expect(await wholeAgain(rigged, rigged.connect(), { fingerprint: 12345, withoutSub: true, topics: [] })).toBe(true)
    expect(rigged.state.consumers.group('G')?.hasSubscriptions).toBe(false)
  })

  test('after a pull that knew a later subscription (25), which the client’s heartbeats leave out, it is asked for', async () => {
    const rigged = rig()
    const a = rigged.connect()
    await wholeAgain(rigged, a, { fingerprint: 12345 })
    expect(await wholeAgain(rigged, a, { fingerprint: 12345, withoutSub: true })).toBe(false)
    rigged.state.consumers.group('G')!.isOutdated = true
    expect(await wholeAgain(rigged, a, { fingerprint: 12345, withoutSub: true })).toBe(true)
    expect(await wholeAgain(rigged, a, { fingerprint: 12345 })).toBe(false)
    expect(await wholeAgain(rigged, a, { fingerprint: 12345, withoutSub: true })).toBe(false)
  })

  test('4.9 clients are answered as 4.9.8 answers them', async () => {
    const { ask } = rig()
    expect((await ask(34, undefined, heartbeat('c', { G: [subscription('T')] })))?.ext).toBe(undefined)
  })
})

test('members of a group that subscribe differently are named once, and again when they have agreed in between', async () => {
  const { ask, connect, log } = rig()
  const [a, b] = [connect(), connect()]
  const beat = (from: typeof a, id: string, expression: string, version: number) =>
    ask(34, undefined, heartbeat(id, { G: [subscription('U'), subscription('T', expression, version)] }), { from })
  const said = () => log.lines.filter((line) => line.includes('of group G subscribe differently'))
  await beat(a, 'a', 'x', 1)
  await beat(b, 'b', 'x', 2)
  expect(said()).toEqual([])
  for (let i = 3; i < 20; i++) await beat(i % 2 === 0 ? a : b, i % 2 === 0 ? 'a' : 'b', i % 2 === 0 ? 'x' : 'y', i)
  expect(said()).toHaveLength(1)
  expect(said()[0]).toContain('clients b and a')
  await beat(b, 'b', 'x', 30)
  await beat(b, 'b', 'z', 31)
  expect(said()).toHaveLength(2)
})

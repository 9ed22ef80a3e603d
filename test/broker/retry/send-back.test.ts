/**
 * What consumers send back (36), and sends to %RETRY%group: copies, levels, dead letters, refusals. What is expected is what
 * an Apache broker of 4.9.7 answered and stored for the same requests.
 */
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { RemotingClient, request } from '../../../src/remoting/index.ts'
import { decodeRecord } from '../../../src/store/commitlog/index.ts'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { RawPeer } from '../../support/raw-peer.ts'

const SCHEDULE = 'SCHEDULE_TOPIC_XXXX'

async function setUp(options: TestBrokerOptions = {}) {
  const broker = await startTestBroker(options)
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const properties = { TAGS: 'TagA', KEYS: 'k1', UNIQ_KEY: 'U1', WAIT: 'true', own: 'größe' }
  const sent = await client.send('T', 'hello', { properties })
  expect(sent.code).toBe(0)
  return { broker, client, msgId: sent.ext?.msgId ?? '' }
}

const back = (offset: number, more: Record<string, string> = {}) => ({
  offset: String(offset),
  group: 'G',
  delayLevel: '0',
  originMsgId: 'OM',
  originTopic: 'T',
  unitMode: 'false',
  maxReconsumeTimes: '16',
  ...more,
})

async function stored(broker: TestBroker, client: TestClient, topic: string, queueId: number) {
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 5000)
  return client.drain(topic, queueId)
}

/** The message of the topic's queue 0 at this offset, once it is there. */
async function arrives(broker: TestBroker, client: TestClient, topic: string, offset = 0) {
  return vi.waitFor(async () => {
    const message = (await stored(broker, client, topic, 0))[offset]
    expect(message).toBeDefined()
    return message
  }, 5000)
}

describe('a message that is sent back', () => {
  test('waits at level 3 as a copy that names its origin, then is in the retry topic', async () => {
    const { broker, client, msgId } = await setUp()
    expect((await client.invoke(36, back(0))).code).toBe(0)
    const [original] = await stored(broker, client, 'T', 0)
    const [copy] = await stored(broker, client, SCHEDULE, 2)
    expect(copy).toMatchObject({
      ...{ bodyCRC: original.bodyCRC, flag: original.flag, sysFlag: original.sysFlag, reconsumeTimes: 1 },
      ...{ bornTimestamp: original.bornTimestamp, bornHost: original.bornHost, storeHost: original.storeHost },
      ...{ preparedTransactionOffset: 0 },
    })
    expect(Object.fromEntries(copy.properties)).toEqual({
      ...{ TAGS: 'TagA', KEYS: 'k1', UNIQ_KEY: 'U1', own: 'größe', CLUSTER: 'DefaultCluster' },
      ...{ WAIT: 'false', RETRY_TOPIC: 'T', ORIGIN_MESSAGE_ID: msgId, DELAY: '3' },
      ...{ REAL_TOPIC: '%RETRY%G', REAL_QID: '0' },
    })
    broker.advance(10_000)
    const again = await arrives(broker, client, '%RETRY%G')
    expect(again).toMatchObject({ topic: '%RETRY%G', reconsumeTimes: 1, propertiesText: copy.propertiesText })
    expect(again.body.toString()).toBe('hello')
  })

  test('again and again waits longer each time, and becomes a dead letter', async () => {
    const { broker, client, msgId } = await setUp({ config: { messageDelayLevel: '1s 2s 3s 4s 5s' } })
    let offset = 0
    for (const [times, level] of [3, 4, 5, 5].entries()) {
      expect((await client.invoke(36, back(offset, { maxReconsumeTimes: '4' }))).code).toBe(0)
      const waiting = (await stored(broker, client, SCHEDULE, level - 1)).at(-1)!
      expect([waiting.reconsumeTimes, waiting.properties.get('DELAY')]).toEqual([times + 1, String(level)])
      broker.advance(level * 1000)
      offset = (await arrives(broker, client, '%RETRY%G', times)).physicalOffset
    }
    expect((await client.invoke(36, back(offset, { maxReconsumeTimes: '4' }))).code).toBe(0)
    const dead = await arrives(broker, client, '%DLQ%G')
    expect(dead).toMatchObject({ queueId: 0, reconsumeTimes: 5 })
    expect(Object.fromEntries(dead.properties)).toMatchObject({
      ...{ RETRY_TOPIC: 'T', ORIGIN_MESSAGE_ID: msgId, DELAY: '0', REAL_TOPIC: '%RETRY%G', UNIQ_KEY: 'U1' },
    })
    expect(await stored(broker, client, '%RETRY%G', 0)).toHaveLength(4)
  })

  test('waits at the level that the consumer asks for, the last one at most', async () => {
    const { broker, client } = await setUp()
    for (const [asked, level] of [
      ['1', 1],
      ['99', 18],
    ] as const) {
      expect((await client.invoke(36, back(0, { delayLevel: asked }))).code).toBe(0)
      const [copy] = await stored(broker, client, SCHEDULE, level - 1)
      expect(copy.properties.get('DELAY')).toBe(String(level))
    }
  })

  test('with level -1, without tries left, or with a limit of -1 (as 4.9 reads it) is a dead letter at once', async () => {
    const { broker, client, msgId } = await setUp()
    for (const [name, value] of [
      ['delayLevel', '-1'],
      ['maxReconsumeTimes', '0'],
      ['maxReconsumeTimes', '-1'],
    ]) {
      expect((await client.invoke(36, back(0, { [name]: value }))).code).toBe(0)
    }
    const letters = await stored(broker, client, '%DLQ%G', 0)
    expect(letters).toHaveLength(3)
    for (const dead of letters) {
      expect(dead.reconsumeTimes).toBe(1)
      expect(Object.fromEntries(dead.properties)).toMatchObject({
        ...{ DELAY: '0', WAIT: 'false', RETRY_TOPIC: 'T', ORIGIN_MESSAGE_ID: msgId },
      })
    }
    expect(broker.handle.engine.queueIds.find(SCHEDULE, 2)).toBe(-1)
  })

  test("of a client older than 3.4.9 counts by the group's limit, whatever the request says", async () => {
    const { broker, client } = await setUp()
    const old = new RemotingClient()
    onTestFinished(() => old.close())
    const command = { ...request(36, back(0, { maxReconsumeTimes: '0' })), version: 120 }
    expect((await old.invoke(broker.address, command, 5000)).code).toBe(0)
    expect(await stored(broker, client, SCHEDULE, 2)).toHaveLength(1)
  })

  test('of a group with its own settings goes to one of its queues, by its limit', async () => {
    const { broker, client } = await setUp()
    const group = { groupName: 'G', retryQueueNums: 3, retryMaxTimes: 1 }
    expect((await client.invoke(200, {}, Buffer.from(JSON.stringify(group)))).code).toBe(0)
    const { maxReconsumeTimes: _, ...header } = back(0, { delayLevel: '1' })
    for (let i = 0; i < 30; i += 1) expect((await client.invoke(36, header)).code).toBe(0)
    const queues = (await stored(broker, client, SCHEDULE, 0)).map(({ properties }) => properties.get('REAL_QID'))
    expect(new Set(queues)).toEqual(new Set(['0', '1', '2']))
    broker.advance(1000)
    const again = await arrives(broker, client, '%RETRY%G')
    expect((await client.invoke(36, { ...header, offset: String(again.physicalOffset) })).code).toBe(0)
    expect((await arrives(broker, client, '%DLQ%G')).reconsumeTimes).toBe(2)
    const topics = JSON.parse(Buffer.from((await client.invoke(21)).body!).toString()).topicConfigTable
    expect(topics['%RETRY%G']).toMatchObject({ perm: 6, readQueueNums: 3, writeQueueNums: 3, topicSysFlag: 0 })
    expect(topics['%DLQ%G']).toMatchObject({ perm: 6, readQueueNums: 1, writeQueueNums: 1 })
  })

  test('of a group without retry queues is dropped, and so it is answered', async () => {
    const { broker, client } = await setUp()
    await client.invoke(200, {}, Buffer.from(JSON.stringify({ groupName: 'G', retryQueueNums: 0 })))
    const before = broker.handle.engine.control.load('appended')
    expect((await client.invoke(36, back(0))).code).toBe(0)
    expect(broker.handle.engine.control.load('appended')).toBe(before)
  })

  test('in unit mode makes a retry topic of that kind', async () => {
    const { client } = await setUp()
    expect((await client.invoke(36, back(0, { unitMode: 'true' }))).code).toBe(0)
    const topics = JSON.parse(Buffer.from((await client.invoke(21)).body!).toString()).topicConfigTable
    expect(topics['%RETRY%G'].topicSysFlag).toBe(2)
  })

  test('is counted', async () => {
    const { broker, client } = await setUp()
    for (let i = 0; i < 3; i += 1) await client.invoke(36, back(0))
    broker.advance(11_000)
    const item = await client.invoke(315, { statsName: 'SNDBCK_PUT_NUMS', statsKey: 'T@G' })
    expect(JSON.parse(Buffer.from(item.body!).toString()).statsDay).toBeDefined()
    expect((await client.invoke(315, { statsName: 'TOPIC_PUT_NUMS', statsKey: SCHEDULE })).code).toBe(0)
  })

  test('SYNC_FLUSH: is answered when its copy is on disk, and 1 when that takes too long', async () => {
    const { broker } = await setUp({ config: { flushDiskType: 'SYNC_FLUSH' } })
    const peer = await RawPeer.connect(broker.address)
    onTestFinished(() => peer.close())
    broker.faults.set('holdSync', 1)
    const { control } = broker.handle.engine
    const before = control.load('appended')
    const asked = peer.ask(36, back(0))
    await vi.waitFor(() => expect(control.load('appended')).toBeGreaterThan(before))
    expect(peer.answers.has(asked)).toBe(false)
    broker.faults.set('holdSync', 0)
    expect((await peer.answer(asked)).code).toBe(0)
    broker.faults.set('holdSync', 1)
    const late = peer.ask(36, back(0))
    await vi.waitFor(() => expect(control.load('appended') - control.load('flushed')).toBeGreaterThan(0))
    broker.advance(6000)
    expect(await peer.answer(late)).toMatchObject({ code: 1, remark: 'FLUSH_DISK_TIMEOUT' })
    broker.faults.set('holdSync', 0)
  })
})

describe('refused is', () => {
  test('an offset where no message starts, a name that no group has, a header without what it must have', async () => {
    const { client } = await setUp()
    for (const offset of ['77', '99999999', '-5', '9007199254740993']) {
      const answer = await client.invoke(36, { ...back(0), offset })
      expect(answer).toMatchObject({ code: 1, remark: `look message by offset failed, ${offset}` })
    }
    for (const group of ['../x', '', ' ', 'a b']) {
      expect(await client.invoke(36, back(0, { group }))).toMatchObject({ code: 26 })
    }
    // Its retry topic would have too long a name.
    const long = await client.invoke(36, back(0, { group: 'g'.repeat(125) }))
    expect(long).toMatchObject({ code: 1, remark: expect.stringContaining('not exist') })
    const { group: _, ...header } = back(0)
    expect((await client.invoke(36, header)).code).toBe(1)
  })

  test('a group that is not there and may not be made', async () => {
    const { client } = await setUp({ config: { autoCreateSubscriptionGroup: false } })
    expect(await client.invoke(36, back(0))).toMatchObject({ code: 26, remark: 'subscription group not exist, G' })
  })

  test('a retry topic that nobody may write to', async () => {
    const { client } = await setUp()
    await client.invoke(36, back(0))
    const numbers = {
      readQueueNums: '1',
      writeQueueNums: '1',
      perm: '4',
      topicFilterType: 'SINGLE_TAG',
      order: 'false',
    }
    expect((await client.invoke(17, { topic: '%RETRY%G', defaultTopic: 'TBW102', ...numbers })).code).toBe(0)
    expect(await client.invoke(36, back(0))).toMatchObject({
      code: 16,
      remark: 'the topic[%RETRY%G] sending message is forbidden',
    })
  })

  test('a message whose body is damaged: its copy would have a right CRC', async () => {
    const { broker, client } = await setUp()
    const file = openSync(join(broker.folder, 'commitlog', '0'.repeat(20)), 'r+')
    writeSync(
      file,
      'J',
      decodeRecord(Buffer.from((await client.invoke(33, { offset: '0' })).body!))!.totalSize > 0 ? 88 : 0,
    )
    expect(await client.invoke(36, back(0))).toMatchObject({ code: 1, remark: expect.stringContaining('damaged') })
  })

  test('everything while the disk is full', async () => {
    const { broker, client } = await setUp()
    broker.handle.engine.control.raiseFlag(1)
    const answer = await client.invoke(36, back(0))
    expect(answer).toMatchObject({ code: 1, remark: expect.stringMatching(/^SERVICE_NOT_AVAILABLE: .*disk full/) })
    broker.handle.engine.control.lowerFlag(1)
    expect((await client.invoke(36, back(0))).code).toBe(0)
  })
})

describe('a send to %RETRY%group', () => {
  const header = (more: Record<string, string>) => ({
    ...{ a: 'CLIENT_INNER_PRODUCER', b: '%RETRY%G', c: 'TBW102', d: '4', e: '0', f: '0', g: '1', h: '0' },
    ...{ i: '', j: '0', k: 'false', m: 'false', ...more },
  })

  test('with DELAY waits, and comes to the retry topic', async () => {
    const { broker, client } = await setUp()
    const i = 'RETRY_TOPIC\u0001T\u0002DELAY\u00014\u0002RECONSUME_TIME\u00011'
    expect((await client.invoke(310, header({ i, j: '1', l: '16' }), Buffer.from('x'))).code).toBe(0)
    expect(await stored(broker, client, SCHEDULE, 3)).toHaveLength(1)
    broker.advance(30_000)
    expect(await arrives(broker, client, '%RETRY%G')).toMatchObject({ reconsumeTimes: 1 })
  })

  test.each([
    ['as often as the request allows', { j: '3', l: '3' }],
    ['as often as the group allows', { j: '16' }],
  ])('that was tried %s is a dead letter', async (_what, more) => {
    const { broker, client } = await setUp()
    const sent = await client.invoke(310, header({ i: 'RETRY_TOPIC\u0001T', ...more }), Buffer.from('x'))
    expect([sent.code, sent.ext?.queueId]).toEqual([0, '0'])
    expect(await arrives(broker, client, '%DLQ%G')).toMatchObject({ reconsumeTimes: Number(more.j), queueId: 0 })
  })

  test('that is a dead letter with DELAY waits first, as with 4.9', async () => {
    const { broker, client } = await setUp()
    const sent = await client.invoke(310, header({ i: 'DELAY\u00012', j: '3', l: '3' }), Buffer.from('x'))
    expect(sent.code).toBe(0)
    const [waiting] = await stored(broker, client, SCHEDULE, 1)
    expect(waiting.properties.get('REAL_TOPIC')).toBe('%DLQ%G')
    broker.advance(5000)
    expect(await arrives(broker, client, '%DLQ%G')).toMatchObject({ reconsumeTimes: 3 })
  })
})

test('what was sent back survives a restart: it comes at its time, and its level goes on', async () => {
  const { broker, client } = await setUp()
  await client.invoke(36, back(0, { delayLevel: '2' }))
  await stored(broker, client, SCHEDULE, 1)
  const again = await broker.restart()
  onTestFinished(() => again.close())
  const after = new TestClient(again.address)
  onTestFinished(() => after.close())
  again.advance(5000)
  const message = await arrives(again, after, '%RETRY%G')
  expect(message.reconsumeTimes).toBe(1)
  await after.invoke(36, back(message.physicalOffset))
  expect(await stored(again, after, SCHEDULE, 3)).toHaveLength(1)
})

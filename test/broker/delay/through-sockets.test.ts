/** Delayed messages of a whole broker, its clock moved: what is answered, what is stored, and what is delivered when. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../../src/testing/index.ts'
import { type SendOptions, TestClient } from '../../support/client.ts'

const SCHEDULE = 'SCHEDULE_TOPIC_XXXX'
const A = '\u0001'
const B = '\u0002'

async function setUp(options: TestBrokerOptions = {}) {
  const broker = await startTestBroker(options)
  onTestFinished(() => broker.close())
  return { broker, client: clientOf(broker) }
}

function clientOf(broker: TestBroker): TestClient {
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  return client
}

const delayed = (level: string | number, more: SendOptions = {}): SendOptions => ({
  ...more,
  properties: { ...more.properties, DELAY: String(level) },
})

/** Everything stored is in its queue. */
async function dispatched(broker: TestBroker): Promise<void> {
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 5000)
}

async function bodies(broker: TestBroker, client: TestClient, topic: string, queueId = 0): Promise<string[]> {
  await dispatched(broker)
  return (await client.drain(topic, queueId)).map(({ body }) => body.toString())
}

async function arrives(broker: TestBroker, client: TestClient, topic: string, count: number): Promise<string[]> {
  let found: string[] = []
  await vi.waitFor(async () => {
    found = await bodies(broker, client, topic)
    expect(found.length).toBeGreaterThanOrEqual(count)
  }, 5000)
  return found
}

async function runtimeRow(client: TestClient, name: string): Promise<string | undefined> {
  const { table } = JSON.parse(Buffer.from((await client.invoke(28)).body!).toString())
  return table[name]
}

test('a clean stop writes how far deliveries got behind the last flush, not before', async () => {
  const late = { flushIntervalCommitLog: 3_600_000, flushCommitLogThoroughInterval: 3_600_000 }
  const folder = mkdtempSync(join(tmpdir(), 'basalt-delay-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { broker, client } = await setUp({ folder, config: { flushDiskType: 'ASYNC_FLUSH', ...late } })
  await client.send('T', 'x', delayed(1))
  broker.advance('2s')
  await arrives(broker, client, 'T', 1)
  const progress = () => {
    try {
      return readFileSync(join(folder, 'config', 'delayOffset.json'), 'utf8')
    } catch {
      return ''
    }
  }
  const { control } = broker.handle.engine
  broker.faults.set('holdSync', 1)
  const closed = broker.close()
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(control.load('flushed')).toBeLessThan(control.load('appended'))
  expect(progress()).not.toContain('1:1')
  broker.faults.set('holdSync', 0)
  await closed
  expect(progress()).toContain('1:1')
})

describe('a send with DELAY', () => {
  test('waits in the schedule topic under its level; its answer names the queue that was asked for', async () => {
    const { broker, client } = await setUp()
    const properties = { TAGS: 'TagA', KEYS: 'k', WAIT: 'true', UNIQ_KEY: 'U', REAL_TOPIC: 'Forged', REAL_QID: '9' }
    const first = await client.send('T', 'one', delayed(3, { queueId: 2, properties }))
    const second = await client.send('T', 'two', delayed(3, { queueId: 1 }))
    expect([first.code, first.ext?.queueId, first.ext?.queueOffset]).toEqual([0, '2', '0'])
    expect([second.code, second.ext?.queueId, second.ext?.queueOffset]).toEqual([0, '1', '1'])
    await dispatched(broker)
    const [stored] = await client.drain(SCHEDULE, 2)
    expect(first.ext?.msgId).toMatch(/0{16}$/)
    expect(stored).toMatchObject({ topic: SCHEDULE, queueId: 2, physicalOffset: 0, flag: 0, sysFlag: 0 })
    expect(Object.fromEntries(stored.properties)).toEqual({
      ...{ TAGS: 'TagA', KEYS: 'k', WAIT: 'true', UNIQ_KEY: 'U', CLUSTER: 'DefaultCluster' },
      ...{ DELAY: '3', REAL_TOPIC: 'T', REAL_QID: '2' },
    })
    expect(await client.drain('T', 2)).toEqual([])
  })

  test('above the last level is stored at the last one, and says so', async () => {
    const { broker, client } = await setUp({ config: { messageDelayLevel: '1s 2s 3s' } })
    expect((await client.send('T', 'late', delayed(99))).code).toBe(0)
    await dispatched(broker)
    const [stored] = await client.drain(SCHEDULE, 2)
    expect(stored.properties.get('DELAY')).toBe('3')
  })

  test('that is no delay is stored at once', async () => {
    const { broker, client } = await setUp()
    // Transaction types 4 and 12 have no delay, whatever they say.
    const sends = [
      ...['0', '-1', '+0'].map((level) => ({ level, header: {} })),
      ...[
        { level: '2', header: { f: '4' } },
        { level: 'abc', header: { f: '12' } },
      ],
    ]
    for (const { level, header } of sends) {
      const { control } = broker.handle.engine
      const offset = control.load('appended')
      const sent = await client.invoke(310, { ...HEADER, i: `DELAY${A}${level}`, ...header }, Buffer.from('now'))
      expect(sent.code).toBe(0)
      await dispatched(broker)
      const viewed = await client.invoke(33, { offset: String(offset) })
      expect(Buffer.from(viewed.body!).includes(`DELAY${A}${level}`)).toBe(true)
    }
    for (let queueId = 0; queueId < 18; queueId += 1) {
      expect(broker.handle.engine.queueIds.find(SCHEDULE, queueId)).toBe(-1)
    }
  })

  test('that is no level is refused', async () => {
    const { client } = await setUp()
    for (const level of ['abc', '1.5', ' 1', '3000000000', '1x']) {
      const refused = await client.send('T', 'x', delayed(level))
      expect(refused.code).toBe(1)
      expect(refused.remark).toContain('DELAY is no integer')
    }
    expect((await client.send('T', 'next', delayed('+1'))).code).toBe(0)
  })

  test('is refused as a batch, and as one whose properties become too long for a record', async () => {
    const { client } = await setUp()
    const batch = await client.invoke(320, { ...HEADER, i: `DELAY${A}1`, m: 'true' }, Buffer.alloc(30))
    expect(batch).toMatchObject({ code: 13, remark: expect.stringContaining('a batch cannot be delayed') })
    const long = await client.send('T', 'x', delayed(1, { properties: { LONG: 'x'.repeat(32_720) } }))
    expect(long).toMatchObject({ code: 13, remark: expect.stringContaining('properties') })
  })
})

const HEADER = { a: 'PG', b: 'T', c: 'TBW102', d: '4', e: '0', f: '0', g: '1', h: '0', i: '', j: '0', k: 'false' }

describe('a delivery', () => {
  test('comes at its time, not before, with everything that was sent', async () => {
    const { broker, client } = await setUp()
    const header = { ...HEADER, e: '2', f: '8', h: '77', g: '1234567890123', j: '5' }
    const i = [`DELAY${A}3`, `TAGS${A}TagA`, `WAIT${A}false`, `UNIQ_KEY${A}U`].join(B)
    expect((await client.invoke(310, { ...header, i }, Buffer.from('hello'))).code).toBe(0)
    broker.advance(9000)
    expect(await bodies(broker, client, 'T', 2)).toEqual([])
    await dispatched(broker)
    broker.advance(1100)
    await vi.waitFor(async () => expect(await bodies(broker, client, 'T', 2)).toEqual(['hello']))
    const [waited] = await client.drain(SCHEDULE, 2)
    const [delivered] = await client.drain('T', 2)
    const { totalSize, topic, queueId, physicalOffset, storeTimestamp, ...same } = delivered
    expect(waited).toMatchObject(same)
    expect({ topic, queueId, flag: same.flag, sysFlag: same.sysFlag, times: same.reconsumeTimes }).toEqual({
      ...{ topic: 'T', queueId: 2, flag: 77, sysFlag: 8, times: 5 },
    })
    expect(same.propertiesText).toContain(`DELAY${A}3`)
    expect(totalSize).toBe(waited.totalSize - SCHEDULE.length + 1)
    expect(storeTimestamp - waited.storeTimestamp).toBeGreaterThanOrEqual(10_000)
    // Its tag is a tag again: a consumer of it gets it.
    expect((await client.pull('T', 2, 0, { expression: 'TagA' })).messages).toHaveLength(1)
    expect((await client.pull('T', 2, 0, { expression: 'TagB' })).messages).toHaveLength(0)
    // And it is found by key under its own topic.
    await vi.waitFor(async () => {
      const query = { topic: 'T', key: 'U', maxNum: '9', beginTimestamp: '0', endTimestamp: String(2 ** 52) }
      expect((await client.invoke(12, query)).code).toBe(0)
    })
  })

  test('properties beyond ASCII come back as they were', async () => {
    const { broker, client } = await setUp()
    const frame = { ...HEADER, i: `DELAY${A}1${B}name${A}größe ✓` }
    expect((await client.invoke(310, frame, Buffer.from('x'))).code).toBe(0)
    broker.advance(1100)
    await arrives(broker, client, 'T', 1)
    const [delivered] = await client.drain('T', 0)
    expect(delivered.properties.get('name')).toBe('größe ✓')
  })

  test('wakes a consumer that waits', async () => {
    const { broker, client } = await setUp()
    await client.send('T', 'now')
    await client.send('T', 'later', delayed(1))
    await arrives(broker, client, 'T', 1)
    const held = client.pull('T', 0, 1, { suspendMs: 10_000 })
    const began = performance.now()
    broker.advance(1000)
    const { messages } = await held
    expect(messages.map(({ body }) => body.toString())).toEqual(['later'])
    expect(performance.now() - began).toBeLessThan(2000)
  })

  test('of one level keeps the order, several levels and topics each have their own time', async () => {
    const { broker, client } = await setUp({ config: { messageDelayLevel: '1s 10s 1m' } })
    for (let i = 0; i < 300; i += 1) await client.send(i % 2 === 0 ? 'Even' : 'Odd', `${i}`, delayed(1 + (i % 3)))
    const numbers = (rest: number, levels: number[]) =>
      Array.from({ length: 300 }, (_, i) => i).filter((i) => i % 2 === rest && levels.includes(1 + (i % 3)))
    broker.advance(1000)
    expect(await arrives(broker, client, 'Even', 50)).toEqual(numbers(0, [1]).map(String))
    expect(await arrives(broker, client, 'Odd', 50)).toEqual(numbers(1, [1]).map(String))
    broker.advance(9000)
    expect((await arrives(broker, client, 'Odd', 100)).slice(50)).toEqual(numbers(1, [2]).map(String))
    broker.advance(50_000)
    expect((await arrives(broker, client, 'Even', 150)).slice(100)).toEqual(numbers(0, [3]).map(String))
    expect(await arrives(broker, client, 'Odd', 150)).toHaveLength(150)
  })

  test('of thousands that are due at once comes whole, and other sends are answered meanwhile', async () => {
    const { broker, client } = await setUp()
    const count = 5000
    await Promise.all(Array.from({ length: count }, (_, i) => client.send('T', `${i}`, delayed(2))))
    broker.advance(5000)
    const began = performance.now()
    expect((await client.send('Other', 'meanwhile')).code).toBe(0)
    expect(performance.now() - began).toBeLessThan(1000)
    const found = await arrives(broker, client, 'T', count)
    await dispatched(broker)
    const waited = (await client.drain(SCHEDULE, 1)).map(({ body }) => body.toString())
    expect(found).toEqual(waited)
    expect(await runtimeRow(client, 'scheduleMessageOffset_2')).toBe(`${count},${count}`)
  })

  test('is counted as a send of its topic', async () => {
    const { broker, client } = await setUp()
    await client.send('T', 'x', delayed(1))
    broker.advance(1000)
    await arrives(broker, client, 'T', 1)
    broker.advance(60_000)
    for (const [statsName, statsKey] of [
      ['TOPIC_PUT_NUMS', 'T'],
      ['TOPIC_PUT_NUMS', SCHEDULE],
      ['GROUP_GET_NUMS', `${SCHEDULE}@SCHEDULE_CONSUMER`],
    ]) {
      expect((await client.invoke(315, { statsName, statsKey })).code).toBe(0)
    }
  })
})

describe('the clock', () => {
  test('is set back by an hour: what waits comes at once, and nobody waits an hour longer', async () => {
    const { broker, client } = await setUp()
    await client.send('T', 'waits', delayed(5))
    await dispatched(broker)
    broker.advance('-1h')
    expect(await arrives(broker, client, 'T', 1)).toEqual(['waits'])
    await client.send('T', 'after', delayed(1))
    broker.advance(1000)
    expect(await arrives(broker, client, 'T', 2)).toEqual(['waits', 'after'])
  })

  test('is set forward: what is due by it comes, what is not does not', async () => {
    const { broker, client } = await setUp()
    await client.send('T', '1h', delayed(17))
    await client.send('T', '2h', delayed(18))
    await dispatched(broker)
    // A connection that was silent for so long is closed: a new one each time.
    broker.advance('1h')
    expect(await arrives(broker, clientOf(broker), 'T', 1)).toEqual(['1h'])
    broker.advance('59m')
    expect(await bodies(broker, clientOf(broker), 'T')).toEqual(['1h'])
    broker.advance('1m')
    expect(await arrives(broker, clientOf(broker), 'T', 2)).toEqual(['1h', '2h'])
  })
})

describe('a restart', () => {
  test('goes on exactly where it stopped; levels and their ends are in 45 and 28', async () => {
    const { broker, client } = await setUp()
    for (let i = 0; i < 20; i += 1) await client.send('T', `${i}`, delayed(i < 10 ? 1 : 4))
    broker.advance(1000)
    await arrives(broker, client, 'T', 10)
    await vi.waitFor(async () => expect(await runtimeRow(client, 'scheduleMessageOffset_1')).toBe('10,10'))
    expect(await runtimeRow(client, 'scheduleMessageOffset_4')).toBe('0,10')
    const again = await broker.restart()
    onTestFinished(() => again.close())
    expect(readFileSync(join(again.folder, 'config', 'delayOffset.json'), 'utf8')).toBe(
      '{\n\t"offsetTable":{1:10\n\t}\n}\n',
    )
    const after = clientOf(again)
    expect(JSON.parse(Buffer.from((await after.invoke(45)).body!).toString())).toEqual({
      offsetTable: { 1: 10, 4: 0 },
    })
    again.advance(30_000)
    const all = await arrives(again, after, 'T', 20)
    expect(all).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
  })

  test('with fewer levels: what waits at a level that is gone comes at the time it was stored with', async () => {
    const { broker, client } = await setUp()
    await client.send('T', 'level 4', delayed(4))
    const again = await broker.restart({ messageDelayLevel: '1s' })
    onTestFinished(() => again.close())
    const after = clientOf(again)
    await after.send('T', 'level 1', delayed(4))
    again.advance(1000)
    expect(await arrives(again, after, 'T', 1)).toEqual(['level 1'])
    again.advance(28_000)
    expect(await bodies(again, after, 'T')).toEqual(['level 1'])
    again.advance(1000)
    expect(await arrives(again, after, 'T', 2)).toEqual(['level 1', 'level 4'])
  })

  test('rebuilds the schedule queues with their delivery times when they are lost', async () => {
    const { broker, client } = await setUp()
    await client.send('T', 'waits', delayed(4, { properties: { TAGS: 'TagA' } }))
    await dispatched(broker)
    await broker.handle.close()
    rmSync(join(broker.folder, 'consumequeue'), { recursive: true })
    const again = await startTestBroker({ folder: broker.folder })
    onTestFinished(() => again.close())
    const after = clientOf(again)
    again.advance(25_000)
    expect(await bodies(again, after, 'T')).toEqual([])
    again.advance(5000)
    expect(await arrives(again, after, 'T', 1)).toEqual(['waits'])
  })
})

test('progress is written only when its deliveries are on disk', async () => {
  const { broker, client } = await setUp({ config: { flushDelayOffsetInterval: 1000, flushDiskType: 'SYNC_FLUSH' } })
  const saved = () => {
    try {
      return readFileSync(join(broker.folder, 'config', 'delayOffset.json'), 'utf8')
    } catch {
      return 'no file'
    }
  }
  await client.send('T', 'first', delayed(1))
  broker.advance(1000)
  await arrives(broker, client, 'T', 1)
  broker.advance(1000)
  await vi.waitFor(() => expect(saved()).toContain('1:1'), 5000)
  await client.send('T', 'second', delayed(1))
  await dispatched(broker)
  broker.faults.set('holdSync', 1)
  broker.advance(1000)
  await vi.waitFor(async () => expect(await runtimeRow(client, 'scheduleMessageOffset_1')).toBe('2,2'))
  for (let i = 0; i < 3; i += 1) {
    broker.advance(1000)
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(saved()).toContain('1:1')
  }
  broker.faults.set('holdSync', 0)
  await vi.waitFor(() => expect(saved()).toContain('1:2'), 5000)
})

test('a full disk holds deliveries up, and they come when there is room', async () => {
  const { broker, client } = await setUp()
  await client.send('T', 'waits', delayed(1))
  await dispatched(broker)
  const { control } = broker.handle.engine
  control.raiseFlag(1)
  broker.advance(1000)
  await new Promise((resolve) => setTimeout(resolve, 250))
  expect(control.load('appended')).toBeLessThan(300)
  control.lowerFlag(1)
  expect(await arrives(broker, client, 'T', 1)).toEqual(['waits'])
})

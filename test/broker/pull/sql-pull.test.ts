/** Pulls that filter by SQL92: what they are given, where they go on, what wakes them, and what refuses them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { LogReader } from '../../../src/store/commitlog/index.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { heartbeat } from '../rig.ts'

const SQL92 = { type: 'SQL92' }
const TOPIC = 'Filtered'
const MESSAGES = 1700

let broker: TestBroker
let client: TestClient
const logged: string[] = []

beforeAll(async () => {
  const say = (message: string) => void logged.push(message)
  broker = await startTestBroker({
    config: { enablePropertyFilter: true },
    log: { info: () => {}, warn: say, error: say },
  })
  client = new TestClient(broker.address)
  const sends = Array.from({ length: MESSAGES }, (_, i) => ({ n: String(i), color: i % 2 === 0 ? 'blue' : 'red' }))
  for (const properties of sends) await client.send(TOPIC, `m${properties.n}`, { properties })
  await dispatched()
})

afterAll(async () => {
  await client.close()
  await broker.close()
})

async function dispatched(): Promise<void> {
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 10_000)
}

function bodies({ messages }: Awaited<ReturnType<TestClient['pull']>>): string[] {
  return messages.map(({ body }) => body.toString())
}

const sql = (expression: string, from = 0, more = {}) => client.pull(TOPIC, 0, from, { ...SQL92, expression, ...more })

/** In memory, and as if no page were: the same answers, by two ways. */
describe.each(['in memory', 'on disk'])('records that are %s', (where) => {
  beforeEach(() => {
    if (where === 'on disk') vi.spyOn(LogReader.prototype, 'resident').mockReturnValue(false)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('are those that match, as many as asked for, and the next pull goes on behind them', async () => {
    const answer = await sql("n >= 10 AND n < 20 AND color = 'red'", 0, { count: 3 })
    expect(bodies(answer)).toEqual(['m11', 'm13', 'm15'])
    expect([answer.code, answer.answer.remark]).toEqual([0, 'FOUND'])
    const rest = await sql("n >= 10 AND n < 20 AND color = 'red'", answer.next)
    expect(bodies(rest)).toEqual(['m17', 'm19'])
  })

  test('are not all looked at: 800 at a time, 20 where none matches', async () => {
    const places: number[] = []
    let from = 0
    for (let code = 20; code === 20; ) {
      const answer = await sql('n = 1650', from)
      code = answer.code
      from = answer.next
      places.push(from)
      if (code === 20) expect([answer.remark, answer.messages]).toEqual(['NO_MATCHED_MESSAGE', []])
      else expect(bodies(answer)).toEqual(['m1650'])
    }
    expect(places).toEqual([800, 1600, 1700])
  })

  test('that match by null, or cannot be evaluated, are left out', async () => {
    expect(bodies(await sql('missing = 1 OR n = 3'))).toEqual(['m3'])
    expect((await sql('missing = 1')).code).toBe(20)
    expect((await sql('color > 1 OR n = 3')).code).toBe(20)
    expect(bodies(await sql('n = 3 OR color > 1'))).toEqual(['m3'])
  })

  test('come in batches of 32 at most, and in portions of the client', async () => {
    const all = await sql('TRUE', 0, { count: 100 })
    expect([all.messages.length, all.next]).toEqual([32, 32])
    const one = await sql("color = 'red'", 0, { count: 0 })
    // The batch ends before the next message, whether that matches or not.
    expect([bodies(one), one.next]).toEqual([['m1'], 2])
  })

  test('of a held pull and of its wake-up are filtered as well', async () => {
    const topic = `Held-${where.replace(' ', '-')}`
    await client.send(topic, 'first', { properties: { n: '0' } })
    await dispatched()
    const held = client.pull(topic, 0, 1, { ...SQL92, expression: 'n = 2', suspendMs: 30_000 })
    await vi.waitFor(() => expect(broker.handle.engine.control.word('heldPulls')).toBe(1))
    await client.send(topic, 'second', { properties: { n: '2' } })
    const answer = await held
    expect([bodies(answer), answer.next]).toEqual([['second'], 2])
  })
})

test('a record that is damaged is stepped over, told in the log, and the others come', async () => {
  const at = Buffer.from('m1690')
  const original = LogReader.prototype.segmentAt
  vi.spyOn(LogReader.prototype, 'segmentAt').mockImplementation(function (this: LogReader, offset) {
    const segment = original.call(this, offset)
    if (segment === undefined) return undefined
    // The map is read-only: a copy stands for it, in which one record's magic is wrong.
    const bytes = Buffer.from(segment.bytes)
    bytes.writeInt32BE(1, bytes.indexOf(at) - 84)
    return { ...segment, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) }
  })
  const answer = await sql('n >= 1689 AND n <= 1691', 1689)
  vi.restoreAllMocks()
  expect(bodies(answer)).toEqual(['m1689', 'm1691'])
  expect(logged.join('\n')).toMatch(/do not fit together/)
})

describe('a held pull', () => {
  const held = () => broker.handle.engine.control.word('heldPulls')

  test('is not woken by messages that it does not want; the check every 5 s moves its consumer on', async () => {
    await client.send('Quiet', 'x', { properties: { n: '0' } })
    await dispatched()
    const pulling = client.pull('Quiet', 0, 1, { ...SQL92, expression: 'n = 5', suspendMs: 20_000 })
    await vi.waitFor(() => expect(held()).toBe(1))
    for (let i = 0; i < 20; i += 1) await client.send('Quiet', 'x', { properties: { n: '1' } })
    await dispatched()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(held()).toBe(1)
    broker.advance(5000)
    expect(await pulling).toMatchObject({ code: 20, next: 21, messages: [] })
    expect(held()).toBe(0)
  })

  test('is answered once the broker no longer serves its filter', async () => {
    await client.send('Changed', 'x', { properties: { n: '0' } })
    await dispatched()
    const pulling = client.pull('Changed', 0, 1, { ...SQL92, expression: 'n = 5', suspendMs: 20_000 })
    await vi.waitFor(() => expect(held()).toBe(1))
    broker.handle.config.enablePropertyFilter = false
    await client.send('Changed', 'x', { properties: { n: '1' } })
    expect(await pulling).toMatchObject({ code: 1 })
    broker.handle.config.enablePropertyFilter = true
  })
})

describe('the filter of a heartbeat', () => {
  const subscription = (subString: string, subVersion: number, expressionType = 'SQL92') => ({
    classFilterMode: false,
    topic: TOPIC,
    subString,
    subVersion,
    expressionType,
  })
  const beat = async (group: string, subString: string, subVersion: number, type?: string) => {
    const body = heartbeat('client', { [group]: [subscription(subString, subVersion, type)] })
    expect((await client.invoke(34, {}, Buffer.from(JSON.stringify(body)))).code).toBe(0)
  }
  const pull = (group: string, registered: number) => client.pull(TOPIC, 0, 0, { group, registered })

  test('counts for pulls without one: 24, 25, 27 and 0', async () => {
    expect(await pull('G1', 100)).toMatchObject({ code: 24, remark: expect.stringContaining('group info not exist') })
    await beat('G1', 'n = 7', 100)
    expect(bodies(await pull('G1', 100))).toEqual(['m7'])
    expect(await pull('G1', 101)).toMatchObject({ code: 25, remark: "the consumer's subscription not latest" })
    await beat('G1', 'n =', 200)
    expect(await pull('G1', 200)).toMatchObject({
      code: 27,
      remark: "The broker's consumer filter data is not exist!Your expression may be wrong!",
    })
    await beat('G1', 'n = 8', 300)
    expect(bodies(await pull('G1', 300))).toEqual(['m8'])
    await beat('G2', 'n = 7', 100, 'FOO')
    expect(await pull('G2', 100)).toMatchObject({ code: 27 })
    expect((await client.invoke(35, { clientID: 'client', consumerGroup: 'G1' })).code).toBe(0)
    expect(await pull('G1', 300)).toMatchObject({ code: 24 })
  })

  test('an expression of the pull itself comes first', async () => {
    await beat('G3', 'n = 7', 100)
    expect(bodies(await client.pull(TOPIC, 0, 0, { ...SQL92, group: 'G3', expression: 'n = 9' }))).toEqual(['m9'])
  })
})

describe('a pull is refused', () => {
  const NOT_PARSED = "parse the consumer's subscription failed"

  test.each([
    ['n =', 'SQL92', 23, `${NOT_PARSED}: org.apache.rocketmq.filter.parser.ParseException: Encountered "<EOF>"`],
    ['', 'SQL92', 23, NOT_PARSED],
    ['n = 1', 'FOO', 23, `${NOT_PARSED}: no filter is of type FOO`],
    ['||', 'TAG', 23, NOT_PARSED],
  ])('with the expression "%s" of type %s: %i', async (expression, type, code, remark) => {
    const answer = await client.pull(TOPIC, 0, 0, { expression, type })
    expect(answer).toMatchObject({ code, remark: expect.stringContaining(remark), messages: [] })
  })

  test('with any expression while enablePropertyFilter is off: 1', async () => {
    broker.handle.config.enablePropertyFilter = false
    expect(await sql('n = 1')).toMatchObject({
      code: 1,
      remark: 'The broker does not support consumer to filter message by SQL92',
    })
    expect((await client.pull(TOPIC, 0, 0)).code).toBe(0)
    broker.handle.config.enablePropertyFilter = true
  })
})

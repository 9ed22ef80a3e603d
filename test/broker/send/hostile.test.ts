/**
 * Sends that no client of RocketMQ would make. Each is answered or costs its connection; the broker stores whole records
 * only, goes on, and its store is found without fault afterwards.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeCommand, request } from '../../../src/remoting/index.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { RawPeer } from '../../support/raw-peer.ts'

const MAX_MESSAGE = 64 * 1024
const MAX_FRAME = 256 * 1024
const CLUSTER = 'CLUSTER\u0001DefaultCluster'

let broker: TestBroker
let client: TestClient
let peer: RawPeer
const logged: string[] = []
let sent = 0

beforeAll(async () => {
  const say = (message: string) => void logged.push(message)
  broker = await startTestBroker({
    config: { maxMessageSize: MAX_MESSAGE, maxFrameSize: MAX_FRAME },
    log: { info: () => {}, warn: say, error: say },
  })
  client = new TestClient(broker.address)
  peer = await RawPeer.connect(broker.address)
})

afterEach(async () => {
  // Whatever was sent: a good message is stored and read back, and the connection still serves.
  sent += 1
  const body = `after ${sent}`
  expect(await client.send('After', body)).toMatchObject({ code: 0 })
  const stored = await drained('After', 0)
  expect(stored.at(-1)?.body.toString()).toBe(body)
  if (peer.isClosed) peer = await RawPeer.connect(broker.address)
  expect((await peer.invoke(310, header({}), Buffer.from('x'))).code).toBe(0)
})

afterAll(async () => {
  peer.close()
  await client.close()
  const again = await broker.restart()
  expect(again.handle.engine.recovered.findings).toEqual([])
  await again.close()
})

/** Everything that is there; consumers see it a moment after the producer's answer. */
async function drained(topic: string, queueId: number) {
  const { engine } = broker.handle
  await expect.poll(() => engine.control.load('dispatched'), { timeout: 5000 }).toBe(engine.control.load('appended'))
  return client.drain(topic, queueId)
}

function header(changes: Record<string, string>): Record<string, string> {
  return {
    a: 'PG',
    b: 'Hostile',
    c: 'TBW102',
    d: '4',
    e: '0',
    f: '0',
    g: '1700000000000',
    h: '0',
    i: '',
    j: '0',
    k: 'false',
    m: 'false',
    ...changes,
  }
}

async function send(changes: Record<string, string>, body: Uint8Array | string = 'hostile', code = 310) {
  return peer.invoke(code, header(changes), Buffer.from(body))
}

async function lastOf(topic: string, queueId: number) {
  const message = (await drained(topic, queueId)).at(-1)
  if (message === undefined) throw new Error(`nothing in ${topic}/${queueId}`)
  return message
}

describe('queueId', () => {
  test.each(['-1', '-2147483648'])('%s: the broker picks a queue of the topic', async (queueId) => {
    const answer = await send({ e: queueId })
    expect(answer.code).toBe(0)
    expect(['0', '1', '2', '3']).toContain(answer.ext?.queueId)
  })

  test.each(['4', '2147483647'])('%s is not one of the topic', async (queueId) => {
    expect(await send({ e: queueId })).toMatchObject({ code: 1, remark: expect.stringContaining(queueId) })
  })

  test.each(['2147483648', '-2147483649', '1e3', '0x10', '', 'one', '99999999999999999999'])(
    '"%s" is no number of 32 bits',
    async (queueId) => {
      expect(await send({ e: queueId })).toMatchObject({ code: 1 })
    },
  )

  test('of a topic that was made with no queue: there is none to pick', async () => {
    const answer = await send({ b: 'NoQueues', d: '0', e: '-1' })
    expect(answer).toMatchObject({ code: 1 })
    expect(await send({ b: 'NoQueues', d: '0', e: '0' })).toMatchObject({ code: 1 })
    expect(await send({ b: 'NegativeQueues', d: '-5', e: '-1' })).toMatchObject({ code: 1 })
  })

  test('of a topic with as many queues as an int holds', async () => {
    const config = { topic: 'Huge', readQueueNums: '2147483647', writeQueueNums: '2147483647', perm: '6' }
    await peer.invoke(17, {
      ...config,
      defaultTopic: 'TBW102',
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: '0',
      order: 'false',
    })
    const answer = await send({ b: 'Huge', e: '5' })
    expect([0, 1, 17]).toContain(answer.code)
    await send({ b: 'Huge', e: '2147483646' })
    await send({ b: 'Huge', e: '-1' })
  })
})

describe('sysFlag', () => {
  test.each([0x10, 0x20, 0x30, 0x7fffffff, -1, -2147483648].map((flag) => [flag]))(
    '%i: the record is laid out as its hosts are, whatever the client says',
    async (flag) => {
      // Transaction types (bits 2 and 3) say that a message is not for consumers.
      const visible = flag & ~0xc
      expect(await send({ e: '1', f: String(visible) }, `flag ${flag}`)).toMatchObject({ code: 0 })
      const message = await lastOf('Hostile', 1)
      expect(message.body.toString()).toBe(`flag ${flag}`)
      expect(message.sysFlag & 0x30).toBe(0)
      expect(message.sysFlag & ~0x30).toBe(visible & ~0x30)
    },
  )

  test.each([4, 12])('%i, half or rolled back: stored, in no queue', async (flag) => {
    const before = await drained('Hostile', 2)
    expect(await send({ e: '2', f: String(flag) })).toMatchObject({ code: 0 })
    expect(await drained('Hostile', 2)).toEqual(before)
  })
})

describe('properties', () => {
  test.each([
    '\u0001',
    '\u0002',
    '\u0001\u0002',
    '\u0002\u0002\u0002',
    '\u0001\u0001\u0002\u0001',
    'name',
    'name\u0001',
    '\u0001value',
  ])('%j: nothing of it is a pair', async (text) => {
    expect(await send({ e: '3', i: text }, 'p')).toMatchObject({ code: 0 })
    expect((await lastOf('Hostile', 3)).propertiesText).toBe(CLUSTER)
  })

  test('with a value that holds the separator of names: all of it is the value', async () => {
    await send({ e: '3', i: 'a\u0001b\u0001c\u0002d\u0001e' }, 'p')
    const { propertiesText } = await lastOf('Hostile', 3)
    expect(propertiesText.endsWith(CLUSTER)).toBe(true)
    expect(propertiesText).toContain('d\u0001e')
  })

  test('with CLUSTER, WAIT and DELAY of the client', async () => {
    const text = (level: string) =>
      `CLUSTER\u0001mine\u0002WAIT\u0001maybe\u0002DELAY\u0001${level}\u0002k\u0001v\u0002`
    // As 4.9: a level that is none is an error, one below the first is no delay.
    expect(await send({ e: '3', i: text('none') }, 'p')).toMatchObject({ code: 1 })
    expect(await send({ e: '3', i: text('-9') }, 'p')).toMatchObject({ code: 0 })
    expect((await lastOf('Hostile', 3)).propertiesText).toBe(`DELAY\u0001-9\u0002k\u0001v\u0002${CLUSTER}`)
  })

  test('of exactly as many bytes as a record can say, and one more', async () => {
    const own = 32_767 - CLUSTER.length - 1
    const text = `k\u0001${'v'.repeat(own - 2)}`
    expect(await send({ e: '3', i: text }, 'p')).toMatchObject({ code: 0 })
    expect((await lastOf('Hostile', 3)).propertiesText).toHaveLength(32_767)
    expect(await send({ e: '3', i: `${text}v` }, 'p')).toMatchObject({ code: 13 })
  })

  test.each([65_535, 65_536, 65_537, 66_560, 66_561, 100_000])('of %i bytes are refused', async (length) => {
    expect([1, 13]).toContain((await send({ i: `k\u0001${'v'.repeat(length - 2)}` })).code)
  })

  test('of characters that take three bytes: bytes count, not characters', async () => {
    expect(await send({ i: `k\u0001${'\u20ac'.repeat(11_000)}` })).toMatchObject({ code: 13 })
    expect(await send({ e: '3', i: `k\u0001${'\u20ac'.repeat(1000)}` })).toMatchObject({ code: 0 })
    expect((await lastOf('Hostile', 3)).properties.get('k')).toBe('\u20ac'.repeat(1000))
  })
})

describe('topic', () => {
  test('of 127 bytes is stored, of 128 is not', async () => {
    const name = 'T'.repeat(127)
    expect(await send({ b: name })).toMatchObject({ code: 0 })
    expect((await lastOf(name, 0)).topic).toBe(name)
    expect((await send({ b: `${name}T` })).code).not.toBe(0)
  })

  test.each([
    '',
    ' ',
    'a b',
    'gr\u00fcn',
    '\u2603',
    '../../x',
    'a/b',
    'a\u0000b',
    '.',
    '..',
    '*',
    'T'.repeat(255),
    'T'.repeat(70_000),
  ])('%j is refused', async (topic) => {
    expect((await send({ b: topic })).code).not.toBe(0)
  })
})

describe('numbers', () => {
  test.each(['-1', '0', '9007199254740993', '9223372036854775807', '-9223372036854775808'])(
    'bornTimestamp %s does no harm',
    async (born) => {
      expect([0, 1]).toContain((await send({ g: born })).code)
    },
  )

  test.each(['-1', '2147483647', '-2147483648'])('reconsumeTimes %s does no harm', async (times) => {
    expect(await send({ j: times })).toMatchObject({ code: 0 })
    expect((await send({ b: '%RETRY%hostile-group', j: times })).code).toBe(0)
  })
})

describe('body', () => {
  test('of maxMessageSize is stored, of one byte more is not', async () => {
    const body = Buffer.alloc(MAX_MESSAGE, 7)
    expect(await send({ e: '2' }, body)).toMatchObject({ code: 0 })
    expect((await lastOf('Hostile', 2)).body).toEqual(body)
    expect(await send({ e: '2' }, Buffer.alloc(MAX_MESSAGE + 1))).toMatchObject({ code: 13 })
  })

  test('in a frame of exactly maxFrameSize is looked at, in a larger one costs the connection', async () => {
    const frameOf = (bodyLength: number) =>
      encodeCommand({ ...request(310, header({}), Buffer.alloc(bodyLength)), opaque: 77_777 })
    const rest = frameOf(0).length
    peer.write(frameOf(MAX_FRAME - rest))
    expect((await peer.answer(77_777)).code).toBe(13)
    peer.write(frameOf(MAX_FRAME - rest + 1))
    await peer.until(() => peer.isClosed, 'the end of the connection')
  })
})

describe('a batch', () => {
  const item = (
    body: string,
    properties = '',
    changes: { size?: number; bodyLength?: number; propertiesLength?: number } = {},
  ) => {
    const bytes = Buffer.alloc(22 + body.length + properties.length)
    bytes.writeInt32BE(changes.size ?? bytes.length, 0)
    bytes.writeInt32BE(changes.bodyLength ?? body.length, 16)
    bytes.write(body, 20)
    bytes.writeInt16BE(changes.propertiesLength ?? properties.length, 20 + body.length)
    bytes.write(properties, 22 + body.length)
    return bytes
  }
  const sendBatch = (body: Uint8Array) => send({ m: 'true', e: '0', b: 'Batch' }, body, 320)

  test('of good items is stored in order', async () => {
    const answer = await sendBatch(Buffer.concat([item('a', 'k\u00011'), item('', 'k\u00012\u0002'), item('c')]))
    expect(answer).toMatchObject({ code: 0 })
    expect(answer.ext?.msgId?.split(',')).toHaveLength(3)
    const stored = (await drained('Batch', 0)).slice(-3)
    expect(stored.map((message) => message.body.toString())).toEqual(['a', '', 'c'])
    expect(stored.map((message) => message.properties.get('k'))).toEqual(['1', '2', undefined])
  })

  const good = item('good')
  test.each<[string, Buffer]>([
    ['no item', Buffer.alloc(0)],
    ['one byte', Buffer.alloc(1)],
    ['an item that is cut short', good.subarray(0, good.length - 1)],
    ['a byte too many', Buffer.concat([good, Buffer.alloc(1)])],
    ['a size of 0', item('x', '', { size: 0 })],
    ['a negative size', item('x', '', { size: -1 })],
    ['a size of 2^31-1', item('x', '', { size: 0x7fffffff })],
    ['a negative body', item('x', '', { bodyLength: -1 })],
    ['a body of 2^31-1', item('x', '', { bodyLength: 0x7fffffff })],
    ['negative properties', item('x', 'k\u0001v', { propertiesLength: -1 })],
    ['properties beyond the item', item('x', 'k\u0001v', { propertiesLength: 4 })],
    ['a good item and a bad one', Buffer.concat([good, item('x', '', { bodyLength: 2 })])],
  ])('with %s is refused as a whole', async (_name, body) => {
    const before = (await drained('Batch', 0)).length
    expect(await sendBatch(body)).toMatchObject({ code: 13 })
    expect(await drained('Batch', 0)).toHaveLength(before)
  })

  test('with an item larger than maxMessageSize, or with more than a batch may have', async () => {
    const answer = await sendBatch(item('x'.repeat(MAX_MESSAGE + 1)))
    expect(answer.code).toBe(13)
    const many = await sendBatch(Buffer.concat(Array.from({ length: 5000 }, () => item('y'))))
    expect([0, 13]).toContain(many.code)
    const small = (count: number) => Buffer.concat(Array.from({ length: count }, () => item('')))
    expect((await sendBatch(small(2000))).code).toBe(0)
  })
})

test('nothing of all this was a defect of ours', () => {
  expect(logged.filter((line) => /assert|TypeError|RangeError|undefined/.test(line))).toEqual([])
})

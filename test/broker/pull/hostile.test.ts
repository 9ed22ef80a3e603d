/**
 * Pulls with numbers that no client of RocketMQ sends. Each is answered or held as RocketMQ would, and the broker serves
 * the next one.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { records, TestClient } from '../../support/client.ts'
import { RawPeer } from '../../support/raw-peer.ts'

let broker: TestBroker
let client: TestClient
let peer: RawPeer
const logged: string[] = []
const MESSAGES = 100
const LONG_MAX = '9223372036854775807'
const LONG_MIN = '-9223372036854775808'

beforeAll(async () => {
  const say = (message: string) => void logged.push(message)
  broker = await startTestBroker({ log: { info: () => {}, warn: say, error: say } })
  client = new TestClient(broker.address)
  peer = await RawPeer.connect(broker.address)
  for (let i = 0; i < MESSAGES; i += 1)
    await client.send('Pulled', `m${i}`, { properties: { TAGS: i % 2 ? 'odd' : 'even' } })
  await client.send('Other', 'x')
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 10_000)
})

afterEach(async () => {
  if (peer.isClosed) peer = await RawPeer.connect(broker.address)
  expect(await pull({})).toMatchObject({ code: 0 })
})

afterAll(async () => {
  peer.close()
  await client.close()
  await broker.close()
})

function header(changes: Record<string, string>): Record<string, string> {
  return {
    consumerGroup: 'CG',
    topic: 'Pulled',
    queueId: '0',
    queueOffset: '0',
    maxMsgNums: '32',
    sysFlag: '4',
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
    expressionType: 'TAG',
    ...changes,
  }
}

function pull(changes: Record<string, string>) {
  return peer.invoke(11, header(changes))
}

describe('maxMsgNums', () => {
  test.each([
    ['0', 1],
    ['-1', 1],
    ['-2147483648', 1],
    ['1', 1],
    ['33', 32],
    ['2147483647', 32],
  ])('%s gives %i messages', async (maxMsgNums, count) => {
    const answer = await pull({ maxMsgNums })
    expect(answer.code).toBe(0)
    expect(records(answer.body)).toHaveLength(count)
    expect(answer.ext?.nextBeginOffset).toBe(String(count))
  })

  test('of 2^31-1 with a tag that nothing has looks at the whole queue and no further', async () => {
    const answer = await pull({ maxMsgNums: '2147483647', subscription: 'none' })
    expect(answer).toMatchObject({ code: 20, ext: { nextBeginOffset: String(MESSAGES) } })
  })

  test.each(['2147483648', 'many', '', '1.5'])('"%s" is no number of 32 bits', async (maxMsgNums) => {
    expect(await pull({ maxMsgNums })).toMatchObject({ code: 1 })
  })
})

describe('queueOffset', () => {
  test.each([
    ['-1', 21, 0],
    [LONG_MIN, 21, 0],
    [String(MESSAGES), 19, MESSAGES],
    [String(MESSAGES + 1), 21, MESSAGES],
    ['4294967296', 21, MESSAGES],
    ['4294967297', 21, MESSAGES],
    ['9007199254740991', 21, MESSAGES],
    ['9007199254740993', 21, MESSAGES],
    [LONG_MAX, 21, MESSAGES],
  ])('%s is answered %i with the offset to go on at', async (queueOffset, code, next) => {
    expect(await pull({ queueOffset })).toMatchObject({ code, ext: { nextBeginOffset: String(next) } })
  })

  test('of a queue that nobody wrote', async () => {
    expect(await pull({ queueId: '1', queueOffset: '0' })).toMatchObject({ code: 19 })
    expect(await pull({ queueId: '1', queueOffset: '5' })).toMatchObject({ code: 21, ext: { nextBeginOffset: '0' } })
    expect(await pull({ queueId: '1', queueOffset: '-5' })).toMatchObject({ code: 21 })
  })
})

describe('queueId', () => {
  test.each(['-1', '4', '2147483647', '-2147483648'])('%s is illegal', async (queueId) => {
    expect(await pull({ queueId })).toMatchObject({ code: 1, remark: expect.stringContaining(queueId) })
  })
})

describe('suspendTimeoutMillis', () => {
  test.each(['-1', LONG_MIN, '0'])('%s holds until the next check', async (suspendTimeoutMillis) => {
    const opaque = peer.ask(11, header({ queueOffset: String(MESSAGES), sysFlag: '6', suspendTimeoutMillis }))
    await expect.poll(() => held()).toBe(1)
    broker.advance(5000)
    expect(await peer.answer(opaque)).toMatchObject({ code: 19 })
    expect(held()).toBe(0)
  })

  test.each([LONG_MAX, '9007199254740993', '2147483648'])(
    '%s holds until something comes',
    async (suspendTimeoutMillis) => {
      const opaque = peer.ask(
        11,
        header({ topic: 'Other', queueOffset: '1', sysFlag: '6', suspendTimeoutMillis, subscription: 'wake' }),
      )
      await expect.poll(() => held()).toBe(1)
      // Less than what closes an idle connection.
      broker.advance('90s')
      await client.send('Other', 'y', { queueId: 1 })
      expect(held()).toBe(1)
      expect(peer.answers.has(opaque)).toBe(false)
      peer.close()
      await expect.poll(() => held(), { timeout: 5000 }).toBe(0)
      await peer.until(() => peer.isClosed, 'the end of the connection')
    },
  )
})

function held(): number {
  return broker.handle.engine.control.word('heldPulls')
}

describe('sysFlag', () => {
  test.each([['0'], ['8'], ['24'], ['-8']])(
    '%s without a subscription, of a group that is not online',
    async (sysFlag) => {
      expect((await pull({ sysFlag })).code).toBe(24)
    },
  )

  test.each([['4'], ['12'], ['2147483644'], ['-4']])('%s: with odd bits the pull is a pull', async (sysFlag) => {
    // Bits 0 and 1 are clear: no commit, no hold.
    expect((await pull({ sysFlag })).code).toBe(0)
  })

  test.each(['-1', LONG_MIN, LONG_MAX, '9007199254740993', '4294967297'])(
    'with an offset to commit of %s: what is kept can be asked for',
    async (commitOffset) => {
      expect((await pull({ sysFlag: '5', commitOffset, consumerGroup: 'Committer' })).code).toBe(0)
      const answer = await peer.invoke(14, { consumerGroup: 'Committer', topic: 'Pulled', queueId: '0' })
      expect(answer.code).toBe(0)
      expect(Number.isNaN(Number(answer.ext?.offset))).toBe(false)
    },
  )
})

describe('expressions', () => {
  test.each([
    ['', 32],
    ['*', 32],
    [' odd ', 16],
    ['odd||even', 32],
    ['odd || || even', 32],
    ['none||odd', 32],
  ])('"%s" finds its messages', async (subscription) => {
    expect((await pull({ subscription })).code).toBe(0)
  })

  test.each([' || ', '|', 'none'])('"%s" finds none', async (subscription) => {
    expect((await pull({ subscription })).code).toBe(20)
  })

  test.each(['||', '||||'])('"%s" is none, as for RocketMQ 4.9.7', async (subscription) => {
    expect((await pull({ subscription })).code).toBe(23)
  })

  test('a hundred thousand tags', async () => {
    const subscription = Array.from({ length: 20_000 }, (_, i) => `tag${i}`).join('||')
    expect((await pull({ subscription })).code).toBe(20)
  })

  test.each(['SQL92', 'sql', 'x'])('of type %s are refused', async (expressionType) => {
    expect((await pull({ expressionType, subscription: 'a > 1' })).code).not.toBe(0)
  })
})

test('a pull without the fields that it needs costs an answer', async () => {
  for (const field of ['consumerGroup', 'topic', 'queueId', 'queueOffset', 'maxMsgNums', 'sysFlag']) {
    const { [field]: _, ...rest } = header({})
    expect((await peer.invoke(11, rest)).code, field).toBe(1)
  }
})

test('pulls that nobody waits for are not answered and hold nothing', async () => {
  peer.ask(11, header({ queueOffset: String(MESSAGES), sysFlag: '6', suspendTimeoutMillis: '1000' }), undefined, 2)
  const opaque = peer.ask(11, header({ topic: 'Nowhere' }), undefined, 2)
  expect(await pull({})).toMatchObject({ code: 0 })
  expect(peer.answers.has(opaque)).toBe(false)
  broker.advance('6s')
  await expect.poll(() => held()).toBe(0)
})

test('a pull whose connection breaks while it is held is forgotten', async () => {
  const lost = await RawPeer.connect(broker.address)
  for (let i = 0; i < 50; i += 1) {
    lost.ask(11, header({ queueOffset: String(MESSAGES), sysFlag: '6', suspendTimeoutMillis: '60000' }))
  }
  await expect.poll(() => held()).toBe(50)
  lost.close()
  await expect.poll(() => held()).toBe(0)
  await client.send('Pulled', 'after')
})

test('nothing of all this was a defect of ours', () => {
  expect(logged.filter((line) => /assert|TypeError|RangeError|undefined/.test(line))).toEqual([])
})

/** What administrators ask of clients through the broker: 307, 309, 223. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { RemotingError } from '../../../src/errors.ts'
import { answerTo, encodeCommand, type RemotingCommand } from '../../../src/remoting/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { RawPeer } from '../../support/raw-peer.ts'
import { bodyOf, type FakeConnection, heartbeat, rig, subscription, textOf } from '../rig.ts'

const INFO = { consumerGroup: 'G', clientId: 'a', jstackEnable: 'true' }
const json = (value: unknown) => Buffer.from(JSON.stringify(value))

async function online(version = 409) {
  const rigged = rig()
  const [a, b] = [rigged.connect('192.0.2.1:1'), rigged.connect('192.0.2.2:2')]
  for (const [id, from] of [
    ['a', a],
    ['b', b],
  ] as [string, FakeConnection][]) {
    await rigged.ask(34, undefined, heartbeat(id, { G: [subscription('T')] }), { from, version })
  }
  return { ...rigged, a, b }
}

function answering(
  connection: FakeConnection,
  answer: (asked: RemotingCommand) => Partial<RemotingCommand>,
): RemotingCommand[] {
  const asked: RemotingCommand[] = []
  connection.onInvoke = async (command) => {
    asked.push(command)
    return { ...answerTo(command, 0), ...answer(command) }
  }
  return asked
}

describe('a request that is passed on to a client', () => {
  test('reaches that client with all its fields, and its answer comes back under the number of the question', async () => {
    const { ask, a, b } = await online()
    const atA = answering(a, () => ({ code: 0, remark: 'said', ext: { x: 'y' }, body: json({ properties: {} }) }))
    const atB = answering(b, () => ({}))
    const answer = await ask(307, INFO, 'a body')
    expect(atA).toHaveLength(1)
    expect(atB).toEqual([])
    expect(atA[0]).toMatchObject({ code: 307, ext: INFO })
    expect(Buffer.from(atA[0].body!).toString()).toBe('a body')
    expect(answer).toMatchObject({ code: 0, opaque: 77, flag: 1, remark: 'said', ext: { x: 'y' } })
    expect(bodyOf(answer)).toEqual({ properties: {} })
  })

  test('carries the message itself when it is to be consumed now (309), found by its id', async () => {
    const { ask, a, store } = await online()
    const record = store.put('T', 0, 1000)
    store.put('T', 0, 2000)
    const asked = answering(a, () => ({ body: json({ consumeResult: 'CR_SUCCESS' }) }))
    const id = (offset: number, host = 'C0000201') => `${host}00002A9F${offset.toString(16).padStart(16, '0')}`
    const request = { consumerGroup: 'G', clientId: 'a', topic: 'T' }
    expect(bodyOf(await ask(309, { ...request, msgId: id(0) }))).toEqual({ consumeResult: 'CR_SUCCESS' })
    expect(asked[0].ext).toEqual({ ...request, msgId: id(0), brokerName: 'broker-a' })
    expect(asked[0].body).toEqual(record.bytes)
    // The host of an id may be of IPv6.
    await ask(309, { ...request, msgId: id(100, 'FD'.repeat(16)) })
    expect(asked[1].body).toEqual(store.messages[1].bytes)
    for (const [msgId, remark] of [
      [id(7), 'no message at 7'],
      [id(2 ** 40), 'no message at'],
      ['F'.repeat(32), 'no message at'],
      ['zz', 'msgId is "zz", expected an id by offset'],
      [`${id(0)}0`, 'expected an id by offset'],
    ]) {
      const refused = await ask(309, { ...request, msgId })
      expect(refused?.code).toBe(1)
      expect(refused?.remark).toContain(remark)
    }
    expect((await ask(309, request))?.code).toBe(1)
    expect(asked).toHaveLength(2)
  })

  test.each([
    [{ ...INFO, clientId: 'nobody' }, 409, 1, 'The Consumer <G> <nobody> not online'],
    [{ ...INFO, consumerGroup: 'X' }, 409, 1, 'The Consumer <X> <a> not online'],
    [INFO, 61, 1, 'The Consumer <a> Version <61> too low to finish'],
    [INFO, 62, 207, 'consumer <G> <a> Timeout'],
  ])('to %j of version %i is answered %i: %s', async (ext, version, code, remark) => {
    const { ask } = await online(version)
    const answer = await ask(307, ext)
    expect(answer?.code).toBe(code)
    expect(answer?.remark).toContain(remark)
  })

  test('that the client breaks off is answered 1, and a client that owes 64 answers gets no further question', async () => {
    const { ask, a } = await online()
    a.onInvoke = () => Promise.reject(new RemotingError('CONNECTION_CLOSED', { what: 'the connection is closed' }))
    expect(await ask(307, INFO)).toMatchObject({
      code: 1,
      remark: 'invoke consumer <G> <a> Exception: the connection is closed',
    })
    let release = () => {}
    const held = new Promise<void>((fulfil) => {
      release = fulfil
    })
    a.onInvoke = async (command) => {
      await held
      return answerTo(command, 0)
    }
    const asked = Array.from({ length: 64 }, () => ask(307, INFO))
    expect(await ask(307, INFO)).toMatchObject({ code: 2 })
    release()
    for (const answer of await Promise.all(asked)) expect(answer?.code).toBe(0)
    expect(await ask(307, INFO)).toMatchObject({ code: 0 })
  })
})

describe('offsets as the clients see them (223)', () => {
  const queue = (offset: number | string) => `{{"brokerName":"broker-a","queueId":0,"topic":"T"}:${offset}}`
  const status = (offset: number | string) => ({
    body: Buffer.from(`{"consumerTable":{},"messageQueueTable":${queue(offset)}}`),
  })

  test('are asked of every client of the group, or of one', async () => {
    const { ask, a, b } = await online()
    const atA = answering(a, () => status(3))
    answering(b, () => status('9007199254740993'))
    const answer = await ask(223, { topic: 'T', group: 'G' })
    expect(atA[0]).toMatchObject({ code: 221, ext: { topic: 'T', group: 'G' } })
    expect(textOf(answer)).toBe(
      `{"consumerTable":{"a":${queue(3)},"b":${queue('9007199254740993')}},"messageQueueTable":{}}`,
    )
    const one = await ask(223, { topic: 'T', group: 'G', clientAddr: 'a' })
    expect(textOf(one)).toBe(`{"consumerTable":{"a":${queue(3)}},"messageQueueTable":{}}`)
    const none = await ask(223, { topic: 'T', group: 'G', clientAddr: 'zz' })
    expect(textOf(none)).toBe('{"consumerTable":{},"messageQueueTable":{}}')
  })

  test('leave out who does not answer, answers an error or something else, and say so in the log', async () => {
    const { ask, a, b, log } = await online()
    answering(a, () => status(3))
    for (const wrong of [{ code: 1, remark: 'oops' }, { body: Buffer.from('{') }, { body: Buffer.from('[1]') }]) {
      answering(b, () => wrong)
      expect(textOf(await ask(223, { topic: 'T', group: 'G' }))).toContain(`"a":${queue(3)}`)
    }
    b.onInvoke = undefined
    expect(textOf(await ask(223, { topic: 'T', group: 'G' }))).toBe(
      `{"consumerTable":{"a":${queue(3)}},"messageQueueTable":{}}`,
    )
    expect(log.lines.filter((line) => line.includes('consumer b of group G did not tell its offsets'))).toHaveLength(3)
  })

  test('of a group that is offline, or of clients that are too old, are refused', async () => {
    const { ask } = await online(20)
    expect(await ask(223, { topic: 'T', group: 'X' })).toMatchObject({ code: 1 })
    expect(await ask(223, { topic: 'T', group: 'G' })).toMatchObject({
      code: 1,
      remark: expect.stringContaining('the client does not support this feature. version=20'),
    })
  })
})

test('a client that never answers costs the administrator 10 s of the broker’s clock, and the client nothing', async () => {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const consumer = await RawPeer.connect(broker.address)
  onTestFinished(() => void consumer.close())
  const admin = new TestClient(broker.address)
  onTestFinished(() => admin.close())
  await consumer.invoke(34, {}, json(heartbeat('a', { G: [subscription('T')] })))
  const asked = admin.invoke(307, INFO)
  let isOver = false
  void asked.then(() => {
    isOver = true
  })
  await consumer.until(() => consumer.told.some(({ code }) => code === 307), 'request 307')
  broker.advance('9s')
  await admin.invoke(30, { topic: 'T', queueId: '0' })
  expect(isOver).toBe(false)
  broker.advance('2s')
  expect(await asked).toMatchObject({ code: 207, remark: expect.stringContaining('within 10000 ms') })
  // Its answer comes too late: nobody waits for it, and the connection goes on.
  const late = consumer.told.find(({ code }) => code === 307)!
  consumer.write(encodeCommand(answerTo(late, 0)))
  expect((await consumer.invoke(38, { consumerGroup: 'G' })).code).toBe(0)
})

/** Brokers, NameServers and networks that go away: what the producer does about it, and how soon. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Producer, type ProducerOptions, type SendResult } from '../../src/client/index.ts'
import { startNamesrv } from '../../src/namesrv/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { BadCable } from '../faults/support/bad-cable.ts'
import { startBrokerProcess } from '../faults/support/broker-process.ts'
import { TestClient } from '../support/client.ts'
import { eventually, namesrvThatNames } from './support.ts'

const unhandled: unknown[] = []
const onUnhandled = (error: unknown) => unhandled.push(error)

beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', onUnhandled)
})
afterEach(() => {
  process.off('unhandledRejection', onUnhandled)
  expect(unhandled).toEqual([])
})

const options = (nameserver: string, more: Partial<ProducerOptions> = {}): ProducerOptions => ({
  nameserver,
  group: 'p',
  ...more,
})

test('a broker that is killed and comes back has every message that was acknowledged, and sends go on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-client-'))
  const [listenPort, nameServerInsidePort] = [await freeBrokerPort(), await freeBrokerPort()]
  const config = { listenPort, nameServerInsidePort, nameServerInside: 'always' as const }
  let broker = await startBrokerProcess({ folder, config })
  const acknowledged: SendResult[] = []
  const failed: unknown[] = []
  let stopped = false
  let sentSince = 0
  try {
    await using producer = new Producer(options(broker.namesrv, { sendMsgTimeout: 2000 }))
    const load = async (worker: number) => {
      for (let i = 0; !stopped; i++) {
        try {
          acknowledged.push(await producer.send({ topic: 'survivor', body: `${worker}-${i}` }))
          sentSince += 1
        } catch (error) {
          failed.push(error)
        }
      }
    }
    const loads = [1, 2, 3, 4].map(load)
    await eventually(() => acknowledged.length > 200)
    await broker.kill()
    await new Promise((resolve) => setTimeout(resolve, 300))
    sentSince = 0
    broker = await startBrokerProcess({ folder, config })
    const back = performance.now()
    await eventually(() => sentSince > 100, 10_000)
    // A broker that listens again is found within the longest back-off.
    expect(performance.now() - back).toBeLessThan(4000)
    stopped = true
    await Promise.all(loads)
    for (const error of failed) {
      expect(error).toMatchObject({ name: 'ClientError', retriable: true })
    }
    const reader = new TestClient(broker.address)
    const found = new Set<string | undefined>()
    await eventually(async () => {
      for (const queueId of [0, 1, 2, 3]) {
        for (const { properties } of await reader.drain('survivor', queueId)) found.add(properties.get('UNIQ_KEY'))
      }
      return acknowledged.every(({ msgId }) => found.has(msgId))
    })
    await reader.close()
  } finally {
    stopped = true
    await broker.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}, 40_000)

test('of two brokers the other takes what one cannot', async () => {
  const namesrv = await startNamesrv({ port: 0, host: '127.0.0.1' })
  const config = { nameServerInside: 'never' as const, namesrvAddr: namesrv.address }
  const a = await startTestBroker({ config: { ...config, brokerName: 'a' } })
  const b = await startTestBroker({ config: { ...config, brokerName: 'b' } })
  await using producer = new Producer(options(namesrv.address))
  await eventually(async () => {
    const queues = await producer.fetchPublishMessageQueues('TBW102').catch(() => [])
    return new Set(queues.map(({ brokerName }) => brokerName)).size === 2
  })
  const send = (i: number) => producer.send({ topic: 'shared', body: `${i}` })
  const first = await Promise.all(Array.from({ length: 20 }, (_, i) => send(i)))
  expect(new Set(first.map(({ messageQueue }) => messageQueue.brokerName))).toEqual(new Set(['a', 'b']))
  // Not a clean stop: its route stays.
  await a.handle.close()
  const second = await Promise.all(Array.from({ length: 20 }, (_, i) => send(i)))
  expect(new Set(second.map(({ messageQueue }) => messageQueue.brokerName))).toEqual(new Set(['b']))
  await a.close().catch(() => {})
  await b.close()
  await namesrv.close()
})

test('NameServers may go once a route is known; the next one is asked for others', async () => {
  await using broker = await startTestBroker()
  const gone = await startNamesrv({ port: 0, host: '127.0.0.1' })
  const dead = gone.address
  await gone.close()
  for (let i = 0; i < 4; i++) {
    await using producer = new Producer(options(`${dead};${broker.namesrv}`))
    expect((await producer.send({ topic: `namesrv-${i}`, body: 'x' })).sendStatus).toBe('SEND_OK')
  }
  const own = await startNamesrv({ port: 0, host: '127.0.0.1' })
  await using second = await startTestBroker({
    config: { nameServerInside: 'never', namesrvAddr: own.address },
  })
  expect(second.address).not.toBe(broker.address)
  await using producer = new Producer(options(own.address))
  await eventually(() =>
    producer.start().then(
      () => true,
      () => false,
    ),
  )
  await producer.send({ topic: 'alone', body: 'x' })
  await own.close()
  expect((await producer.send({ topic: 'alone', body: 'y' })).sendStatus).toBe('SEND_OK')
  await expect(producer.send({ topic: 'unknown', body: 'y' })).rejects.toMatchObject({
    code: 'NO_NAMESRV',
    retriable: true,
  })
})

test('a network that is open on one side alone costs one time-out, not more', async () => {
  await using broker = await startTestBroker()
  await using cable = await BadCable.to(broker.address, 'whole')
  const namesrv = await namesrvThatNames(cable.address)
  await using producer = new Producer(options(namesrv.address, { sendMsgTimeout: 500 }))
  await producer.send({ topic: 'cable', body: 'before' })
  cable.freeze()
  await expect(producer.send({ topic: 'cable', body: 'lost' })).rejects.toMatchObject({
    code: 'TIMEOUT',
    retriable: true,
    address: cable.address,
  })
  cable.thaw()
  const began = performance.now()
  expect((await producer.send({ topic: 'cable', body: 'after' })).sendStatus).toBe('SEND_OK')
  expect(performance.now() - began).toBeLessThan(400)
  await namesrv.close()
})

test('nobody there: every try is named, and the time of the send is kept', async () => {
  const port = await freeBrokerPort()
  const namesrv = await namesrvThatNames(`127.0.0.1:${port}`)
  await using producer = new Producer(options(namesrv.address, { sendMsgTimeout: 1000 }))
  const began = performance.now()
  await expect(producer.send({ topic: 'nobody', body: 'x' })).rejects.toMatchObject({
    code: 'SEND_FAILED',
    retriable: true,
    message: expect.stringMatching(/3 tries.*ECONNREFUSED/),
  })
  expect(performance.now() - began).toBeLessThan(1500)
  await namesrv.close()
})

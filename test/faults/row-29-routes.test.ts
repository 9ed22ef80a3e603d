/**
 * Row 29, a client's part: NameServers that are killed, one and all, while producer and consumer work; a broker that comes back at another
 * address, so that the route which they know is stale. All of them are processes.
 *
 * Known routes keep working without any NameServer; a broker that has moved is found within one poll of the routes.
 */
import { expect, onTestFinished, test, vi } from 'vitest'
import { Producer, PushConsumer } from '../../src/client/index.ts'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { startBrokerProcess } from './support/broker-process.ts'
import { startNamesrvProcess } from './support/namesrv-process.ts'
import { storeFolder } from './support/scratch.ts'

const POLL_MS = 500
const patience = { timeout: 20_000, interval: 20 }

test('NameServers are killed one after the other; then the broker moves', async () => {
  using folder = storeFolder('basalt-routes-')
  const ports = [await freeBrokerPort(), await freeBrokerPort()]
  const namesrvs = [
    await startNamesrvProcess({ listenPort: ports[0] }),
    await startNamesrvProcess({ listenPort: ports[1] }),
  ]
  onTestFinished(async () => {
    for (const one of namesrvs) await one.kill()
  })
  const namesrvAddr = namesrvs.map(({ address }) => address).join(';')
  const config = {
    namesrvAddr,
    nameServerInside: 'never' as const,
    brokerName: 'mover',
    flushDiskType: 'SYNC_FLUSH' as const,
  }
  let broker = await startBrokerProcess({
    folder: folder.path,
    config: { ...config, listenPort: await freeBrokerPort() },
  })
  onTestFinished(async () => void (await broker.kill()))
  const common = { nameserver: namesrvAddr, pollNameServerInterval: POLL_MS }
  const got = new Map<string, number>()
  await using producer = new Producer({ ...common, group: 'P', sendMsgTimeout: 15_000 })
  await using consumer = new PushConsumer({
    ...common,
    group: 'G',
    subscriptions: { T: '*' },
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    listener: ([message]) => {
      const text = message.body.toString()
      got.set(text, (got.get(text) ?? 0) + 1)
    },
  })
  const passes = async (name: string) => {
    for (let i = 0; i < 20; i++) await producer.send({ topic: 'T', body: `${name}-${i}` })
    await vi.waitFor(() => {
      for (let i = 0; i < 20; i++) expect(got.has(`${name}-${i}`)).toBe(true)
    }, patience)
  }
  await vi.waitFor(() => producer.start(), patience)
  await producer.send({ topic: 'T', body: 'first' })
  await consumer.start()
  await passes('both')
  await namesrvs[0].kill()
  await passes('one')
  await namesrvs[1].kill()
  await new Promise((resolve) => setTimeout(resolve, 2 * POLL_MS))
  await passes('none')
  // Nobody asked has another answer than that nobody answers.
  await expect(producer.send({ topic: 'New', body: 'x' })).rejects.toMatchObject({
    code: 'NO_NAMESRV',
    retriable: true,
  })
  namesrvs.push(await startNamesrvProcess({ listenPort: ports[0] }))
  await broker.kill()
  const before = broker.address
  broker = await startBrokerProcess({ folder: folder.path, config: { ...config, listenPort: await freeBrokerPort() } })
  expect(broker.address).not.toBe(before)
  await passes('moved')
  // Acknowledged before it was killed: consumed, and what came twice was with the listener then.
  expect(got.size).toBe(1 + 4 * 20)
  expect([...got.values()].reduce((sum, times) => sum + times - 1, 0)).toBeLessThan(2 * 81)
}, 60_000)

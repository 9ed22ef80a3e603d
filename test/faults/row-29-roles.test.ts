/**
 * Row 29, brokers that are not who they were: a second one with the name and id of the first, and a slave that becomes the master while
 * clients poll. All of them are processes.
 *
 * The conflict is named, with both addresses; clients move within one poll of the routes.
 */
import { expect, onTestFinished, test, vi } from 'vitest'
import { Producer, PushConsumer } from '../../src/client/index.ts'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { TestClient } from '../support/client.ts'
import { type BrokerProcess, startBrokerProcess } from './support/broker-process.ts'
import { type NamesrvProcess, startNamesrvProcess } from './support/namesrv-process.ts'
import { storeFolder } from './support/scratch.ts'

const POLL_MS = 500
/** A client that was told that nobody is there waits so long before it pulls again. */
const FAILED_PULL_MS = 3000
const BUSY_MS = 2000
const patience = { timeout: 30_000, interval: 20 }
const QUEUES = 4

/** Sends and consumes without end; knows what was acknowledged and what came. */
class Clients {
  readonly acknowledged = new Set<string>()
  readonly got = new Map<string, number>()
  readonly producer: Producer
  readonly consumer: PushConsumer
  private isOver = false
  private sending: Promise<void> | undefined

  constructor(nameserver: string) {
    const common = { nameserver, pollNameServerInterval: POLL_MS, heartbeatBrokerInterval: POLL_MS }
    this.producer = new Producer({ ...common, group: 'P', sendMsgTimeout: 1000, retryTimesWhenSendFailed: 1 })
    this.consumer = new PushConsumer({
      ...common,
      group: 'G',
      subscriptions: { T: '*' },
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      persistConsumerOffsetInterval: 200,
      listener: ([message]) => {
        const text = message.body.toString()
        this.got.set(text, (this.got.get(text) ?? 0) + 1)
      },
    })
    onTestFinished(() => this.close())
  }

  async start(): Promise<void> {
    await vi.waitFor(() => this.producer.send({ topic: 'T', body: 'first' }), patience)
    this.acknowledged.add('first')
    await this.consumer.start()
    this.sending = this.send()
  }

  /** Waits until so many more are acknowledged, and all that is acknowledged was consumed. */
  async passes(count: number): Promise<void> {
    const target = this.acknowledged.size + count
    await vi.waitFor(() => expect(this.acknowledged.size).toBeGreaterThanOrEqual(target), patience)
    const all = [...this.acknowledged]
    await vi.waitFor(() => expect(all.filter((text) => !this.got.has(text))).toEqual([]), patience)
  }

  async endsSending(): Promise<void> {
    this.isOver = true
    await this.sending
  }

  async close(): Promise<void> {
    await this.endsSending()
    await this.consumer.close()
    await this.producer.close()
  }

  private async send(): Promise<void> {
    for (let i = 0; !this.isOver; i++) {
      const text = `m-${i}`
      try {
        await this.producer.send({ topic: 'T', body: text })
        this.acknowledged.add(text)
      } catch {
        // Not acknowledged; it may be there or not.
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

async function startNamesrv(): Promise<NamesrvProcess> {
  const namesrv = await startNamesrvProcess()
  onTestFinished(async () => void (await namesrv.kill()))
  return namesrv
}

async function startBroker(namesrv: NamesrvProcess, config: object, folder?: string): Promise<BrokerProcess> {
  const scratch = storeFolder('basalt-roles-')
  const broker = await startBrokerProcess({
    folder: folder ?? scratch.path,
    config: {
      brokerName: 'b',
      nameServerInside: 'never',
      namesrvAddr: namesrv.address,
      listenPort: await freeBrokerPort(),
      ...config,
    },
  })
  onTestFinished(async () => {
    await broker.kill()
    scratch[Symbol.dispose]()
  })
  return broker
}

/** Addresses of broker b by id, as the NameServer says. */
async function addressesOf(namesrv: NamesrvProcess): Promise<Record<string, string>> {
  const client = new TestClient(namesrv.address)
  try {
    const { code, body } = await client.invoke(105, { topic: 'T' })
    if (code !== 0) return {}
    const { brokerDatas } = JSON.parse(Buffer.from(body ?? Buffer.from('{}')).toString()) as {
      brokerDatas: { brokerAddrs: Record<string, string> }[]
    }
    return brokerDatas[0]?.brokerAddrs ?? {}
  } finally {
    await client.close()
  }
}

async function readFrom(address: string): Promise<Set<string>> {
  const client = new TestClient(address)
  try {
    const found = new Set<string>()
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      for (const { body } of await client.drain('T', queueId)) found.add(Buffer.from(body).toString())
    }
    return found
  } finally {
    await client.close()
  }
}

test('a second broker with the name and id of the first: the NameServer names both, nothing acknowledged is lost, and the first has its place again when the second is gone', async () => {
  const namesrv = await startNamesrv()
  const settings = { registerNameServerPeriod: 10_000 }
  const first = await startBroker(namesrv, settings)
  const clients = new Clients(namesrv.address)
  await clients.start()
  await clients.passes(20)
  const second = await startBroker(namesrv, settings)
  const conflict = `broker b id 0 moved from ${first.address} to ${second.address}; ${first.address} is still connected: if both run, give one another brokerName or brokerId`
  await vi.waitFor(() => expect(namesrv.log).toContain(conflict), patience)
  // Where the topic is now is a matter of who registered last, and what the second one has not it takes as it would any new topic.
  await new Promise((resolve) => setTimeout(resolve, 2 * POLL_MS))
  await second.kill()
  await vi.waitFor(async () => expect(await addressesOf(namesrv)).toEqual({ 0: first.address }), patience)
  await clients.endsSending()
  const before = [...clients.acknowledged]
  const kept = await readFrom(first.address)
  const again = await startBroker(namesrv, { ...settings, brokerName: 'other' }, second.folder)
  for (const text of await readFrom(again.address)) kept.add(text)
  expect(before.filter((text) => !kept.has(text))).toEqual([])
  // Whoever comes now is at the first one, and so is who was there before.
  await using producer = new Producer({ nameserver: namesrv.address, group: 'Late' })
  await producer.send({ topic: 'T', body: 'late' })
  await vi.waitFor(() => expect(clients.got.has('late')).toBe(true), patience)
}, 90_000)

test('the master dies, its slave serves who reads, becomes the master, and gets a slave of its own: clients move within one poll', async () => {
  const namesrv = await startNamesrv()
  using slaveFolder = storeFolder('basalt-roles-')
  const pair = async (role: 'SYNC_MASTER' | 'ASYNC_MASTER' | 'SLAVE', folder?: string) =>
    startBroker(namesrv, { brokerRole: role, brokerId: role === 'SLAVE' ? 1 : 0 }, folder)
  const master = await pair('SYNC_MASTER')
  const slave = await pair('SLAVE', slaveFolder.path)
  const clients = new Clients(namesrv.address)
  await clients.start()
  await clients.passes(100)
  await vi.waitFor(
    async () => expect(await addressesOf(namesrv)).toEqual({ 0: master.address, 1: slave.address }),
    patience,
  )
  await clients.passes(20)

  await master.kill()
  await vi.waitFor(async () => expect(await addressesOf(namesrv)).toEqual({ 1: slave.address }), patience)
  let moved = performance.now()
  const all = [...clients.acknowledged]
  // SYNC_MASTER: what was acknowledged is there. Reading goes on without a master.
  await vi.waitFor(() => expect(all.filter((text) => !clients.got.has(text))).toEqual([]), patience)
  expect(performance.now() - moved).toBeLessThan(POLL_MS + FAILED_PULL_MS + BUSY_MS)

  await slave.stop()
  const successor = await pair('ASYNC_MASTER', slaveFolder.path)
  await vi.waitFor(async () => expect((await addressesOf(namesrv))[0]).toBe(successor.address), patience)
  moved = performance.now()
  await clients.passes(20)
  expect(performance.now() - moved).toBeLessThan(POLL_MS + FAILED_PULL_MS + BUSY_MS)

  const newSlave = await pair('SLAVE')
  await vi.waitFor(
    async () => expect(await addressesOf(namesrv)).toEqual({ 0: successor.address, 1: newSlave.address }),
    patience,
  )
  await clients.passes(50)
  await clients.endsSending()
  await clients.passes(0)
  // The successor has the offsets that the master had told it, at most ten seconds ago: what came since may come again, once.
  const twice = [...clients.got.values()].reduce((sum, times) => sum + times - 1, 0)
  expect(twice).toBeLessThanOrEqual(2 * clients.got.size)
}, 120_000)

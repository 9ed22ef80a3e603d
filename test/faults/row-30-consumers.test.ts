/**
 * Row 30, a client's part: a group whose members come and go each second, some of them killed, answers to what is sent back lost on
 * the way; a producer that dies before its transactions end.
 *
 * What is never consumed ends in the DLQ, whoever is killed meanwhile. Every message is consumed, what comes twice is bounded, and no queue stays behind for a minute. 12 members for 8 s, in the long form
 * 50 for a minute.
 */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { PushConsumer } from '../../src/client/consumer/index.ts'
import { Producer } from '../../src/client/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { TestClient } from '../support/client.ts'
import { startBrokerProcess } from './support/broker-process.ts'
import { isLong, storeFolder } from './support/scratch.ts'

const MEMBERS = isLong ? 50 : 12
const ROUNDS = isLong ? 60 : 8
const QUEUES = isLong ? 64 : 16
const STUCK_MS_MAX = 60_000
const PROGRAM = fileURLToPath(new URL('../client/consumer/consumer-program.mjs', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test(`a group of ${MEMBERS} of whom one leaves, one comes and one is killed each second`, async () => {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  using scratch = storeFolder('basalt-churn-')
  const producer = new Producer({ nameserver: broker.namesrv, group: 'P', defaultTopicQueueNums: QUEUES })
  onTestFinished(() => producer.close())
  const seen = new Map<string, number>()
  const failedOnce = new Set<string>()
  const members: PushConsumer[] = []
  onTestFinished(async () => {
    await Promise.all(members.map((one) => one.close()))
  })
  const comes = async () => {
    const consumer = new PushConsumer({
      nameserver: broker.namesrv,
      group: 'G',
      subscriptions: { T: '*' },
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      listener: async ([message], context) => {
        const text = message.body.toString()
        await wait(Math.random() * 3)
        context.delayLevelWhenNextConsume = 1
        if (text.endsWith('50') && !failedOnce.has(text)) {
          failedOnce.add(text)
          throw new Error('the first time')
        }
        seen.set(text, (seen.get(text) ?? 0) + 1)
      },
    })
    await consumer.start()
    members.push(consumer)
  }
  /** Consumes nothing that counts: it is killed before it has stored anything. */
  const isKilled = async () => {
    const settings = {
      namesrv: broker.namesrv,
      file: join(scratch.path, 'killed'),
      work: 10_000,
      options: { persistConsumerOffsetInterval: 600_000 },
    }
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], { stdio: 'ignore' })
    await wait(900)
    child.kill('SIGKILL')
  }
  for (let i = 0; i < MEMBERS; i++) await comes()
  let sent = 0
  let isOver = false
  const sending = (async () => {
    while (!isOver) {
      await producer.sendBatch(Array.from({ length: 20 }, () => ({ topic: 'T', body: `m-${sent++}` })))
      await wait(20)
    }
  })()
  for (let round = 0; round < ROUNDS; round++) {
    const [leaver] = members.splice(Math.floor(Math.random() * members.length), 1)
    await Promise.all([leaver.close(), comes(), isKilled(), wait(1000)])
  }
  isOver = true
  await sending
  const began = performance.now()
  await vi.waitFor(() => expect(seen.size).toBe(sent), { timeout: STUCK_MS_MAX, interval: 50 })
  await vi.waitFor(() => expect(broker.handle.lag('G')).toBe(0), { timeout: STUCK_MS_MAX, interval: 50 })
  expect(performance.now() - began).toBeLessThan(STUCK_MS_MAX)
  const twice = [...seen.values()].reduce((sum, times) => sum + times - 1, 0)
  const lastMs = Math.round(performance.now() - began)
  if (isLong) console.log(`${sent} messages, ${twice} of them again, the last ${lastMs} ms after sending ended`)
  expect(twice).toBeLessThan(sent)
}, 300_000)

/** Between clients and a broker: passes everything on, but now and then loses an answer, with its connection. */
class LosesAnswers implements AsyncDisposable {
  lost = 0
  losesNext = false
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  constructor(target: { host: string; port: number }) {
    this.server = createServer((client) => {
      const broker = connect(target)
      for (const socket of [client, broker]) {
        this.sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          client.destroy()
          broker.destroy()
        })
      }
      client.on('data', (chunk) => broker.write(chunk))
      broker.on('data', (chunk) => {
        if (!this.losesNext) {
          client.write(chunk)
          return
        }
        this.losesNext = false
        this.lost++
        client.destroy()
      })
    })
  }

  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(port, host, resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

test('answers of the broker are lost, to pulls, commits and what is sent back: every message is consumed, and few come often', async () => {
  // The broker says that it is where the proxy is.
  const broker = await startTestBroker({ config: { brokerIP1: '127.0.0.2' } })
  onTestFinished(() => broker.close())
  const port = Number(broker.address.split(':')[1])
  await using proxy = new LosesAnswers({ host: '127.0.0.1', port })
  await proxy.listen('127.0.0.2', port)
  const COUNT = 400
  const client = new TestClient(`127.0.0.1:${port}`)
  onTestFinished(() => client.close())
  for (let i = 0; i < COUNT; i++) await client.send('T', `m-${i}`, { queueId: i % 4 })
  const seen = new Map<string, number>()
  const consumer = new PushConsumer({
    nameserver: broker.namesrv,
    group: 'G',
    subscriptions: { T: '*' },
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    persistConsumerOffsetInterval: 200,
    listener: async ([message], context) => {
      const text = message.body.toString()
      const times = (seen.get(text) ?? 0) + 1
      seen.set(text, times)
      context.delayLevelWhenNextConsume = 1
      await wait(20)
      if (times === 1) throw new Error('the first time')
    },
  })
  onTestFinished(() => consumer.close())
  await consumer.start()
  for (let round = 0; round < 15; round++) {
    proxy.losesNext = true
    await wait(100)
  }
  proxy.losesNext = false
  expect(proxy.lost).toBeGreaterThan(5)
  const isTwice = () => [...seen.values()].filter((times) => times >= 2).length
  await vi.waitFor(() => expect(isTwice()).toBe(COUNT), { timeout: STUCK_MS_MAX, interval: 50 })
  await vi.waitFor(() => expect(broker.handle.lag('G')).toBe(0), { timeout: STUCK_MS_MAX, interval: 50 })
  const all = [...seen.values()].reduce((sum, times) => sum + times, 0)
  // A lost connection leaves at most those that were with the listener, and as many again that were on their way.
  expect(all).toBeLessThan(2 * COUNT + 40 * proxy.lost)
}, 120_000)

test('what is never consumed ends in the DLQ, while consumers and the broker are killed: processes all of them', async () => {
  using scratch = storeFolder('basalt-dlq-')
  const [listenPort, nameServerInsidePort] = [await freeBrokerPort(), await freeBrokerPort()]
  const start = () =>
    startBrokerProcess({
      folder: scratch.path,
      config: { nameServerInside: 'always', listenPort, nameServerInsidePort },
    })
  let broker = await start()
  onTestFinished(async () => void (await broker.kill()))
  const GOOD = 300
  const BAD = 30
  const client = new TestClient(broker.address)
  for (let i = 0; i < GOOD; i++) await client.send('T', `good-${i}`, { queueId: i % 4 })
  for (let i = 0; i < BAD; i++) await client.send('T', `bad-${i}`, { queueId: i % 4 })
  await client.close()
  const file = join(scratch.path, 'consumed')
  writeFileSync(file, '')
  const options = { maxReconsumeTimes: 1, persistConsumerOffsetInterval: 200, heartbeatBrokerInterval: 500 }
  const settings = { namesrv: broker.namesrv, file, work: 5, bad: 'bad', options: { ...options, consumeThreadMax: 4 } }
  const comes = () => {
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], { stdio: 'ignore' })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  const stays = comes()
  const KILLS = 4
  for (let kill = 0; kill < KILLS; kill++) {
    const goes = comes()
    await wait(900)
    goes.kill('SIGKILL')
    if (kill !== 1) continue
    await broker.kill()
    broker = await start()
  }
  const dead = async () => {
    const reader = new TestClient(broker.address)
    try {
      return (await reader.drain('%DLQ%G', 0)).map(({ body }) => Buffer.from(body).toString())
    } finally {
      await reader.close()
    }
  }
  const bad = Array.from({ length: BAD }, (_, i) => `bad-${i}`)
  await vi.waitFor(async () => expect(new Set(await dead())).toEqual(new Set(bad)), {
    timeout: STUCK_MS_MAX,
    interval: 100,
  })
  const of = (kind: string) => {
    const lines = readFileSync(file, 'utf8').split('\n')
    return lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.split(' ')[1])
  }
  await vi.waitFor(() => expect(new Set(of('done')).size).toBe(GOOD), { timeout: STUCK_MS_MAX, interval: 100 })
  // Tried once and once again; whoever is killed in between leaves what was with it, for whoever comes next.
  for (const text of bad) expect(of('failed').filter((one) => one === text).length).toBeGreaterThanOrEqual(2)
  expect((await dead()).length).toBeLessThanOrEqual(BAD * (1 + KILLS))
  stays.kill('SIGKILL')
}, 120_000)

const DIES = `
  import { Producer } from 'basaltmq/client'
  const producer = new Producer({ nameserver: process.argv[1], group: 'TP', checkLocalTransaction: () => 'UNKNOW' })
  for (const body of ['commit', 'rollback', 'commit-2']) {
    producer.sendInTransaction({ topic: 'Halves', body, keys: body }, () => {
      console.log(body)
      return new Promise(() => {})
    })
  }
`

test('a producer dies in its local transactions: another of its group is asked, and every half message ends', async () => {
  const broker = await startTestBroker()
  onTestFinished(() => broker.close())
  const args = ['--input-type=module', '-e', DIES, broker.namesrv]
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  await vi.waitFor(() => expect(said.trim().split('\n')).toHaveLength(3), { timeout: 20_000 })
  child.kill('SIGKILL')
  const asked: string[] = []
  const other = new Producer({
    nameserver: broker.namesrv,
    group: 'TP',
    checkLocalTransaction: ({ keys: [key] }) => {
      asked.push(key)
      return key.startsWith('commit') ? 'COMMIT_MESSAGE' : 'ROLLBACK_MESSAGE'
    },
  })
  onTestFinished(() => other.close())
  await other.start('Halves')
  const seen: string[] = []
  const consumer = new PushConsumer({
    nameserver: broker.namesrv,
    group: 'TC',
    subscriptions: { Halves: '*' },
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    listener: ([message]) => void seen.push(message.body.toString()),
  })
  onTestFinished(() => consumer.close())
  await consumer.start()
  await vi.waitFor(
    () => {
      broker.advance('1m')
      expect(new Set(asked)).toEqual(new Set(['commit', 'rollback', 'commit-2']))
      expect(seen.sort()).toEqual(['commit', 'commit-2'])
    },
    { timeout: STUCK_MS_MAX, interval: 500 },
  )
  // Ended: nobody is asked again.
  const before = asked.length
  for (let i = 0; i < 3; i++) {
    broker.advance('2m')
    await wait(300)
  }
  expect(asked).toHaveLength(before)
}, 120_000)

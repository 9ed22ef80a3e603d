/**
 * Consumers that are killed, brokers that are killed and come back: nothing that was acknowledged is left out, and what comes twice is
 * bounded. Groups whose members come and go, and lost answers: test/faults/row-30-consumers.test.ts.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { freeBrokerPort } from '../../../src/bench/ports.ts'
import { LitePullConsumer } from '../../../src/client/index.ts'
import type { TestBroker } from '../../../src/testing/index.ts'
import { BadCable } from '../../faults/support/bad-cable.ts'
import { startBrokerProcess } from '../../faults/support/broker-process.ts'
import { TestClient } from '../../support/client.ts'
import { namesrvThatNames } from '../support.ts'
import { consume, orderly, send, testBroker, texts } from './support.ts'

const PROGRAM = fileURLToPath(new URL('./consumer-program.mjs', import.meta.url))
const patience = { timeout: 20_000 }
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'basalt-consumer-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function startProgram(settings: object) {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said += chunk
    })
  }
  const ended = new Promise<{ status: number | null; said: string }>((resolve) =>
    child.once('exit', (status) => resolve({ status, said })),
  )
  return { child, ended, said: () => said }
}

interface Line {
  kind: string
  text: string
  queueId: number
  queueOffset: number
}
function linesOf(file: string): Line[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' '))
    .map(([kind, text, queueId, queueOffset]) => ({
      kind,
      text,
      queueId: Number(queueId),
      queueOffset: Number(queueOffset),
    }))
}

async function committed(broker: TestBroker, queueId: number): Promise<number> {
  const client = new TestClient(broker.address)
  const { code, ext } = await client.invoke(14, { consumerGroup: 'G', topic: 'T', queueId: String(queueId) })
  await client.close()
  return code === 0 ? Number(ext?.offset) : 0
}

test('kill -9 of a consumer, again and again: nothing counts as consumed that was not, and little comes twice', async () => {
  const broker = await testBroker()
  const file = join(folder(), 'consumed')
  const COUNT = 600
  const CONCURRENCY = 5
  await send(broker, 'T', texts(COUNT))
  const settings = {
    namesrv: broker.namesrv,
    file,
    work: 5,
    options: { consumeThreadMax: CONCURRENCY, persistConsumerOffsetInterval: 100, pullThresholdForQueue: 20 },
  }
  const KILLS = 4
  for (let kill = 0; kill < KILLS; kill++) {
    const { child, ended, said } = startProgram(settings)
    await vi.waitFor(() => expect(said()).toContain('started'), patience)
    await wait(150 + Math.random() * 200)
    child.kill('SIGKILL')
    await ended
    const done = new Set(
      linesOf(file)
        .filter(({ kind }) => kind === 'done')
        .map(({ text }) => text),
    )
    for (let queueId = 0; queueId < 4; queueId++) {
      const missing = texts(COUNT).filter((text, i) => i % 4 === queueId && !done.has(text))
      const lowest = missing.length === 0 ? COUNT / 4 : Number(missing[0].slice(2)) >> 2
      expect(await committed(broker, queueId), `queue ${queueId}`).toBeLessThanOrEqual(lowest)
    }
  }
  const last = startProgram({ ...settings, work: 0 })
  await vi.waitFor(() => expect(new Set(linesOf(file).map(({ text }) => text)).size).toBe(COUNT), patience)
  last.child.kill('SIGKILL')
  await last.ended
  const done = linesOf(file).filter(({ kind }) => kind === 'done')
  // What was consumed since the last store of offsets (100 ms, at 5 ms each of five at a time), and behind the slowest one.
  expect(done.length - new Set(done.map(({ text }) => text)).size).toBeLessThan(KILLS * 150)
})

test.each([
  ['concurrent', {}],
  ['broadcast', { messageModel: 'BROADCASTING' }],
])('a process ends by itself after close(): %s', async (_, options) => {
  const broker = await testBroker()
  await send(broker, 'T', texts(8))
  const home = folder()
  const file = join(home, 'consumed')
  const program = startProgram({
    namesrv: broker.namesrv,
    file,
    until: 8,
    work: 1,
    options: { ...options, offsetStoreFolder: home },
  })
  const { status, said } = await program.ended
  expect([status, said]).toEqual([0, 'started\n'])
})

test('a broker that is killed and comes back: consumption goes on, in order where it is ordered', async () => {
  const home = folder()
  // The same ports again, from where no connection of somebody takes one meanwhile.
  const [listenPort, nameServerInsidePort] = [await freeBrokerPort(), await freeBrokerPort()]
  const config = { nameServerInside: 'always', listenPort, nameServerInsidePort } as const
  const first = await startBrokerProcess({ folder: home, config })
  const broker = { address: first.address, namesrv: first.namesrv } as TestBroker
  await send(broker, 'T', texts(40))
  const options = { pollNameServerInterval: 300, heartbeatBrokerInterval: 300 }
  const plain = await consume(broker, { ...options, group: 'Plain' })
  const inOrder = await consume(broker, { ...options, ...orderly, group: 'Ordered' })
  for (const { got } of [plain, inOrder]) await vi.waitFor(() => expect(got.length).toBe(40), patience)
  await first.kill()
  await wait(500)
  await using second = await startBrokerProcess({ folder: home, config })
  expect(second.address).toBe(first.address)
  await send(broker, 'T', texts(40, 'n'))
  const all = [...texts(40), ...texts(40, 'n')]
  for (const { got } of [plain, inOrder]) await vi.waitFor(() => expect(new Set(got)).toEqual(new Set(all)), patience)
  for (let queueId = 0; queueId < 4; queueId++) {
    const mine = inOrder.messages.filter((one) => one.queueId === queueId).map(({ body }) => body.toString())
    const once = mine.filter((text, at) => mine.indexOf(text) === at)
    expect(once).toEqual(all.filter((_, i) => i % 4 === queueId))
  }
  await plain.consumer.close()
  await inOrder.consumer.close()
})

test('a network that is open on one side alone: consumers notice by the next heartbeat, and go on over a new connection', async () => {
  const broker = await testBroker()
  await using cable = await BadCable.to(broker.address, 'whole')
  const namesrv = await namesrvThatNames(cable.address)
  onTestFinished(() => namesrv.close())
  await send(broker, 'T', texts(4))
  const heartbeats = { heartbeatBrokerInterval: 300, mqClientApiTimeout: 300 }
  const options = { nameserver: namesrv.address, ...heartbeats }
  const plain = await consume(broker, { ...options, group: 'Plain' })
  const inOrder = await consume(broker, { ...options, ...orderly, group: 'Ordered' })
  const lite = new LitePullConsumer({
    ...{ ...options, group: 'Lite', subscriptions: { T: '*' }, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' },
  })
  onTestFinished(() => lite.close())
  await lite.start()
  const polled: string[] = []
  const has = async (count: number, ms: number) => {
    const until = performance.now() + ms
    while (polled.length < count && performance.now() < until) {
      polled.push(...(await lite.poll({ timeout: 50 })).map(({ body }) => body.toString()))
    }
    for (const got of [plain.got, inOrder.got, polled]) {
      await vi.waitFor(() => expect(new Set(got).size).toBe(count), { timeout: Math.max(1, until - performance.now()) })
    }
  }
  await has(4, 15_000)
  cable.strand()
  const stranded = cable.sockets.size
  expect(stranded).toBeGreaterThan(0)
  await send(broker, 'T', texts(8, 'n'))
  // The first heartbeat, its time-out, and the three seconds after a pull that failed; as much again for a busy machine.
  await has(12, 2 * (1000 + 300 + 3000))
})

/**
 * Row 17: broker, NameServer and client stand still for half a minute (SIGSTOP), as under a debugger, in a virtual machine that is
 * moved, on a laptop that is closed.
 *
 * When they go on, every request has one answer and no more, offsets do not go back, and who was alive is alive: what waits in
 * the sockets is read before silence is judged. Time-outs are so short here that a hasty judgement would show. Leases that are
 * longer than a test may take run out all the same: the clocks of the stopped process are moved on.
 */
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { type BrokerProcess, PACKAGE, startBrokerProcess, TINY, until } from './support/broker-process.ts'
import { judge, Ledger, Load, pause, readBack, TOPIC } from './support/load.ts'
import { brokerAfterLongStop, namesrvAfterLongStop } from './support/long-stop.ts'
import { hasty } from './support/mutants.ts'
import { startNamesrvProcess } from './support/namesrv-process.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'
import { WrongClock } from './support/wrong-clock.ts'

const STOPPED_MS = isLong ? 30_000 : 3000
/** Of connections: shorter than the pause. */
const IDLE_SECONDS = isLong ? 15 : 1
const QUERY_OFFSET = 14
const UPDATE_OFFSET = 15
const HEART_BEAT = 34
const CONSUMER_LIST = 38
const LOCK = 41
const MIB = 1024 * 1024

const home = storeFolder('basalt-stopped-')
const clock = WrongClock.create(home.path)
const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const lockBody = (clientId: string) =>
  json({ consumerGroup: 'LG', clientId, mqSet: [{ topic: TOPIC, brokerName: 'b', queueId: 0 }] })
const heartbeatBody = (clientID: string) => {
  const rest = {
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    unitMode: false,
    subscriptionDataSet: [],
  }
  const consumer = { groupName: 'LG', consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', ...rest }
  return json({ clientID, producerDataSet: [], consumerDataSet: [consumer] })
}

async function stopped(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await pause(STOPPED_MS)
  process.kill(pid, 'SIGCONT')
}

test.each(['SYNC_FLUSH', 'ASYNC_FLUSH'] as const)(
  'a broker (%s) that stands still and goes on',
  async (flushDiskType) => {
    using folder = storeFolder()
    const config = { flushDiskType, serverChannelMaxIdleTimeSeconds: IDLE_SECONDS }
    await using broker = await startBrokerProcess({ folder: folder.path, config })
    const ledger = new Ledger()
    const load = new Load({ address: broker.address, ledger, timeoutMs: 90_000 })
    load.start()
    await load.acknowledged(300)
    const peer = await RawPeer.connect(broker.address)
    onTestFinished(() => peer.close())
    const owner = await leases(peer)
    // Held beyond its deadline.
    await peer.invoke(310, QUIET_MESSAGE, Buffer.from('only'))
    await peer.invoke(11, pullHeader('Quiet', 0, 5000))
    const held = peer.ask(11, pullHeader('Quiet', 1, 1000))

    const pausing = stopped(broker.pid)
    await pause(STOPPED_MS / 2)
    // What comes meanwhile waits in its socket, and is a sign of life.
    const beat = peer.ask(HEART_BEAT, {}, heartbeatBody(owner))
    const committed = peer.ask(UPDATE_OFFSET, { ...offsetHeader(), commitOffset: '120' })
    await pausing

    expect((await peer.answer(beat)).code).toBe(0)
    expect((await peer.answer(committed)).code).toBe(0)
    expect((await peer.answer(held)).code).toBe(19)
    // Its lock was not lost, and nobody else has it.
    expect(await lockedQueues(peer, 'somebody else')).toBe(0)
    expect(await lockedQueues(peer, owner)).toBe(1)
    const members = JSON.parse(
      Buffer.from((await peer.invoke(CONSUMER_LIST, { consumerGroup: 'LG' })).body!).toString(),
    )
    expect(members.consumerIdList).toEqual([owner])
    expect((await peer.invoke(QUERY_OFFSET, offsetHeader())).ext?.offset).toBe('120')
    await load.acknowledged(300)
    await load.stop()
    // One answer a request: what the peer has asked is what it was answered.
    expect(peer.answerCount).toBe(peer.answers.size)
    await expectKept(load, ledger, broker, folder.path)
  },
)

test.runIf(clock)('a broker that stood still for longer than any lease judges each anew', async () => {
  expect(await brokerAfterLongStop(clock!)).toEqual([])
})

test.runIf(clock)('a NameServer that did forgets the silent and nobody else', async () => {
  expect(await namesrvAfterLongStop(clock!)).toEqual([])
})

test.runIf(clock && isLong).each(hasty.broker)('a broker is found out in which $name', async (mutant) => {
  using changed = mutant.make()
  expect(await brokerAfterLongStop(clock!, changed.root)).not.toEqual([])
})

test.runIf(clock && isLong).each(hasty.namesrv)('a NameServer is found out in which $name', async (mutant) => {
  using changed = mutant.make()
  expect(await namesrvAfterLongStop(clock!, changed.root)).not.toEqual([])
})

test('a NameServer that stands still: nobody is forgotten whose signs of life wait in its sockets', async () => {
  using folder = storeFolder()
  await using namesrv = await startNamesrvProcess({ scanNotActiveBrokerInterval: 200 })
  const config = { nameServerInside: 'never', namesrvAddr: namesrv.address, registerNameServerPeriod: 10_000 } as const
  await using broker = await startBrokerProcess({ folder: folder.path, config })
  const ledger = new Ledger()
  // It runs all the time that the NameServer stands: a little is enough.
  const load = new Load({ address: broker.address, ledger, connections: 1, inFlight: 2 })
  load.start()
  // A broker of 5.x that wants to be forgotten after a second, and beats three times a second.
  const five = await RawPeer.connect(namesrv.address)
  onTestFinished(() => five.close())
  const registered = await five.invoke(103, fiveHeader(), json(FIVE_TOPICS))
  expect(registered.code).toBe(0)
  const beats = setInterval(() => five.ask(904, fiveHeader(), undefined, 2), 300)
  onTestFinished(() => clearInterval(beats))

  await stopped(namesrv.pid)
  const client = new TestClient(namesrv.address)
  onTestFinished(() => client.close())
  expect((await client.invoke(105, { topic: 'Five' })).code).toBe(0)
  await pause(2000)
  expect((await client.invoke(105, { topic: 'Five' })).code).toBe(0)
  await expect.poll(async () => (await client.invoke(105, { topic: TOPIC })).code, { timeout: 45_000 }).toBe(0)
  expect(namesrv.log).not.toMatch(/"msg":"broker five .*removed/)
  await load.acknowledged(100)
  await load.stop()
  await expectKept(load, ledger, broker, folder.path)
  expect(await namesrv.stop()).toEqual({ status: 0, signal: null })
})

test('a consumer that stands still: it goes on where it was, keeps its lock, and costs the broker nothing', async () => {
  using folder = storeFolder()
  await using broker = await startBrokerProcess({ folder: folder.path })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, connections: 1, inFlight: 2 })
  load.start()
  await load.acknowledged(100)
  using consumer = startConsumer(broker.address, TOPIC, 1, 'CG17')
  await until(() => consumer.got.length > 50, 20_000)
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const offsets = new OffsetSamples(client, 'CG17', 1)
  const before = broker.rss()

  await stopped(consumer.pid)
  expect(broker.rss() - before).toBeLessThan(64 * MIB)
  const seen = consumer.got.length
  await until(() => consumer.got.length > seen + 200, 30_000)
  await load.stop()
  const total = [...ledger.acknowledged.values()].filter(({ queueId }) => queueId === 1).length
  await until(() => consumer.got.length >= total, 30_000)
  await offsets.stop()
  // Each once, in order, without a gap.
  expect(consumer.got).toEqual(Array.from({ length: total }, (_, offset) => offset))
  expect(offsets.goneBack).toEqual([])
  expect(consumer.lines.filter((line) => !line.startsWith('GOT'))).toEqual(['LOCK granted'])
  await expectKept(load, ledger, broker, folder.path)
})

/** A consumer that is online and holds a lock and an offset. */
async function leases(peer: RawPeer): Promise<string> {
  expect((await peer.invoke(HEART_BEAT, {}, heartbeatBody('owner'))).code).toBe(0)
  expect(await lockedQueues(peer, 'owner')).toBe(1)
  expect((await peer.invoke(UPDATE_OFFSET, { ...offsetHeader(), commitOffset: '100' })).code).toBe(0)
  return 'owner'
}

async function lockedQueues(peer: RawPeer, clientId: string): Promise<number> {
  const { body } = await peer.invoke(LOCK, {}, lockBody(clientId))
  return (JSON.parse(Buffer.from(body!).toString()) as { lockOKMQSet: unknown[] }).lockOKMQSet.length
}

function offsetHeader(): Record<string, string> {
  return { consumerGroup: 'LG', topic: TOPIC, queueId: '0' }
}

function pullHeader(topic: string, offset: number, suspendMs: number): Record<string, string> {
  const queue = { consumerGroup: 'Held', topic, queueId: '0', queueOffset: String(offset), maxMsgNums: '32' }
  const rest = { sysFlag: '6', commitOffset: '0', suspendTimeoutMillis: String(suspendMs), subVersion: '0' }
  return { ...queue, ...rest, subscription: '*', expressionType: 'TAG' }
}

const QUIET_MESSAGE = {
  ...{ a: 'PG', b: 'Quiet', c: 'TBW102', d: '4', e: '0', f: '0', g: '0' },
  ...{ h: '0', i: '', j: '0', k: 'false', m: 'false' },
}

const FIVE_TOPICS = {
  topicConfigSerializeWrapper: {
    dataVersion: { counter: 1, timestamp: 1 },
    topicConfigTable: Object.fromEntries(
      ['Five', 'Six'].map((topicName) => [topicName, { topicName, perm: 6, readQueueNums: 1, writeQueueNums: 1 }]),
    ),
  },
}

function fiveHeader(): Record<string, string> {
  const own = { brokerName: 'five', brokerAddr: '127.0.0.1:5', clusterName: 'C', haServerAddr: '127.0.0.1:6' }
  return { ...own, brokerId: '0', heartbeatTimeoutMillis: '1000' }
}

async function expectKept(load: Load, ledger: Ledger, broker: BrokerProcess, folder: string): Promise<void> {
  expect(load.unanswered).toEqual([])
  // FLUSH_DISK_TIMEOUT: the deadline of a sync send passed while everything stood still.
  expect(Object.keys(ledger.codes()).filter((code) => code !== '10')).toEqual([])
  expect(load.brokenPositions).toEqual([])
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(folder, TINY)).toEqual([])
}

/** Looks at a committed offset all the time. */
class OffsetSamples {
  readonly goneBack: string[] = []
  private isRunning = true
  private readonly running: Promise<void>

  constructor(client: TestClient, consumerGroup: string, queueId: number) {
    this.running = this.run(client, { consumerGroup, topic: TOPIC, queueId: String(queueId) })
  }

  async stop(): Promise<void> {
    this.isRunning = false
    await this.running
  }

  private async run(client: TestClient, ext: Record<string, string>): Promise<void> {
    for (let last = 0; this.isRunning; await pause(10)) {
      const offset = Number((await client.invoke(QUERY_OFFSET, ext)).ext?.offset ?? 0)
      if (offset < last) this.goneBack.push(`from ${last} to ${offset}`)
      last = offset
    }
  }
}

function startConsumer(address: string, topic: string, queueId: number, group: string) {
  const program = join(dirname(fileURLToPath(import.meta.url)), 'support', 'consumer.mjs')
  const args = [program, PACKAGE, address, topic, String(queueId), group]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const got: number[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      lines.push(line)
      if (line.startsWith('GOT ')) got.push(Number(line.slice(4)))
    }
  })
  return {
    pid: child.pid!,
    lines,
    got,
    [Symbol.dispose]: () => {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
    },
  }
}

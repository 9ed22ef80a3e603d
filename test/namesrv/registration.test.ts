import { createServer, type Server } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  announcedAddress,
  type NamesrvClient,
  type RegisterAnswer,
  type RegisteredTopicConfig,
  Registration,
  type RegistrationOptions,
  tryAddress,
} from '../../src/broker/registration/index.ts'
import { type NamesrvHandle, startNamesrv } from '../../src/namesrv/index.ts'
import { RemotingClient } from '../../src/remoting/client.ts'
import { answerTo, type RemotingCommand } from '../../src/remoting/command.ts'
import { ArrayLog, FakeClock } from './helpers.ts'

const topic = (topicName: string, perm = 6): RegisteredTopicConfig => ({
  topicName,
  readQueueNums: 4,
  writeQueueNums: 4,
  perm,
  topicFilterType: 'SINGLE_TAG',
  topicSysFlag: 0,
  order: false,
})
const identity = {
  clusterName: 'C',
  brokerName: 'a',
  brokerId: 0,
  brokerAddr: '127.0.0.1:10911',
  haServerAddr: '127.0.0.1:10912',
  brokerPermission: 6,
}

class TopicTable {
  dataVersion = { timestamp: 1000, counter: 1 }
  topics = [topic('T'), topic('U')]
  add(name: string): void {
    this.topics.push(topic(name))
    this.dataVersion = { timestamp: 1000, counter: this.dataVersion.counter + 1 }
  }
}

/** Passes on to a real client and remembers what was asked. */
class Recorder implements NamesrvClient {
  readonly asked: { address: string; code: number; topics: number; opaque: number }[] = []
  readonly inner = new RemotingClient()
  invoke(address: string, command: RemotingCommand, timeoutMs: number): Promise<RemotingCommand> {
    const names =
      command.code === 103 && command.ext?.compressed !== 'true'
        ? Object.keys(JSON.parse(Buffer.from(command.body!).toString()).topicConfigSerializeWrapper.topicConfigTable)
        : []
    this.asked.push({ address, code: command.code, topics: names.length, opaque: command.opaque })
    return this.inner.invoke(address, command, timeoutMs)
  }
  codes(): number[] {
    return this.asked.splice(0).map((it) => it.code)
  }
}

let clock: FakeClock
let log: ArrayLog
let table: TopicTable
let recorder: Recorder
const namesrvs: NamesrvHandle[] = []
const registrations: Registration[] = []
const servers: Server[] = []

async function namesrv(port = 0): Promise<NamesrvHandle> {
  const made = await startNamesrv({ port, host: '127.0.0.1', clock })
  namesrvs.push(made)
  return made
}
function registration(addresses: readonly string[], options: Partial<RegistrationOptions> = {}): Registration {
  const made = new Registration({
    namesrvAddresses: () => addresses,
    broker: () => identity,
    topics: () => table,
    client: recorder,
    clock,
    log,
    ...options,
  })
  registrations.push(made)
  return made
}
/** Accepts connections and never says anything. */
async function silentServer(): Promise<string> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume())
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}
const topicsOf = (at: NamesrvHandle) => [...at.tables.topicQueueTable.keys()].sort()

beforeEach(() => {
  clock = new FakeClock()
  log = new ArrayLog()
  table = new TopicTable()
  recorder = new Recorder()
})
afterEach(async () => {
  for (const one of registrations.splice(0)) one.close()
  await recorder.inner.close()
  for (const one of namesrvs.splice(0)) await one.close()
  for (const one of servers.splice(0)) one.close()
})

test('a broker registers with every NameServer at its start and takes itself out of all at its stop', async () => {
  const [one, two] = [await namesrv(), await namesrv()]
  const it = registration([one.address, two.address])
  expect(await it.start()).toBe(true)
  await expect
    .poll(() => [topicsOf(one), topicsOf(two)])
    .toEqual([
      ['T', 'U'],
      ['T', 'U'],
    ])
  await it.unregister()
  expect([topicsOf(one), topicsOf(two)]).toEqual([[], []])
  expect(await it.registerAll()).toBe(0)
})

test('NameServers that are dead or never answer do not delay the start, and each is named once', async () => {
  const alive = await namesrv()
  const dead = await namesrv()
  await dead.close()
  const it = registration([await silentServer(), dead.address, alive.address], {
    settings: { registerBrokerTimeoutMills: 100 },
  })
  expect(await it.start()).toBe(true)
  expect(topicsOf(alive)).toEqual(['T', 'U'])
  await expect.poll(() => log.matching(/^warn NameServer .* did not take the registration/).length).toBe(2)
  for (let round = 0; round < 3; round++) {
    clock.advance(60_000)
    it.step()
    await it.registerAll()
  }
  expect(log.matching(/^warn/)).toHaveLength(2)
})

test('a start without any NameServer that answers says so and goes on trying, soon at first', async () => {
  const place = await namesrv()
  await place.close()
  const it = registration([place.address])
  expect(await it.start()).toBe(false)
  const again = await namesrv(place.port)
  it.step()
  expect(topicsOf(again)).toEqual([])
  clock.advance(1000)
  it.step()
  await expect.poll(() => topicsOf(again)).toEqual(['T', 'U'])
  expect(log.lines.at(-1)).toBe(`info registered with NameServer ${place.address}`)
})

test('every 30 s the whole table is registered again; a clock that goes back does not stop that', async () => {
  const one = await namesrv()
  const it = registration([one.address])
  await it.start()
  recorder.codes()
  clock.advance(29_999)
  it.step()
  expect(recorder.codes()).toEqual([])
  clock.advance(1)
  it.step()
  it.step()
  await nextTurn()
  expect(recorder.codes()).toEqual([103])
  await it.registerAll()
  recorder.codes()
  clock.advance(-3_600_000)
  it.step()
  await nextTurn()
  expect(recorder.codes()).toEqual([103])
})

test('with forceRegister=false the NameServer is asked first, and only a version it does not have is sent', async () => {
  const one = await namesrv()
  const it = registration([one.address], { settings: { forceRegister: false } })
  await it.start()
  const round = async () => {
    recorder.codes()
    clock.advance(30_000)
    it.step()
    await expect.poll(() => recorder.asked.length).toBeGreaterThan(0)
    await it.registerTopic('none') // waits for the round
    return recorder.codes()
  }
  expect((await round())[0]).toBe(322)
  table.add('New')
  expect((await round()).slice(0, 2)).toEqual([322, 103])
  expect(topicsOf(one)).toEqual(['New', 'T', 'U'])
})

test('a changed topic is sent alone when the NameServer has all the others', async () => {
  const one = await namesrv()
  const it = registration([one.address])
  await it.start()
  recorder.asked.length = 0
  table.add('New')
  expect(await it.registerTopic('New')).toBe(1)
  expect(recorder.asked.map((asked) => [asked.code, asked.topics])).toEqual([
    [322, 0],
    [103, 1],
  ])
  expect(topicsOf(one)).toEqual(['New', 'T', 'U'])
})

test('a changed topic comes with the whole table when the NameServer restarted or missed an earlier change', async () => {
  const one = await namesrv()
  const it = registration([one.address])
  await it.start()
  await one.close()
  const again = await namesrv(one.port)
  table.add('New')
  expect(await it.registerTopic('New')).toBe(1)
  expect(topicsOf(again)).toEqual(['New', 'T', 'U'])
  table.add('Missed')
  table.add('Newer')
  expect(await it.registerTopic('Newer')).toBe(1)
  expect(topicsOf(again)).toEqual(['Missed', 'New', 'Newer', 'T', 'U'])
})

test('a NameServer that refuses a single topic before the whole table (5.3.3) gets the whole table', async () => {
  const sizes: number[] = []
  const client: NamesrvClient = {
    async invoke(_, command) {
      if (command.code === 322) return Object.assign(answerTo(command, 0), { ext: { changed: 'false' } })
      const size = Object.keys(
        JSON.parse(Buffer.from(command.body!).toString()).topicConfigSerializeWrapper.topicConfigTable,
      ).length
      sizes.push(size)
      return size === 1 ? answerTo(command, 1, 'register broker failed') : answerTo(command, 0)
    },
  }
  const it = registration(['ns:9876'], { client })
  await it.start()
  table.add('New')
  expect(await it.registerTopic('New')).toBe(1)
  expect(sizes).toEqual([2, 1, 3])
})

test('a burst of created topics is one registration, and nobody waits for it', async () => {
  const one = await namesrv()
  const it = registration([one.address])
  await it.start()
  recorder.codes()
  for (let n = 0; n < 100; n++) {
    table.add(`New${n}`)
    expect(await it.registerAll(true)).toBe(0)
  }
  await expect.poll(() => topicsOf(one).length).toBe(102)
  expect(recorder.codes().length).toBeLessThan(10)
})

test('a NameServer that never answers delays a change of a topic once, not again', async () => {
  const alive = await namesrv()
  const silent = await silentServer()
  const it = registration([silent, alive.address], { settings: { registerBrokerTimeoutMills: 100 } })
  await it.start()
  await expect.poll(() => log.matching(/^warn/).length).toBe(1)
  let silentAsked = 0
  const inner = recorder.inner.invoke.bind(recorder.inner)
  recorder.inner.invoke = (address, command) => {
    if (address !== silent) return inner(address, command, 1000)
    silentAsked += 1
    return new Promise(() => undefined)
  }
  table.add('New')
  expect(await it.registerTopic('New')).toBe(1)
  expect(topicsOf(alive)).toEqual(['New', 'T', 'U'])
  expect(silentAsked).toBe(1)
})

test('while one registration is under way others wait behind it as one', async () => {
  const release: (() => void)[] = []
  let sent = 0
  const client: NamesrvClient = {
    async invoke(_, command) {
      sent += 1
      await new Promise<void>((resolve) => release.push(resolve))
      return answerTo(command, 0)
    },
  }
  const it = registration(['ns:9876'], { client })
  const all = [it.registerAll(), it.registerAll(), it.registerAll(), it.registerTopic('T')]
  release.pop()?.()
  await expect.poll(() => sent).toBe(2)
  release.pop()?.()
  expect(await Promise.all(all)).toEqual([1, 1, 1, 1])
  expect(sent).toBe(2)
})

test('a broker without write permission shows its own permission on every topic; compressed bodies say the same', async () => {
  const one = await namesrv()
  const it = registration([one.address], {
    settings: { compressedRegister: true },
    broker: () => ({ ...identity, brokerPermission: 4 }),
  })
  await it.start()
  expect(topicsOf(one)).toEqual(['T', 'U'])
  expect(one.tables.topicQueueTable.get('T')?.get('a')).toMatchObject({ perm: 4, readQueueNums: 4 })
})

test('a slave is told of its master, a broker of ordered topics, and a bad entry of those is passed over', async () => {
  const one = await namesrv()
  await registration([one.address]).start()
  const answers: RegisterAnswer[] = []
  const slave = { ...identity, brokerId: 1, brokerAddr: '127.0.0.1:20911', haServerAddr: '127.0.0.1:20912' }
  await registration([one.address], { broker: () => slave, onAnswer: (answer) => answers.push(answer) }).start()
  expect(answers).toEqual([
    {
      namesrv: one.address,
      masterAddr: '127.0.0.1:10911',
      haServerAddr: '127.0.0.1:10912',
      orderTopics: undefined,
      skipped: [],
    },
  ])
  const client: NamesrvClient = {
    invoke: async (_, command) =>
      Object.assign(answerTo(command, 0), { body: Buffer.from('{"table":{"T":"a:4","U":null,"":"x"}}') }),
  }
  await registration(['ns:9876'], { client, onAnswer: (answer) => answers.push(answer) }).start()
  expect(answers[1].orderTopics).toEqual(new Map([['T', 'a:4']]))
  expect(log.matching(/^error NameServer ns:9876: .*passed over/)).toHaveLength(2)
})

test('NameServers that are added or taken away are followed at the next step', async () => {
  const [one, two] = [await namesrv(), await namesrv()]
  let addresses = [one.address]
  const it = registration([], { namesrvAddresses: () => addresses })
  await it.start()
  addresses = [two.address]
  it.step()
  await expect.poll(() => topicsOf(two)).toEqual(['T', 'U'])
  recorder.codes()
  await it.registerAll()
  expect(recorder.asked.map((asked) => asked.address)).toEqual([two.address])
})

test('a lost connection is followed by a registration within a second, not a period', async () => {
  const one = await namesrv()
  let lost = ''
  const client = new RemotingClient({
    onClosed: (address) => {
      lost = address
      it.connectionLost(address)
    },
  })
  const it = registration([one.address], { client })
  await it.start()
  await one.close()
  const again = await namesrv(one.port)
  await expect.poll(() => lost).toBe(one.address)
  clock.advance(1000)
  it.step()
  await expect.poll(() => topicsOf(again)).toEqual(['T', 'U'])
  await client.close()
})

test('the announced address: told, else as RocketMQ chooses, with the way it was found', () => {
  const at = (address: string, internal = false) => ({
    address,
    internal,
    netmask: '',
    family: 'IPv4' as const,
    mac: '',
    cidr: null,
  })
  expect(announcedAddress('host')).toEqual({ host: 'host', origin: 'brokerIP1' })
  expect(
    announcedAddress('', { lo: [at('127.0.0.1', true)], home: [at('192.168.1.2')], eth0: [at('10.1.1.1')] }),
  ).toEqual({ host: '10.1.1.1', origin: 'interface eth0' })
  expect(announcedAddress('', { home: [at('192.168.1.2')], home2: [at('192.168.1.3')] }).host).toBe('192.168.1.3')
  expect(announcedAddress('', { lo: [at('127.0.0.1', true)] })).toEqual({
    host: '127.0.0.1',
    origin: 'no interface but loopback',
  })
})

test('an address is tried: reachable, or why not', async () => {
  const [host, port] = (await silentServer()).split(':')
  expect(await tryAddress(host, Number(port))).toBeUndefined()
  const free = await namesrv()
  await free.close()
  expect(await tryAddress('127.0.0.1', free.port)).toMatch(/ECONNREFUSED/)
})

/** What brokers, clients and administrators of RocketMQ 5 ask for beyond 4.9, and its keys. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type NamesrvHandle, type NamesrvOptions, startNamesrv } from '../../src/namesrv/index.ts'
import type { RemotingCommand } from '../../src/remoting/command.ts'
import { decodeCommand } from '../../src/remoting/frame.ts'
import { RemotingServer } from '../../src/remoting/server.ts'
import { ArrayLog, FakeClock } from './helpers.ts'
import { jsonOf, Peer, textOf } from './peer.ts'

let namesrv: NamesrvHandle
let clock: FakeClock
let folder: string
const open: (() => Promise<unknown>)[] = []

async function start(config: NamesrvOptions['config'] = {}): Promise<Peer> {
  await namesrv?.close()
  namesrv = await startNamesrv({ port: 0, host: '127.0.0.1', log: new ArrayLog(), clock, config })
  return peer()
}
async function peer(): Promise<Peer> {
  const made = await Peer.to(namesrv.port)
  open.push(() => made.end())
  return made
}
beforeEach(async () => {
  clock = new FakeClock()
  folder = await mkdtemp(join(tmpdir(), 'basalt-namesrv-'))
})
afterEach(async () => {
  for (const close of open.splice(0)) await close()
  await namesrv.close()
  await rm(folder, { recursive: true })
})

/** A port that remembers the requests which came in. */
async function listener(): Promise<{ address: string; got: RemotingCommand[] }> {
  const got: RemotingCommand[] = []
  const server = new RemotingServer({
    host: '127.0.0.1',
    port: 0,
    clock,
    log: new ArrayLog(),
    handler: {
      opened() {},
      closed() {},
      frame(_, bytes, start, end) {
        got.push(decodeCommand(bytes, start, end))
        return 'taken'
      },
    },
  })
  const port = await server.listen()
  open.push(() => server.close())
  return { address: `127.0.0.1:${port}`, got }
}

const topicConfig = (topicName: string) =>
  [topicName, { topicName, perm: 6, readQueueNums: 4, writeQueueNums: 4 }] as const
function register(to: Peer, brokerId: number, brokerAddr: string, names = ['T', 'U'], counter = 1) {
  const ext = {
    brokerName: 'a',
    brokerAddr,
    clusterName: 'C',
    haServerAddr: `10.0.0.${brokerId}:10912`,
    brokerId: String(brokerId),
    enableActingMaster: 'true',
    heartbeatTimeoutMillis: '10000',
  }
  const topicConfigTable = Object.fromEntries(names.map(topicConfig))
  const wrapper = { dataVersion: { counter, timestamp: 1000, stateVersion: 0 }, topicConfigTable }
  return to.ask(103, ext, JSON.stringify({ topicConfigSerializeWrapper: wrapper }), 479)
}

test('a slave stands in for its master in routes, and is told so (905), where the keys say so', async () => {
  const client = await start({ supportActingMaster: true, notifyMinBrokerIdChanged: true })
  const [master, slave] = [await peer(), await peer()]
  const [atMaster, atSlave] = [await listener(), await listener()]
  await register(slave, 1, atSlave.address)
  await register(master, 0, atMaster.address)
  const route = async () => jsonOf(await client.ask(105, { topic: 'T' }, undefined, 479))
  expect(await route()).toMatchObject({
    brokerDatas: [{ brokerAddrs: { 0: atMaster.address, 1: atSlave.address }, enableActingMaster: true }],
    queueDatas: [{ perm: 6 }],
  })
  await master.end()
  await expect.poll(route).toMatchObject({
    brokerDatas: [{ brokerAddrs: { 0: atSlave.address } }],
    queueDatas: [{ perm: 4 }],
  })
  // Everybody else is told the truth: it is id 1.
  expect(jsonOf(await client.ask(901, { clusterName: 'C', brokerName: 'a' }))).toEqual({
    brokerMemberGroup: { brokerAddrs: { 1: atSlave.address }, brokerName: 'a', cluster: 'C' },
  })
  await expect.poll(() => atSlave.got.length).toBe(2)
  expect(atSlave.got.map(({ code, flag, ext }) => ({ code, flag, ...ext }))).toEqual([
    {
      code: 905,
      flag: 2,
      brokerName: 'a',
      minBrokerId: '0',
      minBrokerAddr: atMaster.address,
      haBrokerAddr: '10.0.0.0:10912',
    },
    {
      code: 905,
      flag: 2,
      brokerName: 'a',
      minBrokerId: '1',
      minBrokerAddr: atSlave.address,
      offlineBrokerAddr: atMaster.address,
    },
  ])
})

test('by default nobody stands in and nobody is told', async () => {
  const client = await start()
  const slave = await listener()
  await register(await peer(), 1, slave.address)
  const master = await peer()
  await register(master, 0, '10.0.0.1:10911')
  await master.end()
  const addresses = async () => jsonOf(await client.ask(105, { topic: 'T' }, undefined, 479))
  await expect.poll(addresses).toMatchObject({ brokerDatas: [{ brokerAddrs: { 1: slave.address } }] })
  expect(slave.got).toEqual([])
})

test('a broker that cannot be told costs nobody anything', async () => {
  const client = await start({ notifyMinBrokerIdChanged: true })
  const slave = await listener()
  await register(await peer(), 1, '127.0.0.1:1')
  await register(await peer(), 2, slave.address)
  await register(await peer(), 0, '10.0.0.1:10911')
  await expect.poll(() => slave.got.length).toBe(1)
  expect((await client.ask(106)).code).toBe(0)
})

test('routes are refused while brokers come back, where needWaitForService says so', async () => {
  const client = await start({ needWaitForService: true, waitSecondsForService: 45 })
  await register(await peer(), 0, '10.0.0.1:10911')
  expect(await client.ask(105, { topic: 'T' })).toMatchObject({ code: 1, remark: 'name server not ready' })
  expect((await client.ask(106)).code).toBe(0)
  clock.advance(45_000)
  expect((await client.ask(105, { topic: 'T' })).code).toBe(0)
})

test('a topic that is no longer registered leaves its route, where deleteTopicWithBrokerRegistration says so', async () => {
  const client = await start({ deleteTopicWithBrokerRegistration: true })
  const broker = await peer()
  await register(broker, 0, '10.0.0.1:10911', ['T', 'U', 'V'])
  await register(broker, 0, '10.0.0.1:10911', ['T', 'U'], 2)
  expect(jsonOf(await client.ask(206))).toEqual({ topicList: ['T', 'U'] })
})

test('a wiped permission outlives the NameServer, until it is added', async () => {
  const kvConfigPath = join(folder, 'kvConfig.json')
  const perm = async () => {
    await register(await peer(), 0, '10.0.0.1:10911')
    return namesrv.tables.topicQueueTable.get('T')?.get('a')?.perm
  }
  let admin = await start({ kvConfigPath })
  expect(await perm()).toBe(6)
  await admin.ask(205, { brokerName: 'a' })
  expect(JSON.parse(await readFile(kvConfigPath, 'utf8'))).toEqual({
    configTable: { BASALT_WIPED_BROKERS: { a: 'true' } },
  })
  admin = await start({ kvConfigPath })
  expect(await perm()).toBe(4)
  await admin.ask(327, { brokerName: 'a' })
  admin = await start({ kvConfigPath })
  expect(await perm()).toBe(6)
})

test('routes of several topics on several brokers: each topic names the brokers that have it, sorted by name', async () => {
  const client = await start()
  const at = async (brokerName: string, topics: string[], perm: number) => {
    const table = Object.fromEntries(topics.map((name) => [name, { ...topicConfig(name)[1], perm }]))
    const wrapper = { dataVersion: { counter: 1, timestamp: 1 }, topicConfigTable: table }
    const ext = { brokerName, brokerAddr: `${brokerName}:1`, clusterName: 'C', haServerAddr: 'h:2', brokerId: '0' }
    return (await peer()).ask(103, ext, JSON.stringify({ topicConfigSerializeWrapper: wrapper }))
  }
  await at('b', ['T', 'U'], 6)
  await at('a', ['T', 'V'], 2)
  await at('c', ['T', 'None'], 0)
  const route = async (topic: string) => {
    const text = textOf(await client.ask(105, { topic, acceptStandardJsonOnly: 'true' }, undefined, 121))
    const { brokerDatas, queueDatas } = JSON.parse(text)
    type Named = { brokerName: string; perm: number }
    return [brokerDatas.map((it: Named) => it.brokerName), queueDatas.map((it: Named) => `${it.brokerName}=${it.perm}`)]
  }
  expect(await route('T')).toEqual([
    ['a', 'b', 'c'],
    ['a=2', 'b=6', 'c=0'],
  ])
  expect(await route('U')).toEqual([['b'], ['b=6']])
  expect(await route('None')).toEqual([['c'], ['c=0']])
})

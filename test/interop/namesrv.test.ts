/**
 * Our NameServer under Apache's brokers, clients' questions and mqadmin; our registration with Apache's NameServers.
 * 4.9.7 and 5.3.3 of each.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type RegisteredTopicConfig, Registration } from '../../src/broker/registration/index.ts'
import { type NamesrvHandle, startNamesrv } from '../../src/namesrv/index.ts'
import { RemotingClient } from '../../src/remoting/client.ts'
import { request } from '../../src/remoting/command.ts'
import { type ApacheServer, startApacheBroker, startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { mqadmin } from '../../tools/apache/java.mjs'
import { apacheIsThere, CLIENTS, Scratch } from './support/systems.ts'

const there = apacheIsThere(...CLIENTS)
const client = new RemotingClient()
afterAll(() => client.close())

async function ask(address: string, code: number, ext: Record<string, string> = {}) {
  const answer = await client.invoke(address, request(code, ext), 5000)
  const text = Buffer.from(answer.body ?? []).toString()
  return { ...answer, json: text === '' ? undefined : JSON.parse(text.replace(/([{,])(\d+):/g, '$1"$2":')) }
}

describe.skipIf(!there).each(CLIENTS)('an Apache broker %s and our NameServers', (version) => {
  const scratch = new Scratch()
  const namesrvs: NamesrvHandle[] = []
  const lines: string[] = []
  let broker: ApacheServer

  beforeAll(async () => {
    const line = (message: string) => lines.push(message)
    const log = { info: line, warn: line, error: line }
    for (let n = 0; n < 2; n++) namesrvs.push(await startNamesrv({ port: 0, host: '127.0.0.1', log }))
    const namesrv = namesrvs.map((one) => one.address).join(';')
    const config = { registerNameServerPeriod: 10_000 }
    broker = await startApacheBroker({ version, folder: scratch.sub('broker'), namesrv, config })
  }, 60_000)
  afterAll(async () => {
    await broker?.kill()
    for (const one of namesrvs) await one.close()
    scratch.remove()
  })

  test('it registers with both, and both give the same route', async () => {
    await expect.poll(() => namesrvs.map((one) => one.tables.brokerAddrTable.size), { timeout: 20_000 }).toEqual([1, 1])
    const routes = await Promise.all(namesrvs.map((one) => ask(one.address, 105, { topic: 'TBW102' })))
    expect(routes[0].json.brokerDatas).toEqual([
      { brokerAddrs: { 0: broker.address }, brokerName: 'broker-a', cluster: 'DefaultCluster' },
    ])
    expect(Buffer.from(routes[0].body!).equals(routes[1].body!)).toBe(true)
  })

  test('mqadmin finds its cluster, makes a topic, takes and gives write permission, keeps KV, deletes', async () => {
    const n = ['-n', namesrvs[0].address]
    const commands = {
      clusterList: ['clusterList', ...n],
      updateTopic: ['updateTopic', ...n, '-b', broker.address, '-t', 'Made', '-r', '3', '-w', '2'],
      topicRoute: ['topicRoute', ...n, '-t', 'Made'],
      topicList: ['topicList', ...n],
      topicClusterList: ['topicClusterList', ...n, '-t', 'Made'],
      wipe: ['wipeWritePerm', ...n, '-b', 'broker-a'],
      wiped: ['topicRoute', ...n, '-t', 'Made'],
      more: ['updateTopic', ...n, '-b', broker.address, '-t', 'More', '-r', '1', '-w', '1'],
      stillWiped: ['topicRoute', ...n, '-t', 'More'],
      add: ['addWritePerm', ...n, '-b', 'broker-a'],
      added: ['topicRoute', ...n, '-t', 'Made'],
      updateKv: ['updateKvConfig', ...n, '-s', 'N', '-k', 'k', '-v', 'v'],
      deleteKv: ['deleteKvConfig', ...n, '-s', 'N', '-k', 'k'],
      order: ['updateOrderConf', ...n, '-m', 'put', '-t', 'Made', '-v', 'broker-a:3'],
      getOrder: ['updateOrderConf', ...n, '-m', 'get', '-t', 'Made'],
      getConfig: ['getNamesrvConfig', ...n],
      updateConfig: ['updateNamesrvConfig', ...n, '-k', 'orderMessageEnable', '-v', 'true'],
      ordered: ['topicRoute', ...n, '-t', 'Made'],
      deleteTopic: ['deleteTopic', ...n, '-c', 'DefaultCluster', '-t', 'Made'],
      deleted: ['topicRoute', ...n, '-t', 'Made'],
    }
    const outputs = await mqadmin({ version, folder: scratch.sub('admin'), commands: Object.values(commands) })
    const out = Object.fromEntries(Object.keys(commands).map((name, index) => [name, outputs[index]]))
    if (process.env.SHOW) console.log(out)
    expect(out.clusterList).toMatch(new RegExp(`DefaultCluster\\s+broker-a\\s+0\\s+${broker.address}`))
    expect(out.topicRoute).toMatch(/"readQueueNums":\s*3/)
    expect(out.topicRoute).toMatch(/"writeQueueNums":\s*2/)
    expect(out.topicList.split('\n').map((line) => line.trim())).toContain('Made')
    expect(out.topicClusterList).toContain('DefaultCluster')
    expect(out.wipe).toMatch(/wipe write perm of broker\[broker-a\].* OK/)
    expect([out.wiped, out.stillWiped]).toEqual([
      expect.stringMatching(/"perm":\s*4/),
      expect.stringMatching(/"perm":\s*4/),
    ])
    expect(out.add).toMatch(/add write perm of broker\[broker-a\].* OK/)
    expect(out.added).toMatch(/"perm":\s*6/)
    expect(out.updateKv).toMatch(/success/)
    expect(out.deleteKv).toMatch(/success/)
    expect(out.order).toMatch(/success/)
    expect(out.getOrder).toContain('broker-a:3')
    expect(out.getConfig).toMatch(/orderMessageEnable\s*=\s*false/)
    expect(out.updateConfig).toMatch(/success/)
    expect(out.ordered).toMatch(/"orderTopicConf":\s*"broker-a:3"/)
    expect(out.deleteTopic).toMatch(/success/)
    expect(out.deleted).toMatch(/No topic route info/)
  }, 60_000)

  test('killed, it leaves the tables at once; nothing that it sent was an error', async () => {
    await broker.kill()
    await expect.poll(() => namesrvs.map((one) => one.tables.brokerAddrTable.size), { timeout: 5000 }).toEqual([0, 0])
    expect(lines.filter((line) => /failed|not registered/.test(line))).toEqual([])
  })
})

describe.skipIf(!there).each(CLIENTS)('our registration and an Apache NameServer %s', (version) => {
  const scratch = new Scratch()
  const identity = {
    clusterName: 'C',
    brokerName: 'ours',
    brokerId: 0,
    brokerAddr: '127.0.0.1:10911',
    haServerAddr: '127.0.0.1:10912',
    brokerPermission: 6,
  }
  const topic = (topicName: string): RegisteredTopicConfig => ({
    topicName,
    readQueueNums: 4,
    writeQueueNums: 4,
    perm: 6,
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: 0,
    order: false,
  })
  const open: Registration[] = []
  let namesrv: ApacheServer

  beforeAll(async () => {
    namesrv = await startApacheNamesrv({ version, folder: scratch.sub('namesrv') })
  }, 60_000)
  afterEach(async () => {
    for (const one of open.splice(0)) await one.unregister()
  })
  afterAll(async () => {
    await namesrv?.kill()
    scratch.remove()
  })

  test.each([false, true])('whole table, one topic more, unregister (compressed: %s)', async (compressed) => {
    const table = { dataVersion: { timestamp: Date.now(), counter: 1 }, topics: [topic('T'), topic('U')] }
    const lines: string[] = []
    const line = (message: string) => lines.push(message)
    const registration = new Registration({
      namesrvAddresses: () => [namesrv.address],
      broker: () => identity,
      topics: () => table,
      client,
      clock: { now: () => Date.now() },
      log: { info: line, warn: line, error: line },
      force: false,
      compressed,
    })
    open.push(registration)
    expect([await registration.start(), lines]).toEqual([true, [`registered with NameServer ${namesrv.address}`]])
    expect((await ask(namesrv.address, 105, { topic: 'U' })).json.brokerDatas).toMatchObject([
      { brokerAddrs: { 0: '127.0.0.1:10911' }, brokerName: 'ours' },
    ])
    table.topics.push(topic('New'))
    table.dataVersion = { timestamp: Date.now(), counter: 2 }
    expect(await registration.registerTopic('New')).toBe(1)
    expect((await ask(namesrv.address, 206)).json.topicList.sort()).toEqual(expect.arrayContaining(['New', 'T', 'U']))
    await registration.unregister()
    await expect.poll(async () => (await ask(namesrv.address, 105, { topic: 'New' })).code).toBe(17)
  })

  test('a slave is told of the master', async () => {
    const answers: unknown[] = []
    const table = { dataVersion: { timestamp: Date.now(), counter: 1 }, topics: [topic('T'), topic('U')] }
    const common = {
      namesrvAddresses: () => [namesrv.address],
      topics: () => table,
      client,
      clock: { now: () => Date.now() },
    }
    const log = { info() {}, warn() {}, error() {} }
    const slave = { ...identity, brokerId: 1, brokerAddr: '127.0.0.1:20911', haServerAddr: '127.0.0.1:20912' }
    for (const broker of [identity, slave]) {
      const onAnswer = (answer: unknown) => answers.push(answer)
      const registration = new Registration({ ...common, log, broker: () => broker, onAnswer })
      open.push(registration)
      expect(await registration.start()).toBe(true)
    }
    expect(answers[1]).toMatchObject({ masterAddr: '127.0.0.1:10911', haServerAddr: '127.0.0.1:10912' })
  })
})

/**
 * A cluster of two brokers, Basalt's and Apache's, under three NameServers at once: two of ours, one of Apache's. All three say
 * the same, field by field, and Java clients do not notice when one is killed and another takes its place. 4.9.7 and 5.3.3.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NamesrvHandle, startNamesrv } from '../../src/namesrv/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { type ApacheServer, startApacheBroker, startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { mqadmin } from '../../tools/apache/java.mjs'
import { type Ask, type Said, Talk } from './support/namesrv-talk.ts'
import { differences, hashes, steadyClients } from './support/programs.ts'
import { APACHE_JAVA, APACHE_PATIENCE, apacheIsThere, CLIENTS, registerAgain, Scratch } from './support/systems.ts'

const there = apacheIsThere(...CLIENTS)
const SETTLED = { timeout: 20_000, interval: 100 }
const route = (topic: string): Ask => ({ code: 105, ext: { topic }, version: 409 })
/** Topics that every broker registers, of every part of the rules. */
const COMMON = [
  'TBW102',
  'DefaultCluster',
  'basalt',
  'apache',
  'BenchmarkTest',
  'SELF_TEST_TOPIC',
  'SCHEDULE_TOPIC_XXXX',
]
const CLUSTER: Ask = { code: 106 }

interface Route {
  brokerDatas: { brokerName: string }[]
  queueDatas: { brokerName: string; perm: number; readQueueNums: number; writeQueueNums: number }[]
}

describe.skipIf(!there).each(CLIENTS)('Basalt and Apache %s in one cluster', (version) => {
  const scratch = new Scratch()
  const ours: NamesrvHandle[] = []
  let talks: Talk[] = []
  let theirs: ApacheServer
  let apache: ApacheServer
  let basalt: TestBroker
  let list = ''
  const lines: string[] = []
  const line = (message: string) => lines.push(message)
  const log = { info: line, warn: line, error: line }

  beforeAll(async () => {
    for (let n = 0; n < 2; n += 1) ours.push(await startNamesrv({ port: 0, host: '127.0.0.1', log }))
    theirs = await startApacheNamesrv({ version, folder: scratch.sub('namesrv') })
    list = [...ours, theirs].map((one) => one.address).join(';')
    talks = [...ours, theirs].map((one) => new Talk(one.port))
    const config = { nameServerInside: 'never', namesrvAddr: list, brokerName: 'basalt' } as const
    basalt = await startTestBroker({ config })
    const folder = scratch.sub('broker')
    const period = { registerNameServerPeriod: 10_000, ...APACHE_PATIENCE }
    const common = { version, folder, name: 'apache', namesrv: list }
    apache = await startApacheBroker({ ...common, config: period, java: APACHE_JAVA })
    await registerAgain(apache.address)
  }, 90_000)
  afterAll(async () => {
    await Promise.all(talks.map((talk) => talk.end()))
    await apache?.kill()
    await basalt?.close()
    await theirs?.kill()
    for (const one of ours) await one.close()
    scratch.remove()
  })

  const askAll = (ask: Ask) => Promise.all(talks.map((talk) => talk.ask('client', ask)))
  /** Waits until all NameServers say the same and it is what is wanted; the answer. */
  async function agreed(ask: Ask, wanted: (said: Said) => boolean = ({ code }) => code === 0): Promise<Said> {
    await expect.poll(async () => (await askAll(ask)).map(wanted), SETTLED).toEqual(talks.map(() => true))
    const [first, ...others] = await askAll(ask)
    for (const other of others) expect(plain(other)).toEqual(plain(first))
    return first
  }
  const brokersOf = (said: Said) => (said.body as Route | undefined)?.brokerDatas.length ?? 0
  const admin = async (...commands: string[][]) => {
    const folder = scratch.sub('admin')
    return mqadmin({ version, folder, commands: commands.map(([name, ...rest]) => [name, '-n', list, ...rest]) })
  }

  test('both brokers are with all three, and what these say agrees field by field', async () => {
    await agreed(route('TBW102'), (said) => brokersOf(said) === 2)
    for (const topic of COMMON) await agreed(route(topic), (said) => brokersOf(said) > 0)
    const { body } = await agreed(CLUSTER)
    expect(body).toEqual({
      brokerAddrTable: {
        apache: { brokerAddrs: { 0: apache.address }, brokerName: 'apache', cluster: 'DefaultCluster' },
        basalt: { brokerAddrs: { 0: basalt.address }, brokerName: 'basalt', cluster: 'DefaultCluster' },
      },
      clusterAddrTable: { DefaultCluster: ['apache', 'basalt'] },
    })
    await agreed({ code: 206 })
    await agreed({ code: 224, ext: { cluster: 'DefaultCluster' } })
    await agreed({ code: 311 })
  })

  test('topics are made in cluster mode and in broker mode, lose and get their write permission, and go', async () => {
    const numbers = ['-r', '5', '-w', '3']
    await admin(
      ['updateTopic', '-c', 'DefaultCluster', '-t', 'OnBoth', ...numbers],
      ['updateTopic', '-b', basalt.address, '-t', 'OnOurs', ...numbers],
      ['updateTopic', '-b', apache.address, '-t', 'OnTheirs', ...numbers],
    )
    const share = (brokerName: string, perm = 6) => ({
      ...{ brokerName, perm, readQueueNums: 5, topicSysFlag: 0, writeQueueNums: 3 },
    })
    const queuesOf = async (topic: string, count: number) => {
      const said = await agreed(route(topic), (it) => brokersOf(it) === count)
      return (said.body as Route).queueDatas
    }
    expect(await queuesOf('OnBoth', 2)).toEqual([share('apache'), share('basalt')])
    expect(await queuesOf('OnOurs', 1)).toEqual([share('basalt')])
    expect(await queuesOf('OnTheirs', 1)).toEqual([share('apache')])

    await admin(['wipeWritePerm', '-b', 'basalt'])
    expect(await queuesOf('OnBoth', 2)).toEqual([share('apache'), share('basalt', 4)])
    await admin(['addWritePerm', '-b', 'basalt'], ['deleteTopic', '-c', 'DefaultCluster', '-t', 'OnOurs'])
    expect(await queuesOf('OnBoth', 2)).toEqual([share('apache'), share('basalt')])
    await agreed(route('OnOurs'), ({ code }) => code === 17)
  })

  test('mqadmin works with ours alone: lists, routes, KV, order and its own configuration, a wipe that stays', async () => {
    const n = ['-n', ours[1].address]
    const commands = {
      clusterList: ['clusterList', ...n],
      topicList: ['topicList', ...n],
      topicClusterList: ['topicClusterList', ...n, '-t', 'OnBoth'],
      updateKv: ['updateKvConfig', ...n, '-s', 'N', '-k', 'k', '-v', 'v'],
      deleteKv: ['deleteKvConfig', ...n, '-s', 'N', '-k', 'k'],
      order: ['updateOrderConf', ...n, '-m', 'put', '-t', 'OnTheirs', '-v', 'apache:3'],
      getOrder: ['updateOrderConf', ...n, '-m', 'get', '-t', 'OnTheirs'],
      getConfig: ['getNamesrvConfig', ...n],
      updateConfig: ['updateNamesrvConfig', ...n, '-k', 'orderMessageEnable', '-v', 'true'],
      ordered: ['topicRoute', ...n, '-t', 'OnTheirs'],
      wipe: ['wipeWritePerm', ...n, '-b', 'apache'],
      more: ['updateTopic', ...n, '-b', apache.address, '-t', 'More', '-r', '1', '-w', '1'],
      stillWiped: ['topicRoute', ...n, '-t', 'More'],
      add: ['addWritePerm', ...n, '-b', 'apache'],
    }
    const outputs = await mqadmin({ version, folder: scratch.sub('admin'), commands: Object.values(commands) })
    const out = Object.fromEntries(Object.keys(commands).map((name, index) => [name, outputs[index]]))
    if (process.env.SHOW) console.log(out)
    expect(out.clusterList).toMatch(new RegExp(`DefaultCluster\\s+apache\\s+0\\s+${apache.address}`))
    expect(out.clusterList).toMatch(new RegExp(`DefaultCluster\\s+basalt\\s+0\\s+${basalt.address}`))
    expect(out.topicList.split('\n').map((text) => text.trim())).toContain('OnBoth')
    expect(out.topicClusterList).toContain('DefaultCluster')
    expect([out.updateKv, out.deleteKv, out.order, out.updateConfig]).toEqual(
      new Array(4).fill(expect.stringMatching(/success/)),
    )
    expect(out.getOrder).toContain('apache:3')
    expect(out.getConfig).toMatch(/orderMessageEnable\s*=\s*false/)
    expect(out.ordered).toMatch(/"orderTopicConf":\s*"apache:3"/)
    expect(out.wipe).toMatch(/wipe write perm of broker\[apache\].* OK/)
    expect(out.stillWiped).toMatch(/"perm":\s*4/)
    expect(out.add).toMatch(/add write perm of broker\[apache\].* OK/)
  })

  test('one NameServer is killed, one is added: clients go on, and routes agree again', async () => {
    const clients = steadyClients(scratch, version, { namesrv: list, topic: 'OnBoth', group: `G${version[0]}` })
    await clients.program.until('READY')
    await clients.more(50, 'basalt')
    await clients.more(50, 'apache')

    const killed = ours[0]
    await talks[0].end()
    await killed.close()
    // Whoever starts now meets a dead address in its list.
    const late = steadyClients(scratch, version, {
      namesrv: list,
      topic: 'OnBoth',
      group: `Late${version[0]}`,
      seed: 2,
    })
    await late.program.until('READY')
    await late.more(50)
    await clients.more(300)

    // A new one at a new place, of which only our broker is told, and one in the killed one's place, which both find again.
    const added = await startNamesrv({ port: 0, host: '127.0.0.1', log })
    basalt.handle.config.namesrvAddr = `${list};${added.address}`
    const again = await startNamesrv({ port: killed.port, host: '127.0.0.1', log })
    ours.splice(0, 1, again, added)
    talks[0] = new Talk(again.port)
    await agreed(route('OnBoth'), (said) => brokersOf(said) === 2)
    await expect.poll(() => [...added.tables.brokerAddrTable.keys()], SETTLED).toEqual(['basalt'])
    await agreed(CLUSTER)
    await clients.more(100)
    await Promise.all([clients.stop(), late.stop()])

    expect([...clients.failed(), ...late.failed()]).toEqual([])
    const sent = [...clients.acknowledged(), ...late.acknowledged()]
    for (const each of [clients, late]) {
      expect(differences(hashes(sent), hashes(each.received())).filter((line) => !line.includes('never sent'))).toEqual(
        [],
      )
    }
  })

  test('a broker that stops, or is killed, leaves all of them at once; nothing that they sent was an error', async () => {
    await basalt.close()
    await agreed(route('basalt'), ({ code }) => code === 17)
    await apache.kill()
    expect(lines.filter((text) => /failed|not registered/.test(text))).toEqual([])
    await agreed(CLUSTER, (said) => JSON.stringify(said.body) === '{"brokerAddrTable":{},"clusterAddrTable":{}}')
  })
})

/** 5.x has another address for its FAQ. */
function plain({ code, remark, ext, body }: Said) {
  return { code, ext, body, remark: remark?.split('\n')[0] }
}

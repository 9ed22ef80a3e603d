/** Our registration, alone, with Apache's NameServers 4.9.7 and 5.3.3. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type RegisteredTopicConfig, Registration } from '../../src/broker/registration/index.ts'
import { RemotingClient } from '../../src/remoting/client.ts'
import { request } from '../../src/remoting/command.ts'
import { type ApacheServer, startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { apacheIsThere, CLIENTS, Scratch } from './support/systems.ts'

const there = apacheIsThere(...CLIENTS)
const client = new RemotingClient()
afterAll(() => client.close())

async function ask(address: string, code: number, ext: Record<string, string> = {}) {
  const answer = await client.invoke(address, request(code, ext), 5000)
  const text = Buffer.from(answer.body ?? []).toString()
  return { ...answer, json: text === '' ? undefined : JSON.parse(text.replace(/([{,])(\d+):/g, '$1"$2":')) }
}

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
      settings: { forceRegister: false, compressedRegister: compressed },
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

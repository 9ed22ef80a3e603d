/**
 * 5.3.3's acting master: a master and a slave of Apache's, registered with Apache's NameServer and ours at once. What the two say
 * is compared while both run, when the master is killed, and when it is back.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NamesrvHandle, startNamesrv } from '../../src/namesrv/index.ts'
import { type ApacheServer, startApacheBroker, startApacheNamesrv } from '../../tools/apache/apache.mjs'
import { type Ask, type Said, Talk } from './support/namesrv-talk.ts'
import { APACHE_JAVA, apacheIsThere, Scratch } from './support/systems.ts'

const VERSION = '5.3.3'
const SETTLED = { timeout: 30_000, interval: 200 }
const KEYS = { supportActingMaster: true, notifyMinBrokerIdChanged: true }
const ROUTE: Ask = { code: 105, ext: { topic: 'BenchmarkTest' }, version: 479 }

interface Route {
  brokerDatas: { brokerAddrs: Record<string, string> }[]
  queueDatas: { perm: number }[]
}

describe.skipIf(!apacheIsThere(VERSION))(`acting masters of ${VERSION}`, () => {
  const scratch = new Scratch()
  const lines: string[] = []
  let ours: NamesrvHandle
  let theirs: ApacheServer
  let master: ApacheServer
  let slave: ApacheServer
  let talks: Talk[] = []

  const broker = (brokerId: number, folder: string, port?: number) =>
    startApacheBroker({
      version: VERSION,
      folder,
      ...(port === undefined ? {} : { port }),
      namesrv: `${ours.address};${theirs.address}`,
      java: APACHE_JAVA,
      config: {
        brokerId,
        brokerRole: brokerId === 0 ? 'ASYNC_MASTER' : 'SLAVE',
        enableSlaveActingMaster: true,
        registerNameServerPeriod: 10_000,
      },
    })

  beforeAll(async () => {
    const line = (message: string) => lines.push(message)
    const log = { info: line, warn: line, error: line }
    ours = await startNamesrv({ port: 0, host: '127.0.0.1', config: KEYS, log })
    theirs = await startApacheNamesrv({ version: VERSION, folder: scratch.sub('namesrv'), config: KEYS })
    talks = [new Talk(ours.port), new Talk(theirs.port)]
    master = await broker(0, scratch.sub('master'))
    slave = await broker(1, scratch.sub('slave'))
  }, 90_000)
  afterAll(async () => {
    await Promise.all(talks.map((talk) => talk.end()))
    await slave?.kill()
    await master?.kill()
    await theirs?.kill()
    await ours?.close()
    scratch.remove()
  })

  /** Both say the same, and it is this. */
  async function agreed(addresses: Record<string, string>, perm: number): Promise<void> {
    const shown = async () => {
      const said = await Promise.all(talks.map((talk) => talk.ask('client', ROUTE)))
      return said.map(({ body }) => {
        const { brokerDatas = [], queueDatas = [] } = (body ?? {}) as Partial<Route>
        return [brokerDatas[0]?.brokerAddrs, queueDatas[0]?.perm]
      })
    }
    await expect.poll(shown, SETTLED).toEqual([
      [addresses, perm],
      [addresses, perm],
    ])
    const [mine, other] = await Promise.all(talks.map((talk) => talk.ask('client', ROUTE)))
    expect(mine).toEqual(other)
    const group: Ask = { code: 901, ext: { clusterName: 'DefaultCluster', brokerName: 'broker-a' } }
    const members = await Promise.all(talks.map((talk) => talk.ask('client', group)))
    expect(members.map(({ body }: Said) => body)).toEqual([members[1].body, members[1].body])
  }

  test('the slave stands in for a master that was killed, is told so, and steps back', async () => {
    await agreed({ 0: master.address, 1: slave.address }, 6)
    await master.kill()
    await agreed({ 0: slave.address }, 4)
    expect(lines).toContain(`broker broker-a: the smallest id is 1 now (${slave.address})`)
    master = await broker(0, scratch.sub('again'), master.port)
    await agreed({ 0: master.address, 1: slave.address }, 6)
    expect(lines.filter((line) => /was not told|failed/.test(line))).toEqual([])
  })
})

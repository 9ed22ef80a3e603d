/**
 * A cluster of two Basalt brokers and Java clients: topics of the cluster and of one broker, permissions, and taking a broker
 * out of service without anybody noticing (docs/operations.md); and NameServers that are all gone.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NamesrvHandle, startNamesrv } from '../../src/namesrv/index.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { mqadmin } from '../../tools/apache/java.mjs'
import { TestClient } from '../support/client.ts'
import { Talk } from './support/namesrv-talk.ts'
import { differences, hashes, producer, steadyClients } from './support/programs.ts'
import { apacheIsThere, CLIENTS, Scratch } from './support/systems.ts'

const SOON = { timeout: 15_000, interval: 50 }
const NO_PERMISSION = 16

interface Queues {
  brokerName: string
  perm: number
  readQueueNums: number
  writeQueueNums: number
}

describe.skipIf(!apacheIsThere(...CLIENTS)).each(CLIENTS)('two brokers and clients %s', (version) => {
  const scratch = new Scratch()
  let namesrv: NamesrvHandle
  let talk: Talk
  const brokers: TestBroker[] = []

  beforeAll(async () => {
    namesrv = await startNamesrv({ port: 0, host: '127.0.0.1' })
    talk = new Talk(namesrv.port)
    for (const brokerName of ['a', 'b']) {
      const config = { nameServerInside: 'never', namesrvAddr: namesrv.address, brokerName } as const
      brokers.push(await startTestBroker({ config }))
    }
  })
  afterAll(async () => {
    await talk.end()
    for (const broker of brokers) await broker.close()
    await namesrv.close()
    scratch.remove()
  })

  /** What does not depend on the client's version. */
  const onceOnly = test.runIf(version === CLIENTS[0])
  const admin = (...commands: string[][]) =>
    mqadmin({
      version,
      folder: scratch.sub('admin'),
      commands: commands.map(([name, ...rest]) => [name, '-n', namesrv.address, ...rest]),
    })
  const permit = async (broker: TestBroker, permission: number) => {
    const update = ['updateBrokerConfig', '-b', broker.address, '-k', 'brokerPermission', '-v', String(permission)]
    expect(await admin(update)).toEqual([expect.stringContaining('update broker config success')])
  }
  const queuesOf = async (topic: string): Promise<Queues[]> => {
    const { body } = await talk.ask('client', { code: 105, ext: { topic }, version: 409 })
    return (body as { queueDatas: Queues[] } | undefined)?.queueDatas ?? []
  }
  const queues = (brokerName: string, count: number, perm = 6) => ({
    ...{ brokerName, perm, readQueueNums: count, topicSysFlag: 0, writeQueueNums: count },
  })

  test('updateTopic -c makes the same queues on every master, -b on one', async () => {
    await admin(
      ['updateTopic', '-c', 'DefaultCluster', '-t', 'Cluster', '-r', '3', '-w', '3'],
      ['updateTopic', '-b', brokers[1].address, '-t', 'OnlyB', '-r', '5', '-w', '5'],
      ['updateTopic', '-c', 'DefaultCluster', '-t', 'Drain', '-r', '4', '-w', '4'],
    )
    await expect.poll(() => queuesOf('Cluster'), SOON).toEqual([queues('a', 3), queues('b', 3)])
    await expect.poll(() => queuesOf('OnlyB'), SOON).toEqual([queues('b', 5)])
  })

  onceOnly('a topic that a send creates has four queues on the broker that took it, and is on no other', async () => {
    const sending = producer(scratch, version, { namesrv: namesrv.address, topic: 'Auto', count: 1 })
    const { acknowledged, tries } = await sending.done()
    expect([acknowledged.length, tries]).toEqual([1, []])
    await expect.poll(async () => (await queuesOf('Auto')).length, SOON).toBe(1)
    const [{ brokerName }] = await queuesOf('Auto')
    expect(await queuesOf('Auto')).toEqual([queues(brokerName, 4)])
  })

  test('without any NameServer known routes go on working, and brokers come back to one that returns', async () => {
    const clients = steadyClients(scratch, version, { namesrv: namesrv.address, topic: 'Cluster', group: 'Lost' })
    await clients.more(10, 'a')
    await clients.more(10, 'b')
    const { port } = namesrv
    await talk.end()
    await namesrv.close()
    // Several looks for routes fail meanwhile.
    for (let n = 0; n < 6; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 500))
      await clients.more(10, 'ab'[n % 2])
    }
    namesrv = await startNamesrv({ port, host: '127.0.0.1' })
    await expect.poll(() => queuesOf('Cluster'), SOON).toEqual([queues('a', 3), queues('b', 3)])
    await clients.more(20)
    await clients.stop()
    expect(clients.failed()).toEqual([])
    expect(differences(hashes(clients.acknowledged()), hashes(clients.received()))).toEqual([])
  })

  test('disable permission, clients go to the other broker, no traffic, stop: nobody notices', async () => {
    const [a] = brokers
    const clients = steadyClients(scratch, version, { namesrv: namesrv.address, topic: 'Drain', group: 'Drain' })
    await clients.more(30, 'a')
    await clients.more(30, 'b')
    await expect.poll(clients.pullsFrom, SOON).toBe('a,b')

    // 1. No more writes. Who has an old route is refused, and its client tries the other broker by itself.
    await permit(a, 4)
    const raw = new TestClient(a.address)
    expect((await raw.send('Drain', 'late')).code).toBe(NO_PERMISSION)
    await expect.poll(() => queuesOf('Drain'), SOON).toEqual([queues('a', 4, 4), queues('b', 4)])
    await clients.more(100, 'b')
    const last = clients.acknowledged().findLastIndex(({ broker }) => broker === 'a')
    await clients.more(100)
    expect(clients.acknowledged().findLastIndex(({ broker }) => broker === 'a')).toBe(last)

    // 2. What it holds is consumed.
    await a.drained('DrainConsumer', 20_000)
    expect(a.handle.lag('DrainConsumer')).toBe(0)

    // 3. No more reads: consumers leave its queues.
    await permit(a, 0)
    expect((await raw.pull('Drain', 0, 0)).code).toBe(NO_PERMISSION)
    expect((await raw.send('Drain', 'late')).code).toBe(NO_PERMISSION)
    await expect.poll(clients.pullsFrom, SOON).toBe('b')
    await raw.close()

    // 4. Nobody is there any more: stop it.
    const seen = clients.received().length
    await a.close()
    expect((await queuesOf('Drain')).map(({ brokerName }) => brokerName)).toEqual(['b'])
    await clients.more(100, 'b')
    await clients.stop()
    expect(clients.failed()).toEqual([])
    expect(clients.received().length).toBeGreaterThan(seen)
    expect(differences(hashes(clients.acknowledged()), hashes(clients.received()))).toEqual([])
  })

  onceOnly(
    'a wiped permission sends producers elsewhere until it is added, whatever its broker registers meanwhile',
    async () => {
      const [, b] = brokers
      const config = { nameServerInside: 'never', namesrvAddr: namesrv.address, brokerName: 'c' } as const
      const c = await startTestBroker({ config })
      brokers.push(c)
      await admin(
        ['updateTopic', '-c', 'DefaultCluster', '-t', 'Wiped', '-r', '2', '-w', '2'],
        ['wipeWritePerm', '-b', 'b'],
      )
      await expect.poll(() => queuesOf('Wiped'), SOON).toEqual([queues('b', 2, 4), queues('c', 2)])
      const clients = steadyClients(scratch, version, { namesrv: namesrv.address, topic: 'Wiped', group: 'Wiped' })
      await clients.more(50, 'c')
      b.advance('31s')
      await admin(['updateTopic', '-b', b.address, '-t', 'Another', '-r', '2', '-w', '2'])
      await clients.more(50, 'c')
      expect(clients.acknowledged().filter(({ broker }) => broker === 'b')).toEqual([])
      await admin(['addWritePerm', '-b', 'b'])
      await clients.more(20, 'b')
      await clients.stop()
      expect(clients.failed()).toEqual([])
    },
  )
})

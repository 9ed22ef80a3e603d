/**
 * Master and slave of two makes, both ways: the logs are the same bytes up to the shorter, also when either dies by kill -9 under
 * load; what a SYNC_MASTER has confirmed is on the slave; consumers read from the slave.
 */
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { BrokerConfig } from '../../src/config/index.ts'
import { startApacheBroker } from '../../tools/apache/apache.mjs'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import {
  end,
  haAddress,
  logBytes,
  logStart,
  runtime,
  sendMany,
  startMaster,
  startSlave,
  TINY,
  until,
} from '../ha/support.ts'
import { TestClient } from '../support/client.ts'
import { apacheIsThere, KIND, ORACLE, Scratch } from './support/systems.ts'

const OK = 0
const SLAVE_NOT_AVAILABLE = 11
const SIZE = TINY.mappedFileSizeCommitLog!
const RUNTIME_INFO = 28
const APACHE_MS = 60_000
const JAVA = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

const scratch = new Scratch()
afterAll(() => scratch.remove())

interface ApacheOptions {
  namesrv: string
  role: string
  id?: number
  version?: string
  store?: string
  port?: number
  config?: Record<string, string | number | boolean>
}

async function apache({ namesrv, role, id = 0, version = ORACLE, store, port, config }: ApacheOptions) {
  const folder = scratch.sub(`apache-${role}`)
  const broker = await startApacheBroker({
    ...{
      version,
      folder,
      namesrv,
      java: JAVA,
      store: store ?? join(folder, 'store'),
      port: port ?? (await freeBrokerPort()),
    },
    // On a busy machine it would refuse what waited for 200 ms.
    config: {
      ...(TINY as Record<string, number>),
      ...{ brokerRole: role, brokerId: id, waitTimeMillsInSendQueue: 60_000 },
      ...config,
    },
  })
  const client = new TestClient(broker.address)
  onTestFinished(async () => {
    await client.close()
    await broker.kill()
  })
  /** -1 while its runtime table fails: a Java broker answers 28 with an error until all its counters are there. */
  const logEnd = async () => {
    const { body } = await client.invoke(RUNTIME_INFO)
    if (body === undefined) return -1
    return Number(
      (JSON.parse(Buffer.from(body).toString()) as { table: Record<string, string> }).table.commitLogMaxOffset,
    )
  }
  return { broker, client, logEnd }
}

/** What stands where the logs of both overlap. */
function overlap(one: string, other: string, to: number) {
  const from = Math.max(logStart(one), logStart(other))
  return { from, equal: logBytes(one, from, to).equals(logBytes(other, from, to)), bytes: to - from }
}

/** All of them with BASALT_CAMPAIGN=long. */
const MODES = [
  { brokerRole: 'SYNC_MASTER', flushDiskType: 'SYNC_FLUSH' } as const,
  ...(process.env.BASALT_CAMPAIGN === 'long'
    ? ([
        { brokerRole: 'SYNC_MASTER', flushDiskType: 'ASYNC_FLUSH' },
        { brokerRole: 'ASYNC_MASTER', flushDiskType: 'SYNC_FLUSH' },
        { brokerRole: 'ASYNC_MASTER', flushDiskType: 'ASYNC_FLUSH' },
      ] as const)
    : []),
]

const OURS: Partial<BrokerConfig> = { brokerName: 'broker-a', brokerIP1: '127.0.0.1' }

describe.skipIf(KIND !== 'basalt' || !apacheIsThere(ORACLE, '5.3.3'))('replication with RocketMQ', () => {
  test.each(MODES)(
    'a slave of 4.9.7 behind our master ($brokerRole, $flushDiskType), killed under load',
    async (mode) => {
      // Its slave asks for topics at the port minus 2.
      const listenPort = await freeBrokerPort()
      const master = await startMaster({ ...OURS, ...mode, listenPort, flushIntervalCommitLog: 20 })
      await sendMany(master, 200)
      const { namesrv } = master.broker
      const before = end(master)
      const slave = await apache({ namesrv, role: 'SLAVE', id: 1 })
      await until(async () => (await slave.logEnd()) === before, APACHE_MS)
      // An empty slave of RocketMQ's gets the last file.
      expect(logStart(slave.broker.store)).toBe(before - (before % SIZE))
      const isSync = mode.brokerRole === 'SYNC_MASTER'
      if (isSync) await until(async () => (await master.client.send('T', 'x')).code === OK)
      expect(new Set(await sendMany(master, 300))).toEqual(new Set([OK]))
      await until(async () => (await slave.logEnd()) === end(master))
      const load = sendMany(master, 1000)
      await new Promise((resolve) => setTimeout(resolve, 50))
      await slave.broker.kill()
      const codes = await load
      expect(codes.every((code) => code === OK || (isSync && code >= SLAVE_NOT_AVAILABLE))).toBe(true)
      const { store, port } = slave.broker
      const again = await apache({ namesrv, role: 'SLAVE', id: 1, store, port })
      await until(async () => (await again.logEnd()) === end(master), APACHE_MS)
      if (isSync) await until(async () => (await master.client.send('T', 'x')).code === OK)
      expect(await runtime(master)).toMatchObject({ basalt_stored_on: '2 of 2' })
      await until(async () => (await again.logEnd()) === end(master))
      const found = overlap(master.broker.folder, store, end(master))
      expect(found).toMatchObject({ equal: true })
      expect(found.bytes).toBeGreaterThan(10 * SIZE)
      await until(async () => (await again.client.pull('T', 0, 0)).code !== 17, 20_000)
      const min = Number((await again.client.invoke(31, { topic: 'T', queueId: '0' })).ext?.offset)
      const [here, there] = [await master.client.drain('T', 0, min), await again.client.drain('T', 0, min)]
      expect(there.map(({ physicalOffset }) => physicalOffset)).toEqual(
        here.map(({ physicalOffset }) => physicalOffset),
      )
    },
  )

  test.each<{ version: string; config: Record<string, number> }>([
    { version: ORACLE, config: {} },
    { version: '5.3.3', config: { inSyncReplicas: 2, totalReplicas: 2 } },
  ])('our slave behind a SYNC_MASTER of $version, both killed or stopped under load', async ({ version, config }) => {
    const names = await startMaster({ ...OURS, brokerName: 'names-only' })
    const { namesrv } = names.broker
    const role = 'SYNC_MASTER'
    const first = await apache({ namesrv, role, version, config })
    const { store, port } = first.broker
    const asNode = (client: TestClient) => ({ ...names, client })
    // Its slave is not there yet: 4.9.7 says 11, 5.3.3 waits and says 12.
    const wait = { ...names, client: first.client }
    await first.client.send('T', 'creates the topic', { properties: { WAIT: 'false' } })
    await sendUnwaited(first.client, 200)
    const slave = await startSlave(names, OURS)
    await until(async () => (await first.client.send('T', 'x')).code === OK, APACHE_MS)
    expect(logStart(slave.broker.folder)).toBeGreaterThan(0)
    expect(new Set(await sendMany(wait, 300))).toEqual(new Set([OK]))
    await until(async () => end(slave) === (await first.logEnd()))
    // Its tables are here within 10 s; then its messages can be read here.
    await until(async () => (await slave.client.pull('T', 1, 0)).code !== 17, 15_000)
    const min = Number((await slave.client.invoke(31, { topic: 'T', queueId: '1' })).ext?.offset)
    const [here, there] = [await slave.client.drain('T', 1, min), await first.client.drain('T', 1, min)]
    expect(here.map(({ physicalOffset }) => physicalOffset)).toEqual(there.map(({ physicalOffset }) => physicalOffset))
    expect(here.length).toBeGreaterThan(50)
    // The master dies; its slave still serves, and follows again.
    const load = sendMany(asNode(first.client), 2000).catch(() => [])
    await new Promise((resolve) => setTimeout(resolve, 100))
    await first.broker.kill()
    await load
    expect((await slave.client.pull('T', 1, min)).code).toBe(OK)
    const second = await apache({ namesrv, role, version, config, store, port })
    await until(async () => (await second.client.send('T', 'x')).code === OK, APACHE_MS)
    expect(new Set(await sendMany(asNode(second.client), 100))).toEqual(new Set([OK]))
    await until(async () => end(slave) === (await second.logEnd()))
    const to = end(slave)
    const { folder } = slave.broker
    await slave.close()
    const found = overlap(folder, store, to)
    expect(found).toMatchObject({ equal: true })
    expect(found.bytes).toBeGreaterThan(3 * SIZE)
    // It was stopped, and follows again.
    await second.client.send('T', 'meanwhile', { properties: { WAIT: 'false' } })
    const again = await startSlave(names, OURS, folder)
    await until(async () => end(again) === (await second.logEnd()), APACHE_MS)
    expect(overlap(folder, store, end(again))).toMatchObject({ equal: true })
    expect(again.lines.of('error')).toEqual([])
    expect(haAddress(again)).not.toBe('')
  })
})

async function sendUnwaited(client: TestClient, count: number): Promise<void> {
  const sends = Array.from({ length: count }, (_, i) =>
    client.send('T', Buffer.alloc(2000, `early ${i} `), { queueId: i % 4, properties: { WAIT: 'false' } }),
  )
  for (const { code } of await Promise.all(sends)) expect(code).toBe(OK)
}

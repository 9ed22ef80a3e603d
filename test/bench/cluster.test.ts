/** A master and a slave as processes: they are in sync when they are given, die, come back, and leave nothing. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Cluster } from '../../src/bench/cluster.ts'
import { until } from '../../src/bench/server-process.ts'
import { scratchFolder } from '../store/scratch.ts'

const SMALL = {
  mappedFileSizeCommitLog: 1 << 20,
  maxMessageSize: 64 << 10,
  mappedFileSizeConsumeQueue: 20 * 500,
  maxHashSlotNum: 1000,
  maxIndexNum: 4000,
}
const SLAVE_NOT_AVAILABLE = 11

const isAlive = (pid: number) => existsSync(`/proc/${pid}`)

async function startCluster(options: Partial<Parameters<typeof Cluster.start>[0]>): Promise<Cluster> {
  const cluster = await Cluster.start({
    folder: join(scratchFolder(), 'cluster'),
    mode: { flush: 'SYNC_FLUSH', replication: 'SYNC_MASTER' },
    ...options,
    config: { ...SMALL, ...options.config },
  })
  onTestFinished(() => cluster.close())
  return cluster
}

test('a sync pair is in sync when it is given; the slave dies and comes back; close() leaves no process and no file', async () => {
  const cluster = await startCluster({ masterConfig: { slaveTimeout: 300 } })
  const { master, slave } = cluster
  expect(await master.runtime()).toMatchObject({ basalt_stored_on: '2 of 2', basalt_unreplicated_bytes: '0' })
  expect(await master.send('T', 'one')).toBe(0)
  await slave!.kill()
  await until(async () => (await master.send('T', 'alone')) === SLAVE_NOT_AVAILABLE, 10_000)
  const end = await master.logEnd()
  await slave!.start()
  await cluster.waitInSync()
  expect(await slave!.logEnd()).toBeGreaterThan(end)
  expect(await slave!.logEnd()).toBe(await master.logEnd())

  await master.kill()
  expect(master.isRunning).toBe(false)
  await master.start()
  await cluster.waitInSync()
  expect(await master.logEnd()).toBeGreaterThan(end)

  const pids = cluster.nodes.map((node) => node.process.pid)
  expect(pids.every(isAlive)).toBe(true)
  await cluster.close()
  expect(pids.some(isAlive)).toBe(false)
  expect(existsSync(cluster.folder)).toBe(false)
})

test('with a NameServer the slave gets the tables of the master; its disk can be lost', async () => {
  const cluster = await startCluster({
    mode: { flush: 'ASYNC_FLUSH', replication: 'ASYNC_MASTER' },
    namesrv: true,
  })
  const { master, slave } = cluster
  expect(await master.send('Told', 'one')).toBe(0)
  await cluster.waitInSync()
  await until(() => existsSync(join(slave!.store, 'config', 'topics.json')), 20_000)
  await slave!.stop()
  slave!.eraseStore()
  expect(existsSync(slave!.store)).toBe(false)
  await slave!.start()
  await cluster.waitInSync()
  expect(readdirSync(join(slave!.store, 'commitlog')).length).toBeGreaterThan(0)
})

test('a group elects its master and its logs are equal when it is given; another leads when that dies, and it comes back', async () => {
  const cluster = await startCluster({
    mode: { flush: 'ASYNC_FLUSH', replication: 'DLEDGER' },
    config: { dLedgerFastElection: true },
  })
  const { master: first, nodes } = cluster
  expect(nodes).toHaveLength(3)
  expect(cluster.readyMs).toBeGreaterThan(0)
  expect(cluster.slaves).toEqual(nodes.filter((node) => node !== first))
  expect(await first.send('T', 'one')).toBe(0)
  expect(await cluster.slaves[0].send('T', 'no')).not.toBe(0)
  await cluster.waitForTopic('T')
  const end = await first.logEnd()
  await first.kill()
  const second = await cluster.findLeader()
  expect(second).not.toBe(first)
  expect(cluster.master).toBe(second)
  expect(await second.send('T', 'two')).toBe(0)
  await first.start()
  await cluster.waitInSync()
  const ends = await Promise.all(nodes.map((node) => node.logEnd()))
  expect(new Set(ends).size).toBe(1)
  expect(ends[0]).toBeGreaterThan(end)
  await cluster.close()
  expect(existsSync(cluster.folder)).toBe(false)
})

test('a master alone has no slave; a key that is wrong is said with what the broker said', async () => {
  const cluster = await startCluster({ mode: { flush: 'ASYNC_FLUSH', replication: 'none' } })
  expect(cluster.slave).toBeUndefined()
  expect(await cluster.master.send('T', 'one')).toBe(0)
  await expect(
    startCluster({ mode: { flush: 'ASYNC_FLUSH', replication: 'none' }, config: { flushDiskType: 'NEVER' } }),
  ).rejects.toThrow(/ended with status 2:[\s\S]*flushDiskType/)
})

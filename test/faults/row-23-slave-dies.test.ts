/**
 * Row 23: slave, then master, die by kill -9 under load. Whatever SYNC_MASTER confirmed is on the slave, and the logs are the same
 * bytes up to the shorter.
 */
import { expect, onTestFinished, test } from 'vitest'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { NumberedLoad, numbersOn } from '../ha/numbered-load.ts'
import { end, logBytes, logStart, sendMany, startMaster, startSlave, until } from '../ha/support.ts'
import { scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { startBrokerProcess, TINY } from './support/broker-process.ts'
import { ReadOnlyDisk } from './support/read-only.ts'
import { positionsIn, verifyStore } from './support/verify-store.ts'

const OK = 0
const SLAVE_NOT_AVAILABLE = 11
const FLUSH_SLAVE_TIMEOUT = 12
const SIZE = TINY.mappedFileSizeCommitLog
const QUEUES = 4
const LIST_MAX = 1000

test('a sync pair: the slave dies and comes back, then the master dies; nothing confirmed is missing on the slave', async () => {
  const folders = { master: scratchFolder(), slave: scratchFolder() }
  const [port, haListenPort] = [await freeBrokerPort(), await freeBrokerPort()]
  const common = { slaveTimeout: 500, nameServerInsidePort: 0 }
  const masterOf = () =>
    startBrokerProcess({
      folder: folders.master,
      config: { ...common, brokerName: 'pair', brokerRole: 'SYNC_MASTER', listenPort: port, haListenPort },
    })
  const master = await masterOf()
  onTestFinished(() => void master.kill())
  const slaveOf = () =>
    startBrokerProcess({
      folder: folders.slave,
      config: {
        ...common,
        ...{
          brokerName: 'pair',
          brokerRole: 'SLAVE',
          brokerId: 1,
          nameServerInside: 'never',
          namesrvAddr: master.namesrv,
        },
      },
    })
  let slave = await slaveOf()
  onTestFinished(() => void slave.kill())
  const client = new TestClient(master.address)
  onTestFinished(() => client.close())
  await until(async () => (await client.send('Kill', 'n0 ')).code === OK)
  const load = new NumberedLoad({ address: master.address, topic: 'Kill', queues: QUEUES })
  for (let round = 0; round < 2; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 700))
    await slave.kill()
    slave = await slaveOf()
    await load.more(200, 20_000)
  }
  await until(async () => (await numbersOn(slave.address, 'Kill', QUEUES)).size > 0, 20_000)
  await master.kill()
  await load.stop()
  expect(load.confirmed.length).toBeGreaterThan(500)
  const found = await numbersOn(slave.address, 'Kill', QUEUES)
  expect(load.confirmed.filter((number) => !found.has(number)).slice(0, LIST_MAX)).toEqual([])
  await slave.stop()
  expect(verifyStore(folders.slave, TINY)).toEqual([])
  // What the master had not sent, it finds again by itself.
  const again = await masterOf()
  onTestFinished(() => void again.kill())
  await again.stop()
  const [here, there] = [positionsIn(folders.slave)!.appended, positionsIn(folders.master)!.appended]
  expect(here).toBeLessThanOrEqual(there)
  expect(here).toBeGreaterThan(2 * SIZE)
  const from = logStart(folders.slave, SIZE)
  expect(logBytes(folders.slave, from, here, SIZE).equals(logBytes(folders.master, from, here, SIZE))).toBe(true)
})

test('a slave whose disk is full costs its timeout once; it goes on by itself when there is room', async () => {
  const master = await startMaster({ slaveTimeout: 300 })
  const slave = await startSlave(master)
  await until(async () => (await master.client.send('T', 'x')).code === OK)
  slave.broker.faults.set('diskFull', 1)
  // Past the segments that are there already.
  const codes = await sendMany(master, 600)
  expect(codes).toContain(SLAVE_NOT_AVAILABLE)
  expect(codes.filter((code) => code === FLUSH_SLAVE_TIMEOUT).length).toBeLessThan(codes.length / 2)
  const from = performance.now()
  expect((await master.client.send('T', 'x')).code).toBe(SLAVE_NOT_AVAILABLE)
  expect(performance.now() - from).toBeLessThan(250)
  slave.broker.faults.set('diskFull', 0)
  await until(async () => (await master.client.send('T', 'x')).code === OK, 20_000)
  await until(() => end(slave) === end(master))
  const to = end(slave)
  await slave.close()
  expect(logBytes(slave.broker.folder, 0, to).equals(logBytes(master.broker.folder, 0, to))).toBe(true)
})

test.runIf(ReadOnlyDisk.isThere()).each(['ASYNC_FLUSH', 'SYNC_FLUSH'] as const)(
  'a slave (%s) whose disk becomes read-only',
  async (flushDiskType) => {
    const [folder, slaveTimeout] = [scratchFolder(), 300]
    const disk = ReadOnlyDisk.create(scratchFolder(), folder)
    const names = await startMaster({ brokerName: 'names-only' })
    const { namesrv } = names.broker
    const common = { ...TINY, brokerName: 'pair', nameServerInside: 'never' as const, namesrvAddr: namesrv }
    const master = await startMaster({ ...common, brokerRole: 'SYNC_MASTER', slaveTimeout })
    const slaveOf = async () => {
      const slave = await startBrokerProcess({
        ...{ folder, env: disk.env },
        config: { ...common, flushDiskType, brokerRole: 'SLAVE', brokerId: 1 },
      })
      onTestFinished(() => void slave.kill())
      return slave
    }
    const slave = await slaveOf()
    await until(async () => (await master.client.send('T', 'x')).code === OK, 20_000)
    expect(new Set(await sendMany(master, 200))).toEqual(new Set([OK]))
    disk.isReadOnly = true
    const codes = await sendMany(master, 300)
    expect(codes).toContain(SLAVE_NOT_AVAILABLE)
    const from = performance.now()
    for (let i = 0; i < 10; i += 1) expect((await master.client.send('T', 'x')).code).toBe(SLAVE_NOT_AVAILABLE)
    expect(performance.now() - from).toBeLessThan(slaveTimeout)
    // It says what is wrong and ends: what it has is whole, and its supervisor starts it again.
    expect(await slave.exit).toEqual({ status: 1, signal: null })
    expect(slave.log).toContain(`the ha thread failed: EROFS: read-only file system, write (${folder})`)
    await expect(slaveOf()).rejects.toThrow(/EROFS|read-only/)
    disk.isReadOnly = false
    const again = await slaveOf()
    await until(async () => (await master.client.send('T', 'x')).code === OK, 30_000)
    const to = end(master)
    await again.stop()
    expect(logBytes(folder, 0, to, SIZE).equals(logBytes(master.broker.folder, 0, to, SIZE))).toBe(true)
    expect(verifyStore(folder, TINY)).toEqual([])
  },
)

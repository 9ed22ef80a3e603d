/**
 * Row 23: slave, then master, die by kill -9 under load. Whatever SYNC_MASTER confirmed is on the slave, and the logs are the same
 * bytes up to the shorter.
 */
import { expect, onTestFinished, test } from 'vitest'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { end, logBytes, logStart, sendMany, startMaster, startSlave, until } from '../ha/support.ts'
import { scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { startBrokerProcess, TINY } from './support/broker-process.ts'
import { positionsIn, verifyStore } from './support/verify-store.ts'

const OK = 0
const SLAVE_NOT_AVAILABLE = 11
const FLUSH_SLAVE_TIMEOUT = 12
const SIZE = TINY.mappedFileSizeCommitLog
const QUEUES = 4
const LIST_MAX = 1000

/** Sends until it is told to stop; the numbers that were answered 0. */
class Load {
  readonly confirmed: number[] = []
  readonly codes = new Map<number, number>()
  private isRunning = true
  private number = 0
  private readonly tasks: Promise<void>[]

  constructor(client: TestClient) {
    this.tasks = Array.from({ length: 32 }, () => this.run(client))
  }

  async stop(): Promise<void> {
    this.isRunning = false
    await Promise.all(this.tasks)
  }

  private async run(client: TestClient): Promise<void> {
    while (this.isRunning) {
      this.number += 1
      const number = this.number
      const body = Buffer.alloc(200 + ((number * 379) % 4000), `n${number} `)
      try {
        const { code } = await client.send('Kill', body, { queueId: number % QUEUES }, 5000)
        this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
        if (code === OK) this.confirmed.push(number)
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
}

async function numbersOn(address: string): Promise<Set<number>> {
  const client = new TestClient(address)
  const numbers = new Set<number>()
  try {
    for (let queueId = 0; queueId < QUEUES; queueId += 1) {
      for (const { body } of await client.drain('Kill', queueId)) {
        numbers.add(Number(/^n(\d+) /.exec(Buffer.from(body).toString('latin1'))?.[1]))
      }
    }
  } finally {
    await client.close()
  }
  return numbers
}

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
  const load = new Load(client)
  for (let round = 0; round < 2; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 700))
    await slave.kill()
    slave = await slaveOf()
    const from = load.confirmed.length
    await until(() => load.confirmed.length > from + 200, 20_000)
  }
  await until(async () => (await numbersOn(slave.address)).size > 0, 20_000)
  await master.kill()
  await load.stop()
  expect(load.confirmed.length).toBeGreaterThan(500)
  const found = await numbersOn(slave.address)
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

/**
 * Pairs of two makes, of which either side dies by kill -9 in turn, every 20 s under load (BASALT_CAMPAIGN=long; else ours, once):
 * what a SYNC_MASTER has confirmed is on the slave when the master is gone, and the logs are the same bytes up to the shorter.
 */
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { startApacheBroker } from '../../tools/apache/apache.mjs'
import { freeBrokerPort } from '../../tools/apache/process.mjs'
import { startBrokerProcess, TINY } from '../faults/support/broker-process.ts'
import { verifyStore } from '../faults/support/verify-store.ts'
import { NumberedLoad, numbersOn } from '../ha/numbered-load.ts'
import { logBytes, logStart, startMaster, until } from '../ha/support.ts'
import { TestClient } from '../support/client.ts'
import { apacheIsThere, KIND, ORACLE, Scratch } from './support/systems.ts'

const isLong = process.env.BASALT_CAMPAIGN === 'long'
/** The short form kills ours: test/interop/replication.test.ts kills RocketMQ's. */
const ROUNDS = isLong ? 10 : 1
const ROUND_MS = isLong ? 20_000 : 500
const OK = 0
const RUNTIME_INFO = 28
const QUEUES = 4
const TOPIC = 'Kills'
const { mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxMessageSize, maxHashSlotNum, maxIndexNum } = TINY
const SIZES = { mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxMessageSize, maxHashSlotNum, maxIndexNum }
const SIZE = mappedFileSizeCommitLog
const JAVA = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const START_MS = 60_000
const LIST_MAX = 100

const scratch = new Scratch()
afterAll(() => scratch.remove())

interface Side {
  address: string
  kill(): Promise<unknown>
}
type Make = 'apache' | 'basalt'
type Start = () => Promise<Side>

/** Starts the same broker again and again: same store, same ports. */
async function sideOf(make: Make, role: 'SYNC_MASTER' | 'SLAVE', namesrv: string, store: string): Promise<Start> {
  const port = await freeBrokerPort()
  const config = { ...SIZES, brokerRole: role, brokerId: role === 'SLAVE' ? 1 : 0, listenPort: port }
  const ours = {
    brokerName: 'broker-a',
    brokerIP1: '127.0.0.1',
    namesrvAddr: namesrv,
    nameServerInside: 'never' as const,
  }
  return async () => {
    const side: Side =
      make === 'basalt'
        ? await startBrokerProcess({ folder: store, config: { ...config, ...ours } })
        : await startApacheBroker({
            ...{ version: ORACLE, folder: scratch.sub(`apache-${role}`), namesrv, java: JAVA, store, port },
            config,
          })
    onTestFinished(async () => void (await side.kill()))
    return side
  }
}

async function logEnd(address: string): Promise<number> {
  const client = new TestClient(address)
  try {
    const { body } = await client.invoke(RUNTIME_INFO)
    return Number(JSON.parse(Buffer.from(body ?? '{}').toString()).table?.commitLogMaxOffset ?? -1)
  } catch {
    return -1
  } finally {
    await client.close()
  }
}

describe.skipIf(KIND !== 'basalt' || !apacheIsThere(ORACLE))('a SYNC_MASTER and its slave, killed in turn', () => {
  test.each<{ ofMaster: Make; ofSlave: Make }>([
    { ofMaster: 'basalt', ofSlave: 'apache' },
    { ofMaster: 'apache', ofSlave: 'basalt' },
  ])('$ofMaster, and a slave of $ofSlave', { timeout: isLong ? 1_800_000 : 180_000 }, async ({ ofMaster, ofSlave }) => {
    const { namesrv } = (await startMaster({ brokerName: 'names-only' })).broker
    const stores = { master: join(scratch.sub('master'), 'store'), slave: join(scratch.sub('slave'), 'store') }
    const startsMaster = await sideOf(ofMaster, 'SYNC_MASTER', namesrv, stores.master)
    const startsSlave = await sideOf(ofSlave, 'SLAVE', namesrv, stores.slave)
    let [master, slave] = await Promise.all([startsMaster(), startsSlave()])
    const first = new TestClient(master.address)
    onTestFinished(() => first.close())
    await until(async () => (await first.send(TOPIC, 'n0 ').catch(() => undefined))?.code === OK, START_MS)
    await until(async () => (await numbersOn(slave.address, TOPIC, QUEUES).catch(() => new Set())).size > 0, START_MS)
    const load = new NumberedLoad({ address: master.address, topic: TOPIC, queues: QUEUES, senders: 8, pauseMs: 10 })
    for (let round = 0; round < ROUNDS; round += 1) {
      await load.more(50, START_MS)
      await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
      if ((round % 2 === 0) === (ofSlave === 'basalt')) {
        await slave.kill()
        slave = await startsSlave()
      } else {
        await master.kill()
        const confirmed = [...load.confirmed]
        let missing = confirmed
        await until(async () => {
          const there = await numbersOn(slave.address, TOPIC, QUEUES)
          missing = confirmed.filter((number) => !there.has(number))
          return missing.length === 0
        }, 20_000).catch(() => expect(missing.slice(0, LIST_MAX)).toEqual([]))
        master = await startsMaster()
      }
    }
    await load.more(50, START_MS)
    await load.stop()
    await until(async () => (await logEnd(slave.address)) === (await logEnd(master.address)), START_MS)
    const to = await logEnd(master.address)
    const [here, there] = await Promise.all([master, slave].map(({ address }) => numbersOn(address, TOPIC, QUEUES)))
    const missing = (numbers: Set<number>) => load.confirmed.filter((number) => !numbers.has(number)).slice(0, LIST_MAX)
    expect([missing(here), missing(there)]).toEqual([[], []])
    const from = Math.max(logStart(stores.master, SIZE), logStart(stores.slave, SIZE))
    expect(logBytes(stores.slave, from, to, SIZE).equals(logBytes(stores.master, from, to, SIZE))).toBe(true)
    if (isLong)
      console.log(`${ofMaster}/${ofSlave}: ${ROUNDS} kills, ${load.confirmed.length} confirmed, ${to - from} bytes`)
    await Promise.all([master.kill(), slave.kill()])
    expect(verifyStore(ofMaster === 'basalt' ? stores.master : stores.slave, TINY)).toEqual([])
  })
})

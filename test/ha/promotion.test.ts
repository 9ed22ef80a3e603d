/** A slave that is restarted as a master: what is delayed arrives, once, whatever its files say of former lives. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { BadCable } from '../faults/support/bad-cable.ts'
import { startBrokerProcess } from '../faults/support/broker-process.ts'
import { scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { SEND_V2 } from '../support/raw-peer.ts'
import { end, haAddress, type Node, startMaster, startSlave, TINY, until } from './support.ts'

const LEVELS = { messageDelayLevel: '2s 2s 60s', flushCommitLogLeastPages: 0 }
const ASYNC = { brokerRole: 'ASYNC_MASTER' as const, ...LEVELS }
const SYNC = '11s'

/** Half of them are equal to the last byte. */
const body = (i: number) => (i % 2 === 0 ? 'same' : String(i))
const bodies = (count: number) => Array.from({ length: count }, (_, i) => body(i)).toSorted()

async function sendDelayed(client: TestClient, count: number, level = (i: number) => 1 + (i % 2)): Promise<void> {
  const send = (i: number) => client.invoke(310, { ...SEND_V2, i: `DELAY\u0001${level(i)}` }, Buffer.from(body(i)))
  await Promise.all(Array.from({ length: count }, (_, i) => send(i)))
}

async function drained(client: TestClient): Promise<string[]> {
  if ((await client.pull('T', 0, 0)).code === 17) return []
  return (await client.drain('T', 0)).map((message) => Buffer.from(message.body).toString()).toSorted()
}

async function expectOnce(client: TestClient, expected: string[]): Promise<void> {
  await until(async () => (await drained(client)).length >= expected.length, 20_000)
  // A moment longer: what comes twice would come now.
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(await drained(client)).toEqual(expected)
}

function deliveredBy(folder: string): string {
  const path = join(folder, 'config', 'delayOffset.json')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

test('the master dies by kill -9 while it delivers: its slave goes on where it was', async () => {
  const count = 1500
  const master = await startBrokerProcess({
    folder: scratchFolder(),
    config: { ...TINY, ...ASYNC, brokerName: 'pair' },
  })
  onTestFinished(() => void master.kill())
  const client = new TestClient(master.address)
  onTestFinished(() => client.close())
  const { namesrv } = master
  const slave = await startSlave({ broker: { namesrv } } as Node, { ...LEVELS, brokerName: 'pair' })
  await sendDelayed(client, count)
  const seen = () => slave.broker.handle.engine.control.load('dispatched')
  const waiting = seen()
  const said = async () => (await drained(client)).length
  await until(async () => (await said()) > count / 4, 20_000)
  // Its tables are of now, and more is delivered behind them.
  slave.broker.advance(SYNC)
  await until(async () => (await said()) > count / 2, 20_000)
  await master.kill()
  expect(seen()).toBeGreaterThan(waiting)
  const { folder } = slave.broker
  await slave.close()
  const promoted = await startMaster(ASYNC, folder)
  await expectOnce(promoted.client, bodies(count))
})

test('a slave whose log is behind does not count what it has never got', async () => {
  const count = 200
  const master = await startMaster(ASYNC)
  await using cable = await BadCable.to(haAddress(master), 'whole')
  const slave = await startSlave(master, { ...LEVELS, haMasterAddress: cable.address })
  await sendDelayed(master.client, count)
  await until(() => end(slave) === end(master))
  cable.freeze()
  master.broker.advance('3s')
  await expectOnce(master.client, bodies(count))
  slave.broker.advance(SYNC)
  await until(() => slave.lines.of('info').some((line) => line.startsWith('topics taken over')))
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(end(slave)).toBeLessThan(end(master))
  const { folder } = slave.broker
  await slave.close()
  await master.close()
  const promoted = await startMaster(ASYNC, folder)
  promoted.broker.advance('10s')
  await expectOnce(promoted.client, bodies(count))
})

test('once it has it, it is written down; a mark of an earlier life as master does no harm', async () => {
  const first = await startMaster(ASYNC)
  const other = await startSlave(first, LEVELS)
  await sendDelayed(first.client, 60)
  first.broker.advance('3s')
  await expectOnce(first.client, bodies(60))
  await until(() => end(other) === end(first))
  other.broker.advance(SYNC)
  await until(() => deliveredBy(other.broker.folder).includes('"2":30'))
  await first.close()
  const [own, its] = [first.broker.folder, other.broker.folder]
  await other.close()
  // The other one is the master now, and this one its slave.
  const second = await startMaster(ASYNC, its)
  second.broker.advance('3s')
  const slave = await startSlave(second, LEVELS, own)
  await sendDelayed(second.client, 40, () => 2)
  second.broker.advance('3s')
  const all = [...bodies(60), ...bodies(40)].toSorted()
  await expectOnce(second.client, all)
  await sendDelayed(second.client, 6, () => 3)
  await until(() => end(slave) === end(second))
  slave.broker.advance(SYNC)
  // 30 of each level in the first life, 40 of the second in this one.
  await until(() => deliveredBy(own).includes('"2":70'))
  await slave.close()
  await second.close()
  const promoted = await startMaster(ASYNC, own)
  promoted.broker.advance('10s')
  await expectOnce(promoted.client, all)
  promoted.broker.advance('70s')
  await expectOnce(promoted.client, [...all, ...bodies(6)].toSorted())
})

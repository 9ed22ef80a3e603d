/**
 * The incidents of docs/admin.md, made to happen and gone through with the commands that the document gives: each of them is
 * run here, and says what the document says that it does.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { startMaster, startSlave, until } from '../../ha/support.ts'
import { TestClient } from '../../support/client.ts'
import { consumer, Rig, type Server } from './rig.ts'

const DOCUMENT = readFileSync(resolve(import.meta.dirname, '../../../docs/admin.md'), 'utf8')
const ran = new Set<string>()

class Told extends Rig<Server> {
  override run(...given: Parameters<Rig<Server>['run']>) {
    ran.add(given[0])
    return super.run(...given)
  }
}

function told(broker: Server, client: TestClient): Told {
  const it = new Told()
  it.broker = broker
  it.client = client
  return it
}

test('a slave is behind', async () => {
  const master = await startMaster({ brokerName: 'broker-a', slaveTimeout: 500 })
  const slave = await startSlave(master, { brokerName: 'broker-a' })
  await until(async () => (await master.client.send('orders', 'x')).code === 0)
  const it = told(master.broker, master.client)
  await until(async () => (await it.ok('broker list')).out.includes(slave.broker.address))

  slave.broker.faults.set('holdAppend', 1)
  const waiting = master.client.send('orders', 'nobody has it but the master')
  await expect
    .poll(async () => (await it.ok('top --once')).out)
    .toMatch(/broker-a: 1 send waits for a slave: \d+ bytes are on none/)
  expect((await waiting).code).toBe(12)
  await until(async () => (await master.client.send('orders', 'x')).code === 11)
  const { out } = await it.ok('top --once')
  expect(out).toMatch(/broker-a: slave 127\.0\.0\.1:\d+ waits for the log: \d+ bytes behind, not in step/)
  expect(out).toMatch(/what would be lost now[\s\S]*broker-a: with its disk .*no slave is in step/)
  expect((await it.ok('broker describe broker-a slave')).out).toMatch(
    /basalt_slave_0 +\S+ acknowledged=\d+ behind=[1-9]\d* .*inSync=false/,
  )
  expect((await it.ok('broker describe broker-a:1 basalt_master')).out).toMatch(/basalt_master +\S+ live/)
  const store = await it.ok(`top --once --store ${slave.broker.folder}`)
  expect(store.out).toMatch(/process +\d+ runs[\s\S]*appended +\d+/)

  slave.broker.faults.set('holdAppend', 0)
  slave.broker.handle.engine.moveClock(0)
  await until(async () => (await master.client.send('orders', 'x')).code === 0)
  await expect.poll(async () => (await it.ok('top --once')).out).toMatch(/ 2 of 2 /)
})

test('a group is stuck', async () => {
  const broker = await startTestBroker({ config: { brokerName: 'broker-a' } })
  const client = new TestClient(broker.address)
  onTestFinished(async () => {
    await client.close()
    await broker.close()
  })
  const it = told(broker, client)
  await it.ok('topic create orders -q 2')
  await it.ok('group create payments')
  await it.send('orders', 0, 6)
  await it.send('orders', 1, 3)
  await it.commit('payments', 'orders', 0, 4)
  await it.commit('payments', 'orders', 1, 0)
  const online = await consumer(it, 'payments', 'orders', [0])

  expect((await it.ok('group list')).out).toMatch(/^payments +1 +CLUSTERING +1 +\S+ +5$/m)
  const { out } = await it.ok('group describe payments')
  expect(out).toMatch(/orders +broker-a +0 +6 +4 +2 .*payments-client/)
  expect(out).toMatch(/orders +broker-a +1 +3 +0 +3 .* -$/m)
  expect((await it.ok('message find orders -q 0 --offset 4 -c 1')).out).toContain('orders-0-4')
  expect((await it.run('offset reset payments -t orders --to @5 -q 0 --yes')).error).toContain('stop them first')
  await online.close()
  await expect
    .poll(async () => (await it.ok('group describe payments')).out)
    .toContain('nobody consumes: start its consumers')
  expect((await it.ok('offset reset payments -t orders --to @5 -q 0 --dry-run')).out).toMatch(
    /broker-a +0 +4 +5 +1 skipped/,
  )
  await it.ok('offset reset payments -t orders --to @5 -q 0 --yes')
  expect(await it.json('group describe payments')).toMatchObject({ lag: 4 })

  await it.ok('group alter payments --consume false')
  expect((await it.ok('group describe payments')).out).toContain('refuses its pulls (consumeEnable is false)')
  await it.ok('group alter payments --consume true')
  expect((await it.ok('group describe payments')).out).not.toContain('refuses')
})

test('a broker is to be taken out', async () => {
  const first = await startTestBroker({ config: { brokerName: 'broker-a' } })
  const second = await startTestBroker({
    config: { brokerName: 'broker-b', nameServerInside: 'never', namesrvAddr: first.namesrv },
  })
  const client = new TestClient(second.address)
  onTestFinished(async () => {
    await client.close()
    await second.close()
    await first.close()
  })
  const it = told({ address: second.address, namesrv: first.namesrv }, client)
  await it.ok('topic create orders -q 1')
  await it.ok('group create payments')
  await it.send('orders', 0, 5)
  await it.commit('payments', 'orders', 0, 3)
  expect((await it.ok('drain broker-b --dry-run')).out).toContain('payments: 2 messages to consume')
  const draining = it.ok('drain broker-b --wait 30m --every 20ms --quiet 100ms')
  await until(async () => (await client.send('orders', 'x')).code === 16)
  const route = await it.json('topic describe orders')
  expect(
    route.route.queues.map((queue: { brokerName: string; perm: number }) => [queue.brokerName, queue.perm]),
  ).toEqual([
    ['broker-a', 6],
    ['broker-b', 4],
  ])
  // Some were taken before the permission was gone.
  const end = (await client.invoke(30, { topic: 'orders', queueId: '0' })).ext?.offset
  await it.commit('payments', 'orders', 0, Number(end))
  const { out, error } = await draining
  expect(error).toContain('takes no messages any more (brokerPermission 6 to 4)')
  expect(out).toMatch(/broker-b \(.*\) is safe to stop/)
  const again = await second.restart()
  onTestFinished(() => again.close())
  await until(async () => (await it.ok('broker list')).out.includes(again.address))
  // The permission outlives the restart: it is taken back by hand.
  await it.ok('drain broker-b --undo')
  const back = new TestClient(again.address)
  onTestFinished(() => back.close())
  expect((await back.send('orders', 'taken')).code).toBe(0)

  expect((await it.ok('topic shrink orders -q 1')).out).toContain('no broker has more than 1 queues')
})

describe('docs/admin.md', () => {
  const commands = [...DOCUMENT.matchAll(/^basaltmq admin ([^#\n]+?)(?: *#.*)?$/gm)].map(([, line]) => line.trim())
  afterAll(() => ran.clear())

  test('names no command that was not run above', () => {
    expect(commands.length).toBeGreaterThan(12)
    const isRun = (line: string) => {
      const wanted = line.replace(/ \/var\/lib\S+/, '')
      return [...ran].some((one) => one.startsWith(wanted) || one === wanted)
    }
    expect(commands.filter((line) => !isRun(line))).toEqual([])
  })

  test('is about commands that there are, and files', () => {
    expect(DOCUMENT).toContain('test/cli/admin/incidents.test.ts')
    for (const [, path] of DOCUMENT.matchAll(/\]\(([\w./-]+\.md)[)#]/g)) {
      expect(readFileSync(join(import.meta.dirname, '../../../docs', path)).length).toBeGreaterThan(0)
    }
  })
})

/**
 * The incidents of docs/admin.md, made to happen and gone through with the commands that the document gives: each of them is
 * run here, and says what the document says that it does.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { SPECS } from '../../../src/cli/admin/tree.ts'
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

  expect(await it.run('group watch --once')).toMatchObject({
    status: 3,
    out: expect.stringContaining('nobody consumes'),
  })
  const watched = it.run('group watch --lag 10000 --age 10m --json', (world) => {
    const { out } = world
    world.out = (text) => {
      out(text)
      world.signal('SIGINT')
    }
  })
  expect((await watched).json).toMatchObject({ state: 'begins', group: 'payments', kind: 'nobody consumes' })

  await it.ok('group alter payments --consume false')
  expect((await it.ok('group describe payments')).out).toContain('refuses its pulls (consumeEnable is false)')
  await it.ok('group alter payments --consume true')
  expect((await it.ok('group describe payments')).out).not.toContain('refuses')
})

test('sends are slow', async () => {
  const broker = await startTestBroker({ config: { brokerName: 'broker-a', flushDiskType: 'SYNC_FLUSH' } })
  const client = new TestClient(broker.address)
  onTestFinished(async () => {
    await client.close()
    await broker.close()
  })
  const it = told(broker, client)
  await it.ok('topic create orders -q 2')
  const [fast] = await it.json('cluster probe -c 10')
  broker.faults.set('slowSync', 60)
  const [slow] = await it.json('broker probe broker-a -c 5')
  expect(slow).toMatchObject({ target: 'broker-a', count: 5, failed: 0 })
  expect(slow.p50).toBeGreaterThan(Math.max(55, fast.p50))
  await it.ok('cluster probe')
  await it.ok('broker probe broker-a -c 50')
  // The stage that is slow stands out: flush, and not what is before it.
  const { brokers } = await it.json('top --once')
  const p99 = (stage: string) => brokers[0].stages.find((one: { stage: string }) => one.stage === stage).p99Us
  expect(p99('flushed')).toBeGreaterThan(50_000)
  expect(p99('claimed')).toBeLessThan(p99('flushed'))
  expect((await it.ok('broker describe broker-a basalt_stage')).out).toMatch(/basalt_stage_flushed/)
  expect((await it.run('message probe orders -c 20')).error).toContain('its consumers get them')
  broker.faults.set('slowSync', 0)
})

test('a message did not arrive', async () => {
  const broker = await startTestBroker({ config: { brokerName: 'broker-a', traceTopicEnable: true } })
  const client = new TestClient(broker.address)
  onTestFinished(async () => {
    await client.close()
    await broker.close()
  })
  const it = told(broker, client)
  await it.ok('topic create orders -q 1')
  await it.ok('group create payments')
  await it.send('orders', 0, 1, { KEYS: 'order-17', TAGS: 'Paid' })
  // The group takes another tag.
  const online = await consumer(it, 'payments', 'orders', [0], 'Refunded')
  await it.commit('payments', 'orders', 0, 1)
  await expect.poll(async () => (await it.ok('message find orders --key order-17')).out).toContain('order-17')
  expect((await it.ok('message find orders --from "10m ago" --tag Paid')).out).toContain('order-17')
  expect((await it.ok('group describe payments')).out).toContain('subscriptions: orders (TAG Refunded)')
  const { out } = await it.ok('topic units orders -q 0 --offset 0 -c 1 -g payments')
  // Java's hash of "Paid".
  expect(out).toMatch(/payments takes TAG Refunded[\s\S]* 2479852/)
  const fields = ['SubAfter', 'REQ', 'ID', '3', 'false', 'order-17', '2', '1790000000000', 'payments']
  await client.send('RMQ_SYS_TRACE_TOPIC', `${fields.join('\u0001')}\u0002`, {
    queueId: 0,
    properties: { KEYS: 'order-17' },
  })
  await expect
    .poll(async () => (await it.run('message trace order-17')).out)
    .toMatch(/consumed +payments +3 +FAILED +REQ, exception/)
  await online.close()
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

  test('has a row for every command, and every row is one', () => {
    const rows = [...DOCUMENT.matchAll(/^\| `([a-z ]+?)(?: [<[][^`]*)?` \| (.*) \| (.*) \| .*\|$/gm)]
    expect(rows.map(([, path]) => path)).toEqual(SPECS.map(({ path }) => path))
    expect(rows.map(([, , , names]) => names)).toEqual(
      SPECS.map(({ mqadmin }) => mqadmin.map((name) => `\`${name}\``).join(', ') || '–'),
    )
  })

  test('is about commands that there are, and files', () => {
    expect(DOCUMENT).toContain('test/cli/admin/incidents.test.ts')
    for (const [, path] of DOCUMENT.matchAll(/\]\(([\w./-]+\.md)[)#]/g)) {
      expect(readFileSync(join(import.meta.dirname, '../../../docs', path)).length).toBeGreaterThan(0)
    }
  })
})

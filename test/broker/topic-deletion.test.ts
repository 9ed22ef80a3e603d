/** Topics that are deleted while their producers go on: each incarnation has its own messages and offsets, none is lost. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'

async function settled(broker: TestBroker): Promise<void> {
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 10_000)
}

async function setUp(config: Parameters<typeof startTestBroker>[0]) {
  const broker = await startTestBroker(config)
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  return { broker, client }
}

test.each([
  ['ASYNC_FLUSH', 0],
  ['SYNC_FLUSH', 20],
] as const)('deleted again and again under load (%s)', async (flushDiskType, slowSync) => {
  const { broker, client } = await setUp({ config: { flushDiskType } })
  broker.faults.set('slowSync', slowSync)
  let round = 0
  let isOver = false
  let count = 0
  const acknowledged: { round: number; body: string }[] = []
  const producer = async () => {
    while (!isOver) {
      count += 1
      const sent = { round, body: `m${count}` }
      if ((await client.send('Deleted', sent.body)).code === 0) acknowledged.push(sent)
    }
  }
  const producers = Array.from({ length: 16 }, producer)
  for (; round < 15; round += 1) {
    await new Promise((fulfil) => setTimeout(fulfil, 40))
    expect((await client.invoke(215, { topic: 'Deleted' })).code).toBe(0)
  }
  await vi.waitFor(() => expect(acknowledged.filter((sent) => sent.round === round).length).toBeGreaterThan(50), 10_000)
  isOver = true
  await Promise.all(producers)
  await settled(broker)
  const stored = await client.drain('Deleted', 0)
  expect(stored.map((message) => message.queueOffset)).toEqual(stored.map((_, i) => i))
  const bodies = stored.map((message) => message.body.toString())
  expect(new Set(bodies).size).toBe(bodies.length)
  // Those that were under way at the deletion may belong to either.
  for (const sent of acknowledged) if (sent.round === round) expect(bodies).toContain(sent.body)
  for (const sent of acknowledged) if (sent.round < round - 1) expect(bodies).not.toContain(sent.body)
})

test('its files are gone when its last records are in no queue, and stay gone over a restart', async () => {
  const { broker, client } = await setUp({ config: { flushDiskType: 'SYNC_FLUSH' } })
  const folder = join(broker.folder, 'consumequeue', 'Gone')
  await client.send('Gone', 'first')
  await vi.waitFor(() => expect(existsSync(folder)).toBe(true))
  broker.faults.set('holdSync', 1)
  const late = client.send('Gone', 'late')
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('appended')).toBeGreaterThan(control.load('flushed')))
  expect((await client.invoke(215, { topic: 'Gone' })).code).toBe(0)
  expect(existsSync(folder)).toBe(true)
  // A topic of the same name has to wait: its queues would be those that are to be removed.
  expect((await client.send('Gone', 'too early')).code).toBe(2)
  broker.faults.set('holdSync', 0)
  expect((await late).code).toBe(0)
  await vi.waitFor(() => expect(existsSync(folder)).toBe(false))
  expect((await client.send('Other', 'x')).code).toBe(0)
  expect((await client.invoke(215, { topic: 'Gone' })).code).not.toBe(100)
  const again = await broker.restart()
  onTestFinished(() => again.close())
  expect(existsSync(folder)).toBe(false)
  const next = new TestClient(again.address)
  onTestFinished(() => next.close())
  expect((await next.pull('Gone', 0, 0)).code).toBe(17)
  const { code, ext } = await next.send('Gone', 'new')
  expect([code, ext?.queueOffset]).toEqual([0, '0'])
  await settled(again)
  expect((await next.drain('Gone', 0)).map((message) => message.body.toString())).toEqual(['new'])
})

test('a pull that waits for its messages is told at once, and one of the new topic is woken', async () => {
  const { client, broker } = await setUp({})
  await client.send('Watched', 'first')
  await settled(broker)
  const held = client.pull('Watched', 0, 1, { suspendMs: 20_000 })
  await vi.waitFor(() => expect(broker.handle.engine.control.word('heldPulls')).toBe(1))
  await client.invoke(215, { topic: 'Watched' })
  expect((await held).code).toBe(17)
  await client.send('Watched', 'again')
  await settled(broker)
  const next = client.pull('Watched', 0, 1, { suspendMs: 20_000 })
  await vi.waitFor(() => expect(broker.handle.engine.control.word('heldPulls')).toBe(1))
  await client.send('Watched', 'woken')
  expect((await next).messages.map((message) => message.body.toString())).toEqual(['woken'])
})

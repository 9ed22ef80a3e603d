/** Answers of a whole broker while its disk hangs, its clients leave and its consumers wait. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { RawPeer, SEND_V2 } from '../../support/raw-peer.ts'

const UNWAITED = { ...SEND_V2, i: 'WAIT\u0001false' }
const ONEWAY = 2

async function setUp(flushDiskType: 'SYNC_FLUSH' | 'ASYNC_FLUSH') {
  const broker = await startTestBroker({ config: { flushDiskType } })
  onTestFinished(() => broker.close())
  const peer = await RawPeer.connect(broker.address)
  onTestFinished(() => peer.close())
  expect((await peer.invoke(310, SEND_V2, Buffer.from('first'))).code).toBe(0)
  return { broker, peer, control: broker.handle.engine.control }
}

async function bodies(broker: TestBroker): Promise<string[]> {
  const { control } = broker.handle.engine
  await vi.waitFor(() => expect(control.load('dispatched')).toBe(control.load('appended')), 10_000)
  const client = new TestClient(broker.address)
  const stored = await client.drain('T', 0)
  await client.close()
  return stored.map((message) => message.body.toString())
}

test('SYNC_FLUSH while the disk hangs: only sends that do not wait are answered, and nobody sees them yet', async () => {
  const { broker, peer, control } = await setUp('SYNC_FLUSH')
  broker.faults.set('holdSync', 1)
  const waits = peer.ask(310, SEND_V2, Buffer.from('waits'))
  peer.ask(310, SEND_V2, Buffer.from('one-way'), ONEWAY)
  const unwaited = await peer.invoke(310, UNWAITED, Buffer.from('unwaited'))
  expect([unwaited.code, unwaited.ext?.queueOffset]).toEqual([0, '3'])
  expect(peer.answers.has(waits)).toBe(false)
  const max = async () => (await peer.invoke(30, { topic: 'T', queueId: '0' })).ext?.offset
  await expect.poll(max).toBe('1')
  expect(control.brokenInvariant()).toBeUndefined()
  broker.faults.set('holdSync', 0)
  expect((await peer.answer(waits)).code).toBe(0)
  expect(await bodies(broker)).toEqual(['first', 'waits', 'one-way', 'unwaited'])
})

test('SYNC_FLUSH beyond its timeout: FLUSH_DISK_TIMEOUT with the place, once, and the message is there later', async () => {
  const { broker, peer } = await setUp('SYNC_FLUSH')
  broker.faults.set('holdSync', 1)
  const late = peer.ask(310, SEND_V2, Buffer.from('late'))
  await vi.waitFor(() => expect(broker.handle.engine.control.load('appended')).toBeGreaterThan(200))
  broker.advance('6s')
  expect(await peer.answer(late)).toMatchObject({ code: 10, ext: { queueId: '0', queueOffset: '1' } })
  peer.answers.clear()
  broker.faults.set('holdSync', 0)
  expect((await peer.invoke(310, SEND_V2, Buffer.from('next'))).code).toBe(0)
  expect(peer.answers.has(late)).toBe(false)
  expect(await bodies(broker)).toEqual(['first', 'late', 'next'])
})

test.each(['ASYNC_FLUSH', 'SYNC_FLUSH'] as const)(
  '%s: connections that break with sends under way lose no answer of others, and what was taken is stored once',
  async (mode) => {
    const { broker, peer } = await setUp(mode)
    const count = 200
    const kept: number[] = []
    const lost: RawPeer[] = []
    for (let i = 0; i < 4; i += 1) lost.push(await RawPeer.connect(broker.address))
    for (let i = 0; i < count; i += 1) {
      lost[i % 4].ask(310, SEND_V2, Buffer.from(`lost ${i}`))
      kept.push(peer.ask(310, SEND_V2, Buffer.from(`kept ${i}`)))
      if (i % 40 === 20) lost[i % 4].close()
      if (i % 40 === 20) lost[i % 4] = await RawPeer.connect(broker.address)
    }
    for (const each of lost) each.close()
    for (const opaque of kept) expect((await peer.answer(opaque)).code).toBe(0)
    const stored = await bodies(broker)
    expect(stored.filter((body) => body.startsWith('kept'))).toEqual(kept.map((_, i) => `kept ${i}`))
    expect(new Set(stored).size).toBe(stored.length)
    await vi.waitFor(() => expect(broker.handle.engine.submit.used).toBe(0))
  },
)

test.each(['ASYNC_FLUSH', 'SYNC_FLUSH'] as const)(
  '%s: a pull that is held as its message arrives is never left to the check each 5 s',
  async (mode) => {
    const { peer, broker } = await setUp(mode)
    await bodies(broker)
    const sender = await RawPeer.connect(broker.address)
    onTestFinished(() => sender.close())
    let offset = 1
    for (let round = 0; round < 400; round += 1) {
      const pull = peer.ask(11, {
        ...{
          consumerGroup: 'CG',
          topic: 'T',
          queueId: '0',
          queueOffset: String(offset),
          maxMsgNums: '1',
          sysFlag: '6',
        },
        ...{ commitOffset: '0', suspendTimeoutMillis: '15000', subscription: '*', subVersion: '0' },
      })
      if (round % 3 === 0) await new Promise((fulfil) => setTimeout(fulfil, round % 4))
      else if (round % 3 === 1) await new Promise((fulfil) => setImmediate(fulfil))
      const sent = sender.ask(310, SEND_V2, Buffer.from(`round ${round}`))
      const answer = await peer.answer(pull, 4000)
      expect([answer.code, answer.ext?.nextBeginOffset]).toEqual([0, String(offset + 1)])
      expect((await sender.answer(sent, 4000)).code).toBe(0)
      offset += 1
    }
  },
  60_000,
)

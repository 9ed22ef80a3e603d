/** OFFSET_MOVED_EVENT, as an Apache 4.9.7 broker was seen to store it for the same pulls. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { FLAGS } from '../../../src/concurrency/control-block.ts'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

let broker: TestBroker
let client: TestClient

beforeAll(async () => {
  broker = await startTestBroker({ config: { useServerSideResetOffset: true, brokerName: 'broker-a' } })
  client = new TestClient(broker.address)
  for (const body of ['one', 'two', 'three']) await client.send('T', body)
  await vi.waitFor(async () => expect((await client.pull('T', 0, 0)).messages).toHaveLength(3), 5000)
})
afterAll(async () => {
  await client.close()
  await broker.close()
})

/** They are stored behind the answers: at least so many are waited for. */
async function events(countMin = 0) {
  const { control } = broker.handle.engine
  await expect.poll(() => control.load('appended') - control.load('dispatched')).toBe(0)
  const pull = async () => (await client.pull('OFFSET_MOVED_EVENT', 0, 0)).messages
  await expect.poll(async () => (await pull()).length).toBeGreaterThanOrEqual(countMin)
  return pull()
}

test('each pull that is sent elsewhere leaves one event, others leave none', async () => {
  for (const [offset, code, next] of [
    [3, 19, 3],
    [2, 0, 3],
    [100, 21, 3],
    [-5, 21, 0],
  ]) {
    const pulled = await client.pull('T', 0, offset)
    expect([pulled.code, pulled.next]).toEqual([code, next])
  }
  // A queue of which nothing was ever stored.
  expect(await client.pull('T', 1, 5, { group: 'Other' })).toMatchObject({ code: 21, next: 0 })
  const found = await events(3)
  const moved = (queueId: number, offsetRequest: number, offsetNew: number, group = 'CG') =>
    `{"consumerGroup":"${group}","messageQueue":{"brokerName":"broker-a","queueId":${queueId},"topic":"T"},` +
    `"offsetNew":${offsetNew},"offsetRequest":${offsetRequest}}`
  expect(found.map(({ body }) => body.toString())).toEqual([moved(0, 100, 3), moved(0, -5, 0), moved(1, 5, 0, 'Other')])
  expect(found.map(({ propertiesText }) => propertiesText)).toEqual(
    ['CG', 'CG', 'Other'].map((group) => `KEYS\u0001${group}\u0002DELAY\u00010\u0002TAGS\u0001${group}`),
  )
  for (const { queueId, queueOffset, bornHost, storeHost } of found) {
    expect([queueId, bornHost]).toEqual([0, storeHost])
    expect(queueOffset).toBeLessThan(3)
  }
})

test('an event is found by its group, and is not counted as a send', async () => {
  const header = {
    topic: 'OFFSET_MOVED_EVENT',
    key: 'Other',
    maxNum: '9',
    beginTimestamp: '0',
    endTimestamp: String(2 ** 50),
  }
  expect((await client.invoke(12, header)).code).toBe(0)
  const stats = { statsName: 'TOPIC_PUT_NUMS', statsKey: 'OFFSET_MOVED_EVENT' }
  expect((await client.invoke(315, stats)).code).toBe(1)
})

test('an offset that an administrator set leaves none: 4.9 knows of no such thing', async () => {
  const before = (await events()).length
  await client.invoke(15, { consumerGroup: 'CG', topic: 'T', queueId: '0', commitOffset: '3' })
  const reset = { topic: 'T', group: 'CG', timestamp: '0', isForce: 'true' }
  expect((await client.invoke(222, reset)).code).toBe(0)
  expect(await client.pull('T', 0, 3)).toMatchObject({ code: 21, next: 0, remark: 'OFFSET_RESET' })
  expect(await events()).toHaveLength(before)
})

test('a store that takes nothing costs the event, not the answer', async () => {
  const before = (await events()).length
  broker.handle.engine.control.raiseFlag(FLAGS.dispatchFailed)
  expect(await client.pull('T', 0, 100)).toMatchObject({ code: 21, next: 3 })
  expect(await events()).toHaveLength(before)
})

/**
 * Sends whose sysFlag carries a transaction type, but that are no halves (no TRAN_MSG): what an Apache 4.9.7 broker was seen
 * to do with the same frames. No client sends them; a broker that stored them otherwise would give back other offsets.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

let broker: TestBroker
let client: TestClient

beforeAll(async () => {
  broker = await startTestBroker()
  client = new TestClient(broker.address)
})
afterAll(async () => {
  await client.close()
  await broker.close()
})

const header = { a: 'PG', c: 'TBW102', d: '4', e: '0', g: '1', h: '0', i: '', j: '0' }

function send(topic: string, body: string, sysFlag: number, properties = '') {
  return client.invoke(310, { ...header, b: topic, f: String(sysFlag), i: properties, m: 'false' }, Buffer.from(body))
}

function sendBatch(topic: string, sysFlag: number, properties = '') {
  const item = (text: string) => {
    const bytes = Buffer.alloc(22 + text.length)
    bytes.writeInt32BE(bytes.length, 0)
    bytes.writeInt32BE(text.length, 16)
    bytes.write(text, 20)
    return bytes
  }
  const ext = { ...header, b: topic, f: String(sysFlag), i: properties, m: 'true' }
  return client.invoke(320, ext, Buffer.concat([item('one'), item('two')]))
}

test('prepared and rollback are in the log only, committed is an ordinary message', async () => {
  const offsets: (string | undefined)[] = []
  for (const [body, sysFlag] of [
    ['plain', 0],
    ['prepared', 4],
    ['committed', 8],
    ['rollback', 12],
    ['last', 0],
  ] as const) {
    const answer = await send('Bits', body, sysFlag)
    expect(answer.code).toBe(0)
    offsets.push(answer.ext?.queueOffset)
  }
  expect(offsets).toEqual(['0', '0', '1', '0', '2'])
  // No DELAY for them either: the record stays in the log under its own topic.
  expect(await send('Bits', 'delayed', 4, 'DELAY\u00011')).toMatchObject({ code: 0, ext: { queueOffset: '0' } })
  await expect.poll(async () => (await client.pull('Bits', 0, 0)).messages.length).toBe(3)
  const { messages } = await client.pull('Bits', 0, 0)
  expect(
    messages.map(({ queueOffset, sysFlag, body }) => [queueOffset, sysFlag, Buffer.from(body).toString()]),
  ).toEqual([
    [0, 0, 'plain'],
    [1, 8, 'committed'],
    [2, 0, 'last'],
  ])
})

test('a batch with any of them is refused with 13, and takes no offset', async () => {
  expect(await sendBatch('Batches', 0)).toMatchObject({ code: 0, ext: { queueOffset: '0' } })
  for (const sysFlag of [4, 8, 12]) expect((await sendBatch('Batches', sysFlag)).code).toBe(13)
  expect((await sendBatch('Batches', 4, 'TRAN_MSG\u0001true')).code).toBe(13)
  expect(await sendBatch('Batches', 0)).toMatchObject({ code: 0, ext: { queueOffset: '2' } })
})

test('TRAN_MSG makes a half of it, whatever the bits say', async () => {
  expect(await send('Halves', 'half', 12, 'TRAN_MSG\u0001true\u0002PGROUP\u0001PG')).toMatchObject({ code: 0 })
  await expect.poll(async () => (await client.pull('RMQ_SYS_TRANS_HALF_TOPIC', 0, 0)).messages.length).toBe(1)
  const [half] = (await client.pull('RMQ_SYS_TRANS_HALF_TOPIC', 0, 0)).messages
  expect([half.sysFlag, half.queueOffset]).toEqual([0, 0])
})

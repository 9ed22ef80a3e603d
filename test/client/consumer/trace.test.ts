/** What a consumer tells the trace, as mqadmin reads it. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { TestClient } from '../../support/client.ts'
import { consume, send, testBroker } from './support.ts'

const patience = { timeout: 10_000 }
const TRACE = 'RMQ_SYS_TRACE_TOPIC'

test('each message leaves what came before and after it, in Java’s fields, found by its ids', async () => {
  const broker = await testBroker({ config: { traceTopicEnable: true } })
  await send(broker, 'T', ['good', 'bad'])
  await send(broker, 'T', ['untraced'], { properties: { TRACE_ON: 'false' } })
  const { got, consumer } = await consume(broker, { enableMsgTrace: true }, ([{ body }]) => {
    if (body.toString() === 'bad') throw new Error('no')
  })
  await vi.waitFor(() => expect(got.length).toBe(3), patience)
  await consumer.close()
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  // What is acknowledged is in its queue a moment later.
  const { stored, records } = await vi.waitFor(async () => {
    const stored = await client.drain(TRACE, 0)
    const text = stored.map(({ body }) => Buffer.from(body).toString()).join('')
    const records = text
      .split('\u0002')
      .filter((record) => record !== '')
      .map((record) => record.split('\u0001'))
    expect(records).toHaveLength(4)
    return { stored, records }
  }, patience)
  const of = (kind: string, at: number, id: string) =>
    records.filter((fields) => fields[0] === kind && fields[at] === id)
  const [[, time, , group, requestId, , retries, keys]] = of('SubBefore', 5, 'good')
  expect([group, retries, keys, Math.abs(Date.now() - Number(time)) < 10_000]).toEqual(['G', '0', 'good', true])
  expect(requestId).toMatch(/^[0-9A-F]{32}$/)
  const [after] = of('SubAfter', 2, 'good')
  expect([after[1], after[4], after[5], after[6], after[8]]).toEqual([requestId, 'true', 'good', '0', 'G'])
  const [failed] = of('SubAfter', 2, 'bad')
  expect([failed[4], failed[6]]).toEqual(['false', '2'])
  expect(of('SubBefore', 5, 'untraced')).toEqual([])
  expect(stored.flatMap(({ properties }) => properties.get('KEYS')?.split(' ') ?? []).sort()).toEqual(['bad', 'good'])
})

/** What a running broker's sends and pulls leave in its runtime table. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

test('put times, misses and the oldest message’s time are in the table', async () => {
  const broker = await startTestBroker({ config: { stageClockSampling: 7 } })
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const before = Date.now()
  for (let i = 0; i < 50; i += 1) await client.send('T', `m${i}`)
  expect((await client.pull('T', 0, 50)).code).not.toBe(0)
  expect((await client.pull('T', 3, 0)).code).toBe(19)
  const table = async () => {
    const { body } = await client.invoke(28)
    return (JSON.parse(Buffer.from(body!).toString()) as { table: Record<string, string> }).table
  }
  const rows = await table()
  const times = rows.putMessageDistributeTime.match(/:(\d+)/g)!.map((count) => Number(count.slice(1)))
  const timed = times.reduce((sum, count) => sum + count, 0)
  expect(timed).toBeGreaterThan(0)
  expect(timed).toBeLessThanOrEqual(50)
  expect(Number(rows.putMessageTimesTotal)).toBe(50)
  broker.advance('11s')
  await vi.waitFor(
    async () => expect(Number((await table()).earliestMessageTimeStamp)).toBeGreaterThanOrEqual(before),
    10_000,
  )
  const { ext } = await client.invoke(26)
  expect(JSON.parse(ext?.version ?? '{}')).toMatchObject({ timestamp: expect.any(Number) })
})

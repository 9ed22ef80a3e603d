/** slaveReadEnable: which broker a consumer is told to ask next, by how far behind it reads. */
import { expect, test, vi } from 'vitest'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

test.each([
  ['far behind, with a slave', { slaveReadEnable: true, accessMessageInMemoryMaxRatio: 0 }, '3'],
  ['near the end, with a slave', { slaveReadEnable: true, accessMessageInMemoryMaxRatio: 40 }, '2'],
  ['far behind, without one', { slaveReadEnable: false, accessMessageInMemoryMaxRatio: 0 }, '0'],
])('a consumer that reads %s', async (_, config, suggested) => {
  await using broker = await startTestBroker({ config })
  const client = new TestClient(broker.address)
  const group = { groupName: 'G', consumeEnable: true, retryQueueNums: 1, brokerId: 2, whichBrokerWhenConsumeSlowly: 3 }
  expect((await client.invoke(200, {}, Buffer.from(JSON.stringify(group)))).code).toBe(0)
  for (let i = 0; i < 10; i += 1) await client.send('T', 'x')
  await vi.waitFor(async () => expect((await client.pull('T', 0, 10)).code).toBe(19))
  const { answer, messages } = await client.pull('T', 0, 0, { group: 'G' })
  expect(messages).toHaveLength(config.accessMessageInMemoryMaxRatio === 0 ? 8 : 10)
  expect(answer.ext?.suggestWhichBrokerId).toBe(suggested)
  await client.close()
})

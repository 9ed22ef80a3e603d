/** Delayed messages of a whole broker, its clock moved: what is answered, stored, and delivered when. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { startTestBroker, type TestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'

const SCHEDULE = 'SCHEDULE_TOPIC_XXXX'

async function setUp(config: Parameters<typeof startTestBroker>[0] = {}) {
  const broker = await startTestBroker(config)
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  return { broker, client }
}

test('x', async () => {
  const { broker, client } = await setUp()
  const answer = await client.send('T', 'hello', { queueId: 2, properties: { DELAY: '3', TAGS: 'A', WAIT: 'true' } })
  console.log(answer)
  await new Promise((r) => setTimeout(r, 300))
  console.log(await client.drain(SCHEDULE, 2))
  broker.advance('9s')
  await new Promise((r) => setTimeout(r, 300))
  console.log((await client.drain('T', 2)).length)
  broker.advance('1s')
  await new Promise((r) => setTimeout(r, 300))
  console.log((await client.drain('T', 2)))
  console.log((await client.invoke(45)).body?.toString())
})

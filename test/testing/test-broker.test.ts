import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startTestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'

test('a message that was sent is pulled from its queue, with its properties and place', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  const sent = await client.send('T', 'hello', { queueId: 2, properties: { KEYS: 'k', TAGS: 'TagA' } })
  expect(sent.code).toBe(0)
  expect(sent.ext).toMatchObject({ queueId: '2', queueOffset: '0', TRACE_ON: 'true', MSG_REGION: 'DefaultRegion' })
  const { code, messages, next } = await client.pull('T', 2, 0, { suspendMs: 5000 })
  expect(code).toBe(0)
  expect(next).toBe(1)
  expect(messages).toHaveLength(1)
  expect(Buffer.from(messages[0].body).toString()).toBe('hello')
  await client.close()
})

test('a pull that waits is answered by the next message of its queue', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  await client.send('T', 'first')
  await client.pull('T', 0, 0, { suspendMs: 5000 })
  const held = client.pull('T', 0, 1, { suspendMs: 10_000 })
  await new Promise((resolve) => setTimeout(resolve, 50))
  await client.send('T', 'second')
  expect((await held).messages.map(({ body }) => Buffer.from(body).toString())).toEqual(['second'])
  await client.close()
})

test('a held pull ends when the clock has passed its deadline', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  await client.send('T', 'first')
  await client.pull('T', 0, 0, { suspendMs: 5000 })
  const held = client.pull('T', 0, 1, { suspendMs: 10_000 })
  await new Promise((resolve) => setTimeout(resolve, 50))
  broker.advance('20s')
  expect((await held).code).toBe(19)
  await client.close()
})

test('a broker that is started again on its store gives everything back', async () => {
  await using first = await startTestBroker()
  const client = new TestClient(first.address)
  for (let i = 0; i < 100; i += 1) await client.send('T', `message ${i}`, { queueId: i % 4 })
  await client.close()
  await using second = await first.restart()
  expect(second.handle.store.found).toContain('stopped cleanly')
  const again = new TestClient(second.address)
  const bodies: string[] = []
  for (let queueId = 0; queueId < 4; queueId += 1) {
    for (const { body } of await again.drain('T', queueId)) bodies.push(Buffer.from(body).toString())
  }
  expect(new Set(bodies)).toEqual(new Set(Array.from({ length: 100 }, (_, i) => `message ${i}`)))
  await again.close()
})

test('its folder is gone after close', async () => {
  const broker = await startTestBroker()
  await broker.close()
  expect(existsSync(broker.folder)).toBe(false)
})

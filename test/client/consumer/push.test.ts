/** A push consumer on a broker of ours: what it gets, how far it counts as consumed, how it shares, how it ends. */
import { describe, expect, test, vi } from 'vitest'
import { PushConsumer } from '../../../src/client/consumer/index.ts'
import { consume, send, testBroker, texts } from './support.ts'

const sorted = (list: readonly string[]) => [...list].sort()
const patience = { timeout: 10_000 }

describe('a consumer', () => {
  test('gets every message once, and the group has committed all of them when it is closed', async () => {
    const broker = await testBroker()
    await send(broker, 'T', texts(100))
    const { consumer, got } = await consume(broker)
    await vi.waitFor(() => expect(sorted(got)).toEqual(sorted(texts(100))), patience)
    await send(broker, 'T', texts(20, 'later'))
    await vi.waitFor(() => expect(got.length).toBe(120), patience)
    await consumer.close()
    expect(broker.handle.lag('G')).toBe(0)
    const { got: again } = await consume(broker)
    await send(broker, 'T', ['new'])
    await vi.waitFor(() => expect(again).toEqual(['new']), patience)
  })
})

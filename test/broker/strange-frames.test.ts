/**
 * A few thousand frames that no honest peer sends, against a broker and the NameServer inside it: the short form of row 20 of the
 * fault campaign, for every run of the tests. The seed of a failure is in its name; FAULTS_SEED makes the same frames again.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import type { Log } from '../../src/log.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { randomOf, strangeFrame } from '../faults/support/fuzz.ts'
import { TestClient } from '../support/client.ts'

const FRAMES = 3000
const FRAMES_A_CONNECTION = 10
const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000)
const TOPIC_CONFIGS = 21
const CLUSTER_INFO = 106

test(`${FRAMES} strange frames each: no failure of ours, and the next good request is answered (seed ${SEED})`, async () => {
  const errors: string[] = []
  const log: Log = { info() {}, warn() {}, error: (message) => void errors.push(message) }
  await using broker = await startTestBroker({ log })
  const random = randomOf(SEED)
  for (const [address, code] of [
    [broker.address, TOPIC_CONFIGS],
    [broker.namesrv, CLUSTER_INFO],
  ] as const) {
    const client = new TestClient(address)
    for (let sent = 0; sent < FRAMES; sent += 8 * FRAMES_A_CONNECTION) {
      const bundles = Array.from({ length: 8 }, () =>
        Array.from({ length: FRAMES_A_CONNECTION }, () => strangeFrame(random)),
      )
      await Promise.all(bundles.map((bundle) => throwAt(address, bundle)))
      expect((await client.invoke(code)).code, `after ${sent} frames`).toBe(0)
    }
    await client.close()
  }
  expect(errors.filter((line) => line.includes('failed'))).toEqual([])
  const client = new TestClient(broker.address)
  expect((await client.send('After', 'good')).code).toBe(0)
  expect((await client.pull('After', 0, 0, { suspendMs: 5000 })).messages).toHaveLength(1)
  await client.close()
})

async function throwAt(address: string, frames: Buffer[]): Promise<void> {
  const [host, port] = address.split(':')
  const socket = connect({ host, port: Number(port), noDelay: true })
  socket.on('error', () => {}).resume()
  const gone = once(socket, 'close')
  await Promise.race([once(socket, 'connect'), gone])
  for (const frame of frames) socket.write(frame)
  await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 10))])
  socket.destroy()
  await gone
}

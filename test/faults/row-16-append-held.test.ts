/**
 * Row 16: the submit ring is full for seconds, because append takes nothing from it.
 *
 * Senders are held back and then refused with "system busy" and the stage that is behind; nothing is lost, memory stays
 * bounded, and once append goes on a send takes what it took before, within a second.
 */
import { expect, test } from 'vitest'
import { startBrokerProcess, TINY } from './support/broker-process.ts'
import { judge, Ledger, Load, pause, readBack } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'

const HELD_MS = isLong ? 10_000 : 1500
const RECOVERED_MS = 1000
const MIB = 1024 * 1024

test('append held: senders are told who is behind, nothing is lost, and latency is normal a second after', async () => {
  using folder = storeFolder()
  const config = { submitRingSize: 4 * MIB, maxMessageSize: 256 * 1024 }
  await using broker = await startBrokerProcess({ folder: folder.path, config, faults: true })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, connections: 4, inFlight: 64, bodyBytes: 128 * 1024 })
  load.start()
  await load.acknowledged(200)
  const before = broker.rss()
  const normal = percentile(
    load.latencies.map(({ ms }) => ms),
    0.99,
  )

  await broker.set('holdAppend', 1)
  await pause(HELD_MS)
  const held = broker.rss()
  await broker.set('holdAppend', 0)
  const released = performance.now()
  await load.acknowledged(200)
  await pause(RECOVERED_MS + 500)
  await load.stop()

  const refusals = [...ledger.refused.values()]
  expect(refusals.length).toBeGreaterThan(0)
  for (const { code, remark } of refusals) {
    expect(code).toBe(2)
    expect(remark).toMatch(/append has \d+ bytes to take/)
  }
  expect(held - before).toBeLessThan(64 * MIB)
  const after = load.latencies.filter(({ at, ms, code }) => code === 0 && at - ms > released + RECOVERED_MS)
  expect(after.length).toBeGreaterThan(0)
  expect(
    percentile(
      after.map(({ ms }) => ms),
      0.5,
    ),
  ).toBeLessThan(Math.max(200, 3 * normal))
  expect(load.brokenPositions).toEqual([])
  expect(load.unanswered).toEqual([])
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(folder.path, TINY)).toEqual([])
})

function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

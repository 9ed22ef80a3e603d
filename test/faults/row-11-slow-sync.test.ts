/**
 * Row 11: every fdatasync takes seconds.
 *
 * SYNC_FLUSH: senders are answered FLUSH_DISK_TIMEOUT after syncFlushTimeout, whoever does not wait (WAIT=false) at once, and
 * what was answered so is stored once. ASYNC_FLUSH: nobody notices. Memory stays bounded in both.
 */
import { expect, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { startBrokerProcess, TINY } from './support/broker-process.ts'
import { judge, Ledger, Load, pause, readBack } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'

const SLOW_MS = isLong ? 5000 : 1500
const TIMEOUT_MS = isLong ? 4000 : 500
const LOAD_MS = isLong ? 60_000 : 3000
const FLUSH_DISK_TIMEOUT = 10
const MEMORY_MAX = 64 * 1024 * 1024

test('SYNC_FLUSH: senders time out as FLUSH_DISK_TIMEOUT, and those who do not wait are answered at once', async () => {
  using folder = storeFolder()
  const config = { flushDiskType: 'SYNC_FLUSH', syncFlushTimeout: TIMEOUT_MS } as const
  await using broker = await startBrokerProcess({ folder: folder.path, config, faults: true })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, inFlight: 64 })
  load.start()
  await load.acknowledged(100)
  const before = broker.rss()
  await broker.set('slowSync', SLOW_MS)
  await pause(LOAD_MS / 2)

  const client = new TestClient(broker.address)
  const askedAt = performance.now()
  const unwaited = await client.send('Unwaited', 'x', { properties: { WAIT: 'false' } })
  expect(unwaited.code).toBe(0)
  expect(performance.now() - askedAt).toBeLessThan(SLOW_MS)
  await client.close()

  await pause(LOAD_MS / 2)
  expect(broker.rss() - before).toBeLessThan(MEMORY_MAX)
  await broker.set('slowSync', 0)
  await load.acknowledged(100)
  await load.stop()
  const { [FLUSH_DISK_TIMEOUT]: timedOut, ...others } = ledger.codes()
  expect(timedOut).toBeGreaterThan(0)
  expect(others).toEqual({})
  for (const { ms, code } of load.latencies) if (code === FLUSH_DISK_TIMEOUT) expect(ms).toBeGreaterThan(TIMEOUT_MS / 2)
  expect(load.unanswered).toEqual([])
  expect(load.brokenPositions).toEqual([])
  const read = await readBack(broker.address)
  expect(judge(ledger, read)).toEqual([])
  expect(read).toHaveLength(ledger.sent)
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(folder.path, TINY)).toEqual([])
})

test('ASYNC_FLUSH: a slow disk is nobody’s business', async () => {
  using folder = storeFolder()
  const config = { flushDiskType: 'ASYNC_FLUSH', flushIntervalCommitLog: 20 } as const
  await using broker = await startBrokerProcess({ folder: folder.path, config, faults: true })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, inFlight: 64 })
  load.start()
  await load.acknowledged(500)
  const before = broker.rss()
  await broker.set('slowSync', SLOW_MS)
  await pause(100)
  const slowFrom = performance.now()
  await pause(LOAD_MS / 2)
  const slow = load.latencies.filter(({ at, ms }) => at - ms > slowFrom)
  expect(slow.length).toBeGreaterThan(100)
  expect(slow.filter(({ ms }) => ms >= SLOW_MS)).toEqual([])
  expect(broker.rss() - before).toBeLessThan(MEMORY_MAX)
  await load.stop()
  await broker.set('slowSync', 0)
  expect(ledger.refused.size).toBe(0)
  expect(load.unanswered).toEqual([])
  expect(load.brokenPositions).toEqual([])
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(folder.path, TINY)).toEqual([])
})

/**
 * What rows 14 and 15 ask of a broker whose thread dies under load: everybody who waits is told at once, the thread is named
 * within a second, the process ends with a failure after what was appended is on disk, and the next start is clean.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { BrokerConfig } from '../../../src/config/index.ts'
import { THREADS, type ThreadName } from '../../../src/faults.ts'
import { type Exit, startBrokerProcess, TINY, until } from './broker-process.ts'
import { judge, Ledger, Load, pause, readBack } from './load.ts'
import { Observer } from './power-cut.ts'
import { isLong, storeFolder } from './scratch.ts'
import { verifyStore } from './verify-store.ts'

export const FLUSH_MODES = ['SYNC_FLUSH', 'ASYNC_FLUSH'] as const

const NAMED_MS_MAX = 1000
const IN_FLIGHT = 32
const FAILED: Exit = { status: 1, signal: null }

export async function expectThreadDeathIsSurvived(thread: ThreadName, flushDiskType: (typeof FLUSH_MODES)[number]) {
  using scratch = storeFolder()
  const store = join(scratch.path, 'store')
  mkdirSync(store)
  const observer = Observer.create(scratch.path)
  observer?.adopt(store)
  // So rare a flush that only the end of the broker can be what puts the messages on disk.
  const config: Partial<BrokerConfig> = {
    flushDiskType,
    flushIntervalCommitLog: 60_000,
    flushCommitLogThoroughInterval: 60_000,
  }
  const broker = await startBrokerProcess({ folder: store, config, faults: true, env: observer?.env(store) })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, inFlight: IN_FLIGHT })
  load.start()
  await load.acknowledged(200)
  if (thread === 'append') {
    // Everybody waits for it.
    await broker.set('holdAppend', 1)
    await until(() => ledger.sent - ledger.acknowledged.size === IN_FLIGHT, 10_000)
    await pause(100)
  }
  const toldAt = Date.now()
  await broker.set('killThread', THREADS[thread])
  expect(await broker.exit).toEqual(FAILED)
  await load.stop()

  const named = failureIn(broker.log, thread)
  expect(named - toldAt).toBeLessThanOrEqual(NAMED_MS_MAX)
  for (const { code, remark } of ledger.refused.values()) {
    expect([1, 14]).toContain(code)
    expect(remark).toContain(`the ${thread} thread failed`)
  }
  if (thread === 'append') expect(ledger.refused.size).toBeGreaterThanOrEqual(IN_FLIGHT)
  // Whoever had sent got the answer, or came when the connection had ended with the broker.
  expect(load.unanswered.filter((text) => text.includes('TIMEOUT'))).toEqual([])
  expect(load.brokenPositions).toEqual([])

  if (observer !== undefined && (thread === 'append' || (isLong && thread !== 'flush')))
    await expectAllOnDisk(observer, store, config, ledger)
  await using again = await startBrokerProcess({ folder: store, config })
  expect(judge(ledger, await readBack(again.address))).toEqual([])
  expect(await again.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(store, TINY)).toEqual([])
}

/** "After flush": a power cut right after the end takes nothing that was acknowledged, in ASYNC_FLUSH too. */
async function expectAllOnDisk(observer: Observer, store: string, config: Partial<BrokerConfig>, ledger: Ledger) {
  const rebuilt = `${store}-rebuilt`
  observer.rebuild(store, rebuilt)
  await using broker = await startBrokerProcess({ folder: rebuilt, config })
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
}

/** When the log said that the thread failed, ms. */
function failureIn(log: string, thread: ThreadName): number {
  for (const line of log.split('\n')) {
    if (!line.includes(`the ${thread} thread failed, the broker ends`)) continue
    return Date.parse((JSON.parse(line) as { time: string }).time)
  }
  return Number.POSITIVE_INFINITY
}

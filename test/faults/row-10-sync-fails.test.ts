/**
 * Row 10: fdatasync of the CommitLog fails once with EIO and would succeed afterwards (the fsync-gate).
 *
 * A failed sync is final: whoever waits is told, nothing is accepted any more, the broker says why and ends with a failure;
 * no later success moves `flushed`. The next start reads, writes and syncs the doubtful range before it believes it: judged
 * by the observer of row 3, which, like Linux, takes the pages of a failed sync for clean until they are written again.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess, TINY, until } from './support/broker-process.ts'
import { judge, Ledger, Load, type ReadMessage, readBack } from './support/load.ts'
import { withoutRewrite } from './support/mutants.ts'
import { hasObserver, Observer } from './support/power-cut.ts'
import { storeFolder } from './support/scratch.ts'
import { positionsIn, verifyStore } from './support/verify-store.ts'

test.each(['SYNC_FLUSH', 'ASYNC_FLUSH'] as const)(
  '%s: a failed fdatasync ends the broker, and is never made up for',
  async (flushDiskType) => {
    using folder = storeFolder()
    const config = { flushDiskType, flushIntervalCommitLog: 20 }
    await using broker = await startBrokerProcess({ folder: folder.path, config, faults: true })
    const ledger = new Ledger()
    const load = new Load({ address: broker.address, ledger })
    load.start()
    await load.acknowledged(200)
    // A busy machine may take its time for the first of ten refreshes a second.
    await until(() => (positionsIn(folder.path)?.appended ?? 0) > 0, 10_000)
    await broker.set('failSync', 1)
    expect(await broker.exit).toEqual({ status: 1, signal: null })
    await load.stop()

    expect(broker.log).toMatch(/the flush thread failed, the broker ends: .*EIO/)
    expect(load.brokenPositions).toEqual([])
    const refusals = [...ledger.refused.values()]
    if (flushDiskType === 'SYNC_FLUSH') expect(refusals.length).toBeGreaterThan(0)
    for (const { remark } of refusals) expect(remark).toMatch(/flush|fdatasync/)
    const marks = positionsIn(folder.path)!
    // Nothing is declared flushed beyond what was so before the sync that failed.
    expect(marks.flushed).toBeLessThanOrEqual(Number(/nothing above (\d+) is known/.exec(broker.log)?.[1]))

    await using again = await startBrokerProcess({ folder: folder.path, config })
    expect(again.screen).toContain('after an unclean stop')
    expect(judge(ledger, await readBack(again.address))).toEqual([])
    expect(await again.stop()).toEqual({ status: 0, signal: null })
    expect(verifyStore(folder.path, TINY)).toEqual([])
  },
)

test.runIf(hasObserver())(
  'what the next start serves is on disk, though the sync that failed never put it there',
  async () => {
    const { before, after, acknowledged } = await serveAfterFailedSync()
    expect(acknowledged).toEqual([])
    expect(numbersOf(after)).toEqual(numbersOf(before))
  },
)

test.runIf(hasObserver())('the observer catches a start that does not write the doubtful range again', async () => {
  using mutant = withoutRewrite.make()
  const { before, after } = await serveAfterFailedSync(mutant.root)
  expect(after.length).toBeLessThan(before.length)
})

/** A sync fails, the broker is started again and serves what it finds; then the power is cut. */
async function serveAfterFailedSync(root?: string) {
  using scratch = storeFolder()
  const observer = Observer.create(scratch.path)!
  const store = join(scratch.path, 'store')
  const rebuilt = join(scratch.path, 'rebuilt')
  mkdirSync(store)
  observer.adopt(store)
  const config = { flushDiskType: 'SYNC_FLUSH' as const }
  const start = () => startBrokerProcess({ folder: store, config, env: observer.env(store), root })
  const ledger = new Ledger()

  const broker = await start()
  const load = new Load({ address: broker.address, ledger, inFlight: 64 })
  load.start()
  await load.acknowledged(100)
  observer.failNextSync('/commitlog/')
  expect((await broker.exit).status).toBe(1)
  await load.stop()

  const before = await readAndKill(await start())
  observer.rebuild(store, rebuilt)
  const after = await readAndKill(await startBrokerProcess({ folder: rebuilt, config }))
  return { before, after, acknowledged: judge(ledger, after) }
}

async function readAndKill(broker: BrokerProcess): Promise<ReadMessage[]> {
  const read = await readBack(broker.address)
  await broker.kill()
  return read
}

function numbersOf(read: ReadMessage[]): number[] {
  return read.map(({ number }) => number)
}

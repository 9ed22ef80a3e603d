/**
 * Row 6: ConsumeQueues, index or checkpoint are deleted, one or all, after a kill and after a clean stop.
 *
 * All of them can be had from the log again: every message is at the queue offset that it had, keys find it, and queue
 * offsets go on where they were. RocketMQ 4.9.8 starts a single missing queue at 0 again, and never rebuilds the index.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BrokerProcess } from './support/broker-process.ts'
import { type FilledStore, filledStore, keysNotFound, killIdle, maxOffsets, whenIdle } from './support/filled-store.ts'
import { TOPIC } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'

type Deleted = [what: string, paths: (store: FilledStore) => string[]]

const queueFolder = (queueId: number) => join('consumequeue', TOPIC, String(queueId))
const newest = (paths: string[]) => paths.slice(-1)
const oldest = (paths: string[]) => paths.slice(0, 1)

const EVERYTHING: Deleted = ['everything but the log', () => ['consumequeue', 'index', 'checkpoint', 'basalt']]
const CASES: Deleted[] = [
  ['one queue', () => [queueFolder(2)]],
  ['the oldest file of a queue', ({ files }) => oldest(files(queueFolder(0)))],
  ['the newest file of a queue', ({ files }) => newest(files(queueFolder(1)))],
  ['all ConsumeQueues', () => ['consumequeue']],
  ['the newest index file', ({ files }) => newest(files('index'))],
  ['all index files', ({ files }) => files('index')],
  ['the checkpoint', () => ['checkpoint']],
  ['ConsumeQueues, index and checkpoint', () => ['consumequeue', 'index', 'checkpoint']],
  EVERYTHING,
]
const IN_SHORT = {
  kill: new Set(['one queue', 'the newest file of a queue', 'the newest index file', EVERYTHING[0]]),
  stop: new Set(['one queue', 'all index files']),
}

test.each(['kill', 'stop'] as const)('what is deleted after a %s is built from the log again', async (end) => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 3000, end: 'stop' })
  const cases = isLong ? CASES : CASES.filter(([what]) => IN_SHORT[end].has(what))
  let broker: BrokerProcess = await store.start()
  try {
    for (const [what, paths] of cases) {
      await store.fill(broker, 50)
      await whenIdle(broker)
      const before = await maxOffsets(broker.address)
      if (end === 'kill') await killIdle(broker)
      else expect(await broker.stop()).toEqual({ status: 0, signal: null })
      for (const path of paths(store))
        rmSync(path.startsWith('/') ? path : join(store.folder, path), { recursive: true, force: true })

      broker = await store.start()
      expect(await maxOffsets(broker.address), what).toEqual(before)
      expect(await store.problems(broker), what).toEqual([])
      expect(await keysNotFound(broker.address, store.ledger), what).toEqual([])
    }
    await store.fill(broker, 50)
    expect(await store.problems(broker)).toEqual([])
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
  } finally {
    await broker.kill()
  }
  expect(store.damage()).toEqual([])
})

test('a store that is too young for any snapshot gets all its ConsumeQueues back', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 600 })
  rmSync(join(store.folder, 'consumequeue'), { recursive: true })
  await using broker = await store.start()
  expect(await store.problems(broker)).toEqual([])
  await store.fill(broker, 10)
  expect(await store.problems(broker)).toEqual([])
})

/**
 * Row 7: the last file of a kind is empty, short, or missing, for every kind of file (RocketMQ #9728 and #10108: the broker
 * does not start). Here it starts, and all that the log still holds is served.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BrokerProcess } from './support/broker-process.ts'
import { type FilledStore, filledStore, keysNotFound, killIdle, sizeOf, truncate } from './support/filled-store.ts'
import { TOPIC } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'

type Kind = [what: string, path: (store: FilledStore) => string]

const last = (paths: string[]) => paths[paths.length - 1]
const inStore = (path: string) => (store: FilledStore) => join(store.folder, path)

const KINDS: Kind[] = [
  ['the segment that was allocated ahead', ({ files }) => last(files('commitlog'))],
  ['the newest ConsumeQueue file', ({ files }) => last(files(join('consumequeue', TOPIC, '0')))],
  ['the newest index file', ({ files }) => last(files('index'))],
  ['the checkpoint', inStore('checkpoint')],
  ['the positions', inStore('basalt/positions')],
  ['the snapshot of the queues', inStore('basalt/queues')],
  ['abort', inStore('abort')],
  ['lock', inStore('lock')],
]
const HARM = {
  empty: (path: string) => truncate(path, 0),
  short: (path: string) => truncate(path, Math.max(1, Math.floor(sizeOf(path) / 3))),
  missing: (path: string) => rmSync(path),
}
/** Of the segment that messages went to last; it holds more. */
const TAIL_KEPT = 10_000
/** In the short form one kind of harm a file, another one each: the first, the second, the third, the first … */
const HARMS = Object.keys(HARM) as (keyof typeof HARM)[]

test('a killed broker starts whatever became of the last file of a kind, and serves all that is in the log', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 2500, end: 'stop' })
  let broker: BrokerProcess = await store.start()
  try {
    for (const [index, [what, path]] of KINDS.entries()) {
      for (const harm of isLong ? HARMS : [HARMS[index % HARMS.length]]) {
        await store.fill(broker, 20)
        await killIdle(broker)
        const victim = path(store)
        expect(existsSync(victim), `${what} exists`).toBe(true)
        HARM[harm](victim)

        broker = await store.start()
        const hint = `${what} is ${harm}`
        expect(await store.problems(broker), hint).toEqual([])
        expect(await keysNotFound(broker.address, store.ledger, 10), hint).toEqual([])
      }
    }
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
  } finally {
    await broker.kill()
  }
  expect(store.damage()).toEqual([])
})

test.each(isLong ? HARMS : (['short', 'missing'] as const))(
  'the last segment of the log is %s: the broker starts, says what was lost, and serves the rest',
  async (harm) => {
    using folder = storeFolder()
    const store = await filledStore(folder.path, { count: 2500, end: 'stop' })
    {
      await using broker = await store.start()
      await store.fill(broker, 100)
      await killIdle(broker)
    }
    const tail = segmentOfTail(store)
    const kept = harm === 'short' ? TAIL_KEPT : 0
    const lostFrom = tail.start + kept
    if (harm === 'missing') rmSync(tail.path)
    else truncate(tail.path, kept)

    await using broker = await store.start()
    const mayMiss = ({ physicalOffset }: { physicalOffset: number }) => physicalOffset > lostFrom - 1024
    expect(await store.problems(broker, { mayMiss, gaps: true })).toEqual([])
    expect(broker.log).toMatch(/"code":"LOG_LOST"/)
    for (const [number, { physicalOffset }] of [...store.ledger.acknowledged]) {
      if (physicalOffset > lostFrom - 1024) store.ledger.acknowledged.delete(number)
    }
    await store.fill(broker, 200)
    expect(await store.problems(broker, { gaps: true })).toEqual([])
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
    expect(store.damage()).toEqual([])
  },
)

test('files that nobody expects keep no broker from starting', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 300, end: 'stop' })
  const strays = [
    `consumequeue/${TOPIC}/0/notes.txt`,
    `consumequeue/${TOPIC}/x`,
    'consumequeue/README',
    'index/backup',
    'config/topics.json.orig',
    'config/topics.json.tmp',
    'basalt/00000000000099999744.tmp',
  ]
  for (const stray of strays) writeFileSync(join(store.folder, stray), '')
  await using broker = await store.start()
  expect(await store.problems(broker)).toEqual([])
  expect(await keysNotFound(broker.address, store.ledger, 10)).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

/** The segment that holds the newest acknowledged record. */
function segmentOfTail(store: FilledStore): { path: string; start: number } {
  const newest = Math.max(...[...store.ledger.acknowledged.values()].map(({ physicalOffset }) => physicalOffset))
  const names = readdirSync(join(store.folder, 'commitlog')).sort()
  const name = names.findLast((each) => Number(each) <= newest)!
  return { path: join(store.folder, 'commitlog', name), start: Number(name) }
}

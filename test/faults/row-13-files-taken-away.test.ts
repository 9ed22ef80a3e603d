/**
 * Row 13: somebody else removes, replaces or cuts files of the store while the broker runs.
 *
 * Removed or replaced: the broker names the file within seconds and goes on with the one that it has open; what it was told
 * to keep is there after the next start. Cut: whoever has the file mapped may be ended by the kernel, and the next start
 * says what is lost.
 */
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TestClient } from '../support/client.ts'
import { type BrokerProcess, until } from './support/broker-process.ts'
import {
  complaints,
  type FilledStore,
  filledStore,
  keysNotFound,
  maxOffsets,
  sizeOf,
  truncate,
  whenIdle,
} from './support/filled-store.ts'
import { pause, readBack, TOPIC } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'

const SERVICE_NOT_AVAILABLE = 14
const NAMED_MS = 10_000
/** The broker looks at its files each second. */
const WATCH_MS = 1500
/** The copy is made at the second look that finds the log where it was. */
const SAVED_MS = 10_000

test.each(isLong ? (['removed', 'replaced'] as const) : (['replaced'] as const))(
  'the segment that is written is %s: sends are refused, and a start after a kill finds everything',
  async (fate) => {
    using folder = storeFolder()
    const store = await filledStore(folder.path, { count: 2500, end: 'stop' })
    {
      await using broker = await store.start()
      await store.fill(broker, 200)
      const path = tailOf(store)
      if (fate === 'removed') rmSync(path)
      else {
        writeFileSync(`${path}.new`, Buffer.alloc(sizeOf(path)))
        renameSync(`${path}.new`, path)
      }
      await until(() => complaints(broker).some((line) => line.includes(`${path} was ${fate}`)), NAMED_MS)
      const client = new TestClient(broker.address)
      const answer = await client.send(TOPIC, 'too late')
      await client.close()
      expect(answer.code).toBe(SERVICE_NOT_AVAILABLE)
      expect(answer.remark).toContain(path)
      expect(await store.problems(broker)).toEqual([])
      await until(() => broker.log.includes('has its content again'), SAVED_MS)
      expect(broker.hasExited).toBe(false)
      await broker.kill()
    }
    await using broker = await store.start()
    expect(await store.problems(broker)).toEqual([])
    await store.fill(broker, 200)
    expect(await store.problems(broker)).toEqual([])
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
    expect(store.damage()).toEqual([])
  },
)

test('a segment that is allocated ahead is removed: it is made again, and the log rolls into it', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 300, end: 'stop' })
  await using broker = await store.start()
  await store.fill(broker, 50)
  // The watch has seen it, and it is not the one in use.
  await pause(WATCH_MS)
  const path = store.files('commitlog').at(-1)!
  rmSync(path)
  await until(() => existsSync(path), NAMED_MS)
  expect(complaints(broker).join('\n')).toContain(`${path} was removed by somebody else`)
  await store.fill(broker, 6000)
  expect(await store.problems(broker)).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(store.damage()).toEqual([])
})

test('an older segment is removed: it is named, its messages are passed, all others are served', async () => {
  using folder = storeFolder()
  const store = await filledStore(folder.path, { count: 5000 })
  await using broker = await store.start()
  await whenIdle(broker)
  const [path] = store.files('commitlog')
  rmSync(path)
  const size = store.config.mappedFileSizeCommitLog!
  const mayMiss = ({ physicalOffset }: { physicalOffset: number }) => physicalOffset < size
  expect(await store.problems(broker, { mayMiss, gaps: true })).toEqual([])
  await until(() => complaints(broker).some((line) => line.includes(`${path} was removed`)), NAMED_MS)
  await store.fill(broker, 200)
  expect(await store.problems(broker, { mayMiss, gaps: true })).toEqual([])
  expect(broker.hasExited).toBe(false)
})

const REMOVED: [what: string, paths: (store: FilledStore) => string[]][] = [
  ['the newest file of a queue', ({ files }) => files(join('consumequeue', TOPIC, '1')).slice(-1)],
  ['all files of a queue', ({ files }) => files(join('consumequeue', TOPIC, '2'))],
  ['the index', ({ files }) => files('index')],
  ['the tables', ({ files }) => files('config').filter((path) => path.endsWith('.json'))],
  [
    'lock, abort, positions and checkpoint',
    ({ folder }) => ['lock', 'abort', 'basalt/positions', 'checkpoint'].map((name) => join(folder, name)),
  ],
]
const ALL: typeof REMOVED = [['all but the log', (store) => REMOVED.flatMap(([, paths]) => paths(store))]]

test.each(isLong ? [...REMOVED, ...ALL] : ALL)(
  '%s removed: the broker goes on, and the next start has everything',
  async (_, paths) => {
    using folder = storeFolder()
    const store = await filledStore(folder.path, { count: 2500, end: 'stop' })
    let before: number[]
    {
      await using broker = await store.start()
      await store.fill(broker, 100)
      await pause(WATCH_MS)
      for (const path of paths(store)) rmSync(path, { force: true })
      await store.fill(broker, 100)
      await whenIdleOrPause(broker)
      before = await maxOffsets(broker.address)
      expect(broker.hasExited).toBe(false)
      await broker.kill()
    }
    await using broker = await store.start()
    expect(await maxOffsets(broker.address)).toEqual(before)
    expect(await store.problems(broker)).toEqual([])
    expect(await keysNotFound(broker.address, store.ledger, 10)).toEqual([])
    await store.fill(broker, 50)
    expect(await store.problems(broker)).toEqual([])
  },
)

const CUT: [what: string, victim: (store: FilledStore) => string][] = [
  ['the segment that is written', tailOf],
  ['the newest file of a queue', ({ files }) => files(join('consumequeue', TOPIC, '0')).at(-1)!],
  ['an older segment', ({ files }) => files('commitlog')[0]],
  ['the newest index file', ({ files }) => files('index').at(-1)!],
]

test.each(isLong ? CUT : CUT.slice(0, 1))(
  '%s is cut under the broker: it may end, and the next start serves the rest and says what is lost',
  async (what, victim) => {
    using folder = storeFolder()
    const store = await filledStore(folder.path, { count: 4000, end: 'stop' })
    const isLog = what.includes('segment')
    let path = ''
    {
      await using broker = await store.start()
      await store.fill(broker, 100)
      await whenIdle(broker)
      path = victim(store)
      truncate(path, isLog ? 8192 : 100)
      // Whatever becomes of it: nothing is sent from here on.
      await readBack(broker.address).catch(() => [])
      await pause(WATCH_MS)
      if (!broker.hasExited) await broker.kill()
      const { signal, status } = await broker.exit
      // Ended by the kernel, by this test, or by itself when it found the file shorter than its layout says.
      expect(['SIGKILL', 'SIGBUS', null]).toContain(signal)
      expect(status).not.toBe(0)
    }
    await using broker = await store.start()
    const size = store.config.mappedFileSizeCommitLog!
    const start = isLog ? Number(path.slice(-20)) : -1
    const mayMiss = ({ physicalOffset }: { physicalOffset: number }) =>
      isLog && physicalOffset > start + 8192 - 1024 && physicalOffset < start + size
    expect(await store.problems(broker, { mayMiss, gaps: isLog })).toEqual([])
    if (isLog) expect(complaints(broker).join('\n')).toContain(path)
    else expect(await keysNotFound(broker.address, store.ledger, 10)).toEqual([])
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
  },
)

/** Path of the segment that holds the newest acknowledged record. */
function tailOf(store: FilledStore): string {
  const newest = Math.max(...[...store.ledger.acknowledged.values()].map(({ physicalOffset }) => physicalOffset))
  const names = readdirSync(join(store.folder, 'commitlog')).sort()
  return join(store.folder, 'commitlog', names.findLast((name) => Number(name) <= newest)!)
}

/** whenIdle() reads basalt/positions, which may be gone. */
async function whenIdleOrPause(broker: BrokerProcess): Promise<void> {
  if (existsSync(join(broker.folder, 'basalt', 'positions'))) await whenIdle(broker)
  else await pause(500)
}

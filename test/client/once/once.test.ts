/** An effect happens once although its message comes again; the same expectations of the store in memory and of SQLite's. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MemoryOnceStore, OnceError, type OnceStore, once } from '../../../src/client/once/index.ts'

const hasSqlite = (() => {
  try {
    createRequire(import.meta.url)('node:sqlite')
    return true
  } catch {
    console.error(
      `\n*** SKIPPED: no node:sqlite in Node ${process.version}: once() on a database needs 22.5 or later ***\n`,
    )
    return false
  }
})()

let folder: string
let now: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'basalt-once-'))
  now = 1_000_000
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Two consumers' views of one store. */
type Open = () => Promise<[OnceStore, OnceStore]>
const inMemory: Open = async () => {
  const store = new MemoryOnceStore({ clock: { now: () => now } })
  return [store, store]
}
const onDisk: Open = async () => {
  const { SqliteOnceStore } = await import('../../../examples/once-sqlite.ts')
  const open = () => new SqliteOnceStore(join(folder, 'once.db'), () => now)
  return [open(), open()]
}
const stores: [string, Open][] = [['memory', inMemory], ...(hasSqlite ? [['SQLite', onDisk] as [string, Open]] : [])]

describe.each(stores)('once, with its keys in %s', (_, open) => {
  test('a message that comes again finds its effect done', async () => {
    const [store] = await open()
    let effects = 0
    const effect = () => ++effects
    expect(await once('order-1', effect, store)).toEqual({ isFirst: true, value: 1 })
    expect(await once('order-1', effect, store)).toEqual({ isFirst: false })
    expect(await once('order-2', effect, store)).toEqual({ isFirst: true, value: 2 })
  })

  test('two consumers that get one message at the same time: one has the effect, the other is told to come later', async () => {
    const [first, second] = await open()
    let finish = () => {}
    const working = once(
      'k',
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
      first,
    )
    await expect.poll(() => finish.length).toBe(1)
    const refused = await once('k', () => expect.unreachable(), second).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(OnceError)
    expect(refused).toMatchObject({ code: 'ONCE_BUSY', retriable: true })
    finish()
    await working
    expect(await once('k', () => expect.unreachable(), second)).toEqual({ isFirst: false })
  })

  test('an effect that throws may be had by the next delivery', async () => {
    const [first, second] = await open()
    const failing = once(
      'k',
      () => {
        throw new Error('no money')
      },
      first,
    )
    await expect(failing).rejects.toThrow('no money')
    expect(await once('k', () => 'paid', second)).toEqual({ isFirst: true, value: 'paid' })
  })

  test('a consumer that died between the effect and its mark: repeated after the lease, and not before', async () => {
    const [first, second] = await open()
    // The claim and the effect are all that a dead consumer leaves.
    expect(await first.claim('k', 30_000, 'dead')).toBe('claimed')
    const effects = ['by the dead']
    await expect(once('k', () => effects.push('too early'), second)).rejects.toThrow(/somebody else/)
    now += 30_001
    await once('k', () => effects.push('again'), second)
    expect(effects).toEqual(['by the dead', 'again'])
    expect(await once('k', () => effects.push('third'), first)).toEqual({ isFirst: false })
  })

  test('whoever takes longer than the lease is told, and does not undo what the next one did', async () => {
    const [slow, next] = await open()
    const overtaken = once(
      'k',
      async (signal) => {
        now += 60_001
        await once('k', () => 'by the next', next)
        expect(signal.aborted).toBe(false)
      },
      slow,
    )
    await expect(overtaken).rejects.toMatchObject({ code: 'ONCE_LEASE_LOST' })
    expect(await once('k', () => expect.unreachable(), slow)).toEqual({ isFirst: false })
  })

  test('the signal is aborted when the lease runs out', async () => {
    const [store] = await open()
    const waits = (signal: AbortSignal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    await expect(once('k', waits, store, { leaseMs: 20 })).rejects.toMatchObject({ code: 'ONCE_LEASE_LOST' })
    expect(await store.claim('k', 10, 'other')).toBe('claimed')
  })
})

test('a memory of few keys forgets the oldest', async () => {
  const store = new MemoryOnceStore({ max: 2 })
  for (const key of ['a', 'b', 'c']) await once(key, () => {}, store)
  const isFirst = async (key: string) => (await once(key, () => {}, store)).isFirst
  expect([await isFirst('c'), await isFirst('b'), await isFirst('a')]).toEqual([false, false, true])
})

describe.skipIf(!hasSqlite)('effect and mark in one transaction', () => {
  test('a process killed in the middle leaves neither, and the next one has both, once', async () => {
    const { SqliteOnceStore } = await import('../../../examples/once-sqlite.ts')
    const path = join(folder, 'bank.db')
    const example = new URL('../../../examples/once-sqlite.ts', import.meta.url).href
    const program = `
      const { SqliteOnceStore } = await import(${JSON.stringify(example)})
      const store = new SqliteOnceStore(${JSON.stringify(path)})
      store.database.exec('CREATE TABLE IF NOT EXISTS account (paid INTEGER)')
      store.inTransaction('k', (db) => { db.exec('INSERT INTO account VALUES (5)'); process.kill(process.pid, 'SIGKILL') })`
    const args = ['--experimental-strip-types', '--input-type=module', '-e', program]
    expect(spawnSync(process.execPath, args).signal).toBe('SIGKILL')
    const store = new SqliteOnceStore(path)
    const pay = () => store.inTransaction('k', (db) => db.exec('INSERT INTO account VALUES (5)'))
    expect([pay(), pay()]).toEqual([true, false])
    expect(store.database.prepare('SELECT count(*) AS n FROM account').get()).toEqual({ n: 1 })
    store.close()
  })
})

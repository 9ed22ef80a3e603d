/** `inspect summary` against what an independent decoder found in Apache's stores, and on a store of ours in use. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openStore, summaryOf } from '../../src/inspect/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { filesBelow } from '../store/dispatch/support.ts'
import { recordedStore, scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { decodedRecords, decodedUnits, inspect } from './stores.ts'

describe.each(['clean', 'unclean'] as const)('the store that a broker of 4.9.8 left %s', (kind) => {
  test('the sizes that it was made with are read off its files', () => {
    expect(openStore(recordedStore(kind)).settings).toMatchObject({
      mappedFileSizeCommitLog: 65_536,
      mappedFileSizeConsumeQueue: 6000,
      maxHashSlotNum: 500,
      maxIndexNum: 2000,
    })
  })

  test('log, topics, queues and groups are what the decoder found', () => {
    const summary = summaryOf(openStore(recordedStore(kind)))
    const records = decodedRecords()
    const units = decodedUnits()
    const last = records.at(-1)!
    expect(summary.log).toMatchObject({
      min: 0,
      end: last.at + last.size,
      firstTime: records[0].storeTimestamp,
      lastTime: last.storeTimestamp,
      behind: 0,
      isDamaged: false,
      segmentCount: kind === 'clean' ? 4 : 5,
    })
    expect(summary.isUnclean).toBe(kind === 'unclean')
    expect(summary.inUse.isInUse).toBe(false)
    expect(summary.modeHints).toEqual(['written by RocketMQ 4.x'])
    const queues = summary.topics.flatMap((topic) => topic.queues)
    for (const { topic, queueId, count, bytes, min, max } of queues) {
      const own = units.filter((unit) => unit.topic === topic && unit.queueId === queueId)
      expect({ count, bytes, min, max }, `${topic}/${queueId}`).toEqual({
        count: own.length,
        bytes: own.reduce((sum, { size }) => sum + size, 0),
        min: 0,
        max: own.length,
      })
    }
    expect(queues.reduce((sum, { count }) => sum + count, 0)).toBe(units.length)
    const group = summary.groups.find((each) => each.group === 'OracleGroup' && each.topic === 'OracleTopic')!
    expect(group.queues.map(({ queueId, offset }) => [queueId, offset])).toEqual([
      [0, 4],
      [1, 7],
      [2, 3],
      [3, 4],
    ])
    expect(group.lag).toBe(1)
    expect(summary.delays).toEqual([{ level: 1, delayMs: 1000, waiting: 0, deliveredTo: 3, max: 3 }])
    // A commit and a rollback; the third never heard back.
    expect(summary.transactions).toEqual({ halves: 3, decided: 2, undecided: 1 })
    expect(summary.index).toMatchObject({ files: 2, entries: 1999 + 265 })
  })

  test('nothing is written: not a byte, not a time, not a name', async () => {
    const root = recordedStore(kind)
    const namesOf = () => readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
    const before = { files: filesBelow(root), names: namesOf() }
    const times = new Map(before.names.map((name) => [name, statSync(join(root, name)).mtimeMs]))
    expect((await inspect(root)).status).toBe(0)
    expect(namesOf()).toEqual(before.names)
    for (const [path, bytes] of filesBelow(root)) expect(bytes.equals(before.files.get(path)!), path).toBe(true)
    for (const [name, time] of times) expect(statSync(join(root, name)).mtimeMs, name).toBe(time)
  })
})

test('beside a running broker it says who has the store, and counts what was sent', async () => {
  await using broker = await startTestBroker()
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  for (let i = 0; i < 20; i += 1) {
    await client.send('Watched', `body ${i}`, { queueId: i % 4, properties: { TAGS: 'a', UNIQ_KEY: `K${i}` } })
  }
  const summary = await expect
    .poll(() => summaryOf(openStore(broker.folder)).topics.find(({ topic }) => topic === 'Watched'))
    .toMatchObject({ count: 20 })
    .then(() => summaryOf(openStore(broker.folder)))
  expect(summary.inUse).toMatchObject({ isInUse: true, pid: process.pid })
  expect(summary.isUnclean).toBe(true)
  expect(summary.modeHints).toContain('written by Basalt')
  expect(summary.topics.find(({ topic }) => topic === 'Watched')!.queues.map(({ max }) => max)).toEqual([5, 5, 5, 5])
  const { printed, status } = await inspect(broker.folder)
  expect(status).toBe(0)
  expect(printed).toContain(`process ${process.pid}`)
})

test('a table fits the terminal', async () => {
  const { table } = await import('../../src/cli/table.ts')
  const columns = [{ head: 'topic' }, { head: 'count' }]
  const rows = [
    ['a'.repeat(200), 12_345],
    ['b', 1],
  ] as const
  for (const line of table(columns, rows, 60).split('\n')) expect(line.length).toBeLessThanOrEqual(60)
  expect(table(columns, rows, Number.POSITIVE_INFINITY)).toContain('a'.repeat(200))
  expect(table(columns, rows, 60)).toContain('12,345')
})

describe('what is no store ends with status 2 and says what to give', () => {
  test('a folder that does not exist, a file, an empty folder, the log itself', async () => {
    const folder = scratchFolder()
    writeFileSync(join(folder, 'file'), 'x')
    mkdirSync(join(folder, 'empty'))
    for (const [path, what] of [
      ['nowhere', 'no such folder'],
      ['file', 'a file, not a store'],
      ['empty', 'it has no commitlog/'],
      [join(recordedStore('clean'), 'commitlog'), 'give the folder above'],
    ]) {
      const { status, complained, printed } = await inspect(join(path.startsWith('/') ? '' : folder, path))
      expect([status, printed]).toEqual([2, ''])
      expect(complained).toContain(what)
    }
  })

  test('a store with no file in it is one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'basalt-empty-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    mkdirSync(join(folder, 'commitlog'))
    const { status, printed } = await inspect(folder, '--json')
    expect(status).toBe(0)
    expect(JSON.parse(printed)).toMatchObject({ log: { min: 0, end: 0 }, topics: [], groups: [] })
  })
})

/** `inspect map` against the truth: what a broker wrote, record by record, and what was done to the files. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openStore } from '../../src/inspect/index.ts'
import { KINDS, type StoreMap, storeMap, told } from '../../src/inspect/map/index.ts'
import { lockStore } from '../../src/store/store-folder.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { recordedStore, scratchFolder } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'
import { fillStore, kindOf, OFFSETS, recordsOf, sizesOf } from './map-stores.ts'
import { decodedRecords, decodedUnits, inspect } from './stores.ts'

const mapOf = (root: string, options = {}) => storeMap(openStore(root), options)

/** Every byte of every file is of one kind, in the store, its files and their cells alike. */
function expectSums(map: StoreMap, slack = 0): void {
  const sum = (kinds: Partial<Record<string, number>>) =>
    Object.values(kinds).reduce((all: number, each) => all + each!, 0)
  for (const { path, size, kinds, cells } of map.segments) {
    expect(size, path).toBe(statSync(path).size)
    expect(Math.abs(sum(kinds) - size), path).toBeLessThanOrEqual(slack)
    expect(
      cells.reduce((all, { from, to }) => all + to - from, 0),
      path,
    ).toBe(size)
    for (const cell of cells) expect(Math.abs(sum(cell.kinds) - (cell.to - cell.from)), path).toBeLessThanOrEqual(slack)
  }
  expect(Math.abs(sum(map.kinds) - map.log.bytes)).toBeLessThanOrEqual(slack)
}

describe.each(['clean', 'unclean'] as const)('the store that a broker of 4.9.8 left %s', (kind) => {
  test('each record counts for its topic, by the offsets of its groups; the rest is ends of files and room', () => {
    const map = mapOf(recordedStore(kind))
    expectSums(map)
    const records = decodedRecords()
    for (const { topic, bytes } of map.topics) {
      expect(bytes, topic).toBe(sizesOf(records.filter((record) => record.topic === topic)))
    }
    expect(map.topics.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(sizesOf(records))
    // The third half of a transaction, and both op messages.
    const half = records.find(({ topic, queueOffset }) => topic === 'RMQ_SYS_TRANS_HALF_TOPIC' && queueOffset === 2)!
    const ops = records.filter(({ topic }) => topic === 'RMQ_SYS_TRANS_OP_HALF_TOPIC')
    expect(map.kinds.waiting).toBe(half.size + sizesOf(ops))
    // One of OracleTopic is not consumed: queue 1 is at 7 of 7, queue 3 at 4 of 4.
    const unread = decodedUnits().filter(
      ({ topic, queueId, index }) => topic === 'OracleTopic' && queueId === 0 && index >= 4,
    )
    expect(map.kinds.unread).toBe(sizesOf(unread))
    expect(map.groups[0]).toEqual({
      group: 'OracleGroup',
      topic: 'OracleTopic',
      records: 1,
      bytes: sizesOf(unread),
      queues: 4,
    })
    expect(map.kinds).toMatchObject({ garbage: 0, damaged: 0, undispatched: 0 })
    expect(map.notes).toEqual([])
  })

  test('what is on disk is known of a clean stop; else at least what the checkpoint says', () => {
    const map = mapOf(recordedStore(kind))
    const last = decodedRecords().at(-1)!
    if (kind === 'clean') expect(map.flushed).toEqual({ offset: last.at + last.size, source: 'stopped cleanly' })
    else {
      expect(map.flushed.source).toMatch(/checkpoint/)
      const { physicMsgTimestamp } = openStore(map.root).checkpoint
      const sure = decodedRecords().filter(({ storeTimestamp }) => storeTimestamp < physicMsgTimestamp)
      const end = sure.at(-1)
      expect(map.flushed.offset).toBe(end === undefined ? undefined : end.at + end.size)
    }
  })
})

describe('a store of ours beside its broker', () => {
  test('unread, consumed, waiting, nobody’s and deleted to the byte; what is not on disk; groups and their lag', async () => {
    await using broker = await startTestBroker({
      config: {
        mappedFileSizeCommitLog: 128 * 1024,
        maxMessageSize: 32_768,
        flushConsumerOffsetInterval: 100,
        flushCommitLogThoroughInterval: 200,
      },
    })
    await fillStore(broker)
    await expect
      .poll(() => mapOf(broker.folder).groups.length)
      .toBe(new Set(OFFSETS.map(([group, topic]) => group + topic)).size)
    const records = recordsOf(broker.folder)
    const settled = await expect
      .poll(() => mapOf(broker.folder))
      .toMatchObject({ notOnDisk: 0, kinds: { undispatched: 0 } })
      .then(() => mapOf(broker.folder))
    expectSums(settled)
    expect(settled.segments.length).toBeGreaterThan(1)
    for (const kind of ['unread', 'consumed', 'waiting', 'nobody', 'garbage']) {
      const truth = sizesOf(records.filter((record) => kindOf(record) === kind))
      expect(truth).toBeGreaterThan(0)
      expect(settled.kinds[kind as 'unread'], kind).toBe(truth)
    }
    expect(settled.topics.find(({ topic }) => topic === 'Gone')).toMatchObject({ isDeleted: true })
    const behind = records.filter(
      ({ topic, queueId, queueOffset }) => topic === 'Half' && queueOffset >= (queueId === 0 ? 11 : 7),
    )
    expect(settled.groups.find(({ group }) => group === 'slow')).toMatchObject({
      records: behind.length,
      bytes: sizesOf(behind),
    })
    expect(settled.inUse).toMatchObject({ isInUse: true, pid: process.pid })

    broker.faults.set('holdSync', 1)
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    for (let i = 0; i < 10; i += 1) await client.send('Read', `not on disk ${i}`)
    const more = sizesOf(recordsOf(broker.folder).slice(records.length))
    const open = await expect
      .poll(() => mapOf(broker.folder).notOnDisk)
      .toBe(more)
      .then(() => mapOf(broker.folder))
    expect(open.segments.reduce((sum, { notOnDisk }) => sum + notOnDisk!, 0)).toBe(more)
    expect(told(open).find(({ title }) => title === 'not on disk')).toMatchObject({ isBad: true })
    broker.faults.set('holdSync', 0)
    await expect.poll(() => mapOf(broker.folder).notOnDisk).toBe(0)
  })

  test('a sample of many units says that it is one, and is near the truth', async () => {
    await using broker = await startTestBroker({
      config: { mappedFileSizeCommitLog: 1024 * 1024, maxMessageSize: 32_768 },
    })
    const client = new TestClient(broker.address)
    const send = async (i: number) =>
      client.send(i % 3 === 0 ? 'A' : 'B', 'y'.repeat(200 + (i % 7) * 90), { queueId: i % 4 })
    for (let from = 0; from < 9000; from += 500)
      await Promise.all(Array.from({ length: 500 }, (_, i) => send(from + i)))
    await client.close()
    await broker.drained('nobody').catch(() => {})
    await expect.poll(() => mapOf(broker.folder).kinds.undispatched).toBe(0)
    const exact = mapOf(broker.folder)
    const sampled = mapOf(broker.folder, { unitsMax: 2500 })
    expectSums(exact)
    expectSums(sampled, 1)
    expect([exact.isSampled, sampled.isSampled]).toEqual([false, true])
    expect(sampled.notes.join()).toMatch(/% of 9,000 units were read/)
    for (const { topic, bytes } of exact.topics) {
      const estimate = sampled.topics.find((each) => each.topic === topic)!.bytes
      expect(Math.abs(estimate - bytes) / bytes, topic).toBeLessThan(0.15)
    }
  })
})

describe('what was done to the files is seen', () => {
  test('a queue that is gone: its records are garbage; a record that is none: damaged, to the byte', () => {
    const root = recordedStore('clean')
    const records = decodedRecords()
    rmSync(join(root, 'consumequeue', 'OracleOrder'), { recursive: true })
    const victim = records.find(({ topic }) => topic === 'OracleAuto')!
    rmSync(join(root, 'consumequeue', 'OracleAuto'), { recursive: true })
    const name = String(Math.floor(victim.at / 65_536) * 65_536).padStart(20, '0')
    const fd = openSync(join(root, 'commitlog', name), 'r+')
    writeSync(fd, Buffer.alloc(16, 0x5a), 0, 16, victim.at % 65_536)
    closeSync(fd)
    const map = mapOf(root)
    expectSums(map)
    expect(map.kinds.garbage).toBe(sizesOf(records.filter(({ topic }) => topic === 'OracleOrder')))
    expect(map.topics.find(({ topic }) => topic === 'OracleOrder')).toMatchObject({
      kinds: { garbage: map.kinds.garbage },
    })
    expect(map.kinds.damaged).toBe(victim.size)
    expect(told(map)[0]).toMatchObject({ title: 'damaged', isBad: true })
  })

  test('without room to read the log the rest is told as an estimate', () => {
    const root = recordedStore('clean')
    rmSync(join(root, 'consumequeue', 'OracleMany'), { recursive: true })
    const map = mapOf(root, { gapBytesMax: 0 })
    expectSums(map, 1)
    expect(map.kinds.garbage).toBeGreaterThan(100_000)
    expect(map.notes.join()).toContain('not looked into')
  })

  test('what a broker is just writing behind the end is room, no damage', () => {
    const root = recordedStore('clean')
    const last = decodedRecords().at(-1)!
    const end = last.at + last.size
    const path = join(root, 'commitlog', String(end - (end % 65_536)).padStart(20, '0'))
    const fd = openSync(path, 'r+')
    const half = Buffer.alloc(150)
    readSync(fd, half, 0, 150, last.at % 65_536)
    writeSync(fd, half, 0, 150, end % 65_536)
    closeSync(fd)
    expect(mapOf(root).kinds.damaged).toBeGreaterThan(100)
    const lock = lockStore(root)
    onTestFinished(() => closeSync(lock))
    const map = mapOf(root)
    expect(map).toMatchObject({ inUse: { isInUse: true }, kinds: { damaged: 0 }, log: { end, behind: 0 } })
    expectSums(map)
  })

  test('a file that was cut, an empty one, one that is longer', () => {
    const root = recordedStore('clean')
    const path = (index: number) => join(root, 'commitlog', String(index * 65_536).padStart(20, '0'))
    truncateSync(path(1), 30_001)
    truncateSync(path(2), 0)
    truncateSync(path(0), 65_536 + 5000)
    expectSums(mapOf(root), 1)
  })

  test('files whose time is over go next, with what is unread in them; -c tells the hours', async () => {
    const root = recordedStore('clean')
    const now = Date.now()
    for (const { path } of openStore(root).files.segments) utimesSync(path, now / 1000, now / 1000)
    expect(mapOf(root).retention.expired.segments).toBe(0)
    const old = now / 1000 - 50 * 3600
    utimesSync(openStore(root).files.segments[0].path, old, old)
    expect(mapOf(root).retention).toMatchObject({ expired: { segments: 0 }, isDefault: true })
    const { printed } = await inspect(
      'map',
      root,
      '--set',
      'fileReservedTime=48',
      '--set',
      'deleteWhen=04;16',
      '--json',
    )
    const map = JSON.parse(printed) as StoreMap
    expect(map.retention).toMatchObject({
      reservedHours: 48,
      deleteWhen: '04;16',
      isDefault: false,
      expired: { from: 0, to: 65_536, segments: 1 },
    })
    expect(map.segments.map(({ isExpired }) => isExpired)).toEqual([true, false, false, false])
    expect(map.expiredKinds.unread).toBeGreaterThan(0)
    expect(told(map).find(({ title }) => title === 'goes next')).toMatchObject({
      isBad: true,
      detail: expect.stringMatching(/1 file, .* unread/),
    })
  })

  test('what is in memory follows the page cache', () => {
    const root = recordedStore('clean')
    const { path, size } = openStore(root).files.segments[1]
    const residentOf = () => mapOf(root).segments[1].inMemory
    const fd = openSync(path, 'r+')
    const bytes = Buffer.alloc(size)
    readSync(fd, bytes, 0, size, 0)
    fsyncSync(fd)
    expect(residentOf()).toBe(size)
    execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' })
    closeSync(fd)
    const dropped = residentOf()
    if (dropped === size) {
      console.error(
        '*** the kernel or file system keeps pages that are not needed: residency not followed down here ***',
      )
      return
    }
    expect(dropped).toBeLessThan(size / 2)
  })
})

describe('in the terminal', () => {
  const run = async (root: string, env: Record<string, string>) => {
    const { World } = await import('../cli/support.ts')
    const world = new World()
    Object.assign(world.env, env)
    expect(await world.run('inspect', 'map', root)).toBe(0)
    return world.printed
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const ESCAPES = /\u001b\[[\d;]*m/g

  test.each([60, 80, 200])('it fits %i columns, with colours and without', async (columns) => {
    const root = recordedStore('clean')
    for (const env of [{ NO_COLOR: '1', FORCE_COLOR: '1' }, { FORCE_COLOR: '1' }] as Record<string, string>[]) {
      const printed = await run(root, { COLUMNS: String(columns), ...env })
      expect(printed.includes('\u001b')).toBe(!('NO_COLOR' in env))
      const lines = printed.replace(ESCAPES, '').split('\n')
      for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(columns)
      expect(lines.join('\n')).toMatch(/OracleMany +166 KiB/)
      expect(lines.join('\n')).toContain('▒▒ no group')
    }
  })

  test('letters stand for bytes: without colours as many of each kind as it has', async () => {
    const root = recordedStore('clean')
    const printed = await run(root, { COLUMNS: '160' })
    expect(printed).not.toContain('\u001b')
    const log = printed.slice(printed.indexOf('the log:'), printed.lastIndexOf('\n\n'))
    const letters = (glyph: string) => [...log.matchAll(new RegExp(glyph, 'g'))].length
    const map = mapOf(root)
    const all = letters('▒') + letters('░') + letters('·') + letters('_') + letters('▓') + letters('█')
    expect(letters('▒') / all).toBeCloseTo(map.kinds.nobody / map.log.bytes, 1)
    expect(letters('·') / all).toBeCloseTo(map.kinds.free / map.log.bytes, 1)
  })

  test('an empty store, and one without queues', async () => {
    const root = scratchFolder()
    execFileSync('mkdir', [join(root, 'commitlog')])
    expect(await run(root, { COLUMNS: '80' })).toContain('space')
    const bare = recordedStore('clean')
    rmSync(join(bare, 'consumequeue'), { recursive: true })
    expect(await run(bare, { COLUMNS: '80' })).toMatch(/not dispatched/)
    expectSums(mapOf(bare), 1)
  })
})

test('names from the store are text in drawing and page, whatever they are', async () => {
  const root = recordedStore('clean')
  const name = '<i>"&\'<script>x'
  renameSync(join(root, 'consumequeue', 'OracleMany'), join(root, 'consumequeue', name))
  writeFileSync(join(root, 'config', 'topics.json'), JSON.stringify({ topicConfigTable: { [name]: {} } }))
  const files = { svg: join(root, 'map.svg'), html: join(root, 'map.html') }
  expect((await inspect('map', root, '--svg', files.svg, '--html', files.html)).status).toBe(0)
  const { readFileSync } = await import('node:fs')
  for (const file of Object.values(files)) {
    const text = readFileSync(file, 'utf8')
    expect(text).toContain('&lt;i&gt;')
    expect(text).not.toContain('<i>"')
    expect(text).not.toContain('<script>x')
  }
  expect(KINDS.length).toBe(9)
})

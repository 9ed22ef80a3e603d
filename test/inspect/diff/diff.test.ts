/** `inspect diff` and `inspect hashes`: two stores of which the test knows how they differ. */
import {
  appendFileSync,
  cpSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { diffStores, storeSide } from '../../../src/inspect/diff/index.ts'
import { openStore } from '../../../src/inspect/index.ts'
import { LogRecords } from '../../../src/inspect/log-records.ts'
import { loadBlockHash } from '../../../src/store/checksums/block-hash.ts'
import { writeChecksums } from '../../../src/store/checksums/checksum-file.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { dispatchAll, LogMaker, patch, rig } from '../../store/dispatch/support.ts'
import { dledgerStore } from '../../store/dledger/stores.ts'
import { recordedStore, scratchFolder, storeSettings } from '../../store/scratch.ts'
import { TestClient } from '../../support/client.ts'
import { decodedRecords, inspect } from '../stores.ts'

const SEGMENT = 65_536
const records = decodedRecords()
const last = records.at(-1)!
const END = last.at + last.size
const segment = (at: number) => `commitlog/${String(at - (at % SEGMENT)).padStart(20, '0')}`
const change = (root: string, at: number, bytes: Uint8Array) => patch(join(root, segment(at)), at % SEGMENT, bytes)
const copyOf = (root: string) => {
  const folder = scratchFolder()
  cpSync(root, folder, { recursive: true, preserveTimestamps: true })
  return folder
}
const compare = (a: string, b: string, threads = 0, useChecksums = true) =>
  diffStores(storeSide(a, openStore(a), useChecksums), storeSide(b, openStore(b), useChecksums), { threads })

describe('what differs between two stores', () => {
  test.each([0, 2])('a copy is equal (%i threads), and the command ends with 0', async (threads) => {
    const a = recordedStore('clean')
    const b = copyOf(a)
    const diff = await compare(a, b, threads)
    expect(diff).toMatchObject({ verdict: 'equal', onlyA: [], onlyB: [], differences: [], tables: [] })
    expect(diff.log.both).toEqual([{ from: 0, to: END }])
    expect(diff.queues).toMatchObject({ compared: 16, differing: [] })
    expect((await inspect('diff', a, b)).status).toBe(0)
  })

  test('a shorter log is behind, by bytes and messages, and the queues differ only in their ends', async () => {
    const a = recordedStore('clean')
    const b = copyOf(a)
    const at = records.at(-5)!.at
    change(b, at, Buffer.alloc(END - at))
    const diff = await compare(a, b)
    expect(diff.verdict).toBe('behind')
    expect(diff.onlyA).toMatchObject([{ from: at, to: END, counted: { records: 5, lastTime: last.storeTimestamp } }])
    expect(diff.onlyB).toEqual([])
    expect(diff.queues!.differing.every(({ differing }) => differing === 0)).toBe(true)
    const { status, printed } = await inspect('diff', a, b)
    expect(status).toBe(0)
    expect(printed).toContain(`B is behind A by ${(END - at).toLocaleString('en-US')} bytes (5 messages)`)
    expect((await inspect('diff', b, a)).printed).toContain('A is behind B by')
  })

  test('a store that was filled from the middle begins later; one without a file between has lost it', async () => {
    const a = recordedStore('clean')
    const b = copyOf(a)
    rmSync(join(b, segment(SEGMENT)))
    const diff = await compare(a, b)
    const inSegment = records.filter(({ at }) => at >= SEGMENT && at < 2 * SEGMENT).length
    expect(diff).toMatchObject({
      verdict: 'damaged',
      onlyA: [{ from: SEGMENT, to: 2 * SEGMENT, counted: { records: inSegment } }],
    })
    rmSync(join(b, segment(0)))
    const later = await compare(a, b)
    const older = records.filter(({ at }) => at < 2 * SEGMENT).length
    expect(later).toMatchObject({
      verdict: 'behind',
      onlyA: [{ from: 0, to: 2 * SEGMENT, counted: { records: older } }],
    })
    expect((await inspect('diff', a, b)).printed).toContain('B begins later than A, at 131,072')
  })

  test('a wrong byte of a body: damaged on that side, to the byte, with its record', async () => {
    const a = recordedStore('clean')
    const b = copyOf(a)
    const victim = records.find(({ storedBodyLength, at }) => storedBodyLength > 3 && at > 100_000)!
    const at = victim.at + 89
    const byte = readFileSync(join(a, segment(at)))[at % SEGMENT]
    change(b, at, Buffer.from([byte ^ 0x10]))
    const diff = await compare(a, b)
    expect(diff.verdict).toBe('damaged')
    expect(diff.log.differing).toEqual([{ from: at, to: at + 1, isExact: true }])
    expect(diff.differences).toMatchObject([
      {
        kind: 'damaged',
        a: { at: victim.at, problem: undefined },
        b: { at: victim.at, problem: 'the body differs from its CRC' },
      },
    ])
    const { status, printed } = await inspect('diff', a, b)
    expect(status).toBe(3)
    expect(printed).toContain('B is damaged in 1 of 1 places; there A has whole records')
  })

  test('a field that no CRC covers is named: the message is the same', async () => {
    const a = recordedStore('clean')
    const b = copyOf(a)
    change(b, records[100].at + 19, Buffer.from([9]))
    const diff = await compare(a, b)
    expect(diff).toMatchObject({ verdict: 'altered', differences: [{ kind: 'altered', fields: ['flag'] }] })
  })

  test('bytes behind the blank of a file mean nothing; those of the blank do', async () => {
    const a = recordedStore('clean')
    const b = copyOf(a)
    const before = records.filter(({ at }) => at < SEGMENT).at(-1)!
    const blank = before.at + before.size
    change(b, blank + 8, Buffer.alloc(SEGMENT - blank - 8, 0x77))
    expect((await compare(a, b)).verdict).toBe('equal')
    change(b, before.at + 90, Buffer.from([0xff]))
    const diff = await compare(a, b)
    expect(diff.log.differing.every(({ to }) => to <= blank + 8)).toBe(true)
    expect(diff.verdict).toBe('damaged')
  })

  test("bytes behind the blank of a DLedger log's file mean nothing either; those of the blank do", async () => {
    const a = dledgerStore('rmq-clean-n2')
    const b = copyOf(a)
    using log = new LogRecords(openStore(a), {})
    let blank = 0
    for (const item of log.inPlace()) {
      if (item?.kind !== 'record' || item.entry === undefined || item.entry.position >= SEGMENT) continue
      blank = item.entry.position + item.entry.size
    }
    const file = join(b, 'dledger-n2/data/00000000000000000000')
    expect(readFileSync(file).readInt32BE(blank + 4)).toBe(SEGMENT - blank)
    patch(file, blank + 8, Buffer.alloc(SEGMENT - blank - 8, 0x77))
    expect((await compare(a, b)).verdict).toBe('equal')
    patch(file, blank + 4, Buffer.from([1]))
    expect((await compare(a, b)).verdict).not.toBe('equal')
  })

  test('a queue that differs, and keys of the tables', async () => {
    const a = recordedStore('clean')
    const b = copyOf(a)
    patch(join(b, 'consumequeue/OracleMany/0/00000000000000006000'), 20 * 10 + 7, Buffer.from([0x01]))
    rmSync(join(b, 'consumequeue/OracleOrder'), { recursive: true })
    writeFileSync(join(b, 'config/delayOffset.json'), '{"offsetTable":{1:2}}')
    const { verdict, queues, tables } = await compare(a, b)
    expect(verdict).toBe('queues')
    const named = Object.fromEntries(queues!.differing.map((queue) => [queue.topic, queue]))
    expect(named.OracleMany).toMatchObject({ differing: 1, first: { queueOffset: 310 } })
    expect(named.OracleOrder).toMatchObject({ differing: 20, a: { min: 0, max: 20 }, b: { min: 0, max: 0 } })
    expect(tables).toEqual([{ table: 'delayOffset.json', key: '1', a: '3', b: '2' }])
    expect((await inspect('diff', a, b)).status).toBe(3)
  })
})

/** Two stores with the same first records and others behind them. */
function partedStores(): { a: string; b: string; at: number } {
  const roots = [scratchFolder(), scratchFolder()]
  let at = 0
  for (const [i, root] of roots.entries()) {
    const maker = new LogMaker(storeSettings(root))
    for (let q = 0; q < 400; q += 1) maker.add({ topic: 'T', queueId: 0, queueOffset: q, bodyLength: 200 })
    at = maker.end
    for (let q = 400; q < 700 + 50 * i; q += 1)
      maker.add({ topic: 'T', queueId: 0, queueOffset: q, bodyLength: 190 + i, properties: `UNIQ_KEY\u0001${i}-${q}` })
    const disk = rig(storeSettings(root))
    dispatchAll(disk, 0, maker.end)
    disk.close()
  }
  return { a: roots[0], b: roots[1], at }
}

test('histories part: where, how many messages each has behind it, and what to do', async () => {
  const { a, b, at } = partedStores()
  const diff = await compare(a, b)
  expect(diff.verdict).toBe('parted')
  expect(diff.differences.at(-1)).toMatchObject({ kind: 'parted', a: { at }, b: { at } })
  expect(diff.parted).toMatchObject({ from: at, a: { records: 300 }, b: { records: 350 } })
  // Queues are compared below it only.
  expect(diff.queues!.differing.map(({ differing }) => differing)).toEqual([0])
  const { status, printed } = await inspect('diff', a, b)
  expect(status).toBe(3)
  expect(printed).toContain(`PARTED at ${at.toLocaleString('en-US')}`)
  expect(printed).toContain(`basaltmq inspect export OTHER --from ${at} -o parted.jsonl`)
})

test('random bytes in random places: each is in a range, and no range holds a byte that is equal at its ends', async () => {
  const a = recordedStore('clean')
  const original = Array.from({ length: 4 }, (_, i) => readFileSync(join(a, segment(i * SEGMENT))))
  let state = 7
  const random = (limit: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state % limit
  }
  for (let round = 0; round < 10; round += 1) {
    const b = copyOf(a)
    const places = new Set<number>()
    // Below the last record, so that the log ends where it did, and not in padding.
    for (let i = 0; i < 1 + random(6); i += 1) {
      const record = records[random(records.length - 1)]
      places.add(record.at + random(record.size))
    }
    for (const at of places)
      change(b, at, Buffer.from([original[Math.floor(at / SEGMENT)][at % SEGMENT] ^ (1 + random(255))]))
    const { log } = await compare(a, b)
    const { differing } = log
    for (const at of places)
      expect(
        differing.some(({ from, to }) => at >= from && at < to),
        `round ${round}, ${at}`,
      ).toBe(true)
    for (const { from, to } of differing)
      expect([places.has(from), places.has(to - 1)], `round ${round}`).toEqual([true, true])
  }
})

test('files of another size: compared by physical offset', async () => {
  const a = recordedStore('clean')
  const b = copyOf(a)
  appendFileSync(join(b, segment(0)), readFileSync(join(b, segment(SEGMENT))))
  rmSync(join(b, segment(SEGMENT)))
  appendFileSync(join(b, segment(2 * SEGMENT)), readFileSync(join(b, segment(3 * SEGMENT))))
  rmSync(join(b, segment(3 * SEGMENT)))
  expect(openStore(b).settings.mappedFileSizeCommitLog).toBe(2 * SEGMENT)
  const diff = await compare(a, b)
  expect(diff.log).toMatchObject({ both: [{ from: 0, to: END }], differing: [] })
  expect(diff.verdict).toBe('equal')
})

describe('hashes', () => {
  const hashesOf = async (root: string, name = 'a.hashes') => {
    const path = join(scratchFolder(), name)
    writeFileSync(path, (await inspect('hashes', root)).printed)
    return path
  }

  test('of a store elsewhere say that it is equal, behind, or which blocks differ', async () => {
    const a = recordedStore('clean')
    const b = copyOf(a)
    const path = await hashesOf(a)
    expect(await inspect('diff', path, b)).toMatchObject({ status: 0, printed: expect.stringContaining('EQUAL') })
    change(b, records[400].at + 90, Buffer.from([0]))
    const { status, printed } = await inspect('diff', path, b, '--json')
    expect(status).toBe(3)
    const start = records[400].at - (records[400].at % SEGMENT)
    expect(JSON.parse(printed).log.differing).toEqual([{ from: start, to: start + SEGMENT, isExact: false }])
    change(b, records.at(-3)!.at, Buffer.alloc(END - records.at(-3)!.at))
    const shorter = JSON.parse((await inspect('diff', path, b, '--json')).printed)
    expect(shorter.log.uncompared).toEqual([{ from: 3 * SEGMENT, to: records.at(-3)!.at }])
  })

  test.each([
    ['cut', (text: string) => text.slice(0, text.length - 20)],
    ['cut behind a line', (text: string) => `${text.split('\n').slice(0, 3).join('\n')}\n`],
    ['another kind of file', () => 'hello\n'],
    ['empty', () => ''],
    ['a hash too few', (text: string) => text.replace(/\["[0-9a-f]{16}"\]/, '[]')],
    ['no hash', (text: string) => text.replace(/"[0-9a-f]{16}"/, '"xyz"')],
  ])('a file that is not whole (%s) is said so, with its line', async (_, damage) => {
    const a = recordedStore('clean')
    const path = await hashesOf(a)
    writeFileSync(path, damage(readFileSync(path, 'utf8')))
    const { status, complained } = await inspect('diff', a, path)
    expect(status).toBe(2)
    expect(complained).toMatch(/line \d+: /)
  })
})

test('side checksums stand for reading while nobody wrote to the segment; --read reads', async () => {
  const hash = await loadBlockHash()
  const a = recordedStore('clean')
  const b = copyOf(a)
  const { statSync } = await import('node:fs')
  for (const root of [a, b]) {
    for (let start = 0; start < 3 * SEGMENT; start += SEGMENT) {
      const path = join(root, segment(start))
      const { mtimeNs, ino } = statSync(path, { bigint: true })
      const hashes = BigUint64Array.of(hash(readFileSync(path)))
      writeChecksums(root, { start, size: SEGMENT, hashedAt: 1, modifiedAt: mtimeNs, inode: ino, hashes })
    }
  }
  const known = await compare(a, b)
  expect(known.log).toMatchObject({ bytesHashed: 3 * SEGMENT, bytesRead: 2 * (END - 3 * SEGMENT) })
  expect(known.verdict).toBe('equal')
  // A bad disk does not move the time of the file.
  const path = join(b, segment(SEGMENT))
  const { atime, mtime } = statSync(path)
  change(b, records.find(({ at }) => at > SEGMENT)!.at + 90, Buffer.from([0xee]))
  utimesSync(path, atime, mtime)
  expect((await compare(a, b)).verdict).toBe('equal')
  expect((await compare(a, b, 0, false)).verdict).toBe('damaged')
  expect((await inspect('diff', a, b, '--read')).status).toBe(3)
  // Who writes to it does, and then it is read.
  utimesSync(path, new Date(), new Date())
  expect((await compare(a, b)).verdict).toBe('damaged')
})

test('beside a broker that appends: a copy is behind, and never different', async () => {
  await using broker = await startTestBroker({ config: { mappedFileSizeCommitLog: 8 * 1024 * 1024 } })
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  for (let i = 0; i < 200; i += 1) await client.send('Live', `first ${i}`)
  const copy = scratchFolder()
  cpSync(broker.folder, copy, { recursive: true })
  let isDone = false
  const sending = (async () => {
    while (!isDone) await client.send('Live', Buffer.alloc(2000, 98))
  })()
  for (let round = 0; round < 8; round += 1) {
    const { verdict, log } = await compare(broker.folder, copy)
    expect(verdict, JSON.stringify(log)).toMatch(/^(equal|behind)$/)
    // The live one against itself, opened twice while it grows.
    expect((await compare(broker.folder, broker.folder)).log.differing).toEqual([])
  }
  isDone = true
  await sending
})

test('what is no store ends with status 2; two without a common range are apart', async () => {
  const a = recordedStore('clean')
  expect((await inspect('diff', a, join(a, 'nothing'))).status).toBe(2)
  expect((await inspect('diff', a)).status).toBe(2)
  const b = copyOf(a)
  for (const start of [0, SEGMENT, 2 * SEGMENT]) rmSync(join(b, segment(start)))
  for (const start of [2 * SEGMENT, 3 * SEGMENT]) rmSync(join(a, segment(start)))
  truncateSync(join(a, segment(SEGMENT)), SEGMENT)
  expect((await compare(a, b)).verdict).toBe('apart')
  renameSync(join(a, segment(0)), join(a, segment(8 * SEGMENT)))
  expect([0, 3]).toContain((await inspect('diff', a, b)).status)
})

/**
 * Stores whose log is DLedger's, some with a CommitLog in front of it, as brokers of 4.9.8 left them: what our readers find in them,
 * and the ConsumeQueues and indexes that are built from them.
 */
import { openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { storeTimeAt } from '../../../src/store/checkpoint/store-times.ts'
import { recordsIn } from '../../../src/store/checksums/index.ts'
import { decodeRecord, LogFolders, LogReader, RecordView } from '../../../src/store/commitlog/index.ts'
import { findQueues, QueueReader } from '../../../src/store/consumequeue/index.ts'
import { indexLayout } from '../../../src/store/index/index.ts'
import { recoverIndex } from '../../../src/store/index/index-recovery.ts'
import { LogScanner, LogWindow, verifyLog } from '../../../src/store/recovery/index.ts'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { dispatchAll, filesBelow, rig } from '../dispatch/support.ts'
import { type DLedgerVector, dledgerSettings, dledgerStore } from './stores.ts'

const STORES: DLedgerVector[] = ['rmq-clean-n2', 'rmq-killed-n0', 'rmq-mixed']

/** Entries and records from the first position to the last, as (position, record offset). */
function walk(settings: StoreSettings): { entries: { at: number; record: number }[]; end: number } {
  const folders = new LogFolders(settings)
  const window = new LogWindow(folders, folders.segmentSize)
  const scanner = new LogScanner(window, folders, true)
  const entries: { at: number; record: number }[] = []
  const starts = folders.segments().map(({ start }) => start)
  let at = starts[0]
  for (;;) {
    const verdict = scanner.check(at)
    if (verdict === 'ok') {
      entries.push({ at, record: scanner.record.physicalOffset })
      at += scanner.entrySize
    } else if (verdict === 'blank' && starts.includes(scanner.segmentEnd(at))) at = scanner.segmentEnd(at)
    else break
  }
  window.close()
  return { entries, end: at }
}

describe.each(STORES)('%s', (name) => {
  test('its ConsumeQueues and index come out byte for byte from its log', () => {
    const root = dledgerStore(name)
    const settings = dledgerSettings(root)
    const theirs = { queues: filesBelow(join(root, 'consumequeue')), index: filesBelow(join(root, 'index')) }
    rmSync(join(root, 'consumequeue'), { recursive: true })
    rmSync(join(root, 'index'), { recursive: true })
    const { entries, end } = walk(settings)
    const build = rig(settings)
    dispatchAll(build, entries[0].at, end)
    build.close()
    expect(build.dispatcher.damagedCount).toBe(0)
    expect(build.dispatcher.recordCount).toBe(entries.length)
    const ours = filesBelow(join(root, 'consumequeue'))
    expect([...ours.keys()].sort()).toEqual([...theirs.queues.keys()].sort())
    for (const [path, bytes] of theirs.queues) expect(ours.get(path)!.equals(bytes), path).toBe(true)
    const index = [...filesBelow(join(root, 'index')).values()]
    const [apaches] = [...theirs.index.values()]
    expect(index).toHaveLength(1)
    expect(index[0].length).toBe(indexLayout(settings).fileSize)
    expect(index[0].equals(apaches)).toBe(true)
  })

  test.each([
    { what: 'an index that is gone', isGone: true },
    { what: 'an index of which nothing is proven', isGone: false },
  ])('$what is built again, byte for byte, from the start of an entry', ({ isGone }) => {
    const root = dledgerStore(name)
    const settings = dledgerSettings(root)
    const folder = join(root, 'index')
    const [before] = [...filesBelow(folder).values()]
    if (isGone) rmSync(folder, { recursive: true })
    const { entries, end } = walk(settings)
    using source = new LogReader(settings)
    const { resumeFrom } = recoverIndex({
      ...{ settings, source, logMin: entries[0].at, logEnd: end, syncedUntil: 0 },
      ...(isGone ? { provenTo: end, lastEnd: 'process' } : { provenTo: undefined, lastEnd: 'power' }),
    })
    expect(entries.map(({ at }) => at)).toContain(resumeFrom)
    const build = rig(settings)
    dispatchAll(build, resumeFrom, end)
    build.close()
    expect(build.dispatcher.damagedCount).toBe(0)
    const [after] = [...filesBelow(folder).values()]
    expect(after.equals(before)).toBe(true)
  })

  test('verification reads all of it and finds nothing wrong', () => {
    const settings = dledgerSettings(dledgerStore(name))
    const { entries, end } = walk(settings)
    const from = entries[0].at
    expect(verifyLog(settings, from, end)).toEqual({ recordCount: entries.length, damaged: [], next: end })
    let at = from
    let count = 0
    while (at < end) {
      const part = verifyLog(settings, at, end, undefined, 5000)
      expect(part.damaged).toEqual([])
      count += part.recordCount
      at = part.next
    }
    expect(count).toBe(entries.length)
  })

  test('every unit leads to its record, on both sides of the divide', () => {
    const root = dledgerStore(name)
    const settings = dledgerSettings(root)
    const folders = new LogFolders(settings)
    using log = new LogReader(settings)
    let read = 0
    for (const { topic, queueId } of findQueues(settings)) {
      const reader = new QueueReader({ settings, topic, queueId })
      const units = reader.read(0, 300, 300)
      for (let i = 0; i < units.count && units.size(i) > 0; i += 1) {
        const offset = units.physicalOffset(i)
        const record = decodeRecord(log.readCold(offset, units.size(i))!)!
        expect([record.topic, record.queueId, record.queueOffset]).toEqual([topic, queueId, i])
        const segment = log.segmentAt(offset)!
        expect(segment.layout).toBe(folders.layoutAt(offset))
        const view = new RecordView()
        const kind = view.read(segment.bytes, segment.view, offset - segment.start, segment.bytes.length)
        expect(kind).toBe('record')
        expect(view.physicalOffset).toBe(offset)
        read += 1
      }
      reader.close()
    }
    expect(read).toBeGreaterThan(100)
  })

  test('the store time of any position is that of its record, and behind a blank that of the next file', () => {
    const settings = dledgerSettings(dledgerStore(name))
    const folders = new LogFolders(settings)
    using log = new LogReader(settings, 0)
    const { entries } = walk(settings)
    for (const [i, { at, record }] of entries.entries()) {
      const bytes = log.readCold(record, 4096)!
      const time = Number(bytes.readBigInt64BE(56))
      expect(storeTimeAt(folders, at)).toBe(time)
      const before = entries[i - 1]
      const isFirst = before !== undefined && at % 65_536 === 0
      if (!isFirst) continue
      const size = log.readCold(before.record, 4)!.readInt32BE(0)
      expect(storeTimeAt(folders, before.record + size)).toBe(time)
    }
  })
})

test('the divide of a mixed store is where its first data file begins', () => {
  const settings = dledgerSettings(dledgerStore('rmq-mixed'))
  const folders = new LogFolders(settings)
  expect(folders.divide).toBe(65_536)
  expect(folders.segments().map(({ start }) => start)).toEqual([0, 65_536])
  expect([folders.layoutAt(65_535).headerSize, folders.layoutAt(65_536).headerSize]).toEqual([0, 48])
  expect(folders.folderAt(0)).toBe(settings.storePathClassicCommitLog)
  const fresh = new LogFolders(dledgerSettings(dledgerStore('rmq-clean-n2')))
  expect([fresh.divide, fresh.classicFolder]).toEqual([0, undefined])
})

test('a data file that is not there yet is not looked for among the old segments', () => {
  const root = dledgerStore('rmq-mixed')
  const settings = dledgerSettings(root)
  // Made ahead by the broker that the store had before.
  const stray = openSync(join(settings.storePathClassicCommitLog, '00000000000000131072'), 'w')
  writeSync(stray, Buffer.alloc(65_536))
  using log = new LogReader(settings)
  expect(log.segmentAt(131_072)).toBeUndefined()
  expect(log.readCold(131_072, 8)).toBeUndefined()
  expect(log.segmentAt(0)?.start).toBe(0)
})

test('an entry that holds no record is named, and the records behind it are dispatched', () => {
  const root = dledgerStore('rmq-clean-n2')
  const settings = dledgerSettings(root)
  const { entries, end } = walk(settings)
  const broken = entries[20]
  const file = openSync(join(settings.storePathCommitLog, '00000000000000000000'), 'r+')
  writeSync(file, Buffer.from('no record at all'), 0, 16, broken.at + 48)
  const { damaged, recordCount } = verifyLog(settings, 0, end)
  const range = { from: broken.at, to: entries[21].at }
  expect(damaged).toEqual([{ ...range, problem: 'an entry that holds no record' }])
  expect(recordCount).toBe(entries.length - 1)
  expect(recordsIn(settings, 0, range.from, range.to)).toContain(`the record at ${broken.at}`)
  rmSync(join(root, 'consumequeue'), { recursive: true })
  const build = rig({ ...settings, messageIndexEnable: false })
  dispatchAll(build, 0, end)
  expect(build.dispatcher.damagedCount).toBe(1)
  expect(build.dispatcher.recordCount).toBe(entries.length - 1)
})

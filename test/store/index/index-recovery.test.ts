/** The newest index file after stops of every kind: cut to what is proven, continued, equal to one that never stopped. */
import { readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LogReader } from '../../../src/store/commitlog/index.ts'
import {
  ENTRY,
  expireIndexFiles,
  HEADER,
  type IndexRecovery,
  type IndexRecoveryOptions,
  indexLayout,
  queryByKeySync,
  recoverIndex,
} from '../../../src/store/index/index.ts'
import { dispatchAll, endOfLog, filesBelow, LogMaker, patch, rig } from '../dispatch/support.ts'
import { recordedStore, scratchFolder, storeSettings } from '../scratch.ts'

const small = { mappedFileSizeCommitLog: 16_384, maxHashSlotNum: 17, maxIndexNum: 60 }

/** Messages with one unique key, none to two keys, all indexed: several files, the newest in part. */
/** A checkpoint that covers every index file but the newest. */
const WHENEVER = Number.MAX_SAFE_INTEGER

function builtStore(count = 80) {
  const settings = storeSettings(scratchFolder(), small)
  const maker = new LogMaker(settings)
  for (let queueOffset = 0; queueOffset < count; queueOffset += 1) {
    const keys = ['', `\u0002KEYS\u0001a${queueOffset % 5}`, `\u0002KEYS\u0001b${queueOffset % 3} all`][queueOffset % 3]
    const properties = queueOffset % 7 === 6 ? '' : `UNIQ_KEY\u0001id${queueOffset}${keys}`
    maker.add({ topic: 'T', queueId: 0, queueOffset, properties, bodyLength: 10 })
  }
  let now = 1_700_000_000_000
  const build = () => rig(settings, { now: () => now++ })
  const first = build()
  dispatchAll(first, 0, maker.end)
  first.close()
  const folder = join(settings.storePathRootDir, 'index')
  const contents = () => [...filesBelow(folder)].sort().map(([, bytes]) => bytes.toString('hex'))
  const newest = () => join(folder, [...filesBelow(folder).keys()].sort().at(-1)!)
  const recover = (options: Partial<IndexRecoveryOptions>): IndexRecovery => {
    using source = new LogReader(settings)
    return recoverIndex({
      settings,
      source,
      logMin: 0,
      logEnd: maker.end,
      provenTo: undefined,
      lastEnd: 'power',
      syncedUntil: WHENEVER,
      ...options,
    })
  }
  const restart = (options: Partial<IndexRecoveryOptions>, from = maker.end) => {
    const recovered = recover(options)
    const again = build()
    dispatchAll(again, Math.min(recovered.resumeFrom, from), maker.end)
    again.close()
    return recovered
  }
  const layout = indexLayout(settings)
  return { settings, maker, folder, contents, newest, recover, restart, before: contents(), layout }
}

type Store = ReturnType<typeof builtStore>

function countOf(path: string): number {
  return readFileSync(path).readInt32BE(HEADER.indexCount)
}

describe('after a clean stop', () => {
  test('nothing is changed and nothing dispatched again', () => {
    const store = builtStore()
    const recovered = store.restart({ lastEnd: 'clean' })
    expect(recovered).toEqual({ resumeFrom: store.maker.end, findings: [] })
    expect(store.contents()).toEqual(store.before)
  })

  test.each([
    ['all index files', (names: string[]) => names],
    ['the newest index file', (names: string[]) => names.slice(-1)],
  ])('%s removed by somebody: built again from the log', (_, gone) => {
    const store = builtStore()
    for (const name of gone([...filesBelow(store.folder).keys()].sort())) unlinkSync(join(store.folder, name))
    const { findings } = store.restart({ lastEnd: 'clean' })
    expect(findings.join()).toMatch(/built from the log|entries dropped/)
    expect(store.contents()).toEqual(store.before)
  })

  test.each([0, 30, 500])('a newest file of %i bytes does not stop the start and is made whole', (size) => {
    const store = builtStore()
    truncateSync(store.newest(), size)
    store.restart({ lastEnd: 'clean' })
    expect(store.contents()).toEqual(store.before)
  })

  test('a file whose name is no number stays and does not matter', () => {
    const store = builtStore()
    writeFileSync(join(store.folder, 'README'), 'mine')
    expect(store.restart({ lastEnd: 'clean' }).resumeFrom).toBe(store.maker.end)
    expect(readFileSync(join(store.folder, 'README'), 'utf8')).toBe('mine')
  })
})

describe('after the process was killed', () => {
  test('at any proven position the index comes back byte for byte, dispatched from any earlier record', () => {
    const store = builtStore()
    const { places } = store.maker
    fc.assert(
      fc.property(fc.nat(places.length - 1), fc.nat(places.length - 1), (proven, from) => {
        const provenTo = places[proven].offset
        store.restart({ provenTo, lastEnd: 'process' }, Math.min(provenTo, places[from].offset))
        expect(store.contents()).toEqual(store.before)
      }),
      { numRuns: 60 },
    )
  })

  test('between the slot and the header of the last entry: that entry is written again, its chain is whole', () => {
    const store = builtStore()
    const count = countOf(store.newest())
    const header = Buffer.alloc(4)
    header.writeInt32BE(count - 1)
    patch(store.newest(), HEADER.indexCount, header)
    const last = store.maker.places.findLast(({ record }) => record.properties !== '')!
    store.restart({ provenTo: last.offset, lastEnd: 'process' })
    expect(store.contents()).toEqual(store.before)
  })
})

describe('after the power was cut', () => {
  /** Zeros or old bytes in place of what was written behind the proven position. */
  function losePages(store: Store, provenTo: number, pages: { at: number; length: number }[], old: Buffer) {
    const path = store.newest()
    const { entriesAt } = store.layout
    const bytes = readFileSync(path)
    let firstUnproven = entriesAt + ENTRY.size * countOf(path)
    for (let entry = 1; entry < countOf(path); entry += 1) {
      const at = entriesAt + entry * ENTRY.size
      if (Number(bytes.readBigInt64BE(at + ENTRY.physicalOffset)) < provenTo) continue
      firstUnproven = at
      break
    }
    for (const { at, length } of pages) {
      const start = at % bytes.length
      // Slots and header go back to what was synced, entries to zeros.
      for (let byte = start; byte < Math.min(start + length, bytes.length); byte += 1) {
        if (byte < entriesAt) bytes[byte] = old[byte]
        else if (byte >= firstUnproven) bytes[byte] = 0
      }
    }
    writeFileSync(path, bytes)
  }

  test('whatever of the newest file did not reach the disk, the same bytes come back', () => {
    const store = builtStore()
    const { places } = store.maker
    const page = fc.record({
      at: fc.nat(store.layout.fileSize).map((at) => at - (at % 4)),
      length: fc.constantFrom(4, 16, 64, 512),
    })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: places.length - 1 }), fc.array(page, { maxLength: 6 }), (proven, pages) => {
        const provenTo = places[proven].offset
        // The file as it was when it was synced up to the proven position.
        const beginOffset = Number(readFileSync(store.newest()).readBigInt64BE(HEADER.beginPhyOffset))
        const name = store.newest()
        const whole = readFileSync(name)
        if (provenTo > beginOffset) {
          store.recover({ provenTo, lastEnd: 'process' })
          const old = readFileSync(name)
          writeFileSync(name, whole)
          losePages(store, provenTo, pages, old)
        }
        store.restart({ provenTo, lastEnd: 'power' })
        expect(store.contents()).toEqual(store.before)
      }),
      // The count in the header is old, the end offset is not.
      { numRuns: 80, examples: [[69, [{ at: 32, length: 512 }]]] },
    )
  })

  test('a newest file without a header is built again', () => {
    const store = builtStore()
    patch(store.newest(), 0, Buffer.alloc(HEADER.size))
    store.restart({ provenTo: 0, lastEnd: 'power' })
    expect(store.contents()).toEqual(store.before)
  })
})

describe('a store of RocketMQ that was killed', () => {
  test('keeps its newest index file: every key is found, nothing twice', () => {
    const root = recordedStore('unclean')
    const settings = storeSettings(root)
    const logEnd = endOfLog(settings)
    const before = [...filesBelow(join(root, 'index'))].sort().map(([, bytes]) => bytes.toString('hex'))
    using source = new LogReader(settings)
    const { resumeFrom } = recoverIndex({
      settings,
      source,
      logMin: 0,
      logEnd,
      provenTo: undefined,
      lastEnd: 'power',
      syncedUntil: WHENEVER,
    })
    expect(resumeFrom).toBeLessThan(logEnd)
    const build = rig(settings)
    dispatchAll(build, resumeFrom, logEnd)
    build.close()
    expect([...filesBelow(join(root, 'index'))].sort().map(([, bytes]) => bytes.toString('hex'))).toEqual(before)
  })

  test('without a checkpoint that covers them, older index files are not believed either', () => {
    const store = builtStore()
    const names = [...filesBelow(store.folder).keys()].sort()
    expect(names.length).toBeGreaterThan(2)
    patch(join(store.folder, names[1]), store.layout.entriesAt + 5 * ENTRY.size, Buffer.alloc(512))
    store.restart({ syncedUntil: 0 })
    expect(store.contents()).toEqual(store.before)
  })

  test('with a page of zeros in it is right again', () => {
    const root = recordedStore('unclean')
    const settings = storeSettings(root)
    const logEnd = endOfLog(settings)
    const files = () => [...filesBelow(join(root, 'index'))].sort()
    const before = files().map(([, bytes]) => bytes.toString('hex'))
    const newest = join(root, 'index', files().at(-1)![0])
    patch(newest, 40 + 100, Buffer.alloc(300))
    patch(newest, indexLayout(settings).entriesAt + 77 * ENTRY.size, Buffer.alloc(512))
    using source = new LogReader(settings)
    const { resumeFrom } = recoverIndex({
      settings,
      source,
      logMin: 0,
      logEnd,
      provenTo: undefined,
      lastEnd: 'power',
      syncedUntil: WHENEVER,
    })
    const build = rig(settings)
    dispatchAll(build, resumeFrom, logEnd)
    build.close()
    expect(files().map(([, bytes]) => bytes.toString('hex'))).toEqual(before)
  })
})

describe('queries', () => {
  const always = { beginTimestamp: 0, endTimestamp: Number.MAX_SAFE_INTEGER }

  function queueOffsets(store: Store, key: string, maxNum = 64, times = always): number[] {
    const task = {
      settings: store.settings,
      query: { topic: 'T', key, maxNum, ...times },
      logMin: 0,
      logEnd: store.maker.end,
    }
    return queryByKeySync(task).records.map((record) => Number(Buffer.from(record).readBigInt64BE(20)))
  }

  test('find all messages of a key over several files, and only those', () => {
    const store = builtStore()
    const expected = store.maker.places
      .map(({ record }) => record)
      .filter(({ properties }) => / all/.test(properties ?? ''))
      .map(({ queueOffset }) => queueOffset)
    expect(expected.length).toBeGreaterThan(10)
    expect(queueOffsets(store, 'all')).toEqual(expected)
    expect(queueOffsets(store, 'al')).toEqual([])
    expect(queueOffsets(store, 'id12')).toEqual([12])
  })

  test('give the newest when there are more than wanted, and tell when the index was last written', () => {
    const store = builtStore()
    const all = queueOffsets(store, 'all')
    expect(queueOffsets(store, 'all', 3)).toEqual(all.slice(-3))
    const query = { topic: 'T', key: 'none', maxNum: 1, ...always }
    const result = queryByKeySync({ settings: store.settings, query, logMin: 0, logEnd: store.maker.end })
    const last = store.maker.places.findLast(({ record }) => record.properties !== '')!
    expect(result).toMatchObject({ records: [], indexLastUpdatePhyoffset: last.offset })
    expect(result.indexLastUpdateTimestamp).toBeGreaterThan(1_600_000_000_000)
  })

  test('keep to the store times asked for', () => {
    const store = builtStore()
    const begin = 1_700_000_000_000
    expect(queueOffsets(store, 'all', 64, { beginTimestamp: 0, endTimestamp: begin - 1 })).toEqual([])
    expect(queueOffsets(store, 'id75', 64, { beginTimestamp: begin, endTimestamp: begin + 10_000 })).toEqual([75])
  })

  test('do not confuse keys of one hash code', () => {
    const settings = storeSettings(scratchFolder(), small)
    const maker = new LogMaker(settings)
    for (const [queueOffset, key] of ['AaAa', 'BBBB', 'AaBB', 'AaAa'].entries()) {
      maker.add({ topic: 'T', queueId: 0, queueOffset, properties: `KEYS\u0001${key}` })
    }
    const build = rig(settings)
    dispatchAll(build, 0, maker.end)
    build.close()
    const found = (key: string) =>
      queryByKeySync({
        settings,
        query: { topic: 'T', key, maxNum: 9, ...always },
        logMin: 0,
        logEnd: maker.end,
      }).records.map((record) => Number(Buffer.from(record).readBigInt64BE(20)))
    expect([found('AaAa'), found('BBBB'), found('AaBB'), found('BBAa')]).toEqual([[0, 3], [1], [2], []])
  })

  test('of a store without an index find nothing', () => {
    const store = builtStore()
    rmSync(store.folder, { recursive: true })
    expect(queueOffsets(store, 'all')).toEqual([])
  })
})

test('index files whose records are gone are removed, oldest first, the newest never', () => {
  const store = builtStore()
  const names = [...filesBelow(store.folder).keys()].sort()
  expect(names.length).toBe(3)
  expect(expireIndexFiles(store.settings, 10)).toEqual([])
  expect(expireIndexFiles(store.settings, Number.MAX_SAFE_INTEGER)).toEqual(names.slice(0, -1))
})

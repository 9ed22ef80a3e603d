/** Queues at start, after every kind of stop, and after somebody removed files. */
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LogReader } from '../../../src/store/commitlog/index.ts'
import { type RecoverQueuesOptions, recoverQueues } from '../../../src/store/consumequeue/index.ts'
import { dispatchAll, endOfLog, filesBelow, LogMaker, patch, rig } from '../dispatch/support.ts'
import { capturedLog, recordedStore, scratchFolder, storeSettings } from '../scratch.ts'

const small = { mappedFileSizeCommitLog: 8192, mappedFileSizeConsumeQueue: 400, messageIndexEnable: false }
const UNIT = 20

/** 200 messages over two queues of one topic, dispatched: queue 0 has 150 units in 8 files, queue 1 has 50 in 3. */
function builtStore(count = 200) {
  const settings = storeSettings(scratchFolder(), small)
  const maker = new LogMaker(settings)
  const next = [0, 0]
  for (let index = 0; index < count; index += 1) {
    const queueId = index % 4 === 0 ? 1 : 0
    maker.add({ topic: 'T', queueId, queueOffset: next[queueId]++, bodyLength: (index * 13) % 90 })
  }
  const build = rig(settings)
  dispatchAll(build, 0, maker.end)
  build.close()
  const folder = join(settings.storePathRootDir, 'consumequeue')
  const snapshot = { queues: next.map((maxOffset, queueId) => ({ topic: 'T', queueId, maxOffset })) }
  const log = capturedLog()
  const recover = (changes: Partial<RecoverQueuesOptions> = {}) => {
    using source = new LogReader(settings)
    return recoverQueues({
      settings,
      source,
      logMin: 0,
      logEnd: maker.end,
      snapshot,
      provenTo: maker.end,
      isClean: true,
      checkpointTime: 0,
      log,
      ...changes,
    })
  }
  /** What a start does: recovery, then dispatch from where it says. */
  const restart = (changes: Partial<RecoverQueuesOptions> = {}) => {
    const recovered = recover(changes)
    const again = rig(settings)
    for (const { topic, queueId, end, maxPhysical } of recovered.queues) {
      again.dispatcher.queue(topic, queueId, { end, maxPhysical })
    }
    dispatchAll(again, recovered.resumeFrom, maker.end)
    again.close()
    return recovered
  }
  const file = (queueId: number, start: number) => join(folder, 'T', String(queueId), String(start).padStart(20, '0'))
  const offsets = (queues: { queueId: number; nextOffset: number }[]) =>
    [...queues].sort((a, b) => a.queueId - b.queueId).map(({ nextOffset }) => nextOffset)
  return { settings, maker, folder, next, recover, restart, file, offsets, before: filesBelow(folder), log }
}

function expectSame(after: Map<string, Buffer>, before: Map<string, Buffer>): void {
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort())
  for (const [path, bytes] of before) expect(after.get(path)!.equals(bytes), path).toBe(true)
}

describe('after a clean stop', () => {
  test('nothing is read again and every queue goes on where it was', () => {
    const store = builtStore()
    const { queues, resumeFrom } = store.recover()
    expect(resumeFrom).toBe(store.maker.end)
    expect(store.offsets(queues)).toEqual(store.next)
    expect(queues.map(({ minOffset }) => minOffset)).toEqual([0, 0])
    expect(store.log.of('warn')).toEqual([])
  })

  test('a store of RocketMQ that has no marks of ours opens the same way', () => {
    const root = recordedStore('clean')
    const settings = storeSettings(root)
    using source = new LogReader(settings)
    const logEnd = endOfLog(settings)
    const { queues, resumeFrom } = recoverQueues({
      settings,
      source,
      logMin: 0,
      logEnd,
      snapshot: undefined,
      provenTo: undefined,
      isClean: true,
      checkpointTime: 0,
      log: capturedLog(),
    })
    expect(resumeFrom).toBe(logEnd)
    expect(queues.find(({ topic }) => topic === 'OracleMany')).toMatchObject({
      nextOffset: 720,
      end: 720,
      minOffset: 0,
    })
    expect(queues).toHaveLength(16)
  })
})

describe('files that are damaged or gone', () => {
  test('a zeroed page in the middle is built again, no queue offset is given out twice', () => {
    const store = builtStore()
    patch(store.file(0, 2400), 5 * UNIT, Buffer.alloc(5 * UNIT))
    const { queues, resumeFrom } = store.restart()
    expect(store.offsets(queues)).toEqual(store.next)
    expect(resumeFrom).toBeLessThan(store.maker.end)
    expectSame(filesBelow(store.folder), store.before)
  })

  test.each([
    ['last', [2800]],
    ['third-last and second-last', [2000, 2400]],
    ['first', [0]],
    ['second', [400]],
    ['all', [0, 400, 800, 1200, 1600, 2000, 2400, 2800]],
  ])('the %s file(s) of a queue missing: built again, offsets unchanged', (_, starts) => {
    const store = builtStore()
    for (const start of starts) unlinkSync(store.file(0, start))
    const { queues } = store.restart()
    expect(store.offsets(queues)).toEqual(store.next)
    expectSame(filesBelow(store.folder), store.before)
  })

  test('all of consumequeue missing: built again, queue offsets unchanged, also without a snapshot', () => {
    const store = builtStore()
    rmSync(store.folder, { recursive: true })
    const { queues } = store.restart({ snapshot: undefined, provenTo: undefined })
    expect(store.offsets(queues)).toEqual(store.next)
    expectSame(filesBelow(store.folder), store.before)
  })

  test.each([0, 7, 200])('a last file of %i bytes is extended and filled', (size) => {
    const store = builtStore()
    truncateSync(store.file(0, 2800), size)
    const { queues } = store.restart()
    expect(store.offsets(queues)).toEqual(store.next)
    expectSame(filesBelow(store.folder), store.before)
  })

  test('an empty file behind the last one, a stray file and a folder that is no number do not matter', () => {
    const store = builtStore()
    writeFileSync(store.file(0, 3200), Buffer.alloc(400))
    writeFileSync(join(store.folder, 'T', '0', '.nfs0001'), '')
    writeFileSync(join(store.folder, 'stray'), '')
    mkdirSync(join(store.folder, 'T', 'x'))
    const { queues } = store.restart()
    expect(store.offsets(queues)).toEqual(store.next)
    expect(store.log.of('warn').join()).toMatch(/without a unit: removed/)
    expect(readFileSync(join(store.folder, 'T', '0', '.nfs0001')).length).toBe(0)
  })

  test('a unit that points backwards is looked up in the log again', () => {
    const store = builtStore()
    const unit = Buffer.alloc(8)
    unit.writeBigInt64BE(40n)
    patch(store.file(0, 2400), 7 * UNIT, unit)
    store.restart()
    expectSame(filesBelow(store.folder), store.before)
  })

  test('files of another size than configured stop the start with both numbers', () => {
    const store = builtStore()
    const settings = { ...store.settings, mappedFileSizeConsumeQueue: 300 }
    expect(() => store.recover({ settings })).toThrow(/400 bytes.*mappedFileSizeConsumeQueue is 300/)
  })

  test('queue offsets of a queue whose records have all expired go on', () => {
    const store = builtStore()
    rmSync(store.folder, { recursive: true })
    const logMin = 8192 * Math.floor(store.maker.end / 8192)
    store.maker.expireBelow(logMin)
    const snapshot = { queues: [{ topic: 'Quiet', queueId: 3, maxOffset: 77 }] }
    const { queues, resumeFrom } = store.restart({ snapshot, logMin })
    expect(resumeFrom).toBe(logMin)
    expect(queues.find(({ topic }) => topic === 'Quiet')).toMatchObject({ nextOffset: 77, minOffset: 77, end: 0 })
    expect(store.offsets(queues.filter(({ topic }) => topic === 'T'))).toEqual(store.next)
  })
})

describe('after a crash', () => {
  test('units that point behind the end of the log are dropped', () => {
    const store = builtStore()
    const logEnd = store.maker.places[150].offset
    const { queues, resumeFrom } = store.recover({ logEnd, snapshot: undefined, provenTo: logEnd, isClean: false })
    const kept = store.maker.places.slice(0, 150)
    const counts = [0, 1].map((queueId) => kept.filter(({ record }) => record.queueId === queueId).length)
    expect(store.offsets(queues)).toEqual(counts)
    expect(resumeFrom).toBe(logEnd)
    const last = readFileSync(store.file(1, 400 * Math.floor((counts[1] * UNIT) / 400)))
    expect(last.subarray((counts[1] * UNIT) % 400).every((byte) => byte === 0)).toBe(true)
    expect(statSync(store.file(0, 0)).size).toBe(400)
  })

  test('behind the first unit that no mark proves all go, also a torn one that points at the start of the log', () => {
    const store = builtStore()
    const [proven, torn] = [store.maker.places[100], store.maker.places[190]]
    const { queueId, queueOffset } = torn.record
    const at = queueOffset! * UNIT
    patch(store.file(queueId, at - (at % 400)), at % 400, Buffer.alloc(8))
    store.recover({ snapshot: undefined, provenTo: proven.offset, isClean: false })
    const kept = store.maker.places.slice(0, 100).filter(({ record }) => record.queueId === queueId).length
    const units = Buffer.concat(
      [...filesBelow(join(store.folder, 'T', String(queueId)))].sort().map(([, bytes]) => bytes),
    )
    expect(units.subarray(0, kept * UNIT).includes(Buffer.alloc(UNIT))).toBe(false)
    expect(units.subarray(kept * UNIT).every((byte) => byte === 0)).toBe(true)
  })

  test('whatever pages of the newest files were lost, the same bytes come back from a proven position', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ queueId: fc.nat(1), unit: fc.nat(59), count: fc.integer({ min: 1, max: 30 }) }), {
          maxLength: 4,
        }),
        fc.nat(199),
        (losses, proven) => {
          const store = builtStore()
          const provenTo = store.maker.places[proven].offset
          for (const { queueId, unit, count } of losses) {
            for (let lost = unit; lost < unit + count; lost += 1) {
              const q = store.next[queueId] - 1 - lost
              if (q < 0) continue
              const place = store.maker.places.find(
                ({ record }) => record.queueId === queueId && record.queueOffset === q,
              )!
              // What is proven is on the disk.
              if (place.offset < provenTo) continue
              const at = q * UNIT
              patch(store.file(queueId, at - (at % 400)), at % 400, Buffer.alloc(UNIT))
            }
          }
          const { queues } = store.restart({ provenTo, snapshot: undefined, isClean: false })
          expect(store.offsets(queues)).toEqual(store.next)
          expectSame(filesBelow(store.folder), store.before)
          rmSync(store.settings.storePathRootDir, { recursive: true })
        },
      ),
      { numRuns: 40 },
    )
  })

  test('a store of RocketMQ that was killed is dispatched from the file that its checkpoint proves, or from its start', () => {
    const resumesFrom = (checkpointTime: (time: (offset: number) => number) => number) => {
      const store = builtStore()
      const first = (offset: number) => store.maker.places.find((place) => place.offset >= offset)!
      const time = (offset: number) => 1_700_000_000_000 + 7 * store.maker.places.indexOf(first(offset))
      const killed = { provenTo: undefined, snapshot: undefined, isClean: false }
      return store.recover({ ...killed, checkpointTime: checkpointTime(time) }).resumeFrom
    }
    expect(resumesFrom(() => 0)).toBe(0)
    expect(resumesFrom((time) => time(8192) + 3000)).toBe(8192)
    expect(resumesFrom((time) => time(16384) + 2999)).toBe(8192)
  })
})

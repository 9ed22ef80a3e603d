/** Reading units, and offsets by time. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  firstUnitAtOrAbove,
  offsetByTime,
  QueueReader,
  QueueReaders,
  queueFileSize,
  queueFolder,
} from '../../../src/store/consumequeue/index.ts'
import { dispatchAll, LogMaker, rig } from '../dispatch/support.ts'
import { scratchFolder, storeSettings } from '../scratch.ts'

const small = { mappedFileSizeCommitLog: 8192, mappedFileSizeConsumeQueue: 400, messageIndexEnable: false }
const FIRST = 1_700_000_000_000

function queueOf(count: number, times: number[] = [], firstOffset = 0) {
  const settings = storeSettings(scratchFolder(), small)
  const maker = new LogMaker(settings)
  for (let index = 0; index < count; index += 1) {
    maker.add({ topic: 'T', queueId: 0, queueOffset: firstOffset + index, bodyLength: 1, storeTimestamp: times[index] })
  }
  const build = rig(settings)
  dispatchAll(build, 0, maker.end)
  build.close()
  return { settings, maker, max: firstOffset + count }
}

describe('a queue reader', () => {
  test('gives what is wanted, to the end of a file and no further than max', () => {
    const { settings, maker, max } = queueOf(50)
    const reader = new QueueReader({ settings, topic: 'T', queueId: 0 })
    expect(reader.read(0, 32, max).count).toBe(20)
    expect(reader.read(18, 32, max).count).toBe(2)
    expect(reader.read(20, 5, max).count).toBe(5)
    expect(reader.read(45, 32, max).count).toBe(5)
    expect(reader.read(45, 32, 47).count).toBe(2)
    for (const nothing of [50, 51, 1000, -1]) expect(reader.read(nothing, 32, max).count).toBe(0)
    const batch = reader.read(25, 3, max)
    expect([0, 1, 2].map((index) => batch.physicalOffset(index))).toEqual(
      maker.places.slice(25, 28).map(({ offset }) => offset),
    )
    expect(batch.size(1)).toBe(maker.places[26].size)
    expect([batch.tagsCodeHigh(0), batch.tagsCodeLow(0), batch.isBlank(0)]).toEqual([0, 0, false])
    reader.close()
  })

  test('sees what is written after it opened the file, through a map or by pwrite', () => {
    const settings = storeSettings(scratchFolder(), small)
    for (const slotCount of [0, 4]) {
      const maker = new LogMaker({
        ...settings,
        storePathCommitLog: join(settings.storePathRootDir, `log${slotCount}`),
      })
      const build = rig({ ...maker.settings }, { slotCount })
      const reader = new QueueReader({ settings, topic: `T${slotCount}`, queueId: 0 })
      let from = 0
      for (let queueOffset = 0; queueOffset < 45; queueOffset += 1) {
        maker.add({ topic: `T${slotCount}`, queueId: 0, queueOffset })
        dispatchAll(build, from, maker.end)
        from = maker.end
        const batch = reader.read(queueOffset, 32, queueOffset + 1)
        expect(batch.count).toBe(1)
        expect(batch.physicalOffset(0)).toBe(maker.places[queueOffset].offset)
      }
      reader.close()
      build.close()
    }
  })

  test('finds nothing in a file that is gone, and says where the next one starts', () => {
    const { settings, max } = queueOf(50)
    rmSync(join(queueFolder(settings, 'T', 0), '00000000000000000000'))
    const shared = new QueueReaders(settings)
    const reader = new QueueReader({ settings, topic: 'T', queueId: 0, shared })
    expect(reader.read(7, 32, max).count).toBe(0)
    expect(reader.nextFile(7)).toBe(20)
    const other = new QueueReader({ settings, topic: 'Nobody', queueId: 3, shared })
    expect(other.read(0, 32, 10).count).toBe(0)
    shared.close()
  })
})

describe('the smallest queue offset', () => {
  test('is the first unit whose record exists, whatever is blank before it', () => {
    const { settings, maker, max } = queueOf(70, [], 7)
    const folder = queueFolder(settings, 'T', 0)
    const min = (logMin: number) => firstUnitAtOrAbove(folder, queueFileSize(settings), max, logMin)
    expect(min(0)).toBe(7)
    for (const [index, { offset }] of maker.places.entries()) {
      if (offset > 0) expect(min(offset)).toBe(7 + index)
      expect(min(offset + 1)).toBe(8 + index)
    }
    expect(min(maker.end)).toBe(max)
  })
})

describe('an offset by time', () => {
  const ask = (store: ReturnType<typeof queueOf>, timestamp: number, min = 0) =>
    offsetByTime({ settings: store.settings, topic: 'T', queueId: 0, timestamp, min, max: store.max, logMin: 0 })

  test('is that of the message stored then, else of the nearer one, the earlier of two equally near', async () => {
    const store = queueOf(
      5,
      [100, 200, 300, 300, 500].map((ms) => FIRST + ms),
    )
    const wanted = [
      [0, 0],
      [100, 0],
      [149, 0],
      [150, 0],
      [151, 1],
      [300, 2],
      [400, 3],
      [401, 4],
      [500, 4],
      [9999, 4],
    ]
    for (const [ms, offset] of wanted) expect(await ask(store, FIRST + ms), `${ms} ms`).toBe(offset)
  })

  test('is 0 in an empty queue', async () => {
    const store = queueOf(1)
    const { settings } = store
    expect(await offsetByTime({ settings, topic: 'X', queueId: 0, timestamp: 1, min: 0, max: 0, logMin: 0 })).toBe(0)
  })

  test('agrees with a look at every message', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(40), { minLength: 1, maxLength: 60 }), fc.nat(1200), async (steps, ms) => {
        let time = FIRST
        const times = steps.map((step) => (time += step))
        const store = queueOf(times.length, times)
        const timestamp = FIRST + ms
        const found = await ask(store, timestamp)
        const best = Math.min(...times.map((each) => Math.abs(each - timestamp)))
        expect(Math.abs(times[found] - timestamp)).toBe(best)
        const exact = times.indexOf(timestamp)
        if (exact >= 0) expect(found).toBe(exact)
        rmSync(store.settings.storePathRootDir, { recursive: true })
      }),
      { numRuns: 40 },
    )
  })
})

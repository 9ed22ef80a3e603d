/** What dispatch builds from logs of every shape, and that building again changes nothing. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { javaHash, LogReader, parseProperties } from '../../../src/store/commitlog/index.ts'
import { QueueReader } from '../../../src/store/consumequeue/index.ts'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { scratchFolder, storeSettings } from '../scratch.ts'
import { dispatchAll, FIRST_TIME, filesBelow, LogMaker, rig, type TestRecord } from './support.ts'

interface Unit {
  physicalOffset: number
  size: number
  tagsCode: bigint
}

function unitsOf(settings: StoreSettings, topic: string, queueId: number, from: number, max: number): Unit[] {
  const reader = new QueueReader({ settings, topic, queueId })
  const units: Unit[] = []
  for (let at = from; at < max; ) {
    const batch = reader.read(at, 800, max)
    for (let index = 0; index < batch.count; index += 1) {
      const tagsCode = (BigInt(batch.tagsCodeHigh(index)) << 32n) | BigInt(batch.tagsCodeLow(index) >>> 0)
      units.push({ physicalOffset: batch.physicalOffset(index), size: batch.size(index), tagsCode })
    }
    if (batch.count === 0) break
    at += batch.count
  }
  reader.close()
  return units
}

function expectSame(after: Map<string, Buffer>, before: Map<string, Buffer>): void {
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort())
  for (const [path, bytes] of before) expect(after.get(path)!.equals(bytes), path).toBe(true)
}

const small = { mappedFileSizeCommitLog: 4096, mappedFileSizeConsumeQueue: 200, maxHashSlotNum: 7, maxIndexNum: 12 }

/** A log of records over a few queues, each with the next offset of its queue. */
function logOf(root: string, moves: { queue: number; tag: string; keys: string; bodyLength: number }[]) {
  const settings = storeSettings(root, small)
  const maker = new LogMaker(settings)
  const next = [0, 0, 0, 0]
  for (const [index, { queue, tag, keys, bodyLength }] of moves.entries()) {
    const properties = `UNIQ_KEY\u0001u${index}\u0002TAGS\u0001${tag}\u0002KEYS\u0001${keys}`
    const name = { topic: queue < 2 ? 'Alpha' : 'Beta', queueId: queue % 2 }
    maker.add({ ...name, queueOffset: next[queue]++, properties, bodyLength })
  }
  return { settings, maker, next }
}

const move = fc.record({
  queue: fc.nat(3),
  tag: fc.constantFrom('', 'a', 'TagB', 'AaAa', 'BBBB', 'größe'),
  keys: fc.constantFrom('', 'k', 'k1 k2', ' k1  k3 ', 'ключ'),
  bodyLength: fc.nat(300),
})

describe('any sequence of messages', () => {
  test('comes back from the queues exactly as it went in, with any number of maps and any batches', () => {
    fc.assert(
      fc.property(
        fc.array(move, { minLength: 1, maxLength: 80 }),
        fc.nat(3),
        fc.integer({ min: 1, max: 5000 }),
        (moves, slotCount, batch) => {
          const root = scratchFolder()
          const { settings, maker, next } = logOf(root, moves)
          const build = rig(settings, { slotCount, fdCount: 2 })
          dispatchAll(build, 0, maker.end, batch)
          build.close()
          for (let queue = 0; queue < 4; queue += 1) {
            const topic = queue < 2 ? 'Alpha' : 'Beta'
            const expected = maker.places
              .filter(({ record }) => record.topic === topic && record.queueId === queue % 2)
              .map(({ offset, size, record }) => ({
                physicalOffset: offset,
                size,
                tagsCode: BigInt(javaHash(parseProperties(record.properties!).get('TAGS') ?? '')),
              }))
            expect(unitsOf(settings, topic, queue % 2, 0, next[queue])).toEqual(expected)
          }
          rmSync(root, { recursive: true })
        },
      ),
      { numRuns: 60 },
    )
  })

  test('dispatched again from any earlier record, by the same or a new process, changes no byte', () => {
    fc.assert(
      fc.property(fc.array(move, { minLength: 2, maxLength: 60 }), fc.nat(), fc.nat(2), (moves, from, slotCount) => {
        const root = scratchFolder()
        const { settings, maker } = logOf(root, moves)
        const build = rig(settings, { slotCount })
        dispatchAll(build, 0, maker.end)
        const before = filesBelow(root)
        const { offset } = maker.places[from % maker.places.length]
        dispatchAll(build, offset, maker.end)
        expectSame(filesBelow(root), before)
        build.close()
        const again = rig(settings, { slotCount })
        dispatchAll(again, offset, maker.end)
        again.close()
        expectSame(filesBelow(root), before)
        rmSync(root, { recursive: true })
      }),
      { numRuns: 40 },
    )
  })
})

function dispatched(records: TestRecord[], changes: Partial<StoreSettings> = {}) {
  const settings = storeSettings(scratchFolder(), changes)
  const maker = new LogMaker(settings)
  for (const record of records) maker.add(record)
  const build = rig(settings)
  dispatchAll(build, 0, maker.end)
  build.close()
  return { settings, maker, build }
}

describe('the unit of a message', () => {
  test('has the Java hash of its tag, which AaAa and BBBB share', () => {
    const records = ['TagA', 'AaAa', 'BBBB', 'TagDelay', ''].map((tag, queueOffset) => ({
      topic: 'T',
      queueId: 0,
      queueOffset,
      properties: `TAGS\u0001${tag}`,
    }))
    const { settings } = dispatched(records)
    const codes = unitsOf(settings, 'T', 0, 0, 5).map((unit) => unit.tagsCode)
    expect(codes).toEqual([2598919n, 2031744n, 2031744n, BigInt.asIntN(64, 0xffffffffd4d01e29n), 0n])
  })

  test('in the schedule topic has the time of delivery, the highest level being the last', () => {
    const levels = ['1', '3', '99', '0', 'x']
    const records = levels.map((level, queueOffset) => ({
      topic: 'SCHEDULE_TOPIC_XXXX',
      queueId: 0,
      queueOffset,
      properties: `TAGS\u0001TagA\u0002DELAY\u0001${level}`,
      storeTimestamp: FIRST_TIME,
    }))
    const { settings } = dispatched(records, { messageDelayLevel: '1s 5s 10s' })
    const codes = unitsOf(settings, 'SCHEDULE_TOPIC_XXXX', 0, 0, 5).map((unit) => Number(unit.tagsCode))
    expect(codes).toEqual([FIRST_TIME + 1000, FIRST_TIME + 10_000, FIRST_TIME + 10_000, 2598919, 2598919])
  })

  test('exists for plain and committed messages, not for prepared and rolled back ones', () => {
    const { settings } = dispatched([
      { topic: 'T', queueId: 0, queueOffset: 0 },
      { topic: 'T', queueId: 0, queueOffset: 0, sysFlag: 4 },
      { topic: 'T', queueId: 0, queueOffset: 0, sysFlag: 12 },
      { topic: 'T', queueId: 0, queueOffset: 1, sysFlag: 8 },
    ])
    expect(unitsOf(settings, 'T', 0, 0, 10).filter(({ size }) => size > 0)).toHaveLength(2)
  })

  test('stands where its queue offset says: what this store never had is blank', () => {
    const { settings, maker } = dispatched(
      [
        { topic: 'T', queueId: 0, queueOffset: 13 },
        { topic: 'T', queueId: 0, queueOffset: 14 },
        { topic: 'T', queueId: 0, queueOffset: 25 },
      ],
      small,
    )
    const blank = { physicalOffset: 0, size: 0x7fffffff, tagsCode: 0n }
    const units = unitsOf(settings, 'T', 0, 10, 26)
    expect(units.slice(0, 3)).toEqual([blank, blank, blank])
    expect(units[3].physicalOffset).toBe(0)
    expect(units[3].size).toBe(maker.places[0].size)
    expect(units.slice(5, 15)).toEqual(new Array(10).fill(blank))
    expect(units[15].physicalOffset).toBe(maker.places[2].offset)
    const names = [...filesBelow(join(settings.storePathRootDir, 'consumequeue')).keys()].sort()
    expect(names.map((name) => Number(name.split('/').at(-1)))).toEqual([200, 400])
  })
})

describe('damage in the log', () => {
  test('a topic that is a path makes no folder, and a queue offset that cannot be makes no files', () => {
    const { settings, build } = dispatched([
      { topic: '../../x', queueId: 0, queueOffset: 0 },
      { topic: 'T', queueId: -1, queueOffset: 0 },
      { topic: 'T', queueId: 0, queueOffset: 0 },
      { topic: 'T', queueId: 0, queueOffset: 2 ** 40 },
      { topic: 'T', queueId: 0, queueOffset: 1 },
    ])
    expect(build.dispatcher.damagedCount).toBe(3)
    expect([...filesBelow(join(settings.storePathRootDir, 'consumequeue')).keys()]).toEqual([
      'T/0/00000000000000000000',
    ])
    expect(unitsOf(settings, 'T', 0, 0, 2).every(({ size }) => size > 0)).toBe(true)
  })

  test('a record whose parts do not add up is stepped over by its size, and bytes that are no record to the next one', () => {
    const settings = storeSettings(scratchFolder())
    const maker = new LogMaker(settings)
    for (let queueOffset = 0; queueOffset < 6; queueOffset += 1) maker.add({ topic: 'T', queueId: 0, queueOffset })
    const [, second, , fourth] = maker.places
    maker.overwrite(second.offset + 84, Buffer.from([0, 0, 0, 21]))
    maker.overwrite(fourth.offset, Buffer.alloc(8, 0xee))
    const build = rig(settings)
    dispatchAll(build, 0, maker.end)
    build.close()
    expect(build.dispatcher.damagedCount).toBe(2)
    const offsets = unitsOf(settings, 'T', 0, 0, 6).map(({ physicalOffset, size }) =>
      size === 0x7fffffff ? -1 : physicalOffset,
    )
    expect(offsets).toEqual(maker.places.map(({ offset }, index) => (index === 1 || index === 3 ? -1 : offset)))
  })

  test('a missing segment is an error that names the place, not a jump', () => {
    const settings = storeSettings(scratchFolder(), small)
    const maker = new LogMaker(settings)
    for (let queueOffset = 0; queueOffset < 60; queueOffset += 1) maker.add({ topic: 'T', queueId: 0, queueOffset })
    rmSync(join(settings.storePathCommitLog, '00000000000000004096'))
    const build = rig(settings)
    expect(build.dispatcher.dispatch(0, maker.end, 1e9)).toBe(4096)
    expect(() => build.dispatcher.dispatch(4096, maker.end, 1e9)).toThrow(/dispatch stands at 4096/)
  })
})

describe('a full disk', () => {
  test('stops before the record that finds no room, and goes on with it when there is room', () => {
    const settings = storeSettings(scratchFolder(), small)
    const maker = new LogMaker(settings)
    for (let index = 0; index < 100; index += 1) {
      maker.add({ topic: 'T', queueId: index % 2, queueOffset: index >> 1, properties: `KEYS\u0001k${index} all also` })
    }
    let isFull = false
    const build = rig(settings, { isDiskFull: () => isFull })
    let position = build.dispatcher.dispatch(0, maker.end, 2000)
    isFull = true
    let failures = 0
    for (let round = 0; round < 300 && position < maker.end; round += 1) {
      try {
        position = build.dispatcher.dispatch(position, maker.end, 3000)
      } catch (error) {
        expect(error).toMatchObject({ code: 'DISK_FULL', retriable: true })
        failures += 1
      }
      isFull = round % 3 !== 2
    }
    build.close()
    expect(failures).toBeGreaterThan(5)
    const ours = filesBelow(join(settings.storePathRootDir, 'consumequeue'))
    const index = [...filesBelow(join(settings.storePathRootDir, 'index'))].sort().map(([, bytes]) => bytes)
    rmSync(join(settings.storePathRootDir, 'consumequeue'), { recursive: true })
    rmSync(join(settings.storePathRootDir, 'index'), { recursive: true })
    const plain = rig(settings)
    dispatchAll(plain, 0, maker.end)
    plain.close()
    expectSame(ours, filesBelow(join(settings.storePathRootDir, 'consumequeue')))
    const indexAgain = [...filesBelow(join(settings.storePathRootDir, 'index'))].sort().map(([, bytes]) => bytes)
    expect(index.map((bytes) => bytes.toString('hex'))).toEqual(indexAgain.map((bytes) => bytes.toString('hex')))
  })
})

describe('thousands of queues', () => {
  test('are written with few maps and few descriptors', () => {
    const settings = storeSettings(scratchFolder(), {
      mappedFileSizeCommitLog: 4 * 1024 * 1024,
      mappedFileSizeConsumeQueue: 6_000_000,
    })
    const maker = new LogMaker(settings)
    const count = 1200
    for (let round = 0; round < 3; round += 1) {
      for (let queue = 0; queue < count; queue += 1) {
        maker.add({ topic: `Topic${queue % 50}`, queueId: Math.floor(queue / 50), queueOffset: round })
      }
    }
    const build = rig(settings, { slotCount: 16, fdCount: 16 })
    dispatchAll(build, 0, maker.end, 1_000_000)
    expect(build.queues.mapCount).toBe(16)
    build.close()
    using log = new LogReader(settings)
    for (const queue of [0, 1, 49, 50, 599, 1199]) {
      const units = unitsOf(settings, `Topic${queue % 50}`, Math.floor(queue / 50), 0, 3)
      expect(units).toHaveLength(3)
      for (const { physicalOffset, size } of units)
        expect(log.readCold(physicalOffset, size)!.readInt32BE(0)).toBe(size)
    }
  })

  test('the busiest queues get the maps', () => {
    const settings = storeSettings(scratchFolder(), {
      mappedFileSizeCommitLog: 4 * 1024 * 1024,
      mappedFileSizeConsumeQueue: 6_000_000,
    })
    const maker = new LogMaker(settings)
    const offsets = new Map<string, number>()
    const add = (topic: string) => {
      const queueOffset = offsets.get(topic) ?? 0
      offsets.set(topic, queueOffset + 1)
      maker.add({ topic, queueId: 0, queueOffset, bodyLength: 0 })
    }
    add('First')
    add('Second')
    for (let index = 0; index < 3000; index += 1) {
      add('Busy')
      add('Busier')
    }
    const build = rig(settings, { slotCount: 2 })
    dispatchAll(build, 0, maker.end, 64 * 1024)
    const heat = (topic: string) => build.dispatcher.queue(topic, 0)!
    expect(heat('Busy').isMapped && heat('Busier').isMapped).toBe(true)
    expect(heat('First').isMapped).toBe(false)
    build.close()
    for (const [topic, end] of offsets) {
      expect(unitsOf(settings, topic, 0, 0, end).filter(({ size }) => size > 0)).toHaveLength(end)
    }
  })
})

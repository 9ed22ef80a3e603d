import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  allocateSegment,
  createTailWriter,
  MappedTail,
  PwriteTail,
  segmentName,
  type TailWriter,
} from '../../../src/store/commitlog/index.ts'
import { scratchFolder, storeSettings } from '../scratch.ts'

const SIZE = 65_536

function newLog(): { folder: string; bytes: () => Buffer } {
  const root = scratchFolder()
  const folder = join(root, 'commitlog')
  for (const start of [0, SIZE]) allocateSegment({ folder, ownFolder: join(root, 'basalt'), start, size: SIZE })
  return {
    folder,
    bytes: () => Buffer.concat([0, SIZE].map((start) => readFileSync(join(folder, segmentName(start))))),
  }
}

const tails: [string, (folder: string) => TailWriter][] = [
  ['stores into the map', (folder) => new MappedTail(folder, SIZE)],
  ['writes batches', (folder) => new PwriteTail(folder, SIZE)],
  ['writes batches from a small staging buffer', (folder) => new PwriteTail(folder, SIZE, undefined, 64)],
]

describe.each(tails)('a tail that %s', (_, create) => {
  test('has written what was placed, in order, after each flushBatch', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 500 }), fc.boolean()), { maxLength: 60 }), (records) => {
        const log = newLog()
        const expected = Buffer.alloc(2 * SIZE)
        const tail = create(log.folder)
        tail.open(0, 100)
        let at = 100
        for (const [index, [length, flush]] of records.entries()) {
          const place = tail.place(length)
          tail.bytes.fill(index + 1, place, place + length)
          expected.fill(index + 1, at, at + length)
          at += length
          if (flush) {
            tail.flushBatch()
            expect(log.bytes().equals(expected)).toBe(true)
          }
        }
        tail.close()
        expect(log.bytes().equals(expected)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  test('ends a segment with a blank and goes on in the next', () => {
    const log = newLog()
    const tail = create(log.folder)
    tail.open(0, SIZE - 300)
    const at = tail.place(200)
    tail.bytes.fill('a', at, at + 200)
    tail.blank(100)
    tail.open(SIZE, 0)
    const next = tail.place(50)
    tail.bytes.fill('b', next, next + 50)
    tail.close()
    const bytes = log.bytes()
    expect(bytes.subarray(SIZE - 300, SIZE - 100).equals(Buffer.alloc(200, 'a'))).toBe(true)
    expect(bytes.subarray(SIZE - 100, SIZE - 90).toString('hex')).toBe('00000064cbd431940000')
    expect(bytes.subarray(SIZE, SIZE + 50).equals(Buffer.alloc(50, 'b'))).toBe(true)
  })

  test('never places a record across the end of its segment', () => {
    const tail = create(newLog().folder)
    tail.open(0, SIZE - 100)
    expect(() => tail.place(101)).toThrow('a record lies in one segment')
    tail.close()
  })

  test('says which segment is not there', () => {
    const log = newLog()
    const tail = create(log.folder)
    expect(() => tail.open(2 * SIZE, 0)).toThrow(join(log.folder, segmentName(2 * SIZE)))
    tail.close()
  })
})

test('the setting chooses the tail', () => {
  const { folder } = newLog()
  const settings = storeSettings(folder)
  for (const [tailWriter, kind] of [
    ['map', MappedTail],
    ['pwrite', PwriteTail],
  ] as const) {
    const tail = createTailWriter({ ...settings, tailWriter })
    expect(tail).toBeInstanceOf(kind)
    tail.close()
  }
})

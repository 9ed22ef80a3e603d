import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { LogReader, RecordView, segmentName } from '../../../src/store/commitlog/index.ts'
import { recordedStore, scratchFolder, storeSettings } from '../scratch.ts'

const SIZE = 65_536
const readers: LogReader[] = []

afterEach(() => {
  for (const reader of readers.splice(0)) reader.close()
})

function readerOf(root: string, slots?: number): LogReader {
  const reader = new LogReader(storeSettings(root), slots)
  readers.push(reader)
  return reader
}

/** Segments filled with their number + 1. */
function filledLog(count: number): string {
  const root = scratchFolder()
  const folder = join(root, 'commitlog')
  mkdirSync(folder)
  for (let i = 0; i < count; i++) writeFileSync(join(folder, segmentName(i * SIZE)), Buffer.alloc(SIZE, i + 1))
  return root
}

test('every record of a recorded store is read through the maps', () => {
  const reader = readerOf(recordedStore('clean'))
  const record = new RecordView()
  let count = 0
  for (let at = 0; ; ) {
    const segment = reader.segmentAt(at)
    if (segment === undefined) break
    const kind = record.read(segment.bytes, segment.view, at - segment.start, SIZE)
    if (kind === 'end') break
    if (kind === 'blank') {
      at = segment.end
      continue
    }
    expect(kind).toBe('record')
    expect(record.physicalOffset).toBe(at)
    expect(reader.resident(at, record.totalSize)).toBe(true)
    count += 1
    at += record.totalSize
  }
  expect(count).toBe(774)
})

test('a segment that does not exist is undefined, until it is there', () => {
  const root = filledLog(1)
  const reader = readerOf(root)
  expect(reader.segmentAt(SIZE)).toBeUndefined()
  expect(reader.readCold(SIZE, 10)).toBeUndefined()
  writeFileSync(join(root, 'commitlog', segmentName(SIZE)), Buffer.alloc(SIZE, 2))
  expect(reader.segmentAt(SIZE + 5)?.bytes[5]).toBe(2)
  expect(reader.readCold(SIZE, 10)).toEqual(Buffer.alloc(10, 2))
})

test('the segment that was used longest ago gives its slot away', () => {
  const reader = readerOf(filledLog(4), 2)
  const first = reader.segmentAt(0)
  reader.segmentAt(SIZE)
  expect(reader.segmentAt(1)).toBe(first)
  expect(reader.segmentAt(2 * SIZE)?.bytes[0]).toBe(3)
  expect(reader.segmentAt(2)).toBe(first)
  expect(reader.segmentAt(SIZE)?.bytes[0]).toBe(2)
})

test('a leased segment keeps its slot and its bytes, whatever else is asked for', () => {
  const reader = readerOf(filledLog(4), 2)
  const leased = reader.segmentAt(0)!
  reader.lease(0)
  for (let i = 1; i < 4; i++) expect(reader.segmentAt(i * SIZE)?.bytes[0]).toBe(i + 1)
  expect(leased.bytes[0]).toBe(1)
  reader.lease(3 * SIZE)
  expect(reader.segmentAt(SIZE)).toBeUndefined()
  expect(reader.readCold(SIZE, 4)).toEqual(Buffer.alloc(4, 2))
  reader.unlease(0)
  expect(reader.segmentAt(SIZE)?.bytes[0]).toBe(2)
})

test('what retention drops is gone at once, or with its last lease', () => {
  const root = filledLog(3)
  const reader = readerOf(root)
  const first = reader.segmentAt(0)!
  const second = reader.segmentAt(SIZE)!
  reader.lease(SIZE)
  reader.lease(SIZE)
  reader.readCold(0, 1)
  for (const start of [0, SIZE]) unlinkSync(join(root, 'commitlog', segmentName(start)))
  reader.dropBelow(2 * SIZE)
  expect(first.bytes[0]).toBe(0)
  expect(second.bytes[0]).toBe(2)
  expect(reader.segmentAt(0)).toBeUndefined()
  expect(reader.segmentAt(SIZE)).toBeUndefined()
  expect(reader.readCold(0, 1)).toBeUndefined()
  reader.unlease(SIZE)
  expect(second.bytes[0]).toBe(2)
  reader.unlease(SIZE)
  expect(second.bytes[0]).toBe(0)
  expect(reader.segmentAt(2 * SIZE)?.bytes[0]).toBe(3)
})

test('a cold read ends at the end of its segment', () => {
  const root = filledLog(7)
  const reader = readerOf(root)
  for (let i = 0; i < 7; i++) expect(reader.readCold(i * SIZE + SIZE - 3, 10)).toEqual(Buffer.alloc(3, i + 1))
  expect(reader.readCold(SIZE, SIZE)?.equals(readFileSync(join(root, 'commitlog', segmentName(SIZE))))).toBe(true)
})

test('a lease is given back once', () => {
  const reader = readerOf(filledLog(1))
  reader.segmentAt(0)
  reader.lease(0)
  reader.unlease(0)
  expect(() => reader.unlease(0)).toThrow('a lease is given back once')
  expect(() => reader.lease(SIZE)).toThrow('only a mapped segment is leased')
})

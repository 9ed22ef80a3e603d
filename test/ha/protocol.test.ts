/** Bytes of the HA port: cut anywhere, they say the same; RocketMQ's own recordings are among them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeReport, encodeTransferHeader, ReportSplitter, TransferSplitter } from '../../src/ha/protocol.ts'
import { RecordTrack } from '../../src/ha/record-track.ts'
import { decodeRecord } from '../../src/store/commitlog/index.ts'

const OFFSET = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
/** Places where a stream is cut. */
const CUTS = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 50 })

function* pieces(bytes: Buffer, cuts: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = cuts[i % cuts.length]
    // A socket's chunk may be used again.
    yield Buffer.from(bytes.subarray(at, at + size))
    at += size
  }
}

interface Frame {
  offset: number
  bytes: Buffer
}

/** Frames as they come out; the bytes of each put together again. */
function collect() {
  const frames: Frame[] = []
  const splitter = new TransferSplitter({
    frame: (offset, length) => {
      frames.push({ offset, bytes: Buffer.alloc(0) })
      return length >= 0
    },
    bytes: (chunk, from, to, offset) => {
      const last = frames.at(-1)!
      expect(offset).toBe(last.offset + last.bytes.length)
      last.bytes = Buffer.concat([last.bytes, chunk.subarray(from, to)])
      return true
    },
  })
  return { frames, splitter }
}

test('reports come out as they went in, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(OFFSET, { maxLength: 30 }), CUTS, (offsets, cuts) => {
      const splitter = new ReportSplitter()
      const stream = Buffer.concat(offsets.map(encodeReport))
      expect([...pieces(stream, cuts)].flatMap((piece) => splitter.take(piece))).toEqual(offsets)
    }),
  )
})

test('a report that is no place in a log comes as it is', () => {
  const splitter = new ReportSplitter()
  expect(splitter.take(Buffer.from('ffffffffffffffff8000000000000000', 'hex'))).toEqual([-1, -(2 ** 63)])
})

test('transfers and heartbeats come out as they went in, however they are cut', () => {
  const frame = fc.record({ offset: OFFSET, bytes: fc.uint8Array({ maxLength: 100 }) })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), CUTS, (sent, cuts) => {
      const { frames, splitter } = collect()
      const stream = sent.flatMap(({ offset, bytes }) => [encodeTransferHeader(offset, bytes.length), bytes])
      for (const piece of pieces(Buffer.concat(stream), cuts)) expect(splitter.take(piece)).toBe(true)
      expect(frames).toEqual(sent.map(({ offset, bytes }) => ({ offset, bytes: Buffer.from(bytes) })))
    }),
  )
})

test.each([-1, 64 * 1024 * 1024 + 1])('a transfer of %i bytes is none', (length) => {
  const { splitter, frames } = collect()
  expect(splitter.take(encodeTransferHeader(0, length))).toBe(false)
  expect(frames).toEqual([])
})

interface Row {
  kind: string
  link: string
  dir: string
  offset: number
  length: number
  slaveOffset?: number
  masterOffset?: number
  bodyLength?: number
}

describe.each(['wire-json', 'wire-rocketmq'])('what RocketMQ 4.9.8 said (%s)', (folder) => {
  const path = fileURLToPath(new URL(`../vectors/rocketmq-4.9.8/${folder}/ha/`, import.meta.url))
  const bytes = readFileSync(join(path, 'frames.bin'))
  const rows = readFileSync(join(path, 'index.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
    .filter(({ link, length }) => link === 'ha' && length > 0)
  const of = (dir: string) => rows.filter((row) => row.dir === dir)
  const streamOf = (dir: string) =>
    Buffer.concat(of(dir).map(({ offset, length }) => bytes.subarray(offset, offset + length)))

  test('reports, read and written', () => {
    const offsets = of('c2s').map(({ slaveOffset }) => slaveOffset!)
    expect(offsets.length).toBeGreaterThan(5)
    expect(new ReportSplitter().take(streamOf('c2s'))).toEqual(offsets)
    expect(Buffer.concat(offsets.map(encodeReport))).toEqual(streamOf('c2s'))
  })

  test.each([1, 7, 4096])(
    'transfers, in pieces of %i bytes, read and written; a log without a gap comes of them',
    (size) => {
      const { frames, splitter } = collect()
      const track = new RecordTrack(0, 1 << 30)
      for (const piece of pieces(streamOf('s2c'), [size])) expect(splitter.take(piece)).toBe(true)
      const said = of('s2c').map(({ masterOffset, bodyLength }) => [masterOffset, bodyLength])
      expect(frames.map((frame) => [frame.offset, frame.bytes.length])).toEqual(said)
      const again = frames.flatMap((frame) => [encodeTransferHeader(frame.offset, frame.bytes.length), frame.bytes])
      expect(Buffer.concat(again)).toEqual(streamOf('s2c'))
      let end = 0
      for (const frame of frames) {
        expect(frame.offset).toBe(end)
        expect(track.push(frame.bytes, 0, frame.bytes.length, frame.offset)).toBe(true)
        end += frame.bytes.length
      }
      expect(end).toBe(13_991)
      expect(track.whole).toBe(end)
      const log = Buffer.concat(frames.map((frame) => frame.bytes))
      let records = 0
      for (let at = 0; at < log.length; records += 1) {
        const record = decodeRecord(log, at)!
        expect(record).toMatchObject({ physicalOffset: at, bodyIsIntact: true })
        at += record.totalSize
      }
      expect(records).toBe(55)
    },
  )
})

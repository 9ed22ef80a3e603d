/** Where records end in bytes that come cut anywhere. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RecordTrack } from '../../src/ha/record-track.ts'
import { BLANK_MAGIC, recordSize, writeRecord } from '../../src/store/commitlog/record.ts'

const SEGMENT = 1024
const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 10911 }

/** A log as append writes it: records of these body lengths, blanks at the ends of files. Also where each record ends. */
function logOf(bodies: readonly number[], start = 0) {
  const bytes = Buffer.alloc((bodies.length + 1) * SEGMENT)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const ends: number[] = []
  let at = 0
  for (const body of bodies) {
    const size = recordSize(body, 1, 0, 4, 4)
    const left = SEGMENT - ((start + at) % SEGMENT)
    if (size + 8 > left) {
      view.setInt32(at, left)
      view.setInt32(at + 4, BLANK_MAGIC)
      at += left
    }
    const input = {
      queueId: 0,
      bornTimestamp: 1,
      bornHost: HOST,
      storeTimestamp: 1,
      storeHost: HOST,
      topic: 'T',
      properties: '',
    }
    at += writeRecord(bytes, view, at, { ...input, physicalOffset: start + at, body: Buffer.alloc(body, 7) })
    ends.push(start + at)
  }
  return { bytes: bytes.subarray(0, at), ends }
}

const BODIES = fc.array(fc.integer({ min: 0, max: 800 }), { minLength: 1, maxLength: 12 })
const CUTS = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 40 })

test('the end of the last whole record is known after every piece', () => {
  fc.assert(
    fc.property(BODIES, CUTS, fc.integer({ min: 0, max: 3 }), (bodies, cuts, file) => {
      const start = file * SEGMENT
      const { bytes, ends } = logOf(bodies, start)
      const track = new RecordTrack(start, SEGMENT)
      for (let at = 0, i = 0; at < bytes.length; i += 1) {
        // The bytes lie somewhere in a ring, and a piece never spans two files.
        const size = Math.min(cuts[i % cuts.length], bytes.length - at, SEGMENT - (at % SEGMENT))
        const ring = Buffer.concat([Buffer.alloc(3, 0xff), bytes.subarray(at, at + size), Buffer.alloc(5, 0xff)])
        expect(track.push(ring, 3, 3 + size, start + at)).toBe(true)
        at += size
        expect(track.whole).toBe(ends.findLast((end) => end <= start + at) ?? start)
      }
    }),
  )
})

test('after a return to the last whole record the same bytes come once more', () => {
  const { bytes, ends } = logOf([100, 200, 300])
  const track = new RecordTrack(0, SEGMENT)
  track.push(bytes, 0, ends[1] + 20, 0)
  expect(track.whole).toBe(ends[1])
  track.reset(track.whole)
  expect(track.push(bytes, ends[1], bytes.length, ends[1])).toBe(true)
  expect(track.whole).toBe(ends[2])
})

test.each<[string, (bytes: Buffer) => void, RegExp]>([
  ['no magic', (bytes) => bytes.fill(0), /no record/],
  ['another place', (bytes) => void bytes.writeBigInt64BE(4096n, 28), /a record of the place 4096/],
  ['a size beyond the file', (bytes) => void bytes.writeInt32BE(SEGMENT, 0), /mappedFileSizeCommitLog differs/],
  ['a size of nothing', (bytes) => void bytes.writeInt32BE(8, 0), /a record of 8 bytes/],
  [
    'a blank that does not fill its file',
    (bytes) => {
      bytes.writeInt32BE(100, 0)
      bytes.writeInt32BE(BLANK_MAGIC, 4)
    },
    /a blank of 100 bytes/,
  ],
])('%s is no log', (_name, damage, words) => {
  const { bytes } = logOf([100])
  damage(bytes)
  const track = new RecordTrack(0, SEGMENT)
  expect(track.push(bytes, 0, bytes.length, 0)).toBe(false)
  expect(track.fault).toMatch(words)
  expect(track.whole).toBe(0)
})

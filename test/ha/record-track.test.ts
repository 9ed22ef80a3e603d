/** Where records end in bytes that come cut anywhere. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RecordTrack } from '../../src/ha/record-track.ts'
import { BLANK_MAGIC } from '../../src/store/commitlog/record.ts'
import { logOf, SEGMENT } from './written-log.ts'

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

/** What a master believes of what slaves say. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { faultOf, startOf } from '../../src/ha/slave-reports.ts'

const LOG = { retained: 1000, appended: 5500, segmentSize: 1000 }

test.each<[string, number, boolean, object]>([
  ['an empty slave gets the last file', 0, false, { from: 5000 }],
  ['one of ours gets all that is there', 0, true, { from: 1000 }],
  ['a slave goes on where its log ends', 3210, false, { from: 3210 }],
  ['at the very end too', 5500, false, { from: 5500 }],
  ['one that is ahead is refused', 5501, false, { code: 'AHEAD' }],
  ['one from before the first file too', 999, false, { code: 'TOO_OLD' }],
  ['a negative number is nothing', -1, false, { code: 'NEGATIVE' }],
  ['nor is one that no file system holds', 2 ** 63, false, { code: 'NEGATIVE' }],
])('%s', (_name, end, wantsAll, expected) => {
  expect(startOf(end, wantsAll, LOG)).toMatchObject(expected)
})

test('an empty master sends from 0', () => {
  expect(startOf(0, false, { retained: 0, appended: 0, segmentSize: 1000 })).toEqual({ from: 0 })
})

test('a report counts only between the last one and what was sent', () => {
  const place = fc.integer({ min: -10, max: 100 })
  fc.assert(
    fc.property(place, fc.nat(100), fc.nat(100), (end, a, b) => {
      const [acknowledged, sent] = [Math.min(a, b), Math.max(a, b)]
      const isBelievable = end >= acknowledged && end <= sent
      expect(faultOf(end, acknowledged, sent) === undefined).toBe(isBelievable)
    }),
  )
})

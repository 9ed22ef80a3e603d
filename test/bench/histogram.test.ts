/** The figures of every benchmark go through these: they are held against the plain way of computing them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Histogram } from '../../bench/load/histogram.mjs'
import { median, ratioInterval } from '../../src/bench/stats.ts'

const ERROR_MAX = 1 / 64

test('a percentile is the sorted list’s, at most 1.6 % above it', () => {
  const values = fc.array(fc.oneof(fc.nat(200), fc.nat(100_000), fc.nat(0x7fffffff)), { minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(values, fc.constantFrom(0.5, 0.9, 0.99, 0.999, 1), (list, share) => {
      const histogram = new Histogram()
      for (const value of list) histogram.record(value)
      const sorted = list.toSorted((a, b) => a - b)
      const exact = sorted[Math.max(1, Math.ceil(share * list.length)) - 1]
      const got = histogram.percentile(share)
      expect(got).toBeGreaterThanOrEqual(exact)
      expect(got).toBeLessThanOrEqual(exact * (1 + ERROR_MAX))
      expect(histogram.max).toBe(sorted.at(-1))
      expect(histogram.total).toBe(list.length)
    }),
  )
})

test('fractions are cut, negative times count as 0, and reset forgets', () => {
  const histogram = new Histogram()
  histogram.record(12.9)
  histogram.record(-3)
  expect(histogram.summary()).toEqual({ count: 2, p50: 0, p99: 12, p999: 12, max: 12 })
  histogram.reset()
  expect(histogram.summary()).toEqual({ count: 0, p50: 0, p99: 0, p999: 0, max: 0 })
})

test('the interval of a ratio holds the ratio, is a point where nothing varies, and is the same at each run', () => {
  expect(ratioInterval([4, 4, 4], [2, 2, 2])).toEqual({ ratio: 2, low: 2, high: 2, rounds: 3 })
  const ours = [10, 12, 11, 9, 13, 10, 11, 12, 10, 11]
  const theirs = [5, 4, 5, 6, 5, 5, 4, 6, 5, 5]
  const first = ratioInterval(ours, theirs)
  expect(first.ratio).toBe(median(ours) / median(theirs))
  expect(first.low).toBeLessThanOrEqual(first.ratio)
  expect(first.high).toBeGreaterThanOrEqual(first.ratio)
  expect(first.low).toBeGreaterThan(1.5)
  expect(first.high).toBeLessThan(3)
  expect(ratioInterval(ours, theirs)).toEqual(first)
})

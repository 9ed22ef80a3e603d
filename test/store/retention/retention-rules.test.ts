import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide, expired, hoursOf } from '../../../src/store/retention/retention-rules.ts'
import { storeSettings } from '../scratch.ts'

const HOUR = 3_600_000
const SIZE = 65_536

describe('when expired files go', () => {
  const settings = { ...storeSettings('/nowhere'), diskSpaceCleanForciblyRatio: 85, cleanFileForciblyEnable: true }
  const calm = { hour: 12, logPercent: 10, queuePercent: 10, isManual: false }

  test.each([
    ['at noon on an empty disk they stay', calm, {}, { reason: undefined, isForced: false }],
    ['at four they go', { ...calm, hour: 4 }, {}, { reason: 'hour', isForced: false }],
    ['at each of several hours', { ...calm, hour: 16 }, { deleteWhen: '04;16' }, { reason: 'hour', isForced: false }],
    ['75 % used is not too much', { ...calm, logPercent: 75 }, {}, { reason: undefined, isForced: false }],
    ['76 % is', { ...calm, logPercent: 76 }, {}, { reason: 'space', isForced: false }],
    ['of the queues’ disk too', { ...calm, queuePercent: 76 }, {}, { reason: 'space', isForced: false }],
    ['85 % spares the young ones', { ...calm, logPercent: 85 }, {}, { reason: 'space', isForced: false }],
    ['above it all go', { ...calm, logPercent: 86 }, {}, { reason: 'space', isForced: true }],
    [
      'unless that is switched off',
      { ...calm, logPercent: 86 },
      { cleanFileForciblyEnable: false },
      { reason: 'space', isForced: false },
    ],
    ['when an operator asks', { ...calm, isManual: true }, {}, { reason: 'manual', isForced: false }],
  ])('%s', (_, input, changes, decision) => {
    expect(decide(input, { ...settings, ...changes })).toEqual(decision)
  })

  test.each([
    ['04', [4]],
    ['4', [4]],
    ['04;16', [4, 16]],
    [' 04 ; 23;', [4, 23]],
    ['24', []],
    ['', []],
    ['night', []],
  ])('deleteWhen=%j means the hours %j', (text, hours) => {
    expect(hoursOf(text)).toEqual(hours)
  })
})

describe('which files go', () => {
  const now = 1_000 * HOUR
  const base = { now, reservedHours: 72, isForced: false, keepFrom: Number.MAX_SAFE_INTEGER, segmentSize: SIZE }
  const aged = (...hours: number[]) => hours.map((age, index) => ({ start: index * SIZE, changedAt: now - age * HOUR }))

  test.each([
    ['none of an empty log', aged(), {}, []],
    ['never the last one', aged(1000), {}, []],
    ['those of 72 hours and more', aged(100, 72, 71.9, 1), {}, [0, SIZE]],
    ['oldest first, up to the first that stays', aged(100, 10, 100, 100, 0), {}, [0]],
    ['all but the last when forced', aged(3, 2, 1), { isForced: true }, [0, SIZE]],
    ['not what is still needed', aged(100, 100, 100, 0), { keepFrom: 2 * SIZE }, [0, SIZE]],
    ['not a file that is needed in part', aged(100, 100, 0), { keepFrom: SIZE - 1, isForced: true }, []],
    ['not one that was changed in the future', aged(-1, 100, 0), {}, []],
    ['ten a round', aged(...Array.from({ length: 30 }, () => 100)), {}, Array.from({ length: 10 }, (_, i) => i * SIZE)],
  ])('%s', (_, segments, changes, starts) => {
    expect(expired(segments, { ...base, ...changes })).toEqual(starts)
  })

  test('whatever the ages: a run from the oldest, below what is needed, never the last', () => {
    const age = fc.integer({ min: -10, max: 200 })
    fc.assert(
      fc.property(
        fc.array(age, { maxLength: 20 }),
        fc.boolean(),
        fc.nat({ max: 20 * SIZE }),
        (ages, isForced, keepFrom) => {
          const segments = aged(...ages)
          const going = expired(segments, { ...base, isForced, keepFrom })
          expect(going).toEqual(going.map((_, index) => index * SIZE))
          expect(going.length).toBeLessThan(Math.max(1, segments.length))
          for (const start of going) {
            expect(start + SIZE).toBeLessThanOrEqual(keepFrom)
            if (!isForced) expect(ages[start / SIZE]).toBeGreaterThanOrEqual(72)
          }
        },
      ),
    )
  })
})

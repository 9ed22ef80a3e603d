/** FAULTS row 18: the clock jumps an hour, and nothing is deleted early. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RetentionClock, SETTLE_MS } from '../../../src/store/retention/retention-clock.ts'

const HOUR = 3_600_000
const START = 1_700_000_000_000

function fakeTime() {
  const time = { wall: START, steady: 5000, moved: 0 }
  const clock = new RetentionClock({
    wall: () => time.wall,
    steady: () => time.steady,
    moved: () => time.moved,
  })
  const pass = (ms: number) => {
    time.wall += ms
    time.steady += ms
  }
  return { time, clock, pass }
}

describe('row 18', () => {
  test('time that passes is time that passes', () => {
    const { clock, pass } = fakeTime()
    pass(10 * HOUR)
    expect(clock.now()).toBe(START + 10 * HOUR)
  })

  test('an hour forward and back again was never seen', () => {
    const { clock, pass, time } = fakeTime()
    time.wall += HOUR
    pass(1000)
    expect(clock.now()).toBe(START + 1000)
    expect(clock.isAhead).toBe(true)
    time.wall -= HOUR
    pass(1000)
    expect(clock.now()).toBe(START + 2000)
    expect(clock.isAhead).toBe(false)
  })

  test('an hour back counts at once: files stay longer', () => {
    const { clock, pass, time } = fakeTime()
    time.wall -= HOUR
    pass(1000)
    expect(clock.now()).toBe(START - HOUR + 1000)
  })

  test('a clock that was put right forward is believed after a while', () => {
    const { clock, pass, time } = fakeTime()
    time.wall += HOUR
    expect(clock.now()).toBe(START)
    pass(SETTLE_MS)
    expect(clock.now()).toBe(START + HOUR + SETTLE_MS)
  })

  test('what a test moves its broker by counts at once', () => {
    const { clock, time } = fakeTime()
    time.moved = 73 * HOUR
    expect(clock.now()).toBe(START + 73 * HOUR)
  })

  test('a clock that runs a little fast or slow is followed', () => {
    const { clock, time } = fakeTime()
    for (let minute = 0; minute < 100; minute += 1) {
      time.steady += 60_000
      time.wall += 60_000 + 500
      expect(clock.now()).toBe(time.wall)
    }
  })

  test('however it jumps within ten minutes, it is never ahead of the earliest that it was', () => {
    const jump = fc.tuple(fc.integer({ min: -HOUR, max: HOUR }), fc.integer({ min: 0, max: 30_000 }))
    fc.assert(
      fc.property(fc.array(jump, { maxLength: 15 }), (jumps) => {
        const { clock, pass, time } = fakeTime()
        const steady = time.steady
        for (const [by, after] of jumps) {
          time.wall += by
          pass(after)
          // Jumps below a minute are taken for slewing.
          expect(clock.now()).toBeLessThanOrEqual(START + (time.steady - steady) + jumps.length * 60_000)
        }
      }),
    )
  })
})

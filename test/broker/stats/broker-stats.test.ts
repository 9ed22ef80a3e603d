import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BrokerStats, PutTimes } from '../../../src/broker/stats/index.ts'
import { ManualClock } from '../rig.ts'

describe('the rates', () => {
  test('are over 10 s, 1 min and 10 min, each only once it is full', () => {
    const clock = new ManualClock()
    const stats = new BrokerStats(clock)
    const run = (seconds: number, perSecond: number) => {
      for (let i = 0; i < seconds; i++) {
        clock.ms += 1_000
        stats.tick()
        stats.putMessages += perSecond
        stats.getFound += 1
      }
    }
    run(5, 10)
    expect(stats.table().putTps).toBe('  ')
    run(20, 10)
    expect(stats.table().putTps).toBe('10  ')
    run(40, 20)
    expect(stats.table().putTps.split(' ').slice(0, 2).map(Number)[0]).toBe(20)
    expect(stats.table().putTps.split(' ')[2]).toBe('')
    run(600, 20)
    expect(stats.table().putTps).toBe('20 20 20')
    expect(stats.table().getTotalTps).toBe('1 1 1')
    expect(stats.table().getTransferedTps).toBe(stats.table().getTransferredTps)
  })

  test('are of one sample a second, however often the tick comes', () => {
    const clock = new ManualClock()
    const stats = new BrokerStats(clock)
    for (let i = 0; i < 200; i++) {
      clock.ms += 100
      stats.tick()
      stats.putMessages += 1
    }
    expect(Number(stats.table().putTps.split(' ')[0])).toBeCloseTo(10)
  })
})

test('at midnight the totals become those of the morning, and the morning yesterday', () => {
  const clock = new ManualClock()
  const midnight = new Date(clock.ms)
  midnight.setHours(24, 0, 0, 0)
  clock.ms = midnight.getTime() - 2_000
  const stats = new BrokerStats(clock)
  stats.tick()
  stats.putMessages = 5
  clock.ms += 4_000
  stats.tick()
  stats.putMessages = 8
  expect(stats.table()).toMatchObject({
    msgPutTotalYesterdayMorning: '0',
    msgPutTotalTodayMorning: '5',
    msgPutTotalTodayNow: '8',
  })
})

describe('put times', () => {
  test('are counted in the buckets of 4.9.8', () => {
    const times = new PutTimes()
    for (const ms of [0, 0, 1, 9, 10, 49, 50, 99, 150, 499, 700, 1500, 2500, 3500, 4500, 9999, 10_000, 1e6])
      times.add(ms)
    expect(times.text()).toBe(
      '[<=0ms]:2 [0~10ms]:2 [10~50ms]:2 [50~100ms]:2 [100~200ms]:1 [200~500ms]:1 [500ms~1s]:1 [1~2s]:1 [2~3s]:1 [3~4s]:1 [4~5s]:1 [5~10s]:1 [10s~]:2 ',
    )
    expect(times.maxMs).toBe(1e6)
  })

  test('have percentiles within an eighth of the exact ones', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1e7 }), { minLength: 1 }),
        fc.constantFrom(0.5, 0.99, 1),
        (all, p) => {
          const times = new PutTimes()
          for (const ms of all) times.add(ms)
          const exact = [...all].sort((a, b) => a - b)[Math.ceil(all.length * p) - 1]
          expect(times.percentile(p)).toBeGreaterThanOrEqual(exact)
          expect(times.percentile(p)).toBeLessThanOrEqual(exact * 1.125 + 1)
        },
      ),
    )
  })
})

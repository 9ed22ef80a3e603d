/** Requests in flight, in a ring by opaque, against a Map. */
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { RemotingError } from '../../src/errors.ts'
import { answerTo } from '../../src/remoting/command.ts'
import { PendingAnswers } from '../../src/remoting/pending-answers.ts'

const asked = (opaque: number) => ({ opaque, serialize: 0 as const })
const closed = new RemotingError('CONNECTION_CLOSED', { what: 'closed' })

/** Opaques count up over all connections, so that one sees gaps; some requests wait for long. */
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      gap: fc.constantFrom(1, 1, 1, 2, 16, 1024),
      ms: fc.integer({ min: 1, max: 9000 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), now: fc.nat(9000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stranger' as const), opaque: fc.nat(5000) }) },
)

test('whatever comes in whatever order goes to who waits for it, once', () => {
  fc.assert(
    fc.property(fc.constantFrom(1, 0x7fff_fff0), fc.array(step, { maxLength: 300 }), (first, steps) => {
      const pending = new PendingAnswers('peer')
      const model = new Map<number, number>()
      const heard: [number, 'answered' | 'failed'][] = []
      const expected: [number, 'answered' | 'failed'][] = []
      let opaque: number = first
      for (const one of steps) {
        if (one.do === 'ask') {
          opaque = (opaque + one.gap) & 0x7fff_ffff || 1
          const mine = opaque
          model.set(mine, one.ms)
          pending.expect(mine, 310, one.ms, 0, {
            answered: (answer) => heard.push([mine, answer.opaque === mine ? 'answered' : 'failed']),
            failed: () => heard.push([mine, 'failed']),
          })
        } else if (one.do === 'answer' && model.size > 0) {
          const which = [...model.keys()][one.which % model.size]
          model.delete(which)
          expected.push([which, 'answered'])
          pending.take(which)?.answered(answerTo(asked(which), 0))
        } else if (one.do === 'expire') {
          for (const [which, ms] of model) {
            if (ms > one.now) continue
            model.delete(which)
            expected.push([which, 'failed'])
          }
          pending.expire(one.now)
        } else if (one.do === 'stranger' && !model.has(one.opaque)) {
          expect(pending.take(one.opaque)).toBeUndefined()
        }
        expect(pending.count).toBe(model.size)
        expect(heard).toEqual(expected)
      }
      pending.close(closed)
      for (const which of model.keys()) expected.push([which, 'failed'])
      expect(heard).toEqual(expected)
      expect(pending.count).toBe(0)
    }),
  )
})

test('more in flight than the ring has slots, each answered', () => {
  const pending = new PendingAnswers('peer')
  const answered = new Set<number>()
  const count = 100_000
  for (let i = 1; i <= count; i++) {
    pending.expect(i, 310, 60_000, 0, { answered: () => answered.add(i), failed: () => {} })
  }
  expect(pending.count).toBe(count)
  for (let i = count; i > 0; i--) pending.take(i)?.answered(answerTo(asked(i), 0))
  expect(answered.size).toBe(count)
  expect(pending.count).toBe(0)
  pending.close(closed)
})

test('each fails when its own time is over', () => {
  vi.useFakeTimers()
  try {
    const pending = new PendingAnswers('peer')
    const failed: number[] = []
    for (const [opaque, ms] of [
      [1, 300],
      [17, 100],
      [33, 200],
      [49, 3000],
    ]) {
      pending.expect(opaque, 310, ms, 0, { answered() {}, failed: () => failed.push(opaque) })
    }
    vi.advanceTimersByTime(150)
    expect(failed).toEqual([17])
    vi.advanceTimersByTime(200)
    expect(failed).toEqual([17, 33, 1])
    expect(pending.take(49)).toBeDefined()
    vi.advanceTimersByTime(5000)
    expect(failed).toEqual([17, 33, 1])
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

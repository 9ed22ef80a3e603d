/** Messages between pull and consumption: what may be committed, what holds a pull back, what is overdue. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Entry, ProcessQueue } from '../../../src/client/consumer/process-queue.ts'

interface Message {
  queueOffset: number
  bodySize: number
}
const message = (queueOffset: number, size = 10): Message => ({ queueOffset, bodySize: size })
const messages = (from: number, count: number, size?: number) =>
  Array.from({ length: count }, (_, i) => message(from + i, size))

describe('what may be committed', () => {
  /** A model of three lines: offsets put, offsets done; committable is the lowest that is not done, else the highest + 1. */
  const model = (put: readonly number[], done: ReadonlySet<number>) =>
    put.find((offset) => !done.has(offset)) ?? (put.length === 0 ? -1 : Math.max(...put) + 1)

  type Step = { kind: 'put'; gaps: number[] } | { kind: 'take'; count: number } | { kind: 'done'; picks: number[] }
  const steps = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('put' as const),
        gaps: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 40 }),
      }),
      fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ kind: fc.constant('done' as const), picks: fc.array(fc.nat(), { maxLength: 30 }) }),
    ) as fc.Arbitrary<Step>,
    { maxLength: 80 },
  )

  test('never passes a message that is not done, and never goes back, in whatever order they are done', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 1000 }), (run, first) => {
        const queue = new ProcessQueue<Message>(0)
        const put: number[] = []
        const done = new Set<number>()
        const busy: Entry<Message>[] = []
        let next = first
        let before = -1
        for (const step of run) {
          if (step.kind === 'put') {
            const fresh = step.gaps.map((gap) => {
              next += gap
              return message(next)
            })
            expect(queue.put(fresh)).toBe(fresh.length)
            put.push(...fresh.map(({ queueOffset }) => queueOffset))
          } else if (step.kind === 'take') busy.push(...queue.take(step.count, 0))
          else {
            const finished = [...new Set(step.picks.map((pick) => pick % Math.max(1, busy.length)))]
              .filter((at) => at < busy.length)
              .map((at) => busy[at])
            for (const entry of finished) {
              done.add(entry.offset)
              busy.splice(busy.indexOf(entry), 1)
            }
            expect(queue.done(finished)).toBe(queue.committable())
          }
          expect(queue.committable()).toBe(model(put, done))
          expect(queue.committable()).toBeGreaterThanOrEqual(before)
          before = queue.committable()
          expect(queue.count).toBe(put.length - done.size)
          expect(queue.size).toBe(10 * queue.count)
          expect(queue.waiting).toBe(put.length - done.size - busy.length)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('what a filter left out counts when all before it is done', () => {
    const queue = new ProcessQueue<Message>(0)
    queue.put(messages(0, 2))
    queue.seen(10)
    const [first, second] = queue.take(2, 0)
    expect([queue.done([second]), queue.done([first])]).toEqual([0, 10])
    queue.seen(5)
    expect(queue.committable()).toBe(10)
  })

  test('a message that comes again is not put twice', () => {
    const queue = new ProcessQueue<Message>(0)
    queue.put(messages(5, 3))
    expect(queue.put(messages(6, 3))).toBe(1)
    expect(queue.take(10, 0).map(({ offset }) => offset)).toEqual([5, 6, 7, 8])
  })

  test('a message that is done twice counts once', () => {
    const queue = new ProcessQueue<Message>(0)
    queue.put(messages(0, 2))
    const taken = queue.take(2, 0)
    queue.done(taken.slice(0, 1))
    expect(queue.done(taken.slice(0, 1))).toBe(1)
    expect(queue.count).toBe(1)
  })

  test('in order: what is taken back is handed out again from the lowest on', () => {
    const queue = new ProcessQueue<Message>(0)
    queue.put(messages(0, 6))
    queue.done(queue.take(2, 0))
    queue.take(2, 0)
    queue.again()
    expect(queue.take(3, 0).map(({ offset }) => offset)).toEqual([2, 3, 4])
    expect(queue.committable()).toBe(2)
  })

  test('hundreds of thousands of messages leave no rest behind', () => {
    const queue = new ProcessQueue<Message>(0)
    for (let round = 0; round < 2000; round++) {
      queue.put(messages(round * 100, 100))
      queue.done(queue.take(round % 3 === 0 ? 90 : 105, 0))
    }
    while (queue.waiting > 0) queue.done(queue.take(32, 0))
    expect([queue.count, queue.size, queue.committable()]).toEqual([0, 0, 200_000])
  })
})

describe('flow control', () => {
  const limits = { count: 1000, sizeMiB: 2, span: 2000 }

  test('more messages than the limit hold the next pull back', () => {
    const queue = new ProcessQueue<Message>(0)
    queue.put(messages(0, 1000))
    expect(queue.heldBackBy(limits, false)).toBeUndefined()
    queue.put(messages(1000, 1))
    expect(queue.heldBackBy(limits, false)).toBe('count')
  })

  test('whole MiB of bodies count, so 3 MiB exceed a limit of 2', () => {
    const queue = new ProcessQueue<Message>(0)
    queue.put(messages(0, 2, (3 << 19) - 1))
    expect(queue.heldBackBy(limits, false)).toBeUndefined()
    queue.put(messages(2, 1, 2))
    expect(queue.heldBackBy(limits, false)).toBe('size')
  })

  test('one slow message far behind holds concurrent consumption back, but not ordered', () => {
    const queue = new ProcessQueue<Message>(0)
    queue.put([message(0), message(2000)])
    expect(queue.heldBackBy(limits, false)).toBeUndefined()
    queue.put([message(2001)])
    expect(queue.heldBackBy(limits, false)).toBe('span')
    expect(queue.heldBackBy(limits, true)).toBeUndefined()
  })
})

test('overdue are the lowest messages that were handed out long ago', () => {
  const queue = new ProcessQueue<Message>(0)
  queue.put(messages(0, 5))
  queue.take(2, 100)
  queue.take(1, 200)
  expect(queue.overdue(99, 16)).toEqual([])
  expect(queue.overdue(100, 16).map(({ offset }) => offset)).toEqual([0, 1])
  expect(queue.overdue(100, 1).map(({ offset }) => offset)).toEqual([0])
  expect(queue.overdue(1000, 16).map(({ offset }) => offset)).toEqual([0, 1, 2])
})

test('a cleared queue begins anew, also at lower offsets', () => {
  const queue = new ProcessQueue<Message>(0)
  queue.put(messages(50, 5))
  queue.clear()
  expect([queue.count, queue.size, queue.committable()]).toEqual([0, 0, -1])
  expect(queue.put(messages(10, 2))).toBe(2)
})

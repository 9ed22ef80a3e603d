/** What lies behind a position, against all batches kept in a list. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AppendHistory, AppendHistoryReader, createAppendHistory } from '../../src/metrics/append-history.ts'

interface Batch {
  readonly end: number
  /** All messages up to here. */
  readonly total: number
  readonly time: number
}

const START = 4096

function rig(start = START) {
  const buffer = createAppendHistory()
  const history = new AppendHistory(buffer)
  const reader = new AppendHistoryReader(buffer)
  history.begin(start, 0)
  const batches: Batch[] = [{ end: start, total: 0, time: 0 }]
  const add = (messages: number, bytes: number, time: number) => {
    const last = batches.at(-1)!
    batches.push({ end: last.end + bytes, total: last.total + messages, time })
    history.add(messages, last.end + bytes, time)
  }
  /** Messages above a batch's end, and the age of the first of them. */
  const truth = (batch: number, now: number) => ({
    messages: batches.at(-1)!.total - batches[batch].total,
    ms: batch === batches.length - 1 ? 0 : now - batches[batch + 1].time,
  })
  return { history, reader, batches, add, truth }
}

test('the last batches are told exactly', () => {
  const batch = fc.record({ messages: fc.integer({ min: 1, max: 50 }), pause: fc.integer({ min: 1, max: 100_000 }) })
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 200 }), fc.nat(10_000), (all, later) => {
      const { reader, batches, add, truth } = rig()
      let time = 0
      for (const { messages, pause } of all) {
        time += pause
        add(messages, messages * 100, time)
      }
      for (let i = 0; i < batches.length; i += 1) {
        expect(reader.behind(batches[i].end, time + later)).toEqual(truth(i, time + later))
      }
    }),
  )
})

test('further back, a sixteenth of the time that lies between is what may be wrong', () => {
  const pauses = fc.array(fc.oneof(fc.constantFrom(0, 1, 7), fc.integer({ min: 0, max: 2_000_000 })), { maxLength: 60 })
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 50, maxLength: 50 }), pauses, (sizes, gaps) => {
      const { reader, batches, add, truth } = rig()
      let time = 1
      for (let i = 0; i < 6000; i += 1) {
        time += i % 100 === 0 ? (gaps[i / 100] ?? 3) : i % 3
        const messages = sizes[i % sizes.length]
        add(messages, messages * 100, time)
      }
      for (let i = 0; i < batches.length; i += 37) {
        const real = truth(i, time)
        const told = reader.behind(batches[i].end, time)
        expect(told.ms - real.ms).toBeGreaterThanOrEqual(0)
        expect(told.ms - real.ms).toBeLessThanOrEqual(real.ms / 16 + 1)
        // All messages are of one size here: bytes tell them exactly.
        expect(told.messages).toBe(real.messages)
      }
    }),
    { numRuns: 30 },
  )
})

test('what is from before the start is not known, what is older than it reaches is at least so much', () => {
  const { reader, add, batches } = rig()
  add(3, 300, 10)
  expect(reader.behind(START - 1, 20)).toEqual({ messages: -1, ms: -1 })
  expect(reader.behind(START, 20)).toEqual({ messages: 3, ms: 10 })
  expect(reader.behind(START + 299, 20)).toEqual({ messages: 1, ms: 10 })
  expect(reader.behind(START + 300, 20)).toEqual({ messages: 0, ms: 0 })
  const hour = 3_600_000
  for (let i = 1; i <= 100; i += 1) add(5, 500, i * hour)
  // Three days are more than 256 steps of 17 minutes only where each has something.
  for (let i = 1; i <= 400; i += 1) add(1, 100, 100 * hour + i * 2 * 1_048_576)
  const now = batches.at(-1)!.time
  const oldest = reader.behind(START, now)
  expect(oldest.messages).toBeGreaterThanOrEqual(255)
  expect(oldest.ms).toBeGreaterThan(3 * 24 * hour)
})

test('a fence begins anew; a clock that is set back tells no negative age', () => {
  const { history, reader } = rig(0)
  history.add(10, 1000, 50)
  history.begin(500, 60)
  expect(reader.behind(500, 70)).toEqual({ messages: 0, ms: 0 })
  expect(reader.behind(499, 70)).toEqual({ messages: -1, ms: -1 })
  history.add(2, 700, 10)
  history.add(2, 900, 11)
  expect(reader.behind(500, 5)).toEqual({ messages: 4, ms: 0 })
  expect(reader.behind(700, 31)).toEqual({ messages: 2, ms: 20 })
})

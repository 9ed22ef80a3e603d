import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRing, RingConsumer, RingProducer, ringCapacityFor } from '../../src/concurrency/byte-ring.ts'

type Step =
  | { kind: 'claim'; length: number }
  | { kind: 'commit' }
  | { kind: 'take' }
  | { kind: 'release' }
  | { kind: 'putBack' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('claim' as const), length: fc.integer({ min: 0, max: 248 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('putBack' as const) }) },
)

test('whatever is claimed, committed, taken, put back and released: the consumer gets the same bytes in the same order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const buffer = createRing(1024)
      const producer = new RingProducer(buffer)
      const consumer = new RingConsumer(buffer)
      const claimed: number[][] = []
      const published: number[][] = []
      let salt = 0
      let last = -1
      for (const each of steps) {
        if (each.kind === 'claim') {
          const at = producer.claim(each.length)
          if (at < 0) continue
          expect(at % 8).toBe(0)
          const bytes = Array.from({ length: each.length }, () => (salt = (salt * 31 + 7) & 255))
          producer.bytes.set(bytes, at)
          claimed.push(bytes)
        } else if (each.kind === 'commit') {
          producer.commit()
          published.push(...claimed.splice(0))
        } else if (each.kind === 'take') {
          const at = consumer.next()
          const expected = published.shift()
          last = at
          if (expected === undefined) expect(at).toBe(-1)
          else expect([...consumer.bytes.subarray(at, at + consumer.length)]).toEqual(expected)
        } else if (each.kind === 'release') {
          consumer.release()
          last = -1
        } else if (last >= 0) {
          published.unshift([...consumer.bytes.subarray(last, last + consumer.length)])
          consumer.putBack(last)
          last = -1
        }
        expect(producer.used).toBeLessThanOrEqual(1024)
      }
    }),
    { numRuns: 300 },
  )
})

test('a full ring answers -1 at once, and takes again when the consumer has released', () => {
  const buffer = createRing(1024)
  const producer = new RingProducer(buffer)
  const consumer = new RingConsumer(buffer)
  let count = 0
  while (producer.claim(200) >= 0) count += 1
  expect(count).toBe(4)
  producer.commit()
  expect(consumer.next()).toBeGreaterThanOrEqual(0)
  expect(producer.claim(200)).toBe(-1)
  consumer.release()
  expect(producer.claim(200)).toBeGreaterThanOrEqual(0)
})

test('a claim taken back leaves no record behind, not even when it had wrapped', () => {
  const buffer = createRing(1024)
  const producer = new RingProducer(buffer)
  const consumer = new RingConsumer(buffer)
  for (let round = 0; round < 50; round += 1) {
    producer.claim(100)
    producer.claim(240)
    producer.unclaim(240)
    producer.commit()
    expect(consumer.next()).toBeGreaterThanOrEqual(0)
    expect(consumer.next()).toBe(-1)
    consumer.release()
  }
})

test('a ring made for a record size takes four of them', () => {
  const capacity = ringCapacityFor(4 * 1024 * 1024, 8 * 1024 * 1024)
  expect(capacity & (capacity - 1)).toBe(0)
  expect(new RingProducer(createRing(capacity)).maxLength).toBeGreaterThanOrEqual(4 * 1024 * 1024)
})

test('ten million records of random sizes cross two sleeping and waking threads without loss, damage or a lost wake-up', async () => {
  const count = 10_000_000
  const ring = createRing(64 * 1024)
  const words = new SharedArrayBuffer(256)
  const run = (role: string) =>
    new Promise<{ count: number; sum: number }>((resolve, reject) => {
      const worker = new Worker(new URL('./workers/ring-stress.mjs', import.meta.url), {
        workerData: { role, ring, words, count },
      })
      worker.once('message', resolve)
      worker.once('error', reject)
    })
  const [sent, received] = await Promise.all([run('produce'), run('consume')])
  expect(received).toEqual(sent)
  expect(received.count).toBe(count)
}, 120_000)

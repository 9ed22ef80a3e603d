/** One level's queue against a model: every message once, in order, never early, whatever is cold, full or refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SendOutcome } from '../../../src/broker/acks.ts'
import { DelayLevel } from '../../../src/broker/delay/delay-level.ts'
import type { Delivered, Delivery } from '../../../src/broker/delay/delivery.ts'
import { ScheduleRecord } from '../../../src/broker/delay/schedule-record.ts'
import type { ControlBlock } from '../../../src/concurrency/control-block.ts'
import type { QueueTable } from '../../../src/concurrency/queue-table.ts'
import { silentLog } from '../../../src/log.ts'
import type { LogReader } from '../../../src/store/commitlog/index.ts'
import { writeRecord } from '../../../src/store/commitlog/record.ts'
import type { QueueReader } from '../../../src/store/consumequeue/index.ts'

const DELAY_MS = 5000
const HOST = { address: Uint8Array.of(127, 0, 0, 1), port: 1 }
const START = 1_795_426_000_000

interface Unit {
  physicalOffset: number
  size: number
  due: number
  isBlank: boolean
}

/** A level over a log of one buffer; deliveries are collected, and answered when the test says so. */
function setUp(first = 0) {
  const bytes = Buffer.alloc(1024 * 1024)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const units: Unit[] = []
  const state = {
    end: 0,
    retained: 0,
    isCold: false,
    answer: 'taken' as Delivered,
    fetchFails: false,
    hasFile: true,
    fails: false,
    now: START,
    news: 0,
  }
  const claimed: { token: number; queueOffset: number; at: number }[] = []
  const stored: number[] = []
  const lost: string[] = []
  const schedule = new ScheduleRecord()
  const delivery = {
    schedule,
    deliver(_completion: unknown, token: number): Delivered {
      if (state.answer === 'taken') claimed.push({ token, queueOffset: schedule.record.queueOffset, at: state.now })
      return state.answer
    },
    lose: (why: string) => void lost.push(why),
  }
  const fetches: (() => void)[] = []
  const level = new DelayLevel(1, DELAY_MS, first, {
    control: {
      load: (name: string) => (name === 'retained' ? state.retained : state.end),
    } as unknown as ControlBlock,
    table: { max: () => first + units.length, min: () => first } as unknown as QueueTable,
    log: {
      resident: (from: number, length: number) => !state.isCold && from + length <= state.end,
      segmentAt: () => ({ start: 0, end: bytes.length, bytes, view }),
    } as unknown as LogReader,
    queueOf: () => 7,
    unitsOf: () =>
      ({
        read(from: number, count: number) {
          if (state.fails) throw new Error('EIO: i/o error, read')
          const some = state.hasFile ? units.slice(from - first, from - first + count) : []
          return {
            count: some.length,
            physicalOffset: (i: number) => some[i].physicalOffset,
            size: (i: number) => some[i].size,
            tagsCodeHigh: (i: number) => Math.floor(some[i].due / 2 ** 32),
            tagsCodeLow: (i: number) => some[i].due | 0,
            isTagsCodeKnown: () => true,
            isBlank: (i: number) => some[i].isBlank,
          }
        },
      }) as unknown as QueueReader,
    readCold: (offsets, sizes) =>
      new Promise((fulfil, reject) => {
        const whole = [...offsets].map((from, i) => bytes.subarray(from, from + sizes[i]))
        const fails = state.fetchFails
        fetches.push(() => (fails ? reject(new Error('no disk')) : fulfil(Uint8Array.from(Buffer.concat(whole)))))
      }),
    delivery: delivery as unknown as Delivery,
    onNews: () => {
      state.news += 1
    },
    onStored: ({ offset }) => void stored.push(offset),
    logger: silentLog,
  })
  const put = (due: number, more: { storeTimestamp?: number; isBlank?: boolean } = {}) => {
    const physicalOffset = state.end
    const size = writeRecord(bytes, view, physicalOffset, {
      queueId: 0,
      bornTimestamp: 1,
      bornHost: HOST,
      storeHost: HOST,
      body: Buffer.from(`message ${units.length}`),
      topic: 'SCHEDULE_TOPIC_XXXX',
      properties: 'REAL_TOPIC\u0001T\u0002REAL_QID\u00010',
      queueOffset: first + units.length,
      physicalOffset,
      storeTimestamp: more.storeTimestamp ?? due - DELAY_MS,
    })
    state.end += size
    units.push({ physicalOffset, size, due, isBlank: more.isBlank ?? false })
  }
  const answer = (count: number, status: SendOutcome['status'] = 'ok') => {
    for (const { token } of claimed.splice(0, count)) {
      level.stored({ status, opaque: token, physicalOffset: 1 } as SendOutcome)
    }
  }
  /** What the service does until nothing moves. */
  const run = (budget = 1000) => (level.isReady(state.now) ? level.run(state.now, budget) : 0)
  const fetched = async () => {
    for (const each of fetches.splice(0)) each()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { level, state, put, answer, run, fetched, claimed, stored, lost, units, fetches }
}

describe('a level', () => {
  test('delivers what is due, says when the next is, and looks again then', () => {
    const it = setUp()
    it.put(START)
    it.put(START + 300)
    it.put(START + 4000)
    expect(it.run()).toBe(1)
    expect(it.level.wakeAt).toBe(START + 300)
    expect(it.run()).toBe(0)
    it.state.now += 300
    expect(it.run()).toBe(1)
    // Beyond a second it comes back a second before, to have cold records read.
    expect(it.level.wakeAt).toBe(START + 3000)
    it.answer(2)
    expect([it.level.done, it.stored]).toEqual([2, [0, 1]])
  })

  test('with a budget of 0 only looks', () => {
    const it = setUp()
    it.put(START + 200)
    expect([it.run(0), it.level.wakeAt]).toEqual([0, START + 200])
    it.state.now += 200
    expect([it.run(0), it.level.wakeAt]).toEqual([0, START + 200])
    expect(it.claimed).toEqual([])
  })

  test('takes a time that is farther away than its delay for now', () => {
    const it = setUp()
    it.put(START + DELAY_MS + 1000)
    expect(it.run()).toBe(0)
    it.put(START + DELAY_MS)
    it.state.now -= 1
    it.level.reconsider()
    expect(it.run()).toBe(1)
  })

  test.each([
    ['-724558295', -724_558_295],
    ['2598936', 2_598_936],
    ['0', 0],
  ])('does not take the tag hash %s for a time: the record says when it was stored', (_what, hash) => {
    const it = setUp()
    it.put(hash, { storeTimestamp: START - DELAY_MS + 400 })
    expect([it.run(), it.level.wakeAt]).toEqual([0, START + 400])
    it.state.now += 400
    expect(it.run()).toBe(1)
  })

  test('waits for a full ring and for a missing file, and passes what was deleted or never was', () => {
    const it = setUp()
    for (let i = 0; i < 4; i += 1) it.put(START, { isBlank: i === 1 })
    it.state.retained = it.units[0].physicalOffset + 1
    it.state.answer = 'later'
    expect(it.run()).toBe(0)
    expect(it.level.wakeAt).toBeGreaterThan(it.state.now)
    expect(it.level.done).toBe(2)
    it.state.hasFile = false
    it.state.now += 10
    expect(it.run()).toBe(0)
    it.state.hasFile = true
    it.state.answer = 'taken'
    it.state.now = it.level.wakeAt
    expect(it.run()).toBe(2)
    it.answer(2)
    expect(it.stored).toEqual([2, 3])
  })

  test('waits while its queue cannot be read', () => {
    const it = setUp()
    it.put(START)
    it.state.fails = true
    expect(it.run()).toBe(0)
    expect(it.level.wakeAt).toBe(START + 1000)
    it.state.fails = false
    it.state.now += 1000
    expect(it.run()).toBe(1)
  })

  test('passes a message that has nowhere to go, and one whose unit points at something else', () => {
    const it = setUp()
    for (let i = 0; i < 3; i += 1) it.put(START)
    it.units[0].physicalOffset += 1
    it.state.answer = 'lost'
    expect(it.run(1)).toBe(1)
    it.state.answer = 'taken'
    expect(it.run()).toBe(1)
    it.answer(1)
    expect([it.stored, it.level.done, it.lost.length]).toEqual([[2], 3, 1])
  })

  test('goes back to what append refused, once all in flight is told', () => {
    const it = setUp()
    for (let i = 0; i < 6; i += 1) it.put(START)
    it.run()
    it.answer(2)
    it.answer(3, 'oldEpoch')
    expect([it.run(), it.level.done]).toEqual([0, 2])
    it.answer(1, 'oldEpoch')
    expect(it.run()).toBe(4)
    it.answer(4)
    expect([it.stored, it.level.done]).toEqual([[0, 1, 2, 3, 4, 5], 6])
  })

  test('reads cold records before they are due, a batch at a time, and again when the pool fails', async () => {
    const it = setUp()
    for (let i = 0; i < 200; i += 1) it.put(START + 900)
    it.state.isCold = true
    it.state.fetchFails = true
    expect([it.run(), it.fetches.length]).toEqual([0, 1])
    await it.fetched()
    expect(it.run()).toBe(0)
    it.state.fetchFails = false
    for (let i = 0; i < 3; i += 1) await it.fetched()
    it.run()
    await it.fetched()
    expect([it.run(), it.level.wakeAt]).toEqual([0, START + 900])
    it.state.now = START + 900
    expect(it.run()).toBe(64)
    for (let i = 0; i < 10; i += 1) {
      await it.fetched()
      it.run()
    }
    it.answer(200)
    expect(it.stored).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })
})

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), blank: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('run' as const), budget: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer' as const), count: fc.nat(4), fails: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: -1500, max: 2000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cold' as const), is: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'fetched' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('ring' as const), answer: fc.constantFrom<Delivered>('taken', 'later') }),
  },
)

/** The clock was set back: such a time counts as now. */
const isFar = (due: number, now: number) => due > now + DELAY_MS + 1000

test('property: every message is stored once, in order, and none is claimed before its time', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 80 }),
      fc.constantFrom(0, 2 ** 30 - 3, 2 ** 32 - 2),
      async (steps, first) => {
        const it = setUp(first)
        const dues: number[] = []
        let seen = 0
        const check = () => {
          for (; seen < it.claimed.length; seen += 1) {
            const { queueOffset, at } = it.claimed[seen]
            expect(at).toBeGreaterThanOrEqual(isFar(dues[queueOffset - first], at) ? at : dues[queueOffset - first])
          }
        }
        const answer = (count: number, status: SendOutcome['status']) => {
          check()
          it.answer(count, status)
          seen = Math.max(0, seen - count)
        }
        let isFailing = false
        for (const each of steps) {
          const done = it.level.done
          if (each.kind === 'put') {
            dues.push(it.state.now + DELAY_MS)
            it.put(it.state.now + DELAY_MS, { isBlank: each.blank === 0 })
          } else if (each.kind === 'run') it.run(each.budget)
          else if (each.kind === 'time') {
            it.state.now += each.ms
            if (each.ms < 0) it.level.reconsider()
          } else if (each.kind === 'cold') it.state.isCold = each.is
          else if (each.kind === 'fetched') await it.fetched()
          else if (each.kind === 'ring') it.state.answer = each.answer
          else {
            // Append refuses all of an old epoch: what is in flight behind a refusal is refused too.
            isFailing = it.claimed.length > 0 && (isFailing || each.fails === 0)
            answer(each.count, isFailing ? 'oldEpoch' : 'ok')
            if (it.level.inFlight === 0) isFailing = false
          }
          check()
          expect(it.level.done).toBeGreaterThanOrEqual(done)
        }
        it.state.answer = 'taken'
        it.state.now += 10 * DELAY_MS
        it.level.reconsider()
        for (let i = 0; i < 20; i += 1) {
          if (isFailing) answer(1000, 'oldEpoch')
          isFailing = false
          await it.fetched()
          it.run()
          answer(1000, 'ok')
        }
        const expected = it.units.flatMap(({ isBlank }, i) => (isBlank ? [] : [first + i]))
        expect(it.stored).toEqual(expected)
        expect(it.level.done).toBe(first + it.units.length)
      },
    ),
    { numRuns: 300 },
  )
})

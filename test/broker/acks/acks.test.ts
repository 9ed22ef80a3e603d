/** Answers of sends: who is answered, when, with what; against a model of ten lines. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Acks, type SendOutcome } from '../../../src/broker/acks.ts'
import { createRing, RingConsumer, RingProducer } from '../../../src/concurrency/byte-ring.ts'
import { ControlBlock, GATE } from '../../../src/concurrency/control-block.ts'
import { createStageClock, StageClock } from '../../../src/metrics/stage-clock.ts'
import type { Connection } from '../../../src/remoting/index.ts'
import { ACK, ACK_STATUS } from '../../../src/stages/ring-records.ts'

const WAIT_MS = 100
const SLAVE_MS = 60
const SIZE = 10

interface SendKind {
  waits: boolean
  isOneway: boolean
  /** A message of the broker's own. */
  isOwn: boolean
  status: keyof typeof ACK_STATUS
}

function setUp(gate: number = GATE.flushed) {
  const control = ControlBlock.create()
  control.setWord('gate', gate)
  const ring = createRing(1024 * 1024)
  const append = new RingProducer(ring)
  const answers: { id: number; outcome: SendOutcome }[] = []
  const clock = { ms: 1000, now: () => clock.ms }
  const acks = new Acks({
    ring: new RingConsumer(ring),
    control,
    clock,
    stageClock: new StageClock(createStageClock(), 0),
    answer: (_connection, outcome) => void answers.push({ id: outcome.opaque, outcome: { ...outcome } }),
    limits: { syncFlushTimeout: WAIT_MS, slaveTimeout: SLAVE_MS },
  })
  let end = 0
  /** What append does with a claim. */
  const append1 = (status: keyof typeof ACK_STATUS = 'appended') => {
    const start = end
    if (status === 'appended') end += SIZE
    const at = append.claim(ACK.size)
    append.view.setFloat64(at + ACK.physicalOffset, start, true)
    append.view.setFloat64(at + ACK.end, end, true)
    append.view.setFloat64(at + ACK.queueOffset, start / SIZE, true)
    append.view.setFloat64(at + ACK.storeTimestamp, clock.ms, true)
    append.view.setInt32(at + ACK.status, ACK_STATUS[status], true)
    append.view.setInt32(at + ACK.sample, -1, true)
    control.writer('appended').reset(end)
    append.commit()
    return end
  }
  const completion = {
    stored: (outcome: SendOutcome) => void answers.push({ id: outcome.opaque, outcome: { ...outcome } }),
  }
  const expectSend = (id: number, kind: Partial<SendKind> & { connection?: Connection } = {}) => {
    acks.turnEnded()
    if (kind.isOwn) return acks.expectOwn(completion, id, id % 4, kind.waits ?? true)
    acks.expect({
      connection: kind.connection ?? ({ closed: false } as Connection),
      opaque: id,
      serialize: 0,
      queueId: id % 4,
      waits: kind.waits ?? true,
      isOneway: kind.isOneway ?? false,
      sizes: undefined,
      sample: -1,
    })
  }
  const flush = (to: number) => control.writer('flushed').reset(to)
  const said = () => answers.map(({ id, outcome }) => `${id} ${outcome.status}`)
  return { control, acks, answers, clock, append1, expectSend, flush, said }
}

describe('a send', () => {
  test('is answered when the gate has passed the end of its record, in the order of the log', () => {
    const it = setUp()
    for (const id of [1, 2, 3]) it.expectSend(id)
    for (let i = 0; i < 3; i += 1) it.append1()
    expect(it.acks.pump()).toBe(0)
    it.flush(2 * SIZE - 1)
    expect(it.acks.pump()).toBe(1)
    it.flush(3 * SIZE)
    it.acks.pump()
    expect(it.said()).toEqual(['1 ok', '2 ok', '3 ok'])
    expect(it.answers.map(({ outcome }) => [outcome.physicalOffset, outcome.queueOffset, outcome.queueId])).toEqual([
      [0, 0, 1],
      [10, 1, 2],
      [20, 2, 3],
    ])
    expect(it.acks.pending).toBe(0)
  })

  test('with WAIT=false is answered when it is appended, whatever is before it', () => {
    const it = setUp()
    it.expectSend(1)
    it.expectSend(2, { waits: false })
    it.append1()
    it.append1()
    it.acks.pump()
    expect(it.said()).toEqual(['2 ok'])
    it.flush(20)
    it.acks.pump()
    expect(it.said()).toEqual(['2 ok', '1 ok'])
  })

  test('that append refused is told at once, and its neighbours wait for theirs', () => {
    const it = setUp()
    for (const id of [1, 2, 3]) it.expectSend(id)
    it.append1()
    it.append1('oldEpoch')
    it.append1('tooLarge')
    it.acks.pump()
    expect(it.said()).toEqual(['2 oldEpoch', '3 tooLarge'])
    expect(it.acks.pending).toBe(3)
    it.flush(10)
    it.acks.pump()
    expect(it.acks.pending).toBe(0)
  })

  test('one-way, or of a closed connection, is not answered and holds nobody up', () => {
    const it = setUp()
    const connection = { closed: false } as Connection
    it.expectSend(1, { isOneway: true })
    it.expectSend(2, { connection })
    it.expectSend(3)
    for (let i = 0; i < 3; i += 1) it.append1()
    ;(connection as { closed: boolean }).closed = true
    it.flush(30)
    it.acks.pump()
    expect(it.said()).toEqual(['3 ok'])
    expect(it.acks.pending).toBe(0)
  })

  test('whose deadline passes first is told so with its place, once', () => {
    const it = setUp()
    it.expectSend(1)
    it.append1()
    it.clock.ms += WAIT_MS - 1
    it.acks.pump()
    expect(it.said()).toEqual([])
    it.clock.ms += 1
    it.acks.pump()
    it.flush(10)
    it.acks.pump()
    expect(it.said()).toEqual(['1 flushTimeout'])
  })

  describe('of a SYNC_MASTER', () => {
    test('is answered when a slave has it, in time', () => {
      const it = setUp(GATE.replicated)
      it.expectSend(1)
      it.expectSend(2)
      it.append1()
      it.append1()
      it.control.writer('replicated').reset(SIZE)
      it.acks.pump()
      expect(it.said()).toEqual(['1 ok'])
      it.clock.ms += SLAVE_MS
      it.acks.pump()
      expect(it.said()).toEqual(['1 ok', '2 slaveTimeout'])
    })

    test('without a slave is told so at once, but not before it is on disk where that is promised', () => {
      const it = setUp(GATE.flushed | GATE.degraded)
      it.expectSend(1)
      it.append1()
      it.acks.pump()
      expect(it.said()).toEqual([])
      it.flush(SIZE)
      it.acks.pump()
      expect(it.said()).toEqual(['1 slaveUnavailable'])
    })

    test('that has waited its time and whose slave is gone then hears of the time', () => {
      const it = setUp(GATE.replicated)
      it.expectSend(1)
      it.append1()
      it.clock.ms += SLAVE_MS
      it.expectSend(2)
      it.append1()
      it.control.setWord('gate', GATE.degraded)
      it.acks.pump()
      expect(it.said()).toEqual(['1 slaveTimeout', '2 slaveUnavailable'])
    })
  })

  test('that is not appended yet has no deadline: append may be held, and nobody knows its place', () => {
    const it = setUp()
    it.expectSend(1)
    it.clock.ms += 10 * WAIT_MS
    it.acks.pump()
    expect(it.said()).toEqual([])
  })
})

describe("a message of the broker's own", () => {
  test('is told its place, in the order of the log, between sends', () => {
    const it = setUp()
    for (const id of [1, 2, 3]) it.expectSend(id, { isOwn: id === 2 })
    for (let i = 0; i < 3; i += 1) it.append1()
    it.flush(2 * SIZE)
    it.acks.pump()
    expect(it.said()).toEqual(['1 ok', '2 ok'])
    expect(it.answers[1].outcome).toMatchObject({ physicalOffset: 10, queueOffset: 1, queueId: 2, sizes: undefined })
  })

  test('whoever is told may put the next ones, also when the table has to grow for them', () => {
    const it = setUp(0)
    const told: number[] = []
    const completion = {
      stored: ({ opaque }: SendOutcome) => {
        told.push(opaque)
        if (opaque === 0) for (let id = 1; id < 5000; id += 1) it.acks.expectOwn(completion, id, 0, id % 2 === 0)
      },
    }
    it.acks.expectOwn(completion, 0, 0, false)
    it.expectSend(7)
    it.append1()
    it.append1()
    it.acks.pump()
    for (let id = 1; id < 5000; id += 1) it.append1()
    it.acks.pump()
    expect(it.said()).toEqual(['7 ok'])
    expect(told.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 5000 }, (_, id) => id))
    expect(it.acks.pending).toBe(0)
  })
})

describe('a stage that failed', () => {
  test('what the gate has passed is stored and said so, all else is unknown', () => {
    const it = setUp()
    for (const id of [1, 2, 3, 4]) it.expectSend(id, { isOneway: id === 3 })
    for (let i = 0; i < 3; i += 1) it.append1()
    it.flush(10)
    it.acks.failAll()
    expect(it.said()).toEqual(['1 ok', '2 failed', '4 failed'])
    expect(it.acks.pending).toBe(0)
  })

  test('append goes on talking: nobody is answered twice and nothing is counted', () => {
    const it = setUp()
    it.expectSend(1)
    it.acks.failAll()
    it.append1()
    it.append1()
    it.flush(20)
    for (let i = 0; i < 3; i += 1) it.acks.pump()
    it.acks.failAll()
    expect(it.said()).toEqual(['1 failed'])
    expect(it.acks.pending).toBe(0)
  })
})

describe('a fence', () => {
  test('what stood above the new tail is told that it is not stored, and new records do not answer for it', () => {
    const it = setUp()
    for (const id of [1, 2, 3]) it.expectSend(id)
    for (let i = 0; i < 3; i += 1) it.append1()
    it.acks.pump()
    it.acks.truncate(10)
    expect(it.said()).toEqual(['2 oldEpoch', '3 oldEpoch'])
    it.flush(30)
    it.acks.pump()
    expect(it.said()).toEqual(['2 oldEpoch', '3 oldEpoch', '1 ok'])
  })
})

describe('a barrier', () => {
  test('runs at once when append has answered everything, or when it has', () => {
    const it = setUp()
    const ran: string[] = []
    it.acks.onceBooked(() => ran.push('first'))
    it.expectSend(1)
    it.acks.onceBooked(() => ran.push('second'))
    it.expectSend(2)
    it.acks.pump()
    expect(ran).toEqual(['first'])
    it.append1()
    it.acks.pump()
    expect(ran).toEqual(['first', 'second'])
  })
})

test('the table grows over its first capacity with sends in it, and loses none', () => {
  const it = setUp()
  const count = 10_000
  // The ring of answers is smaller than that: append is listened to now and then.
  for (let id = 0; id < 3000; id += 1) it.expectSend(id, { isOwn: id % 3 === 0 })
  for (let i = 0; i < 1500; i += 1) it.append1()
  it.flush(1000 * SIZE)
  it.acks.pump()
  for (let id = 3000; id < count; id += 1) it.expectSend(id, { isOwn: id % 3 === 0 })
  for (let i = 1500; i < count; i += 1) {
    it.append1()
    if (i % 1000 === 0) it.acks.pump()
  }
  it.flush(count * SIZE)
  it.acks.pump()
  expect(it.answers.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, id) => id))
  expect(it.answers.at(-1)?.outcome.physicalOffset).toBe((count - 1) * SIZE)
})

type Step =
  | ({ kind: 'send' } & SendKind)
  | { kind: 'append'; count: number }
  | { kind: 'flush'; by: number }
  | { kind: 'replicate'; by: number }
  | { kind: 'slaves'; areThere: boolean }
  | { kind: 'time'; ms: number }
  | { kind: 'pump' }

const sendKind = {
  kind: fc.constant('send' as const),
  waits: fc.boolean(),
  isOneway: fc.boolean(),
  isOwn: fc.boolean(),
  status: fc.constantFrom('appended' as const, 'appended' as const, 'appended' as const, 'oldEpoch' as const),
}
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record(sendKind) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const), by: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('replicate' as const), by: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('slaves' as const), areThere: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat(80) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'pump' as const }) },
)

test('property: the answers are those of a list that is walked through', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom(0, 1, 2, 3), (steps, gate) => {
      const it = setUp(gate)
      const isSync = (gate & GATE.replicated) !== 0
      let replicated = 0
      let isDegraded = false
      const list: (SendKind & { id: number; since: number; end?: number; isBooked?: boolean; isDone?: boolean })[] = []
      const model: string[] = []
      let appended = 0
      let flushed = 0
      const finish = (send: (typeof list)[0], status: string) => {
        send.isDone = true
        if (!send.isOneway || send.isOwn) model.push(`${send.id} ${status}`)
      }
      for (const each of steps) {
        if (each.kind === 'send') {
          it.expectSend(list.length, each)
          list.push({ ...each, id: list.length, since: it.clock.ms })
        } else if (each.kind === 'append') {
          for (const send of list.filter(({ end }) => end === undefined).slice(0, each.count)) {
            appended = it.append1(send.status)
            send.end = appended
          }
        } else if (each.kind === 'flush') {
          flushed = Math.min(appended, flushed + each.by * SIZE)
          it.flush(flushed)
        } else if (each.kind === 'replicate') {
          replicated = Math.min(appended, replicated + each.by * SIZE)
          it.control.writer('replicated').reset(replicated)
        } else if (each.kind === 'slaves') {
          isDegraded = isSync && !each.areThere
          it.control.setWord('gate', isDegraded ? (gate & GATE.flushed) | GATE.degraded : gate)
        } else if (each.kind === 'time') it.clock.ms += each.ms
        else {
          it.acks.pump()
          for (const send of list) {
            if (send.end === undefined || send.isBooked) continue
            send.isBooked = true
            if (send.status !== 'appended') finish(send, send.status)
            else if (!send.waits) finish(send, 'ok')
          }
          for (const send of list) {
            if (send.isDone) continue
            if (send.isBooked !== true) break
            const waited = it.clock.ms - send.since
            const isFlushed = (gate & GATE.flushed) === 0 || send.end! <= flushed
            const isReplicated = !isSync || send.end! <= replicated
            if (!isFlushed && waited < WAIT_MS) break
            if (!isReplicated && !isDegraded && waited < SLAVE_MS) break
            if (isReplicated) finish(send, isFlushed ? 'ok' : 'flushTimeout')
            else finish(send, waited >= SLAVE_MS ? 'slaveTimeout' : 'slaveUnavailable')
          }
        }
        expect(it.said()).toEqual(model)
      }
      const open = list.findIndex(({ isDone }) => isDone !== true)
      expect(it.acks.pending).toBeGreaterThanOrEqual(open < 0 ? 0 : list.length - open)
    }),
  )
})

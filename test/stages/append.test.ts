/** The append stage without its thread: what it writes, answers and refuses, at every edge of rings, segments and fences. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createRing, RingConsumer, RingProducer } from '../../src/concurrency/byte-ring.ts'
import { FENCE, Fence } from '../../src/concurrency/fence.ts'
import { AppendStage } from '../../src/stages/append.ts'
import type { KnownQueue } from '../../src/stages/messages.ts'
import { ACK, ACK_STATUS, SUBMIT, SUBMIT_FLAGS, SUBMIT_KIND } from '../../src/stages/ring-records.ts'
import { decodeRecord, RecordView, recordSize, writeRecord } from '../../src/store/commitlog/index.ts'
import { allocateSegment } from '../../src/store/commitlog/segment-allocator.ts'
import { segmentName } from '../../src/store/commitlog/segments.ts'
import type { StoreSettings } from '../../src/store/settings.ts'
import { scratchFolder, storeSettings } from '../store/scratch.ts'
import { stageHarness } from './harness.ts'

const SIZE = 65_536
const BLANK = 8
const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 10911 }

interface Options {
  segments?: number
  startAt?: number
  /** Where the rings' counters begin, to see them wrap. */
  ringsAt?: number
  submitBytes?: number
  ackBytes?: number
  knownQueues?: KnownQueue[]
  settings?: Partial<StoreSettings>
}

/** A ring whose head and tail have come that far. */
function ringAt(capacity: number, at: number): SharedArrayBuffer {
  const ring = createRing(capacity)
  const words = new Int32Array(ring)
  words[0] = words[16] = at
  return ring
}

function appendStage(options: Options = {}) {
  const { segments = 3, startAt = 0, ringsAt = 0, submitBytes = 65_536, ackBytes = 4096 } = options
  const settings = storeSettings(scratchFolder(), options.settings ?? {})
  const folder = settings.storePathCommitLog
  const own = join(settings.storePathRootDir, 'basalt')
  mkdirSync(own)
  const first = startAt - (startAt % SIZE)
  const allocate = (index: number) =>
    allocateSegment({ folder, ownFolder: own, start: first + index * SIZE, size: SIZE })
  for (let index = 0; index < segments; index += 1) allocate(index)
  const harness = stageHarness('append', settings, { knownQueues: options.knownQueues ?? [] })
  const { control, start, runtime } = harness
  for (const name of ['appended', 'flushed', 'dispatched', 'retained'] as const) control.writer(name).reset(startAt)
  control.writer('allocated').reset(first + segments * SIZE)
  start.submit = ringAt(submitBytes, ringsAt)
  start.acks = ringAt(ackBytes, ringsAt)
  // Nobody is woken: the waker's handle is none.
  control.setWord('network', 0)
  const stage = new AppendStage(start, runtime)
  onTestFinished(() => stage.close())
  const submit = new RingProducer(start.submit)
  const acks = new RingConsumer(start.acks)

  const claim = (count: number, bodyLength: number, queue: number, flags: number, epoch: number) => {
    const size = recordSize(bodyLength, 1, 0, 4, 4)
    const at = submit.claim(SUBMIT.records + count * size)
    if (at < 0) return false
    submit.view.setInt32(at + SUBMIT.kind, SUBMIT_KIND.records, true)
    submit.view.setInt32(at + SUBMIT.epoch, epoch, true)
    submit.view.setInt32(at + SUBMIT.queue, queue, true)
    submit.view.setInt32(at + SUBMIT.count, count, true)
    submit.view.setInt32(at + SUBMIT.flags, flags, true)
    submit.view.setInt32(at + SUBMIT.sample, -1, true)
    for (let i = 0; i < count; i += 1) {
      writeRecord(submit.bytes, submit.view, at + SUBMIT.records + i * size, {
        topic: 'T',
        queueId: queue,
        body: Buffer.alloc(bodyLength, 97 + i),
        properties: '',
        bornTimestamp: 1,
        bornHost: HOST,
        storeHost: HOST,
      })
    }
    return true
  }
  /** Puts records into the submit ring. */
  const send = (changes: { count?: number; body?: number; queue?: number; flags?: number; epoch?: number } = {}) => {
    const { count = 1, body = 100, queue = 0, flags = SUBMIT_FLAGS.counts, epoch = control.epoch } = changes
    const isIn = claim(count, body, queue, flags, epoch)
    submit.commit()
    return isIn
  }
  const define = (queue: number, nextOffset: number) => {
    const at = submit.claim(SUBMIT.records + 8)
    submit.view.setInt32(at + SUBMIT.kind, SUBMIT_KIND.define, true)
    submit.view.setInt32(at + SUBMIT.queue, queue, true)
    submit.view.setBigInt64(at + SUBMIT.records, BigInt(nextOffset), true)
    submit.commit()
  }
  const answers = () => {
    const list: { at: number; end: number; queueOffset: number; status: number }[] = []
    for (let at = acks.next(); at >= 0; at = acks.next()) {
      list.push({
        at: acks.view.getFloat64(at + ACK.physicalOffset, true),
        end: acks.view.getFloat64(at + ACK.end, true),
        queueOffset: acks.view.getFloat64(at + ACK.queueOffset, true),
        status: acks.view.getInt32(at + ACK.status, true),
      })
    }
    acks.release()
    return list
  }
  const drain = () => {
    while (stage.step() > 0);
  }
  const segment = (offset: number) => readFileSync(join(folder, segmentName(offset)))
  const recordAt = (offset: number) => decodeRecord(segment(offset - (offset % SIZE)), offset % SIZE)
  return { ...harness, stage, submit, acks, send, define, answers, drain, segment, recordAt, allocate, first }
}

const SMALL = recordSize(100, 1, 0, 4, 4)

describe('a record', () => {
  test('gets its place, its number and its time, and is published after its last byte', () => {
    const it = appendStage({ knownQueues: [{ queue: 0, topic: 'T', queueId: 0, nextOffset: 7 }] })
    const before = Date.now()
    it.send()
    it.send()
    it.drain()
    expect(it.answers()).toEqual([
      { at: 0, end: SMALL, queueOffset: 7, status: ACK_STATUS.appended },
      { at: SMALL, end: 2 * SMALL, queueOffset: 8, status: ACK_STATUS.appended },
    ])
    expect(it.control.load('appended')).toBe(2 * SMALL)
    const record = it.recordAt(SMALL)
    expect(record).toMatchObject({ queueOffset: 8, physicalOffset: SMALL, topic: 'T', queueId: 0 })
    expect(record?.storeTimestamp).toBeGreaterThanOrEqual(before)
  })

  test('of a batch is numbered one by one; of a transaction is not numbered', () => {
    const it = appendStage()
    it.send({ count: 3 })
    it.send({ flags: 0 })
    it.send()
    it.drain()
    expect(it.answers().map(({ queueOffset }) => queueOffset)).toEqual([0, 0, 3])
    expect([0, 1, 2, 3, 4].map((i) => it.recordAt(i * SMALL)?.queueOffset)).toEqual([0, 1, 2, 0, 3])
  })

  test.each([2 ** 31 - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 45 + 5])(
    'in a queue of %i messages keeps its number',
    (nextOffset) => {
      const it = appendStage()
      it.define(5, nextOffset)
      it.send({ queue: 5 })
      it.send({ queue: 5 })
      it.drain()
      expect(it.answers().map(({ queueOffset }) => queueOffset)).toEqual([nextOffset, nextOffset + 1])
      expect([0, 1].map((i) => it.recordAt(i * SMALL)?.queueOffset)).toEqual([nextOffset, nextOffset + 1])
    },
  )

  test.each([2 ** 31, 2 ** 32, 2 ** 40])('in a log of %i bytes keeps its place', (bytes) => {
    const startAt = bytes + 1000
    const it = appendStage({ startAt })
    it.send()
    it.send()
    it.drain()
    expect(it.answers().map(({ at, end }) => [at, end])).toEqual([
      [startAt, startAt + SMALL],
      [startAt + SMALL, startAt + 2 * SMALL],
    ])
    expect(it.recordAt(startAt + SMALL)?.physicalOffset).toBe(startAt + SMALL)
  })
})

describe('the rings', () => {
  test.each([2 ** 31 - 200, -200, 2 ** 31 - 8, -8])('wrap their counters (from %i on) and lose nothing', (ringsAt) => {
    const it = appendStage({ ringsAt, submitBytes: 16_384, ackBytes: 1024, segments: 8 })
    const seen: number[] = []
    for (let i = 0; i < 500; i += 1) {
      expect(it.send({ body: 1 + ((i * 37) % 600) })).toBe(true)
      it.drain()
      seen.push(...it.answers().map(({ queueOffset }) => queueOffset))
    }
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => i))
    expect(it.submit.used).toBe(0)
  })

  test('full of answers: records stay where they are, and the stage looks for room instead of spinning', () => {
    const it = appendStage({ ackBytes: 1024 })
    const room = Math.floor(1024 / 48)
    for (let i = 0; i < room + 5; i += 1) it.send({ body: 10 })
    it.drain()
    expect(it.stage.hasWork()).toBe(false)
    expect(it.stage.idleMs).toBeLessThanOrEqual(1)
    const first = it.answers()
    expect(first).toHaveLength(room)
    expect(it.stage.hasWork()).toBe(true)
    it.drain()
    expect([...first, ...it.answers()].map(({ queueOffset }) => queueOffset)).toEqual(
      Array.from({ length: room + 5 }, (_, i) => i),
    )
    expect(it.stage.idleMs).toBeGreaterThan(100)
  })
})

describe('the end of a segment', () => {
  const fill = SIZE - BLANK - recordSize(0, 1, 0, 4, 4)

  test.each([
    ['exactly', 0],
    ['with a byte to spare', 1],
    ['with seven bytes more than the blank', 7],
  ])('a record that fits %s ends before the blank', (_name, spare) => {
    const it = appendStage({ settings: { maxMessageSize: 65_536 }, submitBytes: 1024 * 1024 })
    it.send({ body: fill - spare })
    it.send({ body: 10 })
    it.drain()
    expect(it.answers().map(({ at }) => at)).toEqual([0, SIZE])
    const view = new RecordView()
    const bytes = it.segment(0)
    const end = SIZE - BLANK - spare
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    expect(view.read(bytes, data, end, SIZE)).toBe('blank')
    expect(view.totalSize).toBe(BLANK + spare)
    expect(it.recordAt(SIZE)?.physicalOffset).toBe(SIZE)
  })

  test('a record that leaves less than a blank goes to the next segment', () => {
    const it = appendStage({ settings: { maxMessageSize: 65_536 }, submitBytes: 1024 * 1024 })
    it.send({ body: 100 })
    it.send({ body: fill - SMALL + 1 })
    it.drain()
    expect(it.answers().map(({ at }) => at)).toEqual([0, SIZE])
  })

  test('a record larger than a segment is refused and moves nothing', () => {
    const it = appendStage({ settings: { maxMessageSize: 100_000 }, submitBytes: 1024 * 1024 })
    it.send({ body: fill + 1 })
    it.send()
    it.drain()
    expect(it.answers().map(({ at, status, queueOffset }) => [at, status, queueOffset])).toEqual([
      [0, ACK_STATUS.tooLarge, 0],
      [0, ACK_STATUS.appended, 0],
    ])
  })

  test('without a next one: small records go on, the one that does not fit waits, all come in order', () => {
    const it = appendStage({
      segments: 1,
      submitBytes: 1024 * 1024,
      ackBytes: 65_536,
      settings: { maxMessageSize: 65_536 },
    })
    it.send({ body: fill - 2 * SMALL })
    it.send({ body: 100 })
    it.drain()
    it.send({ body: 50 })
    // Less than the largest message is left, and yet this one fits: it must not be slept over.
    expect(it.stage.hasWork()).toBe(true)
    it.drain()
    it.send({ body: 1000 })
    it.send({ body: 0 })
    it.drain()
    expect(it.answers()).toHaveLength(3)
    expect(it.stage.hasWork()).toBe(false)
    it.allocate(1)
    it.control.writer('allocated').advance(2 * SIZE)
    expect(it.stage.hasWork()).toBe(true)
    it.drain()
    expect(it.answers().map(({ at }) => at)).toEqual([SIZE, SIZE + recordSize(1000, 1, 0, 4, 4)])
  })
})

describe('a fence', () => {
  test('is answered when the ring is empty, and nothing is taken until it opens', () => {
    const it = appendStage()
    it.send()
    it.control.setWord('fence', FENCE.closing)
    expect(it.stage.hasWork()).toBe(true)
    it.drain()
    expect(it.control.word('fence')).toBe(FENCE.drained)
    it.send()
    expect([it.stage.hasWork(), it.stage.step()]).toEqual([false, 0])
    expect(it.control.load('appended')).toBe(SMALL)
  })

  test('what was claimed before it is refused behind it, and the tail is where the owner has put it', () => {
    const it = appendStage()
    for (let i = 0; i < 3; i += 1) it.send()
    it.control.setWord('fence', FENCE.closing)
    it.drain()
    it.answers()
    it.send()
    new Fence(it.control).open(SMALL)
    expect([it.control.epoch, it.control.load('appended')]).toEqual([1, SMALL])
    it.send({ body: 30 })
    it.drain()
    expect(it.answers().map(({ at, status }) => [at, status])).toEqual([
      [SMALL, ACK_STATUS.oldEpoch],
      [SMALL, ACK_STATUS.appended],
    ])
    expect(it.recordAt(SMALL)?.body).toHaveLength(30)
  })
})

test('while it is held nothing is taken, and a stop ends it', () => {
  const it = appendStage()
  it.faults.set('holdAppend', 1)
  it.send()
  expect([it.stage.hasWork(), it.stage.step()]).toEqual([false, 0])
  it.faults.set('holdAppend', 0)
  it.drain()
  expect(it.answers()).toHaveLength(1)
})

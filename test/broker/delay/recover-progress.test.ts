/** Progress at the start, against a history that ends anywhere: exact after a kill, never ahead of a log that was cut. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Mark } from '../../../src/broker/delay/delivery-mark.ts'
import { Recovery } from '../../../src/broker/delay/recover-progress.ts'
import { ScheduleRecord } from '../../../src/broker/delay/schedule-record.ts'
import { silentLog } from '../../../src/log.ts'
import type { LogReader } from '../../../src/store/commitlog/index.ts'
import { CLASSIC_LAYOUT, DLEDGER_LAYOUT, type LogLayout } from '../../../src/store/commitlog/log-layout.ts'
import { FIELD, writeInt64, writeRecord } from '../../../src/store/commitlog/record.ts'
import type { QueueReader } from '../../../src/store/consumequeue/index.ts'

const HOST = { address: Uint8Array.of(127, 0, 0, 1), port: 1 }
const LEVELS = 2
const SEGMENT = 4096

/** A log of small segments, a queue a level, and what a broker knows of its deliveries. */
class History {
  readonly bytes = Buffer.alloc(512 * 1024)
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  end = 0
  readonly queues: { physicalOffset: number; size: number }[][] = [[], []]
  /** Deliveries in the order of the log. */
  readonly copies: { level: number; offset: number; at: number; end: number }[] = []
  /** How many of them append has answered. */
  booked = 0
  mark: Mark | undefined
  readonly marks: Mark[] = []
  /** End of the log when the deliveries that are under way began. */
  begunAt = 0
  private readonly schedule = new ScheduleRecord()
  private readonly layout: LogLayout

  constructor(layout: LogLayout) {
    this.layout = layout
  }

  /** `same`: all such messages are equal byte by byte. */
  store(level: number, same: boolean): void {
    const queue = this.queues[level - 1]
    const body = same ? 'same' : `${level} ${queue.length}`
    const physicalOffset = this.place(300)
    const size = writeRecord(this.bytes, this.view, physicalOffset, {
      queueId: level - 1,
      bornTimestamp: 1,
      bornHost: HOST,
      storeHost: HOST,
      body: Buffer.from(body),
      topic: 'SCHEDULE_TOPIC_XXXX',
      properties: `DELAY\u0001${level}\u0002REAL_TOPIC\u0001T\u0002REAL_QID\u00010`,
      queueOffset: queue.length,
      physicalOffset,
      storeTimestamp: 1,
    })
    this.put(physicalOffset, size)
    queue.push({ physicalOffset, size })
  }

  noise(): void {
    const physicalOffset = this.place(300)
    this.put(
      physicalOffset,
      writeRecord(this.bytes, this.view, physicalOffset, {
        queueId: 0,
        bornTimestamp: 1,
        bornHost: HOST,
        storeHost: HOST,
        body: Buffer.from('same'),
        topic: 'T',
        properties: 'DELAY\u00011\u0002REAL_TOPIC\u0001Other\u0002REAL_QID\u00010',
        physicalOffset,
        storeTimestamp: 1,
      }),
    )
  }

  delivered(level: number): number {
    return this.copies.filter((copy) => copy.level === level).length
  }

  deliver(level: number): void {
    const offset = this.delivered(level)
    const unit = this.queues[level - 1][offset]
    if (unit === undefined) return
    this.schedule.read(this.bytes, this.view, unit.physicalOffset, unit.size)
    const topic = Buffer.from('T')
    const at = this.place(300)
    this.schedule.deliver(this.bytes, this.view, at, topic, 0)
    writeInt64(this.view, at + FIELD.physicalOffset, at)
    this.put(at, this.schedule.deliveredSize(topic.length))
    this.copies.push({ level, offset, at, end: this.end })
  }

  /** As delay-service.ts writes it. */
  writeMark(isActive: boolean): void {
    const known = this.copies.slice(0, this.booked)
    const levels = new Map<number, number>()
    for (const { level, offset } of known) levels.set(level, offset + 1)
    const last = known.at(-1)
    const copy = last && { level: last.level, offset: last.offset, at: last.at }
    this.mark = { isActive, from: Math.max(last?.at ?? 0, this.begunAt), copy, levels }
    this.marks.push(this.mark)
  }

  recover(saved: (level: number) => number | undefined, end = this.end) {
    const queueOf = (level: number) => {
      const queue = this.queues[level - 1]
      if (queue === undefined) return undefined
      const units = {
        read(from: number, count: number) {
          const some = queue.slice(from, from + count)
          return {
            count: some.length,
            isBlank: () => false,
            physicalOffset: (i: number) => some[i].physicalOffset,
            size: (i: number) => some[i].size,
          }
        },
      } as unknown as QueueReader
      return { units, min: 0, max: queue.filter((unit) => unit.physicalOffset + unit.size <= end).length }
    }
    const source = {
      readCold: (at: number, length: number) => Buffer.from(this.bytes.subarray(at, at + length)),
      segmentAt: (at: number) => {
        const start = at - (at % SEGMENT)
        const bytes = this.bytes.subarray(start, start + SEGMENT)
        const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT)
        return { start, end: start + SEGMENT, bytes, view, layout: this.layout }
      },
    } as unknown as LogReader
    const { levels } = new Recovery({
      ...{ levelCount: LEVELS, savedOffset: saved, mark: this.mark, queueOf, source, logMin: 0, logEnd: end },
      log: silentLog,
    }).run()
    return [levels.get(1) ?? 0, levels.get(2) ?? 0]
  }

  /** Room in the segment for header and record, with a blank behind it; else the next one's start. */
  private place(size: number): number {
    const { layout, view } = this
    const left = SEGMENT - (this.end % SEGMENT)
    if (!layout.fits(layout.headerSize + size, left)) {
      layout.writeBlank(view, this.end, left)
      this.end += left
    }
    return this.end + layout.headerSize
  }

  /** The record is written: its header, and where the log ends now. */
  private put(at: number, size: number): void {
    const { headerSize } = this.layout
    if (headerSize > 0) {
      this.view.setInt32(at - headerSize, 1)
      this.view.setInt32(at - headerSize + 4, headerSize + size)
    }
    this.end = at + size
  }
}

const level = fc.integer({ min: 1, max: LEVELS })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('store' as const), level, same: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'noise' as const }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('deliver' as const), level }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('book' as const), count: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'mark' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'rest' as const }) },
)

/** What a broker does: nothing is delivered before the mark says that deliveries are under way. */
function play(layout: LogLayout, steps: { kind: string; level?: number; same?: boolean; count?: number }[]) {
  const it = new History(layout)
  let isActive = false
  for (const each of steps) {
    if (each.kind === 'store') it.store(each.level!, each.same!)
    else if (each.kind === 'noise') it.noise()
    else if (each.kind === 'book') it.booked = Math.min(it.copies.length, it.booked + each.count!)
    else if (each.kind === 'mark') it.writeMark(isActive)
    else if (each.kind === 'rest') {
      it.booked = it.copies.length
      isActive = false
      it.writeMark(false)
    } else {
      if (!isActive) {
        it.begunAt = it.end
        it.writeMark(true)
      }
      isActive = true
      it.deliver(each.level!)
    }
  }
  return it
}

describe.each([
  ['a CommitLog', CLASSIC_LAYOUT],
  ['a DLedger log', DLEDGER_LAYOUT],
])('progress in %s', (_, layout) => {
  test('property: after a kill it is what was delivered, exactly, however old delayOffset.json is', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.double({ min: 0, max: 1, noNaN: true }), (steps, age) => {
        const it = play(layout, steps)
        const delivered = [it.delivered(1), it.delivered(2)]
        const known = it.copies.slice(0, Math.floor(it.booked * age))
        const saved = (wanted: number) => known.filter((copy) => copy.level === wanted).length || undefined
        expect(it.recover(saved)).toEqual(delivered)
      }),
      { numRuns: 500 },
    )
  })

  test('property: after a power cut it is never ahead of the deliveries that the log still has', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.nat(), fc.nat(), fc.nat(), (steps, cut, flushed, old) => {
        const it = play(layout, steps)
        it.mark = it.marks[old % (it.marks.length + 1)]
        const ends = [0, ...it.copies.map(({ end }) => end), it.end]
        const end = ends[cut % ends.length]
        const kept = it.copies.filter((copy) => copy.end <= end)
        // delayOffset.json counts nothing that was not flushed, and what is left was.
        const known = kept.slice(0, flushed % (kept.length + 1))
        const saved = (wanted: number) => known.filter((copy) => copy.level === wanted).length
        const found = it.recover(saved, end)
        for (const [i, offset] of found.entries()) {
          const waiting = it.queues[i].filter((unit) => unit.physicalOffset + unit.size <= end).length
          expect(offset).toBeLessThanOrEqual(Math.min(waiting, kept.filter((copy) => copy.level === i + 1).length))
          expect(offset).toBeGreaterThanOrEqual(Math.min(waiting, saved(i + 1)))
        }
      }),
      { numRuns: 500 },
    )
  })

  test('without anything known begins at the start of each queue; beyond a queue it goes to its end', () => {
    const it = new History(layout)
    for (let i = 0; i < 5; i += 1) it.store(1, false)
    expect(it.recover(() => undefined)).toEqual([0, 0])
    expect(it.recover(() => 99)).toEqual([5, 0])
    expect(it.recover(() => -3)).toEqual([0, 0])
  })
})

/** A slave's log: the master's bytes, cut anywhere, at their places. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ControlBlock } from '../../src/concurrency/control-block.ts'
import { FaultSwitches } from '../../src/faults.ts'
import { LogReceiver } from '../../src/ha/index.ts'
import { createAppendHistory } from '../../src/metrics/append-history.ts'
import { segmentPath } from '../../src/store/commitlog/index.ts'
import type { StoreSettings } from '../../src/store/settings.ts'
import { scratchFolder, storeSettings } from '../store/scratch.ts'
import { logOf, SEGMENT } from './written-log.ts'

const BODIES = fc.array(fc.integer({ min: 0, max: 800 }), { minLength: 1, maxLength: 12 })
const CUTS = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 40 })
const WRITERS = ['pwrite', 'map'] as const

/** A store without segments; allocate() makes the next one, as housekeeping does. */
function slaveStore(tailWriter: StoreSettings['tailWriter'] = 'pwrite') {
  const settings = storeSettings(scratchFolder(), { mappedFileSizeCommitLog: SEGMENT, brokerRole: 'SLAVE', tailWriter })
  mkdirSync(settings.storePathCommitLog)
  const control = ControlBlock.create()
  const faults = new FaultSwitches()
  const allocate = () => {
    const start = control.load('allocated')
    writeFileSync(segmentPath(settings.storePathCommitLog, start), Buffer.alloc(SEGMENT))
    control.writer('allocated').advance(start + SEGMENT)
  }
  const bytes = (to: number) => {
    const starts = Array.from({ length: Math.ceil(to / SEGMENT) }, (_, i) => i * SEGMENT)
    return Buffer.concat(starts.map((start) => readFileSync(segmentPath(settings.storePathCommitLog, start)))).subarray(
      0,
      to,
    )
  }
  allocate()
  const receiver = new LogReceiver({ settings, control, faults, appendHistory: createAppendHistory() })
  return { control, faults, allocate, bytes, receiver }
}

test.each(WRITERS)('%s: every byte at its place, over many files; the positions follow', (tailWriter) => {
  fc.assert(
    fc.property(BODIES, CUTS, (bodies, cuts) => {
      const { bytes, ends } = logOf(bodies)
      const store = slaveStore(tailWriter)
      for (let at = 0, i = 0; at < bytes.length; i += 1) {
        const to = Math.min(at + cuts[i % cuts.length], bytes.length, at - (at % SEGMENT) + SEGMENT)
        const chunk = Buffer.concat([Buffer.alloc(3, 0xff), bytes.subarray(at, to), Buffer.alloc(5, 0xff)])
        for (let from = 3; from < 3 + to - at; ) {
          const done = store.receiver.take(chunk, from, 3 + to - at)
          if (done === from) store.allocate()
          from = done
        }
        at = to
        store.receiver.publish()
        expect(store.control.load('received')).toBe(at)
        expect(store.control.load('appended')).toBe(ends.findLast((end) => end <= at) ?? 0)
      }
      store.receiver.close()
      expect(store.bytes(bytes.length).equals(bytes)).toBe(true)
    }),
    { numRuns: 30 },
  )
})

test('it takes nothing while append is held, or the next segment is missing, and goes on where it stopped', () => {
  const { bytes } = logOf([700, 700])
  const store = slaveStore()
  store.faults.set('holdAppend', 1)
  expect(store.receiver.take(bytes, 0, SEGMENT)).toBe(0)
  store.faults.set('holdAppend', 0)
  expect(store.receiver.take(bytes, 0, SEGMENT)).toBe(SEGMENT)
  expect(store.receiver.hasRoom()).toBe(false)
  expect(store.receiver.take(bytes, SEGMENT, bytes.length)).toBe(SEGMENT)
  store.allocate()
  expect(store.receiver.take(bytes, SEGMENT, bytes.length)).toBe(bytes.length)
  store.receiver.publish()
  store.receiver.close()
  expect(store.bytes(bytes.length).equals(bytes)).toBe(true)
})

test('bytes that are no log are refused, with the reason, until it has gone back; what was whole stays', () => {
  const { bytes, ends } = logOf([100, 200, 50])
  const store = slaveStore()
  const wrong = Buffer.from(bytes)
  wrong.writeBigInt64BE(4096n, ends[0] + 28)
  expect(store.receiver.take(wrong, 0, wrong.length)).toBe(wrong.length)
  expect(store.receiver.fault).toMatch(/a record of the place 4096/)
  expect(store.receiver.take(bytes, 0, 10)).toBe(10)
  store.receiver.publish()
  expect(store.control.load('appended')).toBe(ends[0])
  expect(store.bytes(ends[0]).equals(bytes.subarray(0, ends[0]))).toBe(true)
  store.receiver.rewind()
  expect(store.receiver).toMatchObject({ fault: undefined })
  const from = store.receiver.received
  expect(store.receiver.take(bytes, from, bytes.length)).toBe(bytes.length)
  store.receiver.publish()
  expect(store.control.load('appended')).toBe(ends[2])
  store.receiver.close()
  expect(store.bytes(bytes.length).equals(bytes)).toBe(true)
})

test('a transfer that crosses the end of a file is refused', () => {
  const store = slaveStore()
  store.allocate()
  const { bytes } = logOf([700, 700])
  store.receiver.take(bytes, 0, bytes.length)
  expect(store.receiver.fault).toMatch(/crosses the end of a CommitLog file/)
  store.receiver.close()
})

test.each(WRITERS)('%s: a store that is closed in the middle of a record ends with the one before it', (tailWriter) => {
  const { bytes, ends } = logOf([100, 200])
  const store = slaveStore(tailWriter)
  store.receiver.take(bytes, 0, ends[1] - 7)
  store.receiver.publish()
  expect(store.control.load('received')).toBe(ends[1] - 7)
  store.receiver.close()
  expect(store.control.load('appended')).toBe(ends[0])
  expect(
    store
      .bytes(SEGMENT)
      .subarray(ends[0])
      .equals(Buffer.alloc(SEGMENT - ends[0])),
  ).toBe(true)
})

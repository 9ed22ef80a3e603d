import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { ControlBlock, GATE } from '../../src/concurrency/control-block.ts'

function block(positions: Partial<Record<'appended' | 'flushed' | 'replicated', number>>, gate: number) {
  const control = ControlBlock.create()
  for (const [name, value] of Object.entries(positions)) control.writer(name as 'appended').reset(value)
  control.setWord('gate', gate)
  return control
}

test.each([
  ['async flush, async replication: appended', 0, 100],
  ['sync flush: flushed', GATE.flushed, 70],
  ['sync replication: replicated', GATE.replicated, 50],
  ['both: the smaller', GATE.flushed | GATE.replicated, 50],
  ['sync replication without a slave: appended', GATE.degraded, 100],
])('committed with %s', (_name, gate, expected) => {
  expect(block({ appended: 100, flushed: 70, replicated: 50 }, gate).committed()).toBe(expected)
})

test('senders are confirmed only what a slave has, whether one is there or not', () => {
  for (const gate of [GATE.replicated, GATE.degraded]) {
    expect(block({ appended: 100, flushed: 70, replicated: 50 }, gate).confirmed()).toBe(50)
  }
  expect(block({ appended: 100, flushed: 70, replicated: 50 }, GATE.flushed).confirmed()).toBe(70)
})

test('what was shown without a slave is not hidden when one is back, and not confirmed by that', () => {
  const control = block({ appended: 100, replicated: 50 }, GATE.replicated)
  control.writer('released').reset(80)
  expect(control.committed()).toBe(80)
  expect(control.confirmed()).toBe(50)
})

test('readUnCommitted lets consumers see what senders still wait for', () => {
  const control = block({ appended: 100, flushed: 70 }, GATE.flushed | GATE.openRead)
  expect(control.committed()).toBe(70)
  expect(control.visible()).toBe(100)
})

test('a position that would move back stops its thread', () => {
  const appended = block({ appended: 100 }, 0).writer('appended')
  expect(() => appended.advance(99)).toThrow('moved back')
})

test('the clock that a test moves is the clock of every thread', () => {
  const control = ControlBlock.create()
  const other = ControlBlock.attach(control.buffer)
  const before = other.now()
  control.moveClock(600_000)
  expect(other.now() - before).toBeGreaterThanOrEqual(600_000)
})

test('a million updates of a position by one thread are never torn for another, and what was written before is seen', async () => {
  const control = ControlBlock.create()
  const side = new SharedArrayBuffer(16)
  const updates = 1_000_000
  const worker = new Worker(new URL('./workers/position-writer.mjs', import.meta.url), {
    workerData: { control: control.buffer, side, updates },
  })
  const failed = new Promise<never>((_, reject) => worker.once('error', reject))
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  // Each value repeats its low half in its high half: a torn read shows two different halves.
  const numbers = new Float64Array(side)
  const appended = control.reader('appended')
  let seen = 0
  let reads = 0
  while (seen < updates) {
    const position = appended.load()
    const high = Math.floor(position / 2 ** 25)
    const low = position % 2 ** 25
    expect(high).toBe(low)
    expect(low).toBeGreaterThanOrEqual(seen)
    // Written plainly before the position was published.
    expect(numbers[0]).toBeGreaterThanOrEqual(low)
    seen = low
    reads += 1
    if (reads % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.race([exited, failed])
}, 60_000)

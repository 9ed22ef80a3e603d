/** The core's effects on a real log: epochs, the gate, group commit, batches that are read once for all peers. */
import { afterEach, expect, test } from 'vitest'
import type { Input } from '../../src/dledger/core/index.ts'
import { LogDriver } from '../../src/dledger/log-driver.ts'
import { noopRecord, patchOffset } from '../../src/dledger/noop.ts'
import { WireBatch } from '../../src/dledger/wire/index.ts'
import { RecordView } from '../../src/store/commitlog/index.ts'
import { entry, openLog, removeScratch, scratch, settingsIn } from './log/support.ts'
import { eventually } from './support.ts'

afterEach(removeScratch)

function driven(flushBeforeAck = true) {
  const log = openLog(settingsIn(scratch()))
  const inputs: Input[] = []
  const failures: unknown[] = []
  const driver = new LogDriver({
    log,
    flushBeforeAck,
    flushMs: 1,
    noop: () => noopRecord(1_700_000_000_000),
    patchNoop: patchOffset,
    input: (input) => inputs.push(input),
    fatal: (error) => failures.push(error),
    refused: () => {},
  })
  const flushed = () => inputs.filter((it) => it.kind === 'flushed')
  return { log, driver, inputs, failures, flushed }
}

const three = (term: number) =>
  new WireBatch([0, 1, 2].map((i) => entry(i, term, i * 58, Buffer.from(`0123456${term}${i}0`))))

test('after a refusal nothing more of that epoch is taken, without a word', () => {
  const { log, driver, inputs } = driven()
  driver.take({ kind: 'append', epoch: 0, entries: new WireBatch([entry(5, 1, 0, Buffer.from('x'))]) })
  driver.take({ kind: 'append', epoch: 0, entries: three(1) })
  expect(inputs).toEqual([{ kind: 'appendFailed', epoch: 0, endIndex: -1, endTerm: -1 }])
  driver.take({ kind: 'append', epoch: 1, entries: three(1) })
  expect(inputs[1]).toEqual({ kind: 'appended', epoch: 1, endIndex: 2, endTerm: 1 })
  driver.take({ kind: 'truncate', epoch: 2, entry: new WireBatch([three(1).entries[0]!]), mustEqual: true })
  expect(inputs[2]).toEqual({ kind: 'truncated', epoch: 2, beginIndex: 0, endIndex: 0, endTerm: 1 })
  driver.take({ kind: 'append', epoch: 1, entries: three(1) })
  expect(inputs).toHaveLength(3)
  expect(log.endIndex).toBe(0)
})

test('the no-op is a record that dispatch leaves out, and holds its own offset', () => {
  const { log, driver } = driven()
  driver.take({ kind: 'appendNoop', epoch: 0, term: 3 })
  driver.take({ kind: 'appendNoop', epoch: 0, term: 4 })
  const { body, term, pos } = log.entryAt(1)!
  const bytes = Buffer.from(body)
  const record = new RecordView()
  expect(record.read(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length)).toBe('record')
  expect({ term, sysFlag: record.sysFlag, at: record.physicalOffset, length: record.bodyLength }).toEqual({
    term: 4,
    sysFlag: 12,
    at: pos + 48,
    length: 0,
  })
})

test('local writers get in while the gate is open, under its term; the end that stands is told', () => {
  const { driver, inputs } = driven()
  expect(() => driver.appendLocal([Buffer.from('a')], () => {})).toThrow(/gate/)
  driver.take({ kind: 'openGate', epoch: 0, term: 7 })
  const written: number[] = []
  driver.appendLocal([Buffer.from('a'), Buffer.from('b')], (list) =>
    written.push(...list.flatMap((it) => [it.index, it.term])),
  )
  driver.take({ kind: 'closeGate' })
  expect(written).toEqual([0, 7, 1, 7])
  expect(inputs.slice(-1)).toEqual([{ kind: 'gateClosed', endIndex: 1, endTerm: 7 }])
  expect(() => driver.appendLocal([Buffer.from('a')], () => {})).toThrow(/gate/)
})

test('what is written while a sync is under way shares the next one', async () => {
  const { log, driver, flushed } = driven()
  driver.take({ kind: 'openGate', epoch: 0, term: 1 })
  for (let i = 0; i < 200; i++) driver.appendLocal([Buffer.from('a')], () => {})
  await eventually(() => flushed().some((it) => it.index === 199), 'all are flushed')
  expect(flushed()).toHaveLength(2)
  await driver.close()
  log.close()
})

test('a flush that began before a truncation does not speak of what was written after it', async () => {
  const { log, driver, flushed } = driven()
  driver.take({ kind: 'append', epoch: 0, entries: three(1) })
  driver.take({ kind: 'truncate', epoch: 1, entry: new WireBatch([three(2).entries[1]!]), mustEqual: false })
  await eventually(() => flushed().length > 0, 'the flush that was under way ends')
  expect(flushed()).toEqual([{ kind: 'flushed', epoch: 0, index: 2 }])
  expect(log.endTerm).toBe(2)
})

test('a sync that fails is the end: nothing is flushed, ever', async () => {
  const { log, driver, failures, flushed } = driven()
  log.sync = () => Promise.reject(new Error('EIO'))
  driver.take({ kind: 'append', epoch: 0, entries: three(1) })
  await eventually(() => failures.length === 1, 'the failure is told')
  expect(flushed()).toEqual([])
})

test('a write that fails is the end, too: those who wrote are told that nothing of theirs is in the log', () => {
  const { log, driver, failures, inputs } = driven()
  driver.take({ kind: 'openGate', epoch: 0, term: 1 })
  log.appendOwn = () => {
    throw new Error('EIO: i/o error, write')
  }
  const written: number[] = []
  const { entries, failure } = driver.appendLocal([Buffer.from('a')], (list) => void written.push(list.length))
  expect([entries, written, failure?.code]).toEqual([[], [0], 'DISK_FAILED'])
  expect(String(failures[0])).toContain('EIO')
  expect(inputs).toEqual([])
})

test('two peers that are as far are given the same batch', () => {
  const { driver, inputs } = driven()
  driver.take({ kind: 'append', epoch: 0, entries: three(1) })
  for (const ticket of [1, 2]) driver.take({ kind: 'read', ticket, from: 0, to: 2, bytesMax: 1000 })
  const [a, b] = inputs.filter((it) => it.kind === 'read').map((it) => it.entries)
  expect(a).toBe(b)
  expect(a?.count).toBe(3)
  driver.take({ kind: 'read', ticket: 3, from: 3, to: 9, bytesMax: 1000 })
  expect(inputs.slice(-1)).toEqual([{ kind: 'read', ticket: 3, entries: undefined }])
})

test('what is retired is told to the core, and is not read any more', () => {
  const { log, driver, inputs } = driven()
  driver.take({ kind: 'openGate', epoch: 0, term: 1 })
  driver.appendLocal(
    Array.from({ length: 100 }, () => Buffer.alloc(1952)),
    () => {},
  )
  driver.take({ kind: 'read', ticket: 1, from: 0, to: 9, bytesMax: 100_000 })
  inputs.length = 0
  expect(driver.retire(65_536 * 2)).toBe(2)
  expect(inputs).toEqual([{ kind: 'began', beginIndex: 64 }])
  driver.take({ kind: 'read', ticket: 2, from: 0, to: 9, bytesMax: 100_000 })
  expect(inputs[1]).toEqual({ kind: 'read', ticket: 2, entries: undefined })
  expect(driver.retire(65_536 * 2)).toBe(0)
  expect(log.beginIndex).toBe(64)
})

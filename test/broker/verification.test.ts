/** What a start believed is read afterwards, and damage is named once a record. */
import { mkdtempSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Verification } from '../../src/broker/verification.ts'
import type { Log } from '../../src/log.ts'
import { type VerifiedLog, verifyLog } from '../../src/store/recovery/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { capturedLog, scratchFolder, storeSettings } from '../store/scratch.ts'
import { TestClient } from '../support/client.ts'

const SEGMENT = 65_536

function verification(
  changes: { min?: number; end?: number; recoveredFrom?: number; retained?: () => number },
  verify: (from: number, to: number) => Promise<VerifiedLog>,
) {
  const log = capturedLog()
  const options = { min: 0, end: 10 * SEGMENT, recoveredFrom: 10 * SEGMENT, retained: () => 0, ...changes }
  const it = new Verification({ settings: storeSettings(scratchFolder()), log, ...options, verify })
  onTestFinished(() => it.stop())
  const over = () => vi.waitFor(() => expect(it.isDone).toBe(true), 10_000)
  return { it, log, over }
}

test('the last two segments are read, from where the log may be read to where recovery began', async () => {
  const asked: number[][] = []
  const { it, over } = verification({ end: 9 * SEGMENT + 500, recoveredFrom: 9 * SEGMENT + 100 }, async (from, to) => {
    asked.push([from, to])
    return { recordCount: 1, damaged: [], next: from + 40_000 }
  })
  it.start(0)
  await over()
  expect(asked).toEqual([
    [8 * SEGMENT, 9 * SEGMENT + 100],
    [8 * SEGMENT + 40_000, 9 * SEGMENT + 100],
  ])
})

test('what recovery has read itself is not read again', () => {
  const { it } = verification({ recoveredFrom: 0 }, () => Promise.reject(new Error('not asked')))
  it.start(0)
  expect(it.isDone).toBe(true)
})

test('each damaged record is one warning with its file and byte; a flood of them is counted', async () => {
  const damaged = Array.from({ length: 50 }, (_, i) => ({
    from: 9 * SEGMENT + i * 100,
    to: 9 * SEGMENT + i * 100 + 90,
    problem: 'its CRC is wrong',
  }))
  const { it, log, over } = verification({}, async (_, to) => ({ recordCount: 0, damaged, next: to }))
  it.start(0)
  await over()
  const warnings = log.of('warn')
  expect(warnings).toHaveLength(21)
  expect(warnings[1]).toMatch(/damaged: its CRC is wrong \(.*00000000000000589824 byte 100\)/)
  expect(warnings.at(-1)).toContain('30 more')
})

test('a segment that expires while it is read is not damage, and what is below the log’s start is passed', async () => {
  let retained = 0
  const asked: number[] = []
  const { it, log, over } = verification({ retained: () => retained }, async (from, to) => {
    asked.push(from)
    if (asked.length > 1) return { recordCount: 1, damaged: [], next: to }
    retained = 9 * SEGMENT
    return { recordCount: 0, damaged: [{ from, to: from + 10, problem: 'no such file' }], next: from + 10 }
  })
  it.start(0)
  await over()
  expect(log.lines).toEqual([])
  expect(asked).toEqual([8 * SEGMENT, 9 * SEGMENT])
})

test('a pool that is gone ends it with a line, a stop without one', async () => {
  const { it, log, over } = verification({}, () => Promise.reject(new Error('the pool is closed')))
  it.start(0)
  await over()
  expect(log.of('warn')).toHaveLength(1)
  const stopped = verification({}, () => Promise.reject(new Error('the pool is closed')))
  stopped.it.start(0)
  stopped.it.stop()
  await new Promise((fulfil) => setTimeout(fulfil, 20))
  expect(stopped.log.lines).toEqual([])
})

test('a bit that flips in a store that was stopped cleanly is named soon after the next start', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-verify-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const first = await startTestBroker({ folder })
  const client = new TestClient(first.address)
  for (let i = 0; i < 100; i += 1) await client.send('T', `message number ${i}`)
  await client.close()
  const appended = first.handle.engine.control.load('appended')
  await first.close()
  const [name] = readdirSync(join(folder, 'commitlog')).sort()
  const path = join(folder, 'commitlog', name)
  const fd = openSync(path, 'r+')
  const bytes = Buffer.alloc(appended)
  readSync(fd, bytes, 0, appended, 0)
  const at = bytes.indexOf('message number 50')
  bytes[at] ^= 4
  writeSync(fd, bytes, at, 1, at)
  const { damaged, recordCount, next } = verifyLog(first.handle.config, 0, appended)
  expect([recordCount, damaged.length, next]).toEqual([99, 1, appended])
  // In parts as in one.
  const parts: VerifiedLog['damaged'] = []
  for (let from = 0; from < appended; ) {
    const part = verifyLog(first.handle.config, from, appended, undefined, 1000)
    parts.push(...part.damaged)
    expect(part.next - from).toBeLessThan(1500)
    from = part.next
  }
  expect(parts).toEqual(damaged)
  const warnings: { message: string; fields: Record<string, unknown> | undefined }[] = []
  const log: Log = {
    info: () => {},
    error: () => {},
    warn: (message, fields) => void warnings.push({ message, fields }),
  }
  const again = await startTestBroker({ folder, log })
  onTestFinished(() => again.close())
  const named = () => warnings.filter(({ message }) => message.includes('damaged'))
  await vi.waitFor(() => expect(named()).toHaveLength(1), 20_000)
  expect(named()[0].fields).toMatchObject({ file: path, offset: damaged[0].from })
})

/** The load generator against the bare server: what it counts is what was answered. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isOk, OPAQUE_MIN, opaqueAt, opaqueOf, requestFrame, sendFrame } from '../../bench/load/frames.mjs'
import { generate } from '../../bench/load/rounds.mjs'
import { startServer } from '../../bench/load/servers.mjs'
import { decodeCommand } from '../../src/remoting/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'basalt-generator-'))
let server: Awaited<ReturnType<typeof startServer>>
beforeAll(async () => {
  server = await startServer('bare', { folder })
})
afterAll(async () => {
  await server?.process.kill()
  rmSync(folder, { recursive: true, force: true })
})

test.each([
  { mode: 'send' as const, connections: 1, depth: 1 },
  { mode: 'send' as const, connections: 1, depth: 64 },
  { mode: 'send' as const, connections: 8, depth: 3 },
  { mode: 'open' as const, connections: 2, rate: 2000 },
])('every message of %o is answered once, none is left', async (load) => {
  const result = await generate({
    ...load,
    address: server.address,
    pid: server.pid,
    topic: 'T',
    create: false,
    warmupMs: 50,
    durationMs: 300,
  })
  expect(result.count).toBeGreaterThan(0)
  // Closed: what was answered meanwhile. Open: what was due meanwhile, whenever it was answered.
  const expected = load.mode === 'send' ? result.count : load.rate * result.seconds
  expect(Math.abs(result.latency.count - expected)).toBeLessThanOrEqual(load.mode === 'send' ? 0 : 12)
  expect(result.failed).toBe(0)
  expect(result.unanswered).toBe(0)
  expect(result.firstFailure).toBeUndefined()
  expect(result.serverCpuUs).toBeGreaterThanOrEqual(0)
})

test('its frames are what our own decoder reads, with the opaque where it is patched', () => {
  const body = Buffer.alloc(1024, 'x')
  const frame = sendFrame({ topic: 'T', queueId: 3, body, unique: 'C0A8000100000000000000000000000F' })
  const command = decodeCommand(frame, 0, frame.length)
  expect(command.code).toBe(310)
  expect(command.opaque).toBe(OPAQUE_MIN)
  expect(command.ext).toMatchObject({ b: 'T', e: '3', m: 'false' })
  expect(Buffer.from(command.body ?? [])).toEqual(body)
  frame.write('1234567890', opaqueAt(frame), 'latin1')
  expect(decodeCommand(frame, 0, frame.length).opaque).toBe(1_234_567_890)
})

test('it reads opaque and code of an answer as they are', () => {
  for (const code of [0, 1, 10, 207]) {
    const frame = requestFrame(code, { msgId: 'A' }, 1_000_000_123)
    const end = 8 + (frame.readInt32BE(4) & 0xffffff)
    expect(opaqueOf(frame, 8, end)).toBe(1_000_000_123)
    expect(isOk(frame, 8, end)).toBe(code === 0)
  }
  const other = Buffer.from('{"flag":1,"opaque":1000000007,"code":0}')
  expect(isOk(other, 0, other.length)).toBe(true)
  expect(opaqueOf(other, 0, other.length)).toBe(1_000_000_007)
})

/** Small parts of the client, each against its rule. */
import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { uniqueId } from '../../src/admin/unique-id.ts'
import { clientIdOf, ownInstanceName } from '../../src/client/client-id.ts'
import { compress, compressionFlag, compressionOf, decompress } from '../../src/client/message/compression.ts'
import { namespaceIn, namesrvAddresses, unwrapNamespace, wrapNamespace } from '../../src/client/namespace.ts'
import { LatencyFaults } from '../../src/client/producer/latency-faults.ts'
import { QueueChoice } from '../../src/client/producer/queue-choice.ts'
import type { MessageQueue } from '../../src/client/route.ts'
import { Timers } from '../../src/client/timers.ts'
import { portFor } from '../../src/client/vip.ts'
import { silentLog } from '../../src/log.ts'
import { BackOff } from '../../src/remoting/back-off.ts'
import { MovedClock } from './support.ts'

describe('timers', () => {
  test('run in the order of their time when the clock is moved, and not after close', () => {
    const clock = new MovedClock()
    const timers = new Timers(clock, silentLog)
    const ran: string[] = []
    timers.after(2000, () => ran.push('two'))
    timers.after(1000, () => ran.push('one'))
    timers.after(500, () => ran.push('cancelled')).cancel()
    const every = timers.every(10_000, () => ran.push('every'), 500)
    clock.advance(2500)
    expect(ran).toEqual(['every', 'one', 'two'])
    clock.advance(10_000)
    expect(ran).toEqual(['every', 'one', 'two', 'every'])
    every.cancel()
    timers.after(5, () => ran.push('never'))
    timers.close()
    clock.advance(20_000)
    timers.after(0, () => ran.push('never'))
    expect(ran).toHaveLength(4)
    expect(timers.count).toBe(0)
  })

  test('sleepers wake when the time is over, at an abort, and at close', async () => {
    const clock = new MovedClock()
    const timers = new Timers(clock, silentLog)
    const slept = timers.sleep(60_000)
    clock.advance(60_000)
    await slept
    const stop = new AbortController()
    const aborted = timers.sleep(60_000, stop.signal)
    stop.abort()
    await aborted
    const closed = timers.sleep(60_000)
    timers.close()
    await closed
    await timers.sleep(60_000)
  })

  test('work that fails is logged, and harms nothing', async () => {
    const lines: string[] = []
    const log = { ...silentLog, error: (line: string) => lines.push(line) }
    const clock = new MovedClock()
    const timers = new Timers(clock, log)
    timers.after(1, () => {
      throw new Error('at once')
    })
    timers.after(1, () => Promise.reject(new Error('later')))
    clock.advance(2)
    await Promise.resolve()
    await Promise.resolve()
    expect(lines).toEqual([expect.stringContaining('at once'), expect.stringContaining('later')])
    timers.close()
  })
})

test('namespaces are put on and taken off as Java does', () => {
  const names = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,10}$/)
  fc.assert(
    fc.property(names, names, fc.constantFrom('', '%RETRY%', '%DLQ%'), (ns, name, prefix) => {
      const wrapped = wrapNamespace(ns, prefix + name)
      expect(wrapped).toBe(`${prefix}${ns}%${name}`)
      expect(wrapNamespace(ns, wrapped)).toBe(wrapped)
      expect(unwrapNamespace(ns, wrapped)).toBe(prefix + name)
    }),
  )
  for (const own of ['TBW102', 'RMQ_SYS_TRACE_TOPIC', 'rmq_sys_x', 'CID_RMQ_SYS_g', '']) {
    expect(wrapNamespace('ns', own)).toBe(own)
  }
  expect(namespaceIn('http://MQ_INST_123_abc.mq.example.org:80')).toBe('MQ_INST_123_abc')
  expect(namespaceIn(['10.0.0.1:9876'])).toBeUndefined()
  expect(namesrvAddresses(' http://a:1; b:2 ;')).toEqual(['a:1', 'b:2'])
})

test('client ids are those of Java, and no two of a process are equal', () => {
  expect(clientIdOf({ clientIP: '10.0.0.1', instanceName: 'x', unitName: 'u' })).toBe('10.0.0.1@x@u')
  const names = Array.from({ length: 1000 }, ownInstanceName)
  expect(new Set(names).size).toBe(1000)
  expect(names[0]).toMatch(new RegExp(`^${process.pid}#\\d+$`))
})

test('message ids hold the time since the month began, and are never given twice', () => {
  const now = new Date(2026, 1, 3, 4, 5, 6, 789).getTime()
  const id = uniqueId(now)
  expect(id).toMatch(/^[\dA-F]{32}$/)
  expect(Number.parseInt(id.slice(20, 28), 16)).toBe(now - new Date(2026, 1, 1).getTime())
  expect(Number.parseInt(id.slice(8, 12), 16)).toBe(process.pid & 0xffff)
  expect(new Set(Array.from({ length: 60_000 }, () => uniqueId(now))).size).toBe(60_000)
  expect(uniqueId(new Date(2026, 2, 1).getTime()).slice(20, 28)).toBe('00000000')
  expect(uniqueId(new Date(2026, 2, 1).getTime() - 5).slice(20, 28)).toBe('00000000')
})

test('what zlib packs it unpacks; the bits say how', () => {
  const body = Buffer.from('hello '.repeat(1000))
  expect(decompress(compress(body, 'ZLIB', 5), 'ZLIB')).toEqual(body)
  expect([compressionFlag('ZLIB'), compressionFlag('LZ4'), compressionFlag('ZSTD')]).toEqual([0x301, 0x101, 0x201])
  expect([0, 1, 0x301, 0x101, 0x201].map(compressionOf)).toEqual([undefined, 'ZLIB', 'ZLIB', 'LZ4', 'ZSTD'])
  expect(() => decompress(body, 'ZLIB')).toThrow(expect.objectContaining({ code: 'COMPRESSION' }))
})

test.skipIf('zstdCompressSync' in zlib)('a package that is missing is named', () => {
  expect(() => compress(Buffer.from('x'), 'ZSTD', 5)).toThrow(
    expect.objectContaining({ code: 'COMPRESSION', hint: expect.stringContaining('npm install zstd-napi') }),
  )
})

test('pulls, heartbeats and transaction ends never go to the fast port', () => {
  expect([310, 14, 36].map((code) => portFor(code, '10.0.0.1:10911', true))).toEqual(Array(3).fill('10.0.0.1:10909'))
  expect([11, 361, 34, 35, 37].map((code) => portFor(code, 'h:10911', true))).toEqual(Array(5).fill('h:10911'))
  expect(portFor(310, '[::1]:10911', true)).toBe('[::1]:10909')
  expect(portFor(310, 'h:10911', false)).toBe('h:10911')
})

test('an address that refuses is left alone longer and longer, and forgotten when it opens', () => {
  const backOff = new BackOff({ firstMs: 100, mostMs: 1000 })
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    backOff.failedAt('a', 0)
    waits.push(backOff.waitMs('a', 0))
  }
  expect(waits).toEqual([100, 200, 400, 800, 1000, 1000])
  expect([backOff.waitMs('a', 400), backOff.waitMs('a', 5000), backOff.waitMs('b', 0)]).toEqual([600, 0, 0])
  // A clock that was set back does not make it wait longer.
  expect(backOff.waitMs('a', -1e9)).toBe(1000)
  expect(backOff.isDown('a')).toBe(true)
  backOff.opened('a')
  expect([backOff.isDown('a'), backOff.waitMs('a', 0)]).toEqual([false, 0])
})

const queues = ['a', 'b'].flatMap((brokerName) =>
  [0, 1, 2].map((queueId): MessageQueue => ({ topic: 't', brokerName, queueId })),
)

describe('the choice of a queue', () => {
  test('goes round, and not to the broker that failed', () => {
    const choice = new QueueChoice(false, () => true)
    const taken = Array.from({ length: 12 }, () => choice.next('t', queues, undefined, 0))
    expect(new Set(taken).size).toBe(6)
    expect(taken.slice(6)).toEqual(taken.slice(0, 6))
    for (let i = 0; i < 12; i++) expect(choice.next('t', queues, 'a', 0).brokerName).toBe('b')
  })

  test('leaves out a broker that cannot be connected, unless there is no other', () => {
    const choice = new QueueChoice(false, (brokerName) => brokerName === 'a')
    for (let i = 0; i < 12; i++) expect(choice.next('t', queues, undefined, 0).brokerName).toBe('a')
    expect(choice.next('t', queues, 'a', 0).brokerName).toBe('b')
    const none = new QueueChoice(false, () => false)
    expect(new Set(Array.from({ length: 6 }, () => none.next('t', queues, undefined, 0))).size).toBe(6)
    expect(none.next('t', queues.slice(0, 3), 'a', 0).brokerName).toBe('a')
  })

  test('leaves slow brokers alone for the time that their latency says', () => {
    const faults = new LatencyFaults()
    for (const [latency, ms] of [
      [49, 0],
      [100, 0],
      [550, 30_000],
      [1000, 60_000],
      [2000, 120_000],
      [3000, 180_000],
      [15_000, 600_000],
    ] as const) {
      faults.took('a', latency, false, 0)
      expect([faults.isAvailable('a', Math.max(0, ms - 1)), faults.isAvailable('a', ms)]).toEqual([ms === 0, true])
    }
    faults.took('a', 5, true, 0)
    expect([faults.isAvailable('a', 599_999), faults.isAvailable('a', 600_000)]).toEqual([false, true])
  })

  test('takes one of the better half where none is available', () => {
    const choice = new QueueChoice(true, () => true)
    choice.faults!.took('a', 600, false, 0)
    for (let i = 0; i < 12; i++) expect(choice.next('t', queues, undefined, 1).brokerName).toBe('b')
    choice.faults!.took('b', 20_000, false, 0)
    for (let i = 0; i < 12; i++) expect(choice.next('t', queues, undefined, 1).brokerName).toBe('a')
    expect(new Set(Array.from({ length: 12 }, () => choice.next('t', queues, undefined, 600_000))).size).toBe(6)
  })
})

/** Which cells are measured, in which order, and how long that takes; what is refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MODE_WORDS, type ModesFlags, modesOptions, plannedSeconds, planOf } from '../../../src/bench/modes/index.ts'
import { keyText } from '../../../src/bench/modes/plan.ts'
import { Progress, timeText } from '../../../src/bench/modes/progress.ts'
import { modeName } from '../../../src/bench/results.ts'
import { ConfigError } from '../../../src/errors.ts'

const planFor = (flags: ModesFlags) => planOf(modesOptions(flags, '/'))
const textOf = (flags: ModesFlags) => planFor(flags).flatMap(({ cells }) => cells.map(keyText))

test('--quick is eight modes at 1 and 64 in flight, once, in a good minute', () => {
  const options = modesOptions({ quick: true }, '/')
  const visits = planOf(options)
  expect(visits.map(({ mode }) => modeName(mode))).toEqual([
    'ASYNC_FLUSH',
    'ASYNC_FLUSH + ASYNC_MASTER',
    'ASYNC_FLUSH + SYNC_MASTER',
    'ASYNC_FLUSH + DLEDGER',
    'SYNC_FLUSH',
    'SYNC_FLUSH + ASYNC_MASTER',
    'SYNC_FLUSH + SYNC_MASTER',
    'SYNC_FLUSH + DLEDGER',
  ])
  for (const { cells } of visits) expect(cells.map(({ inFlight }) => inFlight)).toEqual([1, 64])
  expect(options.seconds).toBe(2)
  expect(plannedSeconds(options, visits)).toBeLessThan(68)
})

test('every cell is measured once in each round, and every second round goes the other way about', () => {
  const flags = fc.record({
    modes: fc.subarray(Object.keys(MODE_WORDS), { minLength: 1 }).map((words) => words.join(',')),
    inFlight: fc.uniqueArray(fc.integer({ min: 1, max: 4096 }), { minLength: 1, maxLength: 4 }).map(String),
    rate: fc.uniqueArray(fc.integer({ min: 1, max: 1e6 }), { maxLength: 2 }).map(String),
    size: fc.uniqueArray(fc.integer({ min: 1, max: 4 << 20 }), { minLength: 1, maxLength: 3 }).map(String),
    rounds: fc.integer({ min: 1, max: 5 }).map(String),
    transfer: fc.constantFrom('stream', 'pull', 'stream,pull'),
    inject: fc.constantFrom('rtt=1ms', 'fdatasync=0ms'),
    against: fc.constantFrom(undefined, 'apache', 'apache:5.3.3'),
  })
  fc.assert(
    fc.property(flags, (given) => {
      const options = modesOptions(given, '/')
      const visits = planOf(options)
      const rounds = Array.from({ length: options.rounds }, (_, round) =>
        visits.filter((visit) => visit.round === round).map(({ cells }) => cells.map(keyText)),
      )
      expect(visits.map(({ round }) => round)).toEqual(visits.map(({ round }) => round).sort((a, b) => a - b))
      for (const [n, round] of rounds.entries()) expect(n % 2 === 0 ? round : round.toReversed()).toEqual(rounds[0])
      const once = rounds[0].flat()
      expect(new Set(once).size).toBe(once.length)
      // Without a slave, in a group and with Apache there is one way to transfer.
      const pairs = options.modes.flatMap(({ replication }) =>
        options.systems.map((system) =>
          replication === 'none' || replication === 'DLEDGER' || system === 'apache' ? 1 : options.transfers.length,
        ),
      )
      const servers = pairs.reduce((sum, each) => sum + each, 0)
      const loads = options.inFlight.length + options.rates.length
      expect(once.length).toBe(servers * loads * options.sizes.length)
    }),
  )
})

test('a cell names all that was asked', () => {
  const [visit] = planFor({
    modes: 'sync+sync',
    inFlight: '16',
    transfer: 'pull',
    size: '8k',
    inject: 'fdatasync=5ms,rtt=0.5ms',
  })
  expect(visit.cells).toEqual([
    {
      system: 'basalt',
      mode: { flush: 'SYNC_FLUSH', replication: 'SYNC_MASTER' },
      haTransfer: 'pull',
      fdatasyncMs: 5,
      rttMs: 0.5,
      bodySize: 8192,
      load: 'closed',
      inFlight: 16,
      ratePerSecond: 0,
    },
  ])
})

test('a load that is named is the only one; the surface is every pair at 1 and 64 in flight', () => {
  expect(textOf({ rate: '100', rounds: '1', size: '1', modes: 'async' })).toEqual([
    'basalt ASYNC_FLUSH none open 0 100 1 stream 0 0',
  ])
  const surface = planFor({ surface: 'fdatasync=0/2ms,rtt=0/500us/1ms', modes: 'sync+sync' })
  expect(surface.map(({ injected }) => [injected.fdatasyncMs, injected.rttMs])).toEqual([
    [0, 0],
    [0, 0.5],
    [0, 1],
    [2, 0],
    [2, 0.5],
    [2, 1],
  ])
  expect(surface.every(({ cells }) => cells.length === 2)).toBe(true)
  expect(planFor({ surface: true }).length).toBe(8 * 16)
})

describe('flags that are wrong are named', () => {
  test.each<[ModesFlags, string]>([
    [{ modes: 'sink' }, '--modes is "sink"; allowed: async, async+async'],
    [{ modes: '' }, '--modes is ""'],
    [{ inFlight: '0' }, '--in-flight is "0"; allowed: whole numbers 1 to 4096'],
    [{ rate: 'fast' }, '--rate is "fast"'],
    [{ size: '5m' }, '--size is "5m"'],
    [{ rounds: '1.5' }, '--rounds is "1.5"'],
    [{ seconds: 'x' }, '--seconds is "x"'],
    [{ transfer: 'push' }, '--transfer is "push"; allowed: stream, pull'],
    [{ inject: 'fsync=5ms' }, '--inject is "fsync=5ms"; allowed: fdatasync=5ms,rtt=1ms'],
    [{ inject: 'fdatasync=5' + 's' }, '--inject is "fdatasync=5s"'],
    [{ inject: 'fdatasync=0.5ms' }, 'fdatasync of whole milliseconds'],
    [{ inject: 'rtt=0/1ms' }, 'for several there is --surface'],
    [{ against: 'kafka' }, '--against is "kafka"; allowed: apache'],
    [{ against: 'apache', inject: 'fdatasync=1ms' }, "the disk of Apache's broker cannot be made slower"],
    [{ quick: true, surface: true }, '--quick and --surface exclude each other'],
    [{ set: ['brokerRole=SLAVE'] }, '--set is "brokerRole=SLAVE"'],
    [{ set: ['enableDLegerCommitLog=true'] }, '--set is "enableDLegerCommitLog=true"'],
    [{ set: ['x'] }, '--set is "x"; allowed: key=value'],
  ])('%j', (flags, complaint) => {
    expect(() => modesOptions(flags, '/')).toThrow(ConfigError)
    expect(() => modesOptions(flags, '/')).toThrow(complaint)
  })
})

test('the time left follows the pace of what is over', () => {
  let now = 0
  const lines: string[] = []
  const progress = new Progress({ isTerminal: false, error: (text) => lines.push(text) }, 100, () => now)
  expect(progress.secondsLeft()).toBe(100)
  now = 40_000
  progress.passed(20)
  // 20 planned seconds took 40: the other 80 take 160.
  expect(progress.secondsLeft()).toBe(160)
  now = 50_000
  expect(progress.secondsLeft()).toBe(150)
  progress.at('a cell')
  expect(progress.line()).toMatch(/^█{6}░{18} {2}25 % {2}2:30 min left {2}a cell$/)
  progress.say('a figure')
  expect(lines).toEqual(['a figure\n'])
  expect([5, 59.2, 3599, 3600, 7380].map(timeText)).toEqual(['5 s', '1:00 min', '59:59 min', '1:00 h', '2:03 h'])
})

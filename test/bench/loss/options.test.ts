/** The flags of `bench loss`, and what a user is told who mistypes one. */
import { expect, test } from 'vitest'
import { lossOptions } from '../../../src/bench/loss/index.ts'

test('without flags: every mode in every failure, ten rounds; --quick two', () => {
  const { modes, failures, rounds, settings } = lossOptions({}, '/')
  expect([modes.length, failures.length, rounds]).toEqual([8, 4, 10])
  expect(settings).toMatchObject({ fdatasyncMs: 3, rttMs: 2 })
  expect(lossOptions({ quick: true }, '/').rounds).toBe(2)
  expect(lossOptions({ quick: true, rounds: '5' }, '/').rounds).toBe(5)
})

test('a result says under which conditions it came about', () => {
  const { told, settings } = lossOptions({ seed: '7', inject: 'rtt=20ms', set: ['haTransferUnflushed=false'] }, '/')
  expect(told).toMatchObject({ seed: '7', inject: 'rtt=20ms', haTransferUnflushed: 'false' })
  expect(settings).toMatchObject({ fdatasyncMs: 0, rttMs: 20, config: { haTransferUnflushed: 'false' } })
})

test.each([
  [{ modes: 'sync+both' }, /--modes is "sync\+both"; allowed: async, .*sync\+sync/],
  [{ failures: 'fire' }, /--failures is "fire"; allowed: process-crash, machine-crash, disk-lost, majority-crash/],
  [{ rounds: '0' }, /--rounds is "0"/],
  [{ inject: 'disk=3ms' }, /--inject is "disk=3ms"/],
  [{ set: ['brokerRole=SLAVE'] }, /--set is "brokerRole=SLAVE"/],
  [{ set: ['flushIntervalCommitLog=often'] }, /flushIntervalCommitLog/],
])('%o is told before anything is started', (flags, text) => {
  expect(() => lossOptions(flags, '/')).toThrow(text)
})

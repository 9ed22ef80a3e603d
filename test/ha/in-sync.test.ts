/** Which slaves a sender waits for. */
import { expect, test } from 'vitest'
import { InSync } from '../../src/ha/in-sync.ts'

const LIMITS = { slaveTimeout: 3000, haSlaveFallbehindMax: 1000 }

test('a slave that has everything counts at once', () => {
  const slave = new InSync(LIMITS)
  expect(slave.look(500, 500, 0)).toBe(true)
  expect(slave.behindMs(10)).toBe(0)
})

test('one that has much to copy counts when it has caught up, though the log grows on', () => {
  const slave = new InSync({ ...LIMITS, haSlaveFallbehindMax: 1_000_000 })
  expect(slave.look(0, 100_000, 0)).toBe(false)
  expect(slave.look(50_000, 150_000, 3000)).toBe(false)
  // The first round took 5 s: too long. The next takes 1 s.
  expect(slave.look(100_000, 200_000, 5000)).toBe(false)
  expect(slave.behindMs(5500)).toBe(500)
  expect(slave.look(200_000, 201_000, 6000)).toBe(true)
})

test('a dead one costs its timeout once', () => {
  const slave = new InSync(LIMITS)
  slave.look(100, 100, 0)
  expect(slave.look(100, 200, 1000)).toBe(true)
  expect(slave.look(100, 300, 3900)).toBe(true)
  expect(slave.look(100, 300, 4201)).toBe(false)
  expect(slave.look(100, 400, 5000)).toBe(false)
  // It was not dead after all: it counts again when a round is fast.
  expect(slave.look(200, 400, 6000)).toBe(false)
  expect(slave.look(400, 410, 6100)).toBe(true)
})

test('one that is too far behind counts no more, however fast it is', () => {
  const slave = new InSync(LIMITS)
  slave.look(100, 100, 0)
  expect(slave.look(100, 1099, 1)).toBe(true)
  expect(slave.look(100, 1100, 2)).toBe(false)
})

test('a slave that is always a little behind counts all the time', () => {
  const slave = new InSync(LIMITS)
  slave.look(0, 0, 0)
  for (let now = 1; now < 60_000; now += 100) expect(slave.look(now - 1, now + 50, now)).toBe(true)
})

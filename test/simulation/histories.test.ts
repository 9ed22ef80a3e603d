/**
 * Row 27 of the fault campaign: 2,000 histories of 3, 5 and 7 members under every fault, each checked at every step, and progress
 * when the faults are over. A failure prints its seed, the fewest faults that break it, and what happened.
 *
 * SIM_SEED=n runs one history; SIM_HISTORIES=n runs more than 2,000.
 */
import { expect, test } from 'vitest'
import { report } from './shrink.ts'
import { runHistory } from './world.ts'

const COUNT = Number(process.env.SIM_HISTORIES ?? 2000)
const one = process.env.SIM_SEED === undefined ? undefined : Number(process.env.SIM_SEED)

test('nothing acknowledged is lost and all is well in the end, in each of 2,000 histories', {
  timeout: 600_000,
}, () => {
  let acknowledged = 0
  const seeds = one === undefined ? Array.from({ length: COUNT }, (_, seed) => seed) : [one]
  for (const seed of seeds) {
    const result = runHistory({ seed })
    if (result.violation !== undefined) expect.fail(report({ seed }, result))
    acknowledged += result.acknowledged
  }
  // A world in which nothing is acknowledged proves nothing.
  expect(acknowledged / seeds.length).toBeGreaterThan(100)
})

test('one seed is one history, bit for bit', () => {
  for (let seed = 7000; seed < 7010; seed++) {
    const once = runHistory({ seed })
    expect(runHistory({ seed, traced: true }).digest).toBe(once.digest)
    expect(runHistory({ seed: seed + 100_000 }).digest).not.toBe(once.digest)
  }
})

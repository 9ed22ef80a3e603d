/** The proof that the simulation sees: each deliberate bug of the core is found within 2,000 histories. */
import { expect, test } from 'vitest'
import type { Flaws } from '../../src/dledger/core/index.ts'
import { FLAWS } from './flaws.ts'
import { report, shrink } from './shrink.ts'
import { runHistory } from './world.ts'

const WITHIN = 2000

function search(flaw: keyof Flaws) {
  const flaws = { [flaw]: true }
  for (let seed = FLAWS[flaw].from; seed < FLAWS[flaw].from + WITHIN; seed++) {
    const result = runHistory({ seed, flaws })
    // That a bug stops the group would be found too; here it must be the harm itself.
    if (result.violation !== undefined && !result.violation.startsWith('no progress')) return { seed, result, flaws }
  }
  return undefined
}

test.each(Object.entries(FLAWS).map(([flaw, { is }]) => [flaw as keyof Flaws, is] as const))(
  '%s is found: %s',
  { timeout: 600_000 },
  (flaw) => {
    expect(search(flaw)?.result.violation).toBeTypeOf('string')
  },
)

test('a failure is told with its seed, fewer faults than it had, and a trace', () => {
  const { seed, result, flaws } = search('leadSameTermAgain')!
  const { keep } = shrink({ seed, flaws }, result)
  expect(keep.length).toBeLessThan(result.faults.length)
  const text = report({ seed, flaws }, result)
  expect(text).toContain(`SIM_SEED=${seed}: election safety`)
  expect(text).toContain(`--seed ${seed} --replay --keep`)
  expect(text).toMatch(/is LEADER in term/)
})

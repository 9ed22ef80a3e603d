/**
 * Groups with members that behave as DLedger 0.3.1.2 does. What such a group promises is docs/dledger.md's; here: two of ours and one of
 * the JVM's live through everything but power loss, and the world does see what the original's deviations cost.
 */
import { expect, test } from 'vitest'
import { report } from './shrink.ts'
import { runHistory } from './world.ts'

test('two of ours and one of the JVM’s: 200 histories without power loss', { timeout: 120_000 }, () => {
  for (let seed = 0; seed < 200; seed++) {
    const result = runHistory({ seed, jvm: 1 })
    if (result.violation !== undefined) expect.fail(report({ seed, jvm: 1 }, result))
  }
})

test('the JVM’s alone: a power loss costs votes and committed entries, and the world sees it', {
  timeout: 120_000,
}, () => {
  const found = new Set<string>()
  for (let seed = 0; seed < 300; seed++) {
    const { violation } = runHistory({ seed, jvm: 3, jvmPowerLoss: true })
    if (violation !== undefined) found.add(violation.split(':')[0]!)
  }
  expect([...found]).toEqual(expect.arrayContaining(['election safety', 'one vote', 'leader completeness']))
})

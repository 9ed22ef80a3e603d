/** 10,000 random groups: what Java's strategy classes allocate, and what ours do. Each run with another seed, which a failure names. */
import { afterAll, describe, expect, test } from 'vitest'
import { runJava } from '../../tools/apache/java.mjs'
import { type AllocationCase, outcomeOf } from '../client/consumer/allocation-cases.ts'
import { apacheIsThere, ORACLE, Scratch } from './support/systems.ts'

const COUNT = 10_000

describe.skipIf(!apacheIsThere(ORACLE))('allocation strategies', () => {
  const scratch = new Scratch()
  afterAll(() => scratch.remove())

  test(`${COUNT} random groups are divided as by the Java client ${ORACLE}`, async () => {
    const seed = Number(process.env.SIM_SEED ?? Math.floor(Math.random() * 1_000_000))
    const options = [`count=${COUNT}`, `seed=${seed}`]
    const program = runJava({ version: ORACLE, main: 'Allocate', args: options, folder: scratch.sub('allocate') })
    const { status } = await program.ended
    expect(status, program.stderr).toBe(0)
    const cases = program.of('CASE').map(([line]) => JSON.parse(line) as AllocationCase)
    expect(cases.length).toBe(COUNT)
    for (const one of cases)
      expect(outcomeOf(one), `SIM_SEED=${seed} ${JSON.stringify(one)}`).toEqual(one.mine ?? one.error)
  })
})

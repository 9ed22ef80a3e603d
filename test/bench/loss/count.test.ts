/** What counts as lost, by hand-made ledgers. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countLoss } from '../../../src/bench/loss/count.ts'
import { Ledger, type ReadMessage } from '../../../src/bench/loss/ledger.ts'

const place = { queueId: 0, queueOffset: 0, physicalOffset: 0 }
const read = (...numbers: number[]): ReadMessage[] => numbers.map((number) => ({ ...place, number }))

/** `sent` numbers, of which those were acknowledged, in that order. */
function ledgerOf(sent: number, acknowledged: readonly number[]): Ledger {
  const ledger = new Ledger()
  for (let number = 0; number < sent; number += 1) ledger.take(0)
  for (const number of acknowledged) ledger.acknowledged.set(number, place)
  return ledger
}

test('a message is lost when no machine has it; runs are in the order of the acknowledgements', () => {
  const ledger = ledgerOf(8, [0, 2, 1, 3, 5, 4])
  expect(countLoss(ledger, { master: read(0, 1), slave: read(0, 4) })).toEqual({
    acknowledged: 6,
    found: 3,
    lost: 3,
    // 3 and 5; 2 stands alone before 1.
    longestRun: 2,
    duplicates: 0,
    foundOnMaster: 2,
  })
})

test('both machines having a message is no duplicate, twice on one machine is; others’ messages count for nothing', () => {
  const ledger = ledgerOf(3, [0, 1])
  const counts = countLoss(ledger, { master: read(0, 1, 1, Number.NaN, Number.NaN, 77, 77), slave: read(0, 1, 2) })
  expect(counts).toMatchObject({ lost: 0, duplicates: 1, foundOnMaster: 2 })
})

test('without any machine all are lost, in one run', () => {
  const counts = countLoss(ledgerOf(5, [4, 3, 2]), {})
  expect(counts).toEqual({ acknowledged: 3, found: 0, lost: 3, longestRun: 3, duplicates: 0 })
})

test('found and lost are all that was acknowledged, and a machine more never finds less', () => {
  const numbers = fc.uniqueArray(fc.nat(30))
  fc.assert(
    fc.property(numbers, numbers, numbers, (acknowledged, onMaster, onSlave) => {
      const ledger = ledgerOf(31, acknowledged)
      const both = countLoss(ledger, { master: read(...onMaster), slave: read(...onSlave) })
      const one = countLoss(ledger, { master: read(...onMaster) })
      expect(both.found + both.lost).toBe(acknowledged.length)
      expect(both.lost).toBeLessThanOrEqual(one.lost)
      expect(both.foundOnMaster).toBe(one.found)
      expect(both.longestRun).toBeLessThanOrEqual(both.lost)
      expect(both.longestRun > 0).toBe(both.lost > 0)
    }),
  )
})

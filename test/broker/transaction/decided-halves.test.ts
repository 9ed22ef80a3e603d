/** Against a model of sets and lists: which halves are decided, and the first op message that is still needed. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DecidedHalves } from '../../../src/broker/transaction/decided-halves.ts'
import { OffsetBits } from '../../../src/broker/transaction/offset-bits.ts'

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('op' as const), ahead: fc.nat(80), early: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('nothing' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), by: fc.nat(100) }) },
)

test('property: as a model of sets and lists says, in whatever order op messages become known', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(1000), fc.array(step, { maxLength: 200 }), (firstHalf, firstOp, steps) => {
      const halves = new DecidedHalves(firstHalf, firstOp)
      const decided = new Set<number>()
      /** Halves of each op message; undefined: not known yet. */
      const ops: (number[] | undefined)[] = []
      let front = firstHalf
      for (const one of steps) {
        if (one.kind === 'pass') {
          front += one.by
          halves.pass(front)
        } else {
          const list = one.kind === 'op' ? [Math.max(0, front - 20) + one.ahead] : []
          const hole = ops.indexOf(undefined)
          const at = one.kind === 'op' && one.early > 0 ? ops.length + one.early - 1 : hole < 0 ? ops.length : hole
          while (ops.length < at) ops.push(undefined)
          ops[at] = list
          halves.add(firstOp + at, list)
          for (const half of list) if (half >= front) decided.add(half)
        }
        const known = ops.indexOf(undefined)
        const prefix = known < 0 ? ops : ops.slice(0, known)
        expect(halves.knownOps).toBe(firstOp + prefix.length)
        const needed = prefix.findIndex((op) => Math.max(-1, ...op!) >= front)
        // The front of the op queue moves when that of the half queue does.
        expect(halves.firstOp).toBeLessThanOrEqual(firstOp + (needed < 0 ? prefix.length : needed))
        if (one.kind === 'pass') expect(halves.firstOp).toBe(firstOp + (needed < 0 ? prefix.length : needed))
        for (let half = front; half < front + 120; half += 1) expect(halves.has(half)).toBe(decided.has(half))
        let first = front + 3
        while (first < front + 100 && decided.has(first)) first += 1
        expect(halves.nextUndecided(front + 3, front + 100)).toBe(Math.min(first, front + 100))
      }
    }),
    { numRuns: 300 },
  )
})

test('a million transactions between the fronts, and all of them passed', () => {
  const halves = new DecidedHalves(5, 9)
  for (let i = 0; i < 1_000_000; i += 1) halves.add(9 + i, [5 + (i ^ 1)])
  expect(halves.nextUndecided(0, 2_000_000)).toBe(1_000_005)
  halves.pass(500_005)
  expect([halves.firstHalf, halves.firstOp]).toEqual([500_005, 500_009])
  halves.pass(1_000_005)
  expect([halves.firstOp, halves.knownOps]).toEqual([1_000_009, 1_000_009])
})

test('an absurd offset is left out, and takes no memory', () => {
  const bits = new OffsetBits(7)
  bits.add(2 ** 52)
  bits.add(2 ** 31 + 7)
  expect([bits.has(2 ** 52), bits.has(7), bits.nextAbsent(0, 100)]).toEqual([false, false, 7])
})

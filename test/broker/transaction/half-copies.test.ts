import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HalfCopies } from '../../../src/broker/transaction/half-copies.ts'

test('property: every older copy leads to the newest, as long as that is in use', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('replaced' as const), which: fc.nat(20) }),
    fc.record({ kind: fc.constant('new' as const) }),
    fc.record({ kind: fc.constant('drop' as const), by: fc.nat(5) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const copies = new HalfCopies()
      /** Newest of each line, and all that came before. */
      const lines: number[][] = []
      let end = 0
      let front = 0
      for (const one of steps) {
        if (one.kind === 'new') lines.push([end++])
        if (one.kind === 'replaced' && lines.length > 0) {
          const line = lines[one.which % lines.length]
          const old = line.at(-1)!
          // A half below the front has been replaced or decided already.
          if (old < front) continue
          copies.replaced(old, end)
          line.push(end++)
        }
        if (one.kind === 'drop') {
          front = Math.min(end, front + one.by)
          copies.dropBelow(front)
        }
        for (const line of lines) {
          const newest = line.at(-1)!
          for (const half of line) expect(copies.newest(half)).toBe(newest >= front || half === newest ? newest : half)
        }
      }
      copies.dropBelow(end)
      expect(copies.size).toBe(0)
    }),
  )
})

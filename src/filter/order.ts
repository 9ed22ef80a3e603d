/**
 * `>`, `>=`, `<`, `<=`, of which BETWEEN is made.
 */
import type { Comparator } from './expression.ts'
import type { PropertyValues } from './property-values.ts'
import { known, type NumberConstant, nothing, OUTCOME, type Side, type Test, testOf } from './sides.ts'

const { false: FALSE, true: TRUE, null: NULL, broken: BROKEN } = OUTCOME

export function order(left: Side, right: Side, by: Comparator): Test {
  if (left.kind === 'slot' && right.kind === 'number') return slotOrder(left.slot, right.value, by)
  if (left.kind === 'number' && right.kind === 'slot') return slotOrder(right.slot, left.value, MIRRORED[by])
  if (left.kind === 'number' && right.kind === 'number') {
    return known(holds(compareNumbers(left.value, right.value), by))
  }
  if (left.kind === 'slot' && right.kind === 'slot') {
    const [a, b] = [left.slot, right.slot]
    return (values) => {
      if (!values.has(a) || !values.has(b)) return NULL
      const first = values.double(a)
      if (values.isBad) return BROKEN
      const second = values.double(b)
      if (values.isBad) return BROKEN
      return holds(compareDoubles(first, second), by) ? TRUE : FALSE
    }
  }
  // One side is nothing: so is the outcome, unless something breaks.
  const [first, second] = [nothing(testOf(left)), nothing(testOf(right))]
  return (values) => (first(values) === BROKEN || second(values) === BROKEN ? BROKEN : NULL)
}

function slotOrder(slot: number, number: NumberConstant, by: Comparator): Test {
  const { kind, value } = number
  if (kind === 'double') {
    return (values) => {
      if (!values.has(slot)) return NULL
      const read = values.double(slot)
      return values.isBad ? BROKEN : holds(compareDoubles(read, value), by) ? TRUE : FALSE
    }
  }
  const read =
    kind === 'int' ? (values: PropertyValues) => values.int(slot) : (values: PropertyValues) => values.long(slot)
  const [whenLess, whenSame, whenMore] = [-1, 0, 1].map((sign) => (holds(sign, by) ? TRUE : FALSE))
  return (values) => {
    if (!values.has(slot)) return NULL
    const it = read(values)
    return it < value ? whenLess : it > value ? whenMore : Number.isNaN(it) ? BROKEN : whenSame
  }
}

const MIRRORED: Record<Comparator, Comparator> = { '>': '<', '>=': '<=', '<': '>', '<=': '>=' }

function holds(sign: number, by: Comparator): boolean {
  if (sign === 0) return by === '>=' || by === '<='
  return sign > 0 ? by[0] === '>' : by[0] === '<'
}

/** Double.compare: NaN is the largest and equals itself, −0 is below 0. */
function compareDoubles(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (Object.is(a, b)) return 0
  if (Number.isNaN(a)) return 1
  if (Number.isNaN(b)) return -1
  return a !== 0 ? 0 : Object.is(a, -0) ? -1 : 1
}

/** Beside a Double the other becomes one too. */
export function compareNumbers(a: NumberConstant, b: NumberConstant): number {
  if (a.kind === 'double' || b.kind === 'double') return compareDoubles(Number(a.value), Number(b.value))
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0
}

/**
 * What stands on the sides of a comparison, and what a test says of a message.
 */
import type { Constant } from './expression.ts'
import type { PropertyValues } from './property-values.ts'

export const OUTCOME = { false: 0, true: 1, null: 2, broken: 3 } as const
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME]
export type Test = (values: PropertyValues) => Outcome

const { false: FALSE, true: TRUE, null: NULL, broken: BROKEN } = OUTCOME
export type NumberConstant = Extract<Constant, { kind: 'int' | 'long' | 'double' }>
/** What stands on a side of a comparison. `nothing` is null in any case, once `test` (if any) is not broken. */
export type Side =
  | { kind: 'slot'; slot: number }
  | { kind: 'test'; test: Test }
  | { kind: 'number'; value: NumberConstant }
  | { kind: 'text'; value: string }
  | { kind: 'nothing'; test: Test | undefined }

export function always(outcome: Outcome): Test {
  return () => outcome
}

export function known(isSame: boolean | undefined): Test {
  return always(isSame === undefined ? BROKEN : isSame ? TRUE : FALSE)
}

export function truth(side: Side): Test {
  if (side.kind === 'test') return side.test
  if (side.kind === 'slot') return (values) => (values.has(side.slot) ? FALSE : NULL)
  return side.kind === 'nothing' ? nothing(side.test) : always(FALSE)
}

export function nothing(test: Test | undefined): Test {
  return test === undefined ? always(NULL) : (values) => (test(values) === BROKEN ? BROKEN : NULL)
}

export function testOf(side: Side): Test | undefined {
  return side.kind === 'nothing' || side.kind === 'test' ? side.test : undefined
}

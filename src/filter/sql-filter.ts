/**
 * A filter of type SQL92, ready to be asked of records.
 *
 *   const filter = compileFilter("price > 10 AND region IN ('eu', 'us')")
 *   filter.matches(bytes, propertiesStart, propertiesEnd)
 *
 * Owns:      its scratch values: one filter belongs to one thread.
 * Invariant: never throws once it is compiled, whatever the bytes are.
 */
import { compileExpression } from './compile.ts'
import type { Expression } from './expression.ts'
import type { FilterPlan, RecordFilter } from './filter-plan.ts'
import { parseExpression } from './parser.ts'
import { PropertyValues } from './property-values.ts'
import { OUTCOME, type Outcome, type Test } from './sides.ts'

export class SqlFilter implements RecordFilter {
  readonly expression: string
  /** What RocketMQ's parser never looks at: the rest behind a whole expression; usually nothing. */
  readonly ignored: string
  private readonly values: PropertyValues
  private readonly test: Test

  constructor(expression: string, root: Expression, end: number) {
    this.expression = expression
    this.ignored = expression.slice(end).trim()
    const slots = new Map<string, number>()
    this.test = compileExpression(root, (name) => {
      const slot = slots.get(name) ?? slots.size
      slots.set(name, slot)
      return slot
    })
    this.values = new PropertyValues([...slots.keys()])
  }

  get plan(): FilterPlan {
    return { kind: 'sql', expression: this.expression }
  }

  /** Whether a message with the properties bytes[start, end) is wanted: nothing but true is. */
  matches(bytes: Uint8Array, start: number, end: number): boolean {
    return this.evaluate(bytes, start, end) === OUTCOME.true
  }

  evaluate(bytes: Uint8Array, start: number, end: number): Outcome {
    this.values.scan(bytes, start, end)
    return this.test(this.values)
  }
}

/** Throws FilterError; its message is the remark that clients get. */
export function compileFilter(expression: string): SqlFilter {
  const { root, end } = parseExpression(expression)
  return new SqlFilter(expression, root, end)
}

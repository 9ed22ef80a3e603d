/**
 * From the tree of an expression to closures over property bytes: what a comparison has to do is decided once, by what
 * stands on its sides.
 *
 * Values are what RocketMQ 4.9.7 makes of them: properties are texts and are read as whatever they are compared with
 * (Integer, Long, Double, Boolean; two of them as Doubles for an order); a text that cannot be read so ends the whole
 * evaluation (BROKEN). A missing property is null: null on the left of `=` gives null, on the right false, on both true.
 */
import type { Comparator, Constant, Expression } from './expression.ts'
import { isConstant } from './expression.ts'
import { parseDouble, parseInteger, parseLong } from './java-numbers.ts'
import { hashOf, type PropertyValues } from './property-values.ts'

export const OUTCOME = { false: 0, true: 1, null: 2, broken: 3 } as const
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME]
export type Test = (values: PropertyValues) => Outcome

const { false: FALSE, true: TRUE, null: NULL, broken: BROKEN } = OUTCOME

type NumberConstant = Extract<Constant, { kind: 'int' | 'long' | 'double' }>
/** What stands on a side of a comparison. `nothing` is null in any case, once `test` (if any) is not broken. */
type Side =
  | { kind: 'slot'; slot: number }
  | { kind: 'test'; test: Test }
  | { kind: 'number'; value: NumberConstant }
  | { kind: 'text'; value: string }
  | { kind: 'nothing'; test: Test | undefined }

/** `slotOf` gives each name its place in PropertyValues. */
export function compileExpression(root: Expression, slotOf: (name: string) => number): Test {
  return new Compiler(slotOf).test(root)
}

class Compiler {
  private readonly slotOf: (name: string) => number

  constructor(slotOf: (name: string) => number) {
    this.slotOf = slotOf
  }

  /** As an operand of AND, OR, NOT and as the whole: what is there and is no boolean is false. */
  test(node: Expression): Test {
    switch (node.kind) {
      case 'and':
      case 'or':
        return chain(
          node.operands.map((operand) => this.test(operand)),
          node.kind === 'or' ? TRUE : FALSE,
        )
      case 'not':
        return negated(this.test(node.operand))
      case 'equal':
        return equality(this.side(node.left), this.side(node.right))
      case 'compare':
        return order(this.side(node.left), this.side(node.right), node.by)
      case 'in':
        return membership(this.slotOf(node.name), node.values, node.isNot)
      default:
        return truth(this.side(node))
    }
  }

  private side(node: Expression): Side {
    switch (node.kind) {
      case 'property':
        return { kind: 'slot', slot: this.slotOf(node.name) }
      case 'negative':
        return this.negative(node.operand)
      case 'null':
        return { kind: 'nothing', test: undefined }
      case 'boolean':
        return { kind: 'test', test: always(node.value ? TRUE : FALSE) }
      case 'text':
        return { kind: 'text', value: node.value }
      case 'int':
      case 'long':
      case 'double':
        return { kind: 'number', value: node }
      default:
        return { kind: 'test', test: this.test(node) }
    }
  }

  /** A number's, and nothing of anything else. */
  private negative(operand: Expression): Side {
    const side = this.side(operand)
    if (side.kind === 'number') return { kind: 'number', value: opposite(side.value) }
    const test = side.kind === 'test' || side.kind === 'nothing' ? side.test : undefined
    return { kind: 'nothing', test: isConstant(operand) ? undefined : test }
  }
}

function opposite(number: NumberConstant): NumberConstant {
  return number.kind === 'long'
    ? { kind: 'long', value: -number.value }
    : { kind: number.kind, value: 0 - number.value }
}

function always(outcome: Outcome): Test {
  return () => outcome
}

function truth(side: Side): Test {
  if (side.kind === 'test') return side.test
  if (side.kind === 'slot') return (values) => (values.has(side.slot) ? FALSE : NULL)
  return side.kind === 'nothing' ? nothing(side.test) : always(FALSE)
}

function nothing(test: Test | undefined): Test {
  return test === undefined ? always(NULL) : (values) => (test(values) === BROKEN ? BROKEN : NULL)
}

function negated(test: Test): Test {
  return (values) => {
    const outcome = test(values)
    return outcome === TRUE ? FALSE : outcome === FALSE ? TRUE : outcome
  }
}

/** AND (`decisive` FALSE) or OR (TRUE): ends at the first decisive operand, and at one that is broken. */
function chain(tests: readonly Test[], decisive: Outcome): Test {
  const other = decisive === TRUE ? FALSE : TRUE
  if (tests.length === 2) {
    const [left, right] = tests
    return (values) => {
      const first = left(values)
      if (first === decisive || first === BROKEN) return first
      const second = right(values)
      return second === decisive || second === BROKEN || first === other ? second : NULL
    }
  }
  return (values) => {
    let outcome: Outcome = other
    for (let i = 0; i < tests.length; i += 1) {
      const each = tests[i](values)
      if (each === decisive || each === BROKEN) return each
      if (each === NULL) outcome = NULL
    }
    return outcome
  }
}

function membership(slot: number, list: readonly string[], isNot: boolean): Test {
  const [found, missing] = isNot ? [FALSE, TRUE] : [TRUE, FALSE]
  const buckets = new Map<number, ((values: PropertyValues) => boolean)[]>()
  for (const text of new Set(list)) {
    const hash = hashOf(Buffer.from(text))
    buckets.set(hash, [...(buckets.get(hash) ?? []), textTest(slot, text)])
  }
  const odd = list.some(isOdd) ? new Set(list) : undefined
  return (values) => {
    if (!values.has(slot)) return NULL
    if (odd !== undefined) return odd.has(values.text(slot)) ? found : missing
    const tests = buckets.get(values.hash(slot))
    if (tests === undefined) return missing
    for (let i = 0; i < tests.length; i += 1) if (tests[i](values)) return found
    return missing
  }
}

/** Half a surrogate pair or a replacement character: other bytes read as the same text, or none does. */
function isOdd(text: string): boolean {
  return text.includes('\ufffd') || Buffer.from(text).toString() !== text
}

/** Whether the property, which is there, is that text. */
function textTest(slot: number, text: string): (values: PropertyValues) => boolean {
  const bytes = Buffer.from(text)
  return isOdd(text) ? (values) => values.text(slot) === text : (values) => values.is(slot, bytes)
}

function equality(left: Side, right: Side): Test {
  if (left.kind === 'slot') return slotEquality(left.slot, right)
  if (right.kind === 'slot') return equalitySlot(left, right.slot)
  if (left.kind === 'number' && right.kind === 'number') return known(sameNumbers(left.value, right.value))
  if (left.kind === 'number' && right.kind === 'text') return known(sameAsText(left.value, right.value))
  if (left.kind === 'text' && right.kind === 'number') return known(sameAsText(right.value, left.value))
  if (left.kind === 'text' && right.kind === 'text') return known(left.value === right.value)
  return generalEquality(left, right)
}

function known(isSame: boolean | undefined): Test {
  return always(isSame === undefined ? BROKEN : isSame ? TRUE : FALSE)
}

/** A property on the left, and whatever else. */
function slotEquality(slot: number, right: Side): Test {
  switch (right.kind) {
    case 'slot': {
      const other = right.slot
      return (values) => {
        if (!values.has(slot)) return values.has(other) ? NULL : TRUE
        return values.has(other) && values.areSame(slot, other) ? TRUE : FALSE
      }
    }
    case 'text': {
      const isSame = textTest(slot, right.value)
      return (values) => (values.has(slot) ? (isSame(values) ? TRUE : FALSE) : NULL)
    }
    case 'number': {
      const isSame = numberTest(slot, right.value)
      return (values) => (values.has(slot) ? isSame(values) : NULL)
    }
    default: {
      const test = truth(right)
      return (values) => {
        const outcome = test(values)
        if (outcome === BROKEN) return BROKEN
        if (!values.has(slot)) return outcome === NULL ? TRUE : NULL
        return outcome !== NULL && values.boolean(slot) === (outcome === TRUE) ? TRUE : FALSE
      }
    }
  }
}

/** A property on the right, and no property on the left. */
function equalitySlot(left: Exclude<Side, { kind: 'slot' }>, slot: number): Test {
  if (left.kind === 'text') {
    const isSame = textTest(slot, left.value)
    return (values) => (values.has(slot) && isSame(values) ? TRUE : FALSE)
  }
  if (left.kind === 'number') {
    const isSame = numberTest(slot, left.value)
    return (values) => (values.has(slot) ? isSame(values) : FALSE)
  }
  const test = truth(left)
  return (values) => {
    const outcome = test(values)
    if (outcome === BROKEN) return BROKEN
    if (outcome === NULL) return values.has(slot) ? NULL : TRUE
    // RocketMQ cannot compare a boolean with a text on its right.
    return values.has(slot) ? BROKEN : FALSE
  }
}

/** Neither side a property, at least one a boolean or nothing. */
function generalEquality(left: Side, right: Side): Test {
  const [first, second] = [truth(left), truth(right)]
  const [isLeftBoolean, isRightBoolean] = [isBooleanSide(left), isBooleanSide(right)]
  const leftAsBoolean = left.kind === 'text' && left.value.toLowerCase() === 'true' ? TRUE : FALSE
  return (values) => {
    const a = first(values)
    if (a === BROKEN) return BROKEN
    const b = second(values)
    if (b === BROKEN) return BROKEN
    if (a === NULL) return b === NULL ? TRUE : NULL
    if (b === NULL) return FALSE
    if (isLeftBoolean && isRightBoolean) return a === b ? TRUE : FALSE
    if (left.kind === 'text') return leftAsBoolean === b ? TRUE : FALSE
    return right.kind === 'text' ? BROKEN : FALSE
  }
}

function isBooleanSide(side: Side): boolean {
  return side.kind === 'test'
}

/** Whether a property, which is there, is that number. */
function numberTest(slot: number, number: NumberConstant): Test {
  const { kind, value } = number
  if (kind === 'int') {
    return (values) => {
      const read = values.int(slot)
      return read === value ? TRUE : Number.isNaN(read) ? BROKEN : FALSE
    }
  }
  if (kind === 'long') {
    return (values) => {
      const read = values.long(slot)
      return Number.isNaN(read) ? BROKEN : BigInt(read) === value ? TRUE : FALSE
    }
  }
  return (values) => {
    const read = values.double(slot)
    return read === value ? TRUE : values.isBad ? BROKEN : FALSE
  }
}

function order(left: Side, right: Side, by: Comparator): Test {
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

function testOf(side: Side): Test | undefined {
  return side.kind === 'nothing' || side.kind === 'test' ? side.test : undefined
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
function compareNumbers(a: NumberConstant, b: NumberConstant): number {
  if (a.kind === 'double' || b.kind === 'double') return compareDoubles(Number(a.value), Number(b.value))
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0
}

function sameNumbers(a: NumberConstant, b: NumberConstant): boolean {
  return compareNumbers(a, b) === 0
}

function sameAsText({ kind, value }: NumberConstant, text: string): boolean | undefined {
  if (kind === 'int') return same(parseInteger(text), value)
  return kind === 'long' ? same(parseLong(text), value) : same(parseDouble(text), value)
}

function same<T>(read: T | undefined, value: T): boolean | undefined {
  return read === undefined ? undefined : read === value
}

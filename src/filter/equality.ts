/**
 * `=`, IN and IS NULL. `<>` and NOT IN are their opposites.
 */
import { parseDouble, parseInteger, parseLong } from './java-numbers.ts'
import { compareNumbers } from './order.ts'
import { hashOf, type PropertyValues } from './property-values.ts'
import { known, type NumberConstant, OUTCOME, type Side, type Test, truth } from './sides.ts'

const { false: FALSE, true: TRUE, null: NULL, broken: BROKEN } = OUTCOME

export function equality(left: Side, right: Side): Test {
  if (left.kind === 'slot') return slotEquality(left.slot, right)
  if (right.kind === 'slot') return equalitySlot(left, right.slot)
  if (left.kind === 'number' && right.kind === 'number') return known(sameNumbers(left.value, right.value))
  if (left.kind === 'number' && right.kind === 'text') return known(sameAsText(left.value, right.value))
  if (left.kind === 'text' && right.kind === 'number') return known(sameAsText(right.value, left.value))
  if (left.kind === 'text' && right.kind === 'text') return known(left.value === right.value)
  return generalEquality(left, right)
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

export function membership(slot: number, list: readonly string[], isNot: boolean): Test {
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

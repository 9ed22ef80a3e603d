/**
 * What may be compared with what: rules that RocketMQ 4.9.7 applies when it reads an expression, and their words.
 */
import {
  type Comparator,
  type Constant,
  describeExpression,
  type Expression,
  isBooleanForm,
  isConstant,
} from './expression.ts'
import { cannotCompare, FilterError } from './filter-error.ts'
import { doubleText, numberFault, parseDouble, parseInteger, parseLong } from './java-numbers.ts'

/** An operand of AND, OR and NOT, and the whole. A property will do, though only its absence makes a difference. */
export function checkBoolean(node: Expression): Expression {
  const { kind } = node
  if (isBooleanForm(node) || kind === 'property' || kind === 'boolean' || kind === 'null') return node
  throw new FilterError('ParseException', `Expression will not result in a boolean value: ${describeExpression(node)}`)
}

export function equal(left: Expression, right: Expression): Expression {
  if (left.kind === 'null' || right.kind === 'null') throw cannotCompare("'NULL' cannot be compared.")
  if (left.kind === 'boolean' && isConstant(right) && right.kind !== 'boolean') {
    throw cannotCompare(`'${describeExpression(left)}' cannot be compared with '${describeExpression(right)}'`)
  }
  return { kind: 'equal', left, right }
}

export function isNull(operand: Expression): Expression {
  return { kind: 'equal', left: operand, right: { kind: 'null' } }
}

export function compare(by: Comparator, left: Expression, right: Expression): Expression {
  checkOrdered(left)
  checkOrdered(right)
  return { kind: 'compare', by, left, right }
}

function checkOrdered(node: Expression): void {
  const isNumber = node.kind === 'int' || node.kind === 'long' || node.kind === 'double'
  if (isConstant(node) ? isNumber : !isBooleanForm(node)) return
  throw cannotCompare(`Value '${describeExpression(node)}' cannot be compared.`)
}

export function between(value: Expression, low: Expression, high: Expression, isNot: boolean): Expression {
  if (isNot) return { kind: 'or', operands: [compare('<', value, low), compare('>', value, high)] }
  if (isConstant(low) && isConstant(high)) checkLimits(low, high)
  return { kind: 'and', operands: [compare('>=', value, low), compare('<=', value, high)] }
}

export function inList(operand: Expression, values: readonly string[], isNot: boolean): Expression {
  if (operand.kind !== 'property') {
    throw cannotCompare(`Expected a property for In expression, got: ${describeExpression(operand)}`)
  }
  return { kind: 'in', name: operand.name, values, isNot }
}

function checkLimits(low: Constant, high: Constant): void {
  if (low.kind === 'null' || high.kind === 'null') {
    throw cannotCompare('Illegal values of between, values can not be null!')
  }
  if (isInOrder(low, high)) return
  const [left, right] = [limitText(low), limitText(high)]
  throw cannotCompare(`Illegal values of between, left value(${left}) must less than or equal to right value(${right})`)
}

type Limit = Exclude<Constant, { kind: 'null' }>

function limitText(limit: Limit): string {
  return limit.kind === 'double' ? doubleText(limit.value) : String(limit.value)
}

const CAST_FAULT =
  'class java.lang.Boolean cannot be cast to class java.lang.String ' +
  "(java.lang.Boolean and java.lang.String are in module java.base of loader 'bootstrap')"

/** Texts become numbers beside numbers; what cannot be compared is not in order. */
function isInOrder(low: Limit, high: Limit): boolean {
  if (low.kind === 'text' && high.kind === 'text') return low.value <= high.value
  if (low.kind === 'boolean' && high.kind === 'boolean') return !low.value || high.value
  if (low.kind === 'text' && high.kind === 'boolean') throw new FilterError('ClassCastException', CAST_FAULT)
  if (low.kind === 'boolean' && high.kind === 'text') return !low.value || high.value.toLowerCase() === 'true'
  if (low.kind === 'boolean' || high.kind === 'boolean') return false
  const [left, right] = [numberBeside(low, high), numberBeside(high, low)]
  return left <= right
}

function numberBeside(limit: Limit, other: Limit): number | bigint {
  if (limit.kind !== 'text') return limit.kind === 'boolean' ? 0 : limit.value
  const parse = other.kind === 'double' ? parseDouble : other.kind === 'long' ? parseLong : parseInteger
  const value = parse(limit.value)
  if (value !== undefined) return value
  throw cannotCompare(`java.lang.NumberFormatException: ${numberFault(limit.value, other.kind === 'double')}`)
}

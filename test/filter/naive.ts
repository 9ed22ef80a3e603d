/**
 * A second reading of SQL92 filters, as plain as it can be: the tree that a test made itself, walked with JavaScript values
 * for each message. What src/filter compiles must agree with it; what both must agree with is in recorded.json.
 */
export type Value = null | boolean | string | { int: number } | { long: bigint } | { double: number }

export type Node =
  | { is: 'property'; name: string }
  | { is: 'value'; value: Value; text: string }
  | { is: 'negative'; of: Node }
  | { is: 'not'; of: Node }
  | { is: 'both'; word: 'AND' | 'OR'; left: Node; right: Node }
  | { is: 'equal'; sign: '=' | '<>'; left: Node; right: Node }
  | { is: 'order'; sign: '>' | '>=' | '<' | '<='; left: Node; right: Node }
  | { is: 'between'; isNot: boolean; of: Node; low: Node; high: Node }
  | { is: 'in'; isNot: boolean; name: string; list: string[] }
  | { is: 'null'; isNot: boolean; of: Node }

/** Thrown where RocketMQ throws: the message is not wanted. */
export class Broken extends Error {}

export function evaluate(node: Node, properties: ReadonlyMap<string, string>): Value {
  const of = (inner: Node) => evaluate(inner, properties)
  switch (node.is) {
    case 'property':
      return properties.get(node.name) ?? null
    case 'value':
      return node.value
    case 'negative':
      return negative(of(node.of))
    case 'not':
      return not(truth(of(node.of)))
    case 'both': {
      const decisive = node.word === 'OR'
      const left = truth(of(node.left))
      if (left === decisive) return decisive
      const right = truth(of(node.right))
      if (right === decisive) return decisive
      return left === null || right === null ? null : !decisive
    }
    case 'equal': {
      const same = equal(of(node.left), of(node.right))
      return node.sign === '=' ? same : not(same)
    }
    case 'order':
      return order(of(node.left), of(node.right), node.sign)
    case 'between': {
      const [low, high] = node.isNot ? (['<', '>'] as const) : (['>=', '<='] as const)
      return of({
        is: 'both',
        word: node.isNot ? 'OR' : 'AND',
        left: { is: 'order', sign: low, left: node.of, right: node.low },
        right: { is: 'order', sign: high, left: node.of, right: node.high },
      })
    }
    case 'in': {
      const value = properties.get(node.name)
      return value === undefined ? null : node.list.includes(value) !== node.isNot
    }
    case 'null':
      return (of(node.of) === null) !== node.isNot
    default: {
      const never: never = node
      return never
    }
  }
}

function truth(value: Value): boolean | null {
  return value === null || typeof value === 'boolean' ? value : false
}

function not(value: boolean | null): boolean | null {
  return value === null ? null : !value
}

function negative(value: Value): Value {
  if (value === null || typeof value !== 'object') return null
  if ('long' in value) return { long: -value.long }
  return 'int' in value ? { int: 0 - value.int } : { double: -value.double }
}

function equal(left: Value, right: Value): boolean | null {
  if (left === null) return right === null ? true : null
  if (right === null) return false
  if (typeof left === 'string' && typeof right === 'string') return left === right
  if (typeof left === 'boolean' && typeof right === 'string') throw new Broken()
  if (typeof left === 'string' && typeof right === 'boolean') return (left.toLowerCase() === 'true') === right
  if (typeof left === 'boolean' || typeof right === 'boolean') return left === right
  return sign(left, right) === 0
}

function order(left: Value, right: Value, by: string): boolean | null {
  if (left === null || right === null) return null
  if (typeof left === 'boolean' || typeof right === 'boolean') throw new Error('no order of booleans is ever made')
  const both = typeof left === 'string' && typeof right === 'string'
  const compared = both ? doubles(java(left, 'double'), java(right, 'double')) : sign(left, right)
  return compared === 0 ? by.length === 2 : by.startsWith(compared > 0 ? '>' : '<')
}

type Numeric = { int: number } | { long: bigint } | { double: number }
type Kind = 'int' | 'long' | 'double'
const kindOf = (value: Numeric): Kind => ('int' in value ? 'int' : 'long' in value ? 'long' : 'double')

function sign(left: string | Numeric, right: string | Numeric): number {
  const a = typeof left === 'string' ? java(left, kindOf(right as Numeric)) : left
  const b = typeof right === 'string' ? java(right, kindOf(left as Numeric)) : right
  if ('double' in a || 'double' in b) return doubles(a, b)
  const [x, y] = [integer(a), integer(b)]
  return x < y ? -1 : x > y ? 1 : 0
}

function integer(value: { int: number } | { long: bigint }): bigint {
  return 'int' in value ? BigInt(value.int) : value.long
}

/** Double.compare. */
function doubles(left: Numeric, right: Numeric): number {
  const [a, b] = [left, right].map((it) => ('double' in it ? it.double : Number(integer(it))))
  const rank = (it: number) => (Number.isNaN(it) ? 2 : Object.is(it, -0) ? 0 : 1)
  if (Number.isNaN(a) || Number.isNaN(b) || (a === 0 && b === 0)) return Math.sign(rank(a) - rank(b))
  return a < b ? -1 : a > b ? 1 : 0
}

/** valueOf of Integer, Long, Double for what tests put into properties: ASCII. */
function java(text: string, kind: Kind): Numeric {
  if (kind === 'double') {
    const trimmed = text.trim()
    if (/^[+-]?(NaN|Infinity)$/.test(trimmed)) return { double: Number(trimmed.replace(/^[+-](?=NaN)/, '')) }
    if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?$/.test(trimmed)) throw new Broken()
    return { double: Number(trimmed.replace(/[fFdD]$/, '')) }
  }
  if (!/^[+-]?\d+$/.test(text)) throw new Broken()
  const value = BigInt(text.replace(/^\+/, ''))
  const bits = kind === 'int' ? 32 : 64
  if (BigInt.asIntN(bits, value) !== value) throw new Broken()
  return kind === 'int' ? { int: Number(value) } : { long: value }
}

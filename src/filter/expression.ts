/**
 * An SQL92 filter expression as a tree, and its text as RocketMQ 4.9.7 writes it in errors.
 *
 * BETWEEN and `<>` have no nodes: they are what RocketMQ makes of them, two comparisons and a NOT.
 */
import { doubleText } from './java-numbers.ts'

/** Long is a bigint because its values do not fit into a number; Integer and Double are numbers. */
export type Constant =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'long'; readonly value: bigint }
  | { readonly kind: 'double'; readonly value: number }

export type Comparator = '>' | '>=' | '<' | '<='

export type Expression =
  | Constant
  | { readonly kind: 'property'; readonly name: string }
  | { readonly kind: 'negative'; readonly operand: Expression }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'equal'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'compare'; readonly by: Comparator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'in'; readonly name: string; readonly values: readonly string[]; readonly isNot: boolean }
  /** Two or more operands: a chain is one node, however long it is. */
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expression[] }

const CONSTANTS: ReadonlySet<string> = new Set(['null', 'boolean', 'text', 'int', 'long', 'double'])
const BOOLEANS: ReadonlySet<string> = new Set(['not', 'equal', 'compare', 'in', 'and', 'or'])

export function isConstant(node: Expression): node is Constant {
  return CONSTANTS.has(node.kind)
}

/** Results in true, false or null by its form. */
export function isBooleanForm(node: Expression): boolean {
  return BOOLEANS.has(node.kind)
}

export function describeExpression(node: Expression): string {
  switch (node.kind) {
    case 'null':
      return 'NULL'
    case 'boolean':
      return node.value ? 'TRUE' : 'FALSE'
    case 'text':
      return `'${node.value.replaceAll("'", "''")}'`
    case 'int':
    case 'long':
      return String(node.value)
    case 'double':
      return doubleText(node.value)
    case 'property':
      return node.name
    case 'negative':
      return `(- ${describeExpression(node.operand)})`
    case 'not':
      return `(NOT ${describeExpression(node.operand)})`
    case 'equal':
      return `(${describeExpression(node.left)} == ${describeExpression(node.right)})`
    case 'compare':
      return `(${describeExpression(node.left)} ${node.by} ${describeExpression(node.right)})`
    case 'in':
      return `${node.name} ${node.isNot ? 'NOT IN' : 'IN'} ( ${inListOrder(node.values).join(', ')} )`
    case 'and':
    case 'or': {
      const sign = node.kind === 'and' ? '&&' : '||'
      return node.operands.map(describeExpression).reduce((left, right) => `(${left} ${sign} ${right})`)
    }
    default: {
      const never: never = node
      return never
    }
  }
}

/** A list of five and more is a hash set there, and is written in its order. */
const LIST_MAX = 4

function inListOrder(values: readonly string[]): readonly string[] {
  return values.length <= LIST_MAX ? values : hashSetOrder(values)
}

/** A Java HashSet's: by bucket, in a bucket by arrival. It is made for the list's length and doubles above 3/4. */
function hashSetOrder(values: readonly string[]): string[] {
  const distinct = [...new Set(values)]
  let buckets = 16
  const room = Math.max(Math.floor(values.length / 0.75) + 1, 16)
  while (buckets < room) buckets *= 2
  const bucketOf = (text: string) => {
    let hash = 0
    for (let i = 0; i < text.length; i += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
    return (hash ^ (hash >>> 16)) & (buckets - 1)
  }
  return distinct
    .map((text, order) => ({ text, order, bucket: bucketOf(text) }))
    .sort((a, b) => a.bucket - b.bucket || a.order - b.order)
    .map(({ text }) => text)
}

/** SQL92 filters: what Apache said and did, a plain second reading of random expressions, and the bytes of properties. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileFilter, FilterError, OUTCOME, type SqlFilter } from '../../src/filter/index.ts'
import recorded from '../vectors/sql92/recorded.json' with { type: 'json' }
import { Broken, evaluate, type Node, type Value } from './naive.ts'

const LETTERS = ['F', 'T', 'n', 'E']

function properties(pairs: Iterable<readonly [string, string]>): Buffer {
  return Buffer.from([...pairs].map(([name, value]) => `${name}\u0001${value}`).join('\u0002'))
}

function outcome(filter: SqlFilter, bytes: Buffer): string {
  return LETTERS[filter.evaluate(bytes, 0, bytes.length)]
}

/** The refusal's text, null for an expression that is taken. */
function faultOf(expression: string): string | null {
  try {
    compileFilter(expression)
    return null
  } catch (error) {
    if (error instanceof FilterError) return error.message
    throw error
  }
}

describe('what RocketMQ 4.9.7 answered (recorded from a running broker and its filter library)', () => {
  test.each(recorded.answers as [string, string | null][])(
    '%j is taken or refused in the same words',
    (expression, remark) => {
      expect(faultOf(expression)).toBe(remark)
    },
  )

  test.each(recorded.outcomes as [string, string][])(
    '%j has the same outcome for each message',
    (expression, outcomes) => {
      const filter = compileFilter(expression)
      const found = recorded.messages.map((message) => outcome(filter, properties(Object.entries(message))))
      expect(found.join('')).toBe(outcomes)
    },
  )
})

const NAMES = ['a', 'b', 'long_name', '$x']
const TEXTS = [
  '1',
  '2',
  '1.0',
  'x',
  'y',
  'true',
  'TRUE',
  ' 1',
  '-1',
  '+1',
  '1L',
  '1.5',
  '1e1',
  'NaN',
  '-Infinity',
  '-0.0',
  '0.0',
  '2147483648',
  '-2147483649',
  '9007199254740993',
  '9223372036854775808',
  '.5',
  'a\u0001b',
  'ü',
  "it's",
]
const LITERALS: [string, Value][] = [
  ['TRUE', true],
  ['false', false],
  ['NULL', null],
  ['1', { int: 1 }],
  ['0', { int: 0 }],
  ['2147483647', { int: 2_147_483_647 }],
  ['2147483648', { long: 2_147_483_648n }],
  ['9007199254740993L', { long: 9_007_199_254_740_993n }],
  ['1.5', { double: 1.5 }],
  ['.5', { double: 0.5 }],
  ['9007199254740992.0', { double: 9_007_199_254_740_992 }],
  ['5E-324', { double: 5e-324 }],
  ...TEXTS.map((text): [string, Value] => [`'${text.replaceAll("'", "''")}'`, text]),
]

const property = fc.constantFrom(...NAMES).map((name): Node => ({ is: 'property', name }))
const literal = fc.constantFrom(...LITERALS).map(([text, value]): Node => ({ is: 'value', text, value }))
const { node } = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    property,
    literal,
    fc.record({ is: fc.constant('negative' as const), of: tie('node') }),
    fc.record({ is: fc.constant('not' as const), of: tie('node') }),
    fc.record({
      is: fc.constant('both' as const),
      word: fc.constantFrom('AND' as const, 'OR' as const),
      left: tie('node'),
      right: tie('node'),
    }),
    fc.record({
      is: fc.constant('equal' as const),
      sign: fc.constantFrom('=' as const, '<>' as const),
      left: tie('node'),
      right: tie('node'),
    }),
    fc.record({
      is: fc.constant('order' as const),
      sign: fc.constantFrom('>' as const, '>=' as const, '<' as const, '<=' as const),
      left: fc.oneof(property, literal),
      right: fc.oneof(property, literal),
    }),
    fc.record({
      is: fc.constant('between' as const),
      isNot: fc.boolean(),
      of: fc.oneof(property, literal),
      low: literal,
      high: literal,
    }),
    fc.record({
      is: fc.constant('in' as const),
      isNot: fc.boolean(),
      name: fc.constantFrom(...NAMES),
      list: fc.array(fc.constantFrom(...TEXTS), { minLength: 1, maxLength: 12 }),
    }),
    fc.record({ is: fc.constant('null' as const), isNot: fc.boolean(), of: tie('node') }),
  ),
}))

/** Its text, each operand in parentheses: what they bind is the parser's business. */
function textOf(it: Node): string {
  const not = 'isNot' in it && it.isNot ? 'NOT ' : ''
  const of = (inner: Node) => (inner.is === 'property' || inner.is === 'value' ? textOf(inner) : `(${textOf(inner)})`)
  switch (it.is) {
    case 'property':
      return it.name
    case 'value':
      return it.text
    case 'negative':
      return `- ${of(it.of)}`
    case 'not':
      return `NOT ${of(it.of)}`
    case 'both':
      return `${of(it.left)} ${it.word} ${of(it.right)}`
    case 'equal':
    case 'order':
      return `${of(it.left)}${it.sign}${of(it.right)}`
    case 'between':
      return `${of(it.of)} ${not}BETWEEN ${of(it.low)} AND ${of(it.high)}`
    case 'in':
      return `${it.name} ${not}IN (${it.list.map((text) => `'${text.replaceAll("'", "''")}'`).join(', ')})`
    case 'null':
      return `${of(it.of)} IS ${not}NULL`
    default: {
      const never: never = it
      return never
    }
  }
}

const message = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom(...TEXTS), { maxKeys: 4 })

test('property: an expression gives what a plain walk over its tree gives', () => {
  let taken = 0
  fc.assert(
    fc.property(node, fc.array(message, { minLength: 1, maxLength: 6 }), (tree, messages) => {
      const text = textOf(tree)
      if (faultOf(text) !== null) return
      taken += 1
      const filter = compileFilter(text)
      for (const each of messages) {
        const found = outcome(filter, properties(Object.entries(each)))
        expect(`${text} of ${JSON.stringify(each)}: ${found}`).toBe(
          `${text} of ${JSON.stringify(each)}: ${walk(tree, each)}`,
        )
      }
    }),
    { numRuns: 3000 },
  )
  // Most refusals are of operands that cannot be compared; enough must be left.
  expect(taken).toBeGreaterThan(300)
})

function walk(tree: Node, each: Record<string, string>): string {
  try {
    const value = evaluate(tree, new Map(Object.entries(each)))
    return value === null ? 'n' : value === true ? 'T' : 'F'
  } catch (error) {
    if (error instanceof Broken) return 'E'
    throw error
  }
}

test('property: any text is taken or refused, never anything else, and quickly', () => {
  const word = fc.constantFrom(
    'NOT',
    '(',
    ')',
    '+',
    '-',
    'a',
    '1',
    "'x'",
    'AND',
    'IN',
    ',',
    '=',
    'BETWEEN',
    'IS',
    'NULL',
    '.',
    '/',
    "'",
    '--',
    '/*',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(word, { maxLength: 40 }).map((words) => words.join(' ')),
      ),
      (text) => {
        faultOf(text)
      },
    ),
    { numRuns: 3000 },
  )
})

test('property: any bytes of properties are answered', () => {
  const filters = [
    'a = 1',
    'a > 1.5',
    'a = b',
    "a = 'ü'",
    'a = TRUE',
    'a > b',
    'a = 9223372036854775807',
    "a IN ('x')",
  ].map((text) => compileFilter(text))
  const bytes = fc.array(fc.oneof(fc.constantFrom(1, 2, 0x61, 0x62, 0x31, 0xc3, 0xff), fc.nat(255)), { maxLength: 60 })
  fc.assert(
    fc.property(bytes, (list) => {
      for (const filter of filters) expect(LETTERS).toContain(outcome(filter, Buffer.from(list)))
    }),
  )
})

describe('the bytes of properties', () => {
  const isOne = compileFilter("a = '1'")
  const isThere = compileFilter('a IS NOT NULL')

  test.each([
    ['a\u00011', true],
    ['b\u0001a\u00011', false],
    ['aa\u00011', false],
    ['A\u00011', false],
    ['b\u0001x\u0002a\u00011', true],
    ['\u0002a\u00011\u0002', true],
    ['a\u00012\u0002a\u00011', true],
    ['a\u00011\u0002a\u00012', false],
    ['a\u00011\u0002a\u0001', true],
    ['a\u00011\u0001', false],
    ['\u00011\u0002a\u00011', true],
    ['b\u0001x\u0002a\u00011\u0002c', true],
  ])('%j: the last whole pair of a name counts', (text, expected) => {
    const bytes = Buffer.from(text)
    expect(isOne.matches(bytes, 0, bytes.length)).toBe(expected)
  })

  test.each(['a', 'a\u0001', 'a\u0001\u0002b\u0001x', ''])('%j: a pair without a value is none', (text) => {
    const bytes = Buffer.from(text)
    expect(isThere.matches(bytes, 0, bytes.length)).toBe(false)
  })

  test('are looked at within their limits only', () => {
    const bytes = Buffer.from('a\u00012\u0002a\u00011\u0002a\u00013')
    expect(isOne.matches(bytes, 4, 7)).toBe(true)
    expect(isOne.matches(bytes, 4, 6)).toBe(false)
    expect(isOne.matches(bytes, 0, 3)).toBe(false)
  })

  test('that are no UTF-8 read as replacement characters, as in Java', () => {
    const bytes = Buffer.from([0x61, 1, 0xff, 2, 0x62, 1, 0xfe])
    expect(compileFilter("a = '\ufffd'").matches(bytes, 0, bytes.length)).toBe(true)
    expect(compileFilter('a = b').matches(bytes, 0, bytes.length)).toBe(true)
    expect(compileFilter("a = '\ud800'").matches(bytes, 0, bytes.length)).toBe(false)
  })
})

describe('hostile expressions', () => {
  const deep = (text: string, times: number) => text.repeat(times)

  test.each([
    ['parentheses', `${deep('(', 20_000)}a${deep(')', 20_000)}`],
    ['NOT', `${deep('NOT ', 16_000)}a`],
    ['minus', `${deep('- ', 30_000)}1 = 1`],
    ['plus', `${deep('+ ', 30_000)}1 = 1`],
    ['=', `a${deep(' = a', 16_000)}`],
    ['IS NULL', `a${deep(' IS NULL', 8_000)}`],
    ['plus and parenthesis', `${deep('+(', 20_000)}a`],
  ])('%s in each other beyond measure are refused', (_, expression) => {
    expect(faultOf(expression)).toMatch(/nested deeper than|in each other/)
  })

  test('what a tool makes is taken: a thousand ORs, an IN of thousands, two hundred parentheses', () => {
    const bytes = properties([['a', '999']])
    const matches = (expression: string) => compileFilter(expression).matches(bytes, 0, bytes.length)
    expect(matches(Array.from({ length: 1000 }, (_, i) => `a = ${i}`).join(' OR '))).toBe(true)
    expect(matches(`a IN (${Array.from({ length: 5000 }, (_, i) => `'${i}'`).join(',')})`)).toBe(true)
    expect(matches(`${deep('(', 200)}a = 999${deep(')', 200)}`)).toBe(true)
    expect(matches(`${deep('(b = 1 OR ', 200)}a = 999${deep(')', 200)}`)).toBe(true)
  })

  test('what stands behind a whole expression is ignored, as in RocketMQ, and known', () => {
    expect(compileFilter("a LIKE 'x%'").ignored).toBe("LIKE 'x%'")
    expect(compileFilter('a = 1)').ignored).toBe(')')
    expect(compileFilter(' a = 1 -- so it is\n /* and so on */').ignored).toBe('')
    expect(compileFilter(' a = 1 ').ignored).toBe('')
  })
})

test('the outcomes have the numbers that tests rely on', () => {
  expect(OUTCOME).toEqual({ false: 0, true: 1, null: 2, broken: 3 })
})

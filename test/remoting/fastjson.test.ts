import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse, stringify } from '../../src/remoting/fastjson.ts'
import { decodeCommand } from '../../src/remoting/frame.ts'
import { framesOf, SCENARIOS } from './vectors.ts'

test('integer keys without quotes become texts, quoted ones too', () => {
  expect(parse('{"offsetTable":{"T@G":{0:5,"1":7}}}')).toEqual({ offsetTable: { 'T@G': { 0: 5, 1: 7 } } })
})

test('objects as keys become a Map, and are written with braces again', () => {
  const text = '{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:{"maxOffset":5}}}'
  expect(parse(text)).toEqual({
    offsetTable: new Map([[{ brokerName: 'b', queueId: 0, topic: 'T' }, { maxOffset: 5 }]]),
  })
  expect(stringify(parse(text))).toBe(text)
})

test('a long that a number does not hold is a bigint, both ways', () => {
  expect(parse('{"a":9223372036854775807,"b":-9223372036854775808,"c":9007199254740991}')).toEqual({
    a: 9223372036854775807n,
    b: -9223372036854775808n,
    c: 9007199254740991,
  })
  expect(stringify({ a: 9223372036854775807n })).toBe('{"a":9223372036854775807}')
})

test('what fastjson takes beyond JSON is taken', () => {
  expect(parse(`{name:'it\\'s', 'b' : [1.5e3 ,true,null] , "c":"a\u0001b"}`)).toEqual({
    name: "it's",
    b: [1500, true, null],
    c: 'a\u0001b',
  })
})

test('members that are null or undefined are left out, empty lists and maps are written', () => {
  expect(stringify({ a: null, b: undefined, c: [], d: {}, e: new Map(), f: [null] })).toBe(
    '{"c":[],"d":{},"e":{},"f":[null]}',
  )
  expect(stringify(new Map([[0, 'x']]))).toBe('{0:"x"}')
})

test.each([
  '',
  '{',
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":1,',
  '[1',
  '"x',
  '{1}',
  '[1 2]',
  '{"a":1}x',
  'nul',
  '01x',
  '{:1}',
  '}',
])('%j is an error that says where', (text) => {
  expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'BAD_JSON' }))
})

test('nesting without end is an error, not a crash', () => {
  expect(() => parse(`${'{0:'.repeat(100_000)}`)).toThrow(expect.objectContaining({ code: 'BAD_JSON' }))
})

test('a member named __proto__ is only a member', () => {
  const it = parse('{0:1,"__proto__":{"polluted":1}}') as Record<string, unknown>
  expect(Object.keys(it)).toEqual(['0', '__proto__'])
  expect((it as { polluted?: number }).polluted).toBeUndefined()
})

test('any JSON is read as JSON.parse reads it, through the parser of the dialect too', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), (text) => {
      const unquoted = `{0:${text},1:1234567890123456}`
      const expected = JSON.parse(text, (_, value) => (Object.is(value, -0) ? 0 : value))
      const zero = (value: unknown): unknown =>
        JSON.parse(JSON.stringify(value, (_, it) => (typeof it === 'bigint' ? Number(it) : it)))
      expect(zero((parse(unquoted) as Record<string, unknown>)[0])).toEqual(expected)
    }),
  )
})

test('any value comes back', () => {
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      fc.string(),
      fc.integer(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
      fc.boolean(),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 3, noNullPrototype: true }),
      fc
        .array(fc.tuple(fc.record({ topic: fc.string(), queueId: fc.nat() }), tie('value')), {
          minLength: 1,
          maxLength: 3,
        })
        .map((it) => new Map(it)),
    ),
  })).value
  fc.assert(
    fc.property(value, (it) => {
      expect(parse(stringify(it as never))).toEqual(it)
    }),
  )
})

test('every body of JSON that Java sent is read, and read again as we write it', () => {
  let count = 0
  for (const scenario of SCENARIOS) {
    for (const { bytes } of framesOf(scenario)) {
      const body = decodeCommand(bytes).body
      if (body === undefined || (body[0] !== 0x7b && body[0] !== 0x5b)) continue
      const value = parse(body)
      expect(parse(stringify(value))).toEqual(value)
      count++
    }
  }
  expect(count).toBeGreaterThan(200)
})

/** Properties text: read as RocketMQ reads it, edited without losing a pair. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { propertyOf, withoutProperty, withProperties, withProperty } from '../../../src/broker/put/property-text.ts'
import { parseProperties } from '../../../src/store/commitlog/properties.ts'

const A = '\u0001'
const B = '\u0002'

describe('a property is read', () => {
  test.each([
    ['', 'TAGS', undefined],
    [`TAGS${A}A`, 'TAGS', 'A'],
    [`TAGS${A}A${B}`, 'TAGS', 'A'],
    [`XTAGS${A}A${B}TAGS${A}B`, 'TAGS', 'B'],
    [`TAGS${A}A${B}TAGS${A}B`, 'TAGS', 'B'],
    [`TAGS${A}A${B}TAGS${A}`, 'TAGS', 'A'],
    [`TAGS${A}${B}K${A}v`, 'TAGS', undefined],
    [`TAGS${B}K${A}v`, 'TAGS', undefined],
    [`K${A}a${A}b`, 'K', `a${A}b`],
  ])('%j %s is %j', (text, name, value) => {
    expect(propertyOf(text, name)).toBe(value)
  })
})

test('an edit keeps the other pairs in their order', () => {
  const text = `KEYS${A}k${B}DELAY${A}3${B}TAGS${A}A`
  expect(withProperty(text, 'DELAY', '4')).toBe(`KEYS${A}k${B}DELAY${A}4${B}TAGS${A}A`)
  expect(withProperty(text, 'REAL_TOPIC', 'T')).toBe(`${text}${B}REAL_TOPIC${A}T`)
  expect(withoutProperty(text, 'DELAY')).toBe(`KEYS${A}k${B}TAGS${A}A`)
  expect(withoutProperty(text, 'WAIT')).toBe(text)
})

test.each([
  ['', 'v'],
  [`a${A}`, 'v'],
  [`a${B}`, 'v'],
  ['a', ''],
  ['a', `v${B}`],
])('name %j with value %j cannot be written', (name, value) => {
  expect(() => withProperty('', name, value)).toThrow('a property has a name and a value')
})

const name = fc.constantFrom('TAGS', 'KEYS', 'DELAY', 'REAL_TOPIC', 'ä', 'x y')
const value = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !text.includes(B))
/** Whatever a client may send. */
const anyText = fc.oneof(
  fc.string({ unit: fc.constantFrom(A, B, 'T', 'AGS', 'x', 'ü'), maxLength: 30 }),
  fc.array(fc.tuple(name, value), { maxLength: 8 }).map((pairs) => pairs.map((pair) => pair.join(A)).join(B)),
)

test('property: an edited text is the edited map', () => {
  fc.assert(
    fc.property(anyText, fc.dictionary(name, fc.option(value, { nil: undefined })), (text, changes) => {
      const model = parseProperties(text)
      for (const [key, to] of Object.entries(changes)) {
        if (to === undefined) model.delete(key)
        else model.set(key, to)
      }
      const edited = withProperties(text, changes)
      expect(parseProperties(edited)).toEqual(model)
      for (const key of ['TAGS', 'KEYS', 'DELAY', 'REAL_TOPIC', 'ä', 'x y']) {
        expect(propertyOf(edited, key)).toBe(model.get(key))
        expect(propertyOf(text, key)).toBe(parseProperties(text).get(key))
      }
    }),
  )
})

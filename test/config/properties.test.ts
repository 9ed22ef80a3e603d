import { describe, expect, test } from 'vitest'
import { decodeText, formatProperties, parseProperties } from '../../src/config/index.ts'
import { fc, test as property } from './property.ts'

const pairs = (text: string) => parseProperties(text).map(({ key, value }) => [key, value])

// Each expected value was read by java.util.Properties of Java 17; 40,000 random texts were compared besides.
const AS_JAVA: [string, [string, string][]][] = [
  ['a=b', [['a', 'b']]],
  ['a:b', [['a', 'b']]],
  ['a b', [['a', 'b']]],
  ['  a \t=\f b c ', [['a', 'b c ']]],
  ['a = = b', [['a', '= b']]],
  ['a', [['a', '']]],
  ['a=', [['a', '']]],
  ['=b', [['', 'b']]],
  ['# a=b\n  ! c=d\n\n \t\ne=f', [['e', 'f']]],
  [
    'a=b\r\nc=d\re=f\n',
    [
      ['a', 'b'],
      ['c', 'd'],
      ['e', 'f'],
    ],
  ],
  ['a=b\\\n   c', [['a', 'bc']]],
  ['a=b\\\r\n # no comment', [['a', 'b# no comment']]],
  [
    'a=b\\\\\nc=d',
    [
      ['a', 'b\\'],
      ['c', 'd'],
    ],
  ],
  ['# comment \\\na=b', [['a', 'b']]],
  [
    'a=b\\\n\nc=d',
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  ],
  ['a\\ b\\:c\\=d=e', [['a b:c=d', 'e']]],
  ['a=\\t\\n\\r\\f\\\\\\q\\"', [['a', '\t\n\r\f\\q"']]],
  ['a=\\u00e9\\u4F60', [['a', 'é你']]],
  ['a=C:\\\\data', [['a', 'C:\\data']]],
  ['\\\n#c\na=b', [['a', 'b']]],
  ['a=b\\', [['a', 'b']]],
]

describe('a properties file', () => {
  test.each(AS_JAVA)('%j is read as by Java', (text, expected) => {
    expect(pairs(text)).toEqual(expected)
  })

  test('gives each key the line on which it starts', () => {
    const lines = parseProperties('# one\na=b\\\n  c\n\nd=e').map(({ key, line }) => [key, line])
    expect(lines).toEqual([
      ['a', 2],
      ['d', 5],
    ])
  })

  test('with half an escape is refused with its place', () => {
    expect(() => parseProperties('a=b\nfolder=C:\\users', 'broker.conf')).toThrow(
      expect.objectContaining({ name: 'ConfigError', code: 'BAD_ESCAPE', where: 'broker.conf:2' }),
    )
  })

  test('is UTF-8, or ISO-8859-1 where it is not', () => {
    expect(decodeText(Buffer.from('a=é', 'utf8'))).toBe('a=é')
    expect(decodeText(Buffer.from('a=é', 'latin1'))).toBe('a=é')
  })

  property(
    'that was formatted is read back as it was',
    [fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })))],
    (entries) => {
      const text = formatProperties(entries)
      expect(pairs(text)).toEqual(entries)
      expect(text).toMatch(/^[\n -~]*$/)
    },
  )
})

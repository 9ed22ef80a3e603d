/** The scan over stored bytes, against the plain way through strings and maps. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { javaHash, parseProperties } from '../../../src/store/commitlog/index.ts'
import { indexHash, PropertyScan } from '../../../src/store/dispatch/index.ts'

function expected(topic: string, text: string) {
  const properties = parseProperties(text)
  const keys = [properties.get('UNIQ_KEY') ?? '', ...(properties.get('KEYS') ?? '').split(' ')].filter(
    (key) => key !== '',
  )
  return {
    tags: javaHash(properties.get('TAGS') ?? ''),
    keys: keys.map((key) => indexHash(javaHash(`${topic}#${key}`))),
  }
}

const scan = new PropertyScan()

function scanned(topic: string, text: string, offset = 0) {
  const bytes = Buffer.concat([Buffer.alloc(offset, 2), Buffer.from(text), Buffer.from('TAGS\u0001beyond')])
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  scan.scan(bytes, view, offset, offset + Buffer.byteLength(text), javaHash(`${topic}#`))
  return { tags: scan.tagsHash, keys: [...scan.keyHashes.subarray(0, scan.keyCount)] }
}

const name = fc.constantFrom(
  'TAGS',
  'KEYS',
  'UNIQ_KEY',
  'DELAY',
  'TAG',
  'TAGSX',
  'KEY',
  'UNIQ_KEYS',
  'UNIQ',
  'D',
  '',
  'CLUSTER',
)
const value = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'Z', '0', ' ', '\u0001', 'é', '☃', '😀'), maxLength: 24 }),
  fc.stringMatching(/^[A-F0-9]{0,56}$/),
)
const pair = fc
  .tuple(name, fc.constantFrom('\u0001', '\u0001', '\u0001', '', '\u0001\u0001'), value)
  .map((parts) => parts.join(''))

test('any text of properties gives the same tag and keys as its pairs do', () => {
  fc.assert(
    fc.property(
      fc.array(pair, { maxLength: 8 }),
      fc.boolean(),
      fc.nat(5),
      fc.constantFrom('T', 'Größe'),
      (pairs, ends, offset, topic) => {
        const text = pairs.join('\u0002') + (ends ? '\u0002' : '')
        expect(scanned(topic, text, offset)).toEqual(expected(topic, text))
      },
    ),
    { numRuns: 2000 },
  )
})

test('a key whose hash is the smallest integer counts as 0, as in Java', () => {
  expect(indexHash(-(2 ** 31))).toBe(0)
  expect([indexHash(-1), indexHash(5), indexHash(0)]).toEqual([1, 5, 0])
})

test('more keys than one expects find room', () => {
  const text = `KEYS\u0001${Array.from({ length: 100 }, (_, index) => `key${index}`).join(' ')}`
  expect(scanned('T', text)).toEqual(expected('T', text))
})

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  formatProperties,
  inJavaOrder,
  javaHash,
  javaHashOfBytes,
  javaHashOfString,
  parseProperties,
} from '../../../src/store/commitlog/index.ts'

const decoded = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../vectors/rocketmq-4.9.8/store/decoded/${name}`, import.meta.url)), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((s) => !s.includes('\u0001') && !s.includes('\u0002'))
const pairs = fc.uniqueArray(fc.tuple(text, text), { selector: (pair) => pair[0], maxLength: 20 })

test('properties come back as they were joined, with or without a trailing separator', () => {
  fc.assert(
    fc.property(pairs, fc.boolean(), (list, trailing) => {
      const joined = formatProperties(list) + (trailing && list.length > 0 ? '\u0002' : '')
      expect([...parseProperties(joined)]).toEqual(list)
    }),
  )
})

test('parsing takes any text and drops what is no pair', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'b', '\u0001', '\u0002') }), (any) => {
      for (const [name, value] of parseProperties(any)) {
        expect(name.length).toBeGreaterThan(0)
        expect(value.length).toBeGreaterThan(0)
      }
    }),
  )
})

test.each([
  ['', {}],
  ['a\u0001', {}],
  ['\u0001b', {}],
  ['ab', {}],
  ['a\u0001b', { a: 'b' }],
  ['a\u0001b\u0002', { a: 'b' }],
  ['a\u0001b\u0001c', { a: 'b\u0001c' }],
  ['a\u0001b\u0002\u0002c\u0001d', { a: 'b', c: 'd' }],
  ['a\u0001b\u0002a\u0001c', { a: 'c' }],
  ['noValue\u0002c\u0001d', { c: 'd' }],
])('%j is parsed as RocketMQ 4.9.8 does', (joined, expected) => {
  expect(Object.fromEntries(parseProperties(joined))).toEqual(expected)
})

test('pairs without a value are not written', () => {
  expect(
    formatProperties([
      ['a', '1'],
      ['b', undefined],
      ['c', '3'],
    ]),
  ).toBe('a\u00011\u0002c\u00013')
})

test('the order in which a 4.9.8 broker wrote the properties of its records is found again', () => {
  for (const { magic, properties } of decoded('records.jsonl')) {
    if (magic !== 'daa320a7' || properties === '') continue
    const map = parseProperties(properties)
    // Only where the broker encoded the whole text anew; batch items keep the text of the client.
    if (!map.has('CLUSTER') || map.has('WAIT')) continue
    expect(formatProperties(inJavaOrder(map, javaHash))).toBe(properties)
  }
})

test('the tags codes of all recorded ConsumeQueue units are hashes of their tags', () => {
  const tags = new Map(
    decoded('records.jsonl')
      .filter((r) => r.magic === 'daa320a7')
      .map((r) => [r.at, parseProperties(r.properties).get('TAGS')]),
  )
  let compared = 0
  for (const unit of decoded('consumequeue.jsonl')) {
    if (unit.topic === 'SCHEDULE_TOPIC_XXXX') continue
    const tag = tags.get(unit.commitLogOffset)
    expect(String(tag === undefined ? 0 : javaHash(tag))).toBe(unit.tagsCode)
    compared += 1
  }
  expect(compared).toBeGreaterThan(700)
})

test('hashes of bytes, of text and of text in two parts are the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), (a, b) => {
      const both = Buffer.from(a + b)
      // Lone surrogates do not survive UTF-8: compare what Java would decode.
      const sent = both.toString()
      expect(javaHash(both)).toBe(javaHash(sent))
      expect(javaHashOfString(b, javaHash(a))).toBe(javaHash(a + b))
      const padded = Buffer.concat([Buffer.from('xx'), both, Buffer.from('y')])
      expect(javaHashOfBytes(padded, 2, 2 + both.length, 0)).toBe(javaHash(sent))
    }),
  )
})

test.each([
  ['', 0],
  ['TagA', 2598919],
  ['AaAa', 2031744],
  ['BBBB', 2031744],
  ['polygenelubricants', -2147483648],
  ['\u00e9\u4e2d\ud83d\ude00', 27946695],
])('Java says hashCode of %j is %i', (word, hash) => {
  expect(javaHash(word)).toBe(hash)
  expect(javaHash(Buffer.from(word))).toBe(hash)
})

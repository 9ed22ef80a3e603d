import { expect, test } from 'vitest'
import { bool, decodeHeader, encodeHeader, i32, i64, named, optional, schema, text } from '../../src/remoting/schema.ts'

const IT = schema(310, {
  topic: named('b', text),
  queueId: i32,
  bornTimestamp: i64,
  unitMode: optional(bool, false),
  max: optional(i32),
})

test('a header is read by its wire names, with fallbacks for what is absent', () => {
  expect(decodeHeader(IT, { b: 'T', queueId: '-1', bornTimestamp: '1795426768209' })).toEqual({
    topic: 'T',
    queueId: -1,
    bornTimestamp: 1795426768209,
    unitMode: false,
    max: undefined,
  })
})

test('a header is written as text, without what is undefined', () => {
  expect(encodeHeader(IT, { topic: 'T', queueId: 3, bornTimestamp: 5, unitMode: true })).toEqual({
    b: 'T',
    queueId: '3',
    bornTimestamp: '5',
    unitMode: 'true',
  })
})

test('a missing field and a wrong value are errors that name the field', () => {
  expect(() => decodeHeader(IT, { b: 'T', bornTimestamp: '0' })).toThrow('queueId')
  expect(() => decodeHeader(IT, undefined)).toThrow('topic')
  for (const bad of ['', 'x', '1.5', '1e3', '0x10', '2147483648', '-2147483649']) {
    expect(() => decodeHeader(IT, { b: 'T', queueId: bad, bornTimestamp: '0' }), bad).toThrow('queueId')
  }
  expect(() => decodeHeader(IT, { b: 'T', queueId: '0', bornTimestamp: '9300000000000000000' })).toThrow(
    'bornTimestamp',
  )
})

test('the bounds of Java long pass both ways', () => {
  const time = schema(12, { begin: i64, end: i64 })
  const ext = { begin: '-9223372036854775808', end: '9223372036854775807' }
  expect(encodeHeader(time, decodeHeader(time, ext))).toEqual(ext)
})

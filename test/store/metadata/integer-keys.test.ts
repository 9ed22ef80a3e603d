import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quoteIntegerKeys } from '../../../src/store/metadata/integer-keys.ts'
import { recordedStore } from '../scratch.ts'

describe('integer keys as fastjson prints them', () => {
  test.each([
    ['{0:1}', '{"0":1}'],
    ['{"a":{0:4,1:7,-2:3}}', '{"a":{"0":4,"1":7,"-2":3}}'],
    ['{ 0 : 1 ,\n\t\t12:{3:4}}', '{ "0" : 1 ,\n\t\t"12":{"3":4}}'],
    ['{"text":"{0:1,2:3}"}', '{"text":"{0:1,2:3}"}'],
    ['{"quote":"\\"{0:1}"}', '{"quote":"\\"{0:1}"}'],
    ['[1,2,3]', '[1,2,3]'],
    ['{"a":[1,{2:[3,4]}]}', '{"a":[1,{"2":[3,4]}]}'],
    ['{', '{'],
    ['{-:1}', '{-:1}'],
    ['{"open', '{"open'],
    ['{0', '{0'],
    ['', ''],
  ])('%s becomes %s', (text, expected) => {
    expect(quoteIntegerKeys(text)).toBe(expected)
  })

  test('strict JSON stays as it is, byte for byte', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(quoteIntegerKeys(text)).toBe(text)
      }),
    )
  })

  test('a table printed with bare integer keys reads back as the table', () => {
    const table = fc.dictionary(fc.string(), fc.dictionary(fc.integer().map(String), fc.nat()))
    fc.assert(
      fc.property(table, (value) => {
        const bare = Object.entries(value).map(
          ([key, inner]) =>
            `${JSON.stringify(key)}:{${Object.entries(inner).map(([number, item]) => `${number}:${item}`)}}`,
        )
        expect(JSON.parse(quoteIntegerKeys(`{${bare}}`))).toEqual(value)
      }),
    )
  })
})

test.each(['clean', 'unclean'] as const)('every JSON file of the recorded %s store can be parsed', (kind) => {
  const folder = join(recordedStore(kind), 'config')
  const names = readdirSync(folder)
  expect(names).toContain('consumerOffset.json')
  for (const name of names) {
    expect(JSON.parse(quoteIntegerKeys(readFileSync(join(folder, name), 'utf8')))).toBeTypeOf('object')
  }
  const offsets = JSON.parse(quoteIntegerKeys(readFileSync(join(folder, 'consumerOffset.json'), 'utf8')))
  expect(offsets.offsetTable['OracleTopic@OracleGroup']).toEqual({ 0: 4, 1: 7, 2: 3, 3: 4 })
})

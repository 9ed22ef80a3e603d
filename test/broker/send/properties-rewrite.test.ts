import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clusterPair, growthOf, rewriteProperties } from '../../../src/broker/send/properties-rewrite.ts'
import { SendFields } from '../../../src/remoting/hot/index.ts'

const PAIR = clusterPair('DefaultCluster')
const CLUSTER = 'CLUSTER\u0001DefaultCluster'

function rewrite(text: string, keepWait = false) {
  const fields = new SendFields()
  fields.properties = Buffer.alloc(Buffer.byteLength(text) + growthOf(PAIR), 0xee)
  fields.propertiesLength = fields.properties.write(text)
  fields.findSeparators()
  const out = { length: 0, waits: false, hasWait: true, delayLevel: 9, isHalf: true }
  rewriteProperties(fields, PAIR, keepWait, out)
  return {
    text: fields.properties.toString('utf8', 0, out.length),
    waits: out.waits,
    hasWait: out.hasWait,
    delayLevel: out.delayLevel,
    isHalf: out.isHalf,
  }
}

describe('properties of a send', () => {
  test.each([
    ['', CLUSTER],
    ['TAGS\u0001A', `TAGS\u0001A\u0002${CLUSTER}`],
    ['TAGS\u0001A\u0002', `TAGS\u0001A\u0002${CLUSTER}`],
    ['WAIT\u0001true\u0002TAGS\u0001A', `TAGS\u0001A\u0002${CLUSTER}`],
    ['KEYS\u0001k\u0002WAIT\u0001true\u0002TAGS\u0001A', `KEYS\u0001k\u0002TAGS\u0001A\u0002${CLUSTER}`],
    ['CLUSTER\u0001other\u0002TAGS\u0001A', `TAGS\u0001A\u0002${CLUSTER}`],
    ['\u0001empty name\u0002empty value\u0001\u0002no value\u0002TAGS\u0001A', `TAGS\u0001A\u0002${CLUSTER}`],
  ])('%j is stored as %j', (sent, stored) => {
    expect(rewrite(sent).text).toBe(stored)
  })

  test.each([
    ['true', true],
    ['TRUE', true],
    ['tRuE', true],
    ['false', false],
    ['1', false],
    ['true ', false],
    ['trUx', false],
  ])('WAIT and TRAN_MSG are Java booleans: %j is %j', (value, expected) => {
    expect(rewrite(`WAIT\u0001${value}`).waits).toBe(expected)
    expect(rewrite(`TRAN_MSG\u0001${value}`).isHalf).toBe(expected)
  })

  test('without WAIT a send waits; a batch keeps the property', () => {
    expect(rewrite('TAGS\u0001A').waits).toBe(true)
    expect(rewrite('WAIT\u0001false', true)).toMatchObject({
      hasWait: true,
      text: `WAIT\u0001false\u0002${CLUSTER}`,
      waits: false,
    })
  })

  test('any pairs: those that are whole stay, in their order, with CLUSTER behind them', () => {
    const name = fc.constantFrom('', 'A', 'TAGS', 'KEYS', 'WAIT', 'CLUSTER', 'WAITS', 'DELAYED', 'größe')
    const value = fc.string({ maxLength: 40 }).map((text) => text.replaceAll('\u0001', '').replaceAll('\u0002', ''))
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), fc.boolean(), (pairs, closed) => {
        const text = pairs.map(([n, v]) => `${n}\u0001${v}`).join('\u0002') + (closed ? '\u0002' : '')
        const kept = pairs.filter(([n, v]) => n !== '' && v !== '' && n !== 'WAIT' && n !== 'CLUSTER')
        const stored = [...kept.map(([n, v]) => `${n}\u0001${v}`), CLUSTER].join('\u0002')
        expect(rewrite(text).text).toBe(stored)
      }),
    )
  })
})

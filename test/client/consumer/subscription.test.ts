/** What a consumer wants of a topic, as the broker gets it and as the client filters once more. */
import { describe, expect, test } from 'vitest'
import { subscriptionOf, wantsTag } from '../../../src/client/consumer/subscription.ts'

describe('tags', () => {
  test('are parted by ||, trimmed, with the hash codes that Java gives them', () => {
    // The heartbeat of a Java client, spec/broker-requests.md §9.
    expect(subscriptionOf('T', 'TagA || TagB', 7)).toEqual({
      topic: 'T',
      expressionType: 'TAG',
      subString: 'TagA || TagB',
      tagsSet: ['TagA', 'TagB'],
      codeSet: [2598919, 2598920],
      subVersion: 7,
      classFilterMode: false,
    })
  })

  test.each(['*', '', ' ', ' * '])('%j is all', (text) => {
    const all = subscriptionOf('T', text, 0)
    expect([all.subString, all.tagsSet, all.codeSet]).toEqual(['*', [], []])
    expect([wantsTag(all, undefined), wantsTag(all, 'x')]).toEqual([true, true])
  })

  test('two tags with one hash code are told apart', () => {
    const one = subscriptionOf('T', 'Aa', 0)
    const both = subscriptionOf('T', 'Aa||BB', 0)
    expect(both.codeSet).toEqual(one.codeSet)
    expect([wantsTag(one, 'Aa'), wantsTag(one, 'BB'), wantsTag(one, undefined)]).toEqual([true, false, false])
    expect(wantsTag(both, 'BB')).toBe(true)
  })

  test('an expression without a tag is refused with what to write', () => {
    expect(() => subscriptionOf('T', ' || ', 0)).toThrow(/names no tag.*"a \|\| b"/)
  })
})

describe('SQL92', () => {
  test('goes as it is, and is filtered by the broker alone', () => {
    const sql = subscriptionOf('T', { sql: "a > 1 AND b = 'x'" }, 3)
    expect([sql.expressionType, sql.subString, sql.tagsSet]).toEqual(['SQL92', "a > 1 AND b = 'x'", []])
    expect(wantsTag(sql, undefined)).toBe(true)
  })

  test('an empty one is refused', () => {
    expect(() => subscriptionOf('T', { sql: ' ' }, 0)).toThrow(/empty SQL92/)
  })
})

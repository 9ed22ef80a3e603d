/**
 * What a consumer wants of a topic: tags ("a || b", "*" for all) or an SQL92 expression, as the broker gets it in heartbeats.
 *
 * The broker filters tags by their hash codes only; whoever pulls compares the texts again (wantsTag), because two tags may share one.
 * Source: spec/broker-requests.md §7 "Filters", §9 (34); FilterAPI of Apache RocketMQ 4.9.
 */

import { javaHash } from '../../store/commitlog/java-hash.ts'
import { ClientError } from '../errors.ts'

export const ALL_TAGS = '*'

/** "TagA || TagB", "*", or { sql: "price > 10 AND region = 'eu'" }. */
export type SubscriptionExpression = string | { readonly sql: string } | { readonly tags: string }

export interface SubscriptionData {
  readonly topic: string
  readonly expressionType: 'TAG' | 'SQL92'
  readonly subString: string
  /** In the order in which they were named; empty: all. */
  readonly tagsSet: readonly string[]
  readonly codeSet: readonly number[]
  /** When it was made or its queues changed last: the broker takes the newer of two. */
  subVersion: number
  readonly classFilterMode: false
}

export function subscriptionOf(topic: string, expression: SubscriptionExpression, now: number): SubscriptionData {
  const parts: { sql?: unknown; tags?: unknown } =
    typeof expression === 'string' ? { tags: expression } : (expression ?? {})
  if (typeof parts.sql === 'string') {
    const subString = parts.sql.trim()
    if (subString === '') throw badExpression(topic, 'an empty SQL92 expression')
    return dataOf(topic, 'SQL92', subString, [], now)
  }
  if (typeof parts.tags !== 'string') throw badExpression(topic, String(expression))
  const text = parts.tags
  if (text.trim() === '' || text.trim() === ALL_TAGS) return dataOf(topic, 'TAG', ALL_TAGS, [], now)
  const tags = text
    .split('||')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
  if (tags.length === 0) throw badExpression(topic, `"${text}", which names no tag`)
  return dataOf(topic, 'TAG', text, [...new Set(tags)], now)
}

function dataOf(
  topic: string,
  expressionType: 'TAG' | 'SQL92',
  subString: string,
  tagsSet: string[],
  now: number,
): SubscriptionData {
  const codeSet = [...new Set(tagsSet.map(javaHash))]
  return { topic, expressionType, subString, tagsSet, codeSet, subVersion: now, classFilterMode: false }
}

/** The broker has compared hash codes; this compares the tag itself. */
export function wantsTag({ expressionType, tagsSet }: SubscriptionData, tag: string | undefined): boolean {
  if (expressionType !== 'TAG' || tagsSet.length === 0) return true
  return tag !== undefined && tagsSet.includes(tag)
}

function badExpression(topic: string, what: string): ClientError {
  return new ClientError('BAD_OPTION', {
    what: `the subscription of topic ${topic} is ${what}`,
    hint: 'give "*" for all, tags as "a || b", or { sql: "…" }',
  })
}

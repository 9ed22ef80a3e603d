/**
 * What a consumer group wants of a topic, as its clients said in their last heartbeat.
 *
 * The codes of the tags are computed here: clients other than Java leave codeSet out or fill it wrongly
 * (spec/broker-requests.md §9).
 */
import { javaHash } from '../../store/commitlog/java-hash.ts'

export const TAG = 'TAG'
export const ALL = '*'

export interface Subscription {
  readonly topic: string
  /** The expression as written: "*", "TagA || TagB", or SQL92 text. */
  readonly subString: string
  readonly tagsSet: readonly string[]
  /** String.hashCode of each tag; empty: everything matches (or the expression is not of type TAG). */
  readonly codeSet: ReadonlySet<number>
  /** Milliseconds when the client built it. */
  readonly subVersion: number
  readonly expressionType: string
  readonly classFilterMode: boolean
}

/** Bounds for what a peer may make us keep: a TAG expression of a real client has a handful of tags. */
export const TAGS_MAX = 1_000
export const EXPRESSION_LENGTH_MAX = 65_536

export function isTagType(expressionType: string | undefined | null): boolean {
  return expressionType === undefined || expressionType === null || expressionType === '' || expressionType === TAG
}

/** Tags of a TAG expression; none for "everything". Blank items are skipped. */
export function tagsOf(subString: string | undefined | null): string[] {
  if (subString === undefined || subString === null || subString === '' || subString === ALL) return []
  const tags = new Set<string>()
  for (const item of subString.split('||')) {
    const tag = item.trim()
    if (tag !== '') tags.add(tag)
  }
  return [...tags]
}

/** A subscription from its expression alone: for pulls that carry theirs in the header. */
export function subscriptionOf(
  topic: string,
  subString: string | undefined,
  subVersion: number,
  expressionType?: string,
): Subscription {
  const isTag = isTagType(expressionType)
  const tagsSet = isTag ? tagsOf(subString) : []
  return {
    topic,
    subString: subString === undefined || subString === '' ? ALL : subString,
    tagsSet,
    codeSet: new Set(tagsSet.map(javaHash)),
    subVersion,
    expressionType: isTag ? TAG : (expressionType as string),
    classFilterMode: false,
  }
}

/** SubscriptionData as fastjson writes it (203, 321, 345). */
export function subscriptionJson(subscription: Subscription) {
  const { classFilterMode, codeSet, expressionType, subString, subVersion, tagsSet, topic } = subscription
  return { classFilterMode, codeSet: [...codeSet], expressionType, subString, subVersion, tagsSet, topic }
}

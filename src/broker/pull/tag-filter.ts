/**
 * Tag expressions of pulls: `*`, or tags joined by `||`. The broker compares hash codes only; the client compares the text
 * again (spec/broker-requests.md §7 "Filters").
 */
import { javaHash } from '../../store/commitlog/java-hash.ts'

export interface TagFilter {
  /** True for `*`: every message matches. */
  readonly all: boolean
  /** Java hash codes of the tags, as int32. */
  readonly codes: readonly number[]
}

export const ALL_TAGS: TagFilter = { all: true, codes: [] }
const CACHE_COUNT_MAX = 1024

export class TagFilters {
  private readonly cache = new Map<string, TagFilter>()

  of(expression: string | undefined): TagFilter {
    if (expression === undefined || expression === '' || expression === '*') return ALL_TAGS
    const known = this.cache.get(expression)
    if (known !== undefined) return known
    if (this.cache.size >= CACHE_COUNT_MAX) this.cache.clear()
    const filter = parseTags(expression)
    this.cache.set(expression, filter)
    return filter
  }
}

/** An expression of nothing but separators matches nothing, as in RocketMQ. */
export function parseTags(expression: string): TagFilter {
  const tags = expression
    .split('||')
    .map((tag) => tag.trim())
    .filter((tag) => tag.length > 0)
  return { all: false, codes: [...new Set(tags.map((tag) => javaHash(tag)))] }
}

export function matches(filter: TagFilter, tagsCode: number): boolean {
  if (filter.all) return true
  for (let i = 0; i < filter.codes.length; i += 1) if (filter.codes[i] === tagsCode) return true
  return false
}

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

/** Nothing else is asked of the record; see PullFilter. */
export type TagsOnly = TagFilter & { readonly records: undefined }

export const ALL_TAGS: TagsOnly = { all: true, codes: [], records: undefined }
const CACHE_COUNT_MAX = 1024

export class TagFilters {
  private readonly cache = new Map<string, TagsOnly>()

  of(expression: string | undefined): TagsOnly {
    if (expression === undefined || expression === '' || expression === '*') return ALL_TAGS
    const known = this.cache.get(expression)
    if (known !== undefined) return known
    if (this.cache.size >= CACHE_COUNT_MAX) this.cache.clear()
    const filter = parseTags(expression)
    this.cache.set(expression, filter)
    return filter
  }
}

/** RocketMQ refuses a pull with such an expression; in a heartbeat it takes it, and nothing matches. */
export function isOnlySeparators(expression: string): boolean {
  return /^(?:\|\|)+$/.test(expression)
}

function parseTags(expression: string): TagsOnly {
  const tags = expression
    .split('||')
    .map((tag) => tag.trim())
    .filter((tag) => tag.length > 0)
  return { all: false, codes: [...new Set(tags.map((tag) => javaHash(tag)))], records: undefined }
}

export function matches(filter: TagFilter, tagsCode: number): boolean {
  if (filter.all) return true
  for (let i = 0; i < filter.codes.length; i += 1) if (filter.codes[i] === tagsCode) return true
  return false
}

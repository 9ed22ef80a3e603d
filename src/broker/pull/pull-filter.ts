/**
 * What a pull wants of its queue: by tags, which the ConsumeQueue's units hold, and by the properties of records where it
 * filters by SQL92.
 */
import type { FilterBits, RecordFilter } from '../../filter/index.ts'
import { matches, type TagFilter } from './tag-filter.ts'

export interface PullFilter extends TagFilter {
  readonly records: RecordTest | undefined
}

export interface RecordTest {
  readonly filter: RecordFilter
  /** Bits that a unit has where its message matched; see FilterData. */
  readonly bits: FilterBits | undefined
  readonly trustedFrom: number
}

/** The part of a stretch of units that filters look at. */
export interface FilteredUnits {
  physicalOffset(index: number): number
  /** Low half of tagsCode: the tag's hash. */
  tagsCodeLow(index: number): number
  /** False when the tag is in a ConsumeQueueExt unit that is lost: it may be any. */
  isTagsCodeKnown(index: number): boolean
  /** Whether the unit has a bit map, and one without these bits. */
  lacksBits(index: number, bits: FilterBits): boolean
}

/** Whether the unit's message may be wanted, by what the unit says. */
export function mayMatch(filter: PullFilter, units: FilteredUnits, index: number): boolean {
  if (!matches(filter, units.tagsCodeLow(index)) && units.isTagsCodeKnown(index)) return false
  return filter.records === undefined || mayPass(filter.records, units, index)
}

function mayPass({ bits, trustedFrom }: RecordTest, units: FilteredUnits, index: number): boolean {
  if (bits === undefined || units.physicalOffset(index) < trustedFrom) return true
  return !units.lacksBits(index, bits)
}

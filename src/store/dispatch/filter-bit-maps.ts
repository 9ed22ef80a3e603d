/**
 * Bit maps for ConsumeQueueExt: which of a topic's SQL92 filters a message passes (enableCalcFilterBitMap).
 *
 * Owns:      the filters as the network thread gave them last; all of them are exchanged at once, between two batches.
 * Invariant: a topic that somebody filters gets a map for each message, all zeros where none matches; others get none.
 * Source:    spec/store-format.md §4 "ConsumeQueueExt"; bits as in filter/bloom-filter.ts.
 */
import { compileFilter, type FilterBits, type SqlFilter, setBits } from '../../filter/index.ts'

export interface TopicFilter {
  readonly topic: string
  /** Compiles: the network thread has done so. */
  readonly expression: string
  readonly bits: FilterBits
}

interface Entry {
  readonly map: Uint8Array
  readonly filters: { readonly filter: SqlFilter; readonly bits: FilterBits }[]
}

export class FilterBitMaps {
  private byTopic = new Map<string, Entry>()

  set(filters: readonly TopicFilter[]): void {
    this.byTopic = new Map()
    for (const { topic, expression, bits } of filters) {
      let entry = this.byTopic.get(topic)
      if (entry === undefined) {
        entry = { map: new Uint8Array(bits.bitNum / 8), filters: [] }
        this.byTopic.set(topic, entry)
      }
      entry.filters.push({ filter: compileFilter(expression), bits })
    }
  }

  /** The message's map, valid until the next call. */
  of(
    topic: string,
    bytes: Uint8Array,
    { propertiesStart, propertiesLength }: { propertiesStart: number; propertiesLength: number },
  ): Uint8Array | undefined {
    if (this.byTopic.size === 0) return undefined
    const entry = this.byTopic.get(topic)
    if (entry === undefined) return undefined
    entry.map.fill(0)
    for (const { filter, bits } of entry.filters) {
      if (filter.matches(bytes, propertiesStart, propertiesStart + propertiesLength)) setBits(entry.map, bits)
    }
    return entry.map
  }
}

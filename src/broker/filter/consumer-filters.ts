/**
 * SQL92 filters that groups have said in their heartbeats: config/consumerFilter.json.
 *
 *   heartbeat ─▶ subscribed() ─▶ compiled once an expression ─▶ pulls without an expression of their own
 *   last member gone ─▶ gone(): dead, kept for filterDataCleanTimeSpan, alive again with the group
 *
 * Owns:      the table group → topic → filter, on the network thread.
 * Invariant: while a group is online its filters are those of its subscriptions that compile, no others are alive.
 * Blocks on: nothing. Written every 10 s and at the stop, when something changed.
 * Rules:     spec/broker-requests.md §7 "Filter data lifecycle"; details as observed on RocketMQ 4.9.7: an older subVersion
 *            changes nothing, a newer one with an expression that does not compile removes the filter (27). Other than there
 *            a group that comes back gets the filter it asks for even if its clock went back, and one that turned to tags
 *            loses its filter.
 */
import type { Clock } from '../../clock.ts'
import { BloomFilter, FilterError, RetryFilter, type SqlFilter } from '../../filter/index.ts'
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../store/metadata/index.ts'
import { isTagType, type Subscription } from '../groups/index.ts'
import { entriesOf, TableFile } from '../metadata.ts'
import { type FilterData, filterDataText, readFilterData, SQL92 } from './filter-data.ts'
import { filterOrFault } from './sql-filters.ts'

const FILE = 'consumerFilter.json'

export interface FilterSettings {
  readonly filterDataCleanTimeSpan: number
  readonly maxErrorRateOfBloomFilter: number
  readonly expectConsumerNumUseFilter: number
}

export class ConsumerFilters {
  /** Rises when an expression comes, changes or goes. */
  version = 0
  private readonly groups = new Map<string, Map<string, FilterData>>()
  private readonly retry = new Map<string, RetryFilter>()
  private readonly bloom: BloomFilter
  private readonly settings: FilterSettings
  private readonly clock: Clock
  private readonly log: Log
  private readonly file: TableFile
  private readonly listeners: (() => void)[] = []

  constructor(options: { settings: FilterSettings; store: MetadataStore; clock: Clock; log: Log }) {
    const { settings } = options
    this.settings = settings
    this.bloom = new BloomFilter(settings.maxErrorRateOfBloomFilter, settings.expectConsumerNumUseFilter)
    this.clock = options.clock
    this.log = options.log
    this.file = new TableFile(FILE, options.store, () => this.toText(), options.log)
  }

  /** Nobody is online yet: all that were alive died with the former process. */
  load(): void {
    for (const [topic, entry] of entriesOf(this.file.load()?.filterDataByTopic)) {
      const groups =
        typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>).groupFilterData : {}
      for (const [group, value] of entriesOf(groups)) {
        const read = readFilterData(value)
        const filter = filterOrFault(read?.expression ?? '')
        if (read === undefined || filter instanceof FilterError) {
          const why = read === undefined ? 'it is none of type SQL92' : (filter as FilterError).message
          this.log.error(`the filter of group ${group} on ${topic} in ${FILE} is left out: ${why}`)
          continue
        }
        const { bornTime, clientVersion } = read
        const deadTime = read.deadTime > 0 ? read.deadTime : Math.max(bornTime, this.clock.now())
        this.put(topic, group, filter, { bornTime, clientVersion, deadTime })
      }
    }
  }

  /** Called when an expression came, changed or went. */
  onChange(listener: () => void): void {
    this.listeners.push(listener)
  }

  get(topic: string, group: string): FilterData | undefined {
    return this.groups.get(group)?.get(topic)
  }

  *all(): IterableIterator<FilterData> {
    for (const topics of this.groups.values()) yield* topics.values()
  }

  /** Dispatch has taken the filters of a version and sets their bits from this place of the log on. */
  trust(version: number, position: number): void {
    for (const data of this.all()) {
      if (data.since <= version && data.trustedFrom > position) data.trustedFrom = position
    }
  }

  /** Filters for messages of the group's retry topic. */
  retryFilter(group: string): RetryFilter {
    let known = this.retry.get(group)
    if (known === undefined) {
      const byTopic = new Map<string, SqlFilter>()
      for (const [topic, data] of this.groups.get(group) ?? []) if (data.deadTime === 0) byTopic.set(topic, data.filter)
      known = new RetryFilter(byTopic)
      this.retry.set(group, known)
    }
    return known
  }

  /** The group is online with these subscriptions; each heartbeat says so again. */
  subscribed(group: string, subscriptions: Iterable<Subscription>): void {
    const wanted = new Set<string>()
    for (const subscription of subscriptions) {
      if (isTagType(subscription.expressionType)) continue
      wanted.add(subscription.topic)
      this.take(group, subscription)
    }
    this.kill(group, (topic) => !wanted.has(topic))
  }

  /** The group's last member is gone. */
  gone(group: string): void {
    this.kill(group, () => true)
  }

  /** Removes what has been dead for too long. */
  clean(): void {
    const before = this.clock.now() - this.settings.filterDataCleanTimeSpan
    for (const data of [...this.all()]) {
      if (data.deadTime > 0 && data.deadTime < before) this.remove(data.topic, data.group)
    }
  }

  flush(): Promise<void> {
    return this.file.flush()
  }

  private take(group: string, { topic, subString, subVersion, expressionType }: Subscription): void {
    const known = this.get(topic, group)
    const isCurrent = known !== undefined && known.deadTime === 0 && known.clientVersion >= subVersion
    if (isCurrent) return
    if (known !== undefined && known.filter.expression === subString && expressionType === SQL92) {
      known.clientVersion = subVersion
      known.deadTime = 0
      this.touched(group)
      return
    }
    const filter = expressionType === SQL92 ? filterOrFault(subString) : undefined
    if (filter === undefined || filter instanceof FilterError) {
      this.remove(topic, group)
      return
    }
    this.version += 1
    this.put(topic, group, filter, { bornTime: this.clock.now(), clientVersion: subVersion, deadTime: 0 })
    this.changed()
    this.log.info(`group ${group} filters ${topic} by ${subString}`, { group, topic, expression: subString })
    if (filter.ignored === '') return
    this.log.warn(
      `the filter of group ${group} on ${topic} ends before "${filter.ignored}": the rest is ignored, as RocketMQ 4.9 does; ` +
        'join conditions by AND or OR, and use only what SQL92 filters know',
      { group, topic, expression: subString },
    )
  }

  private put(
    topic: string,
    group: string,
    filter: SqlFilter,
    times: Pick<FilterData, 'bornTime' | 'clientVersion' | 'deadTime'>,
  ): void {
    const bits = this.bloom.bitsOf(group, topic)
    const data = { topic, group, filter, bits, ...times, since: this.version, trustedFrom: Number.POSITIVE_INFINITY }
    const topics = this.groups.get(group)
    if (topics === undefined) this.groups.set(group, new Map([[topic, data]]))
    else topics.set(topic, data)
    this.touched(group)
  }

  private remove(topic: string, group: string): void {
    const topics = this.groups.get(group)
    if (topics === undefined || !topics.delete(topic)) return
    if (topics.size === 0) this.groups.delete(group)
    this.version += 1
    this.touched(group)
    this.changed()
  }

  private kill(group: string, isMeant: (topic: string) => boolean): void {
    for (const data of this.groups.get(group)?.values() ?? []) {
      if (data.deadTime > 0 || !isMeant(data.topic)) continue
      data.deadTime = Math.max(1, this.clock.now())
      this.touched(group)
    }
  }

  private touched(group: string): void {
    this.retry.delete(group)
    this.file.touch()
  }

  private changed(): void {
    for (const listener of this.listeners) listener()
  }

  /** As fastjson writes it; RocketMQ's own broker reads it. */
  private toText(): string {
    const byTopic = new Map<string, FilterData[]>()
    for (const data of this.all()) byTopic.set(data.topic, [...(byTopic.get(data.topic) ?? []), data])
    const topics = [...byTopic].map(([topic, list]) => {
      const entries = list.map((data) => `${JSON.stringify(data.group)}:${filterDataText(data)}`)
      const inner = `"groupFilterData":{\n${indented(entries.join(',\n'))}\n},\n"topic":${JSON.stringify(topic)}`
      return `${JSON.stringify(topic)}:{\n${indented(inner)}\n}`
    })
    const inner = topics.length === 0 ? '' : `\n${indented(topics.join(',\n'), 2)}\n\t`
    return `{\n\t"filterDataByTopic":{${inner}}\n}\n`
  }
}

function indented(text: string, by = 1): string {
  return text.replace(/^/gm, '\t'.repeat(by))
}

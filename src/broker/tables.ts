/**
 * Everything that a broker knows beside its log: topics, groups, who is online, offsets, locks, counters.
 *
 * Owns:    the tables; those that live in config/*.json are loaded here and written through the engine.
 * Blocks:  on nothing but the first load.
 */
import type { Clock } from '../clock.ts'
import type { BrokerConfig } from '../config/index.ts'
import type { Log } from '../log.ts'
import type { Connection } from '../remoting/index.ts'
import type { Engine } from './engine.ts'
import { ConsumerFilters } from './filter/index.ts'
import { ConsumerManager, ProducerManager, QueueLocks, SubscriptionGroups } from './groups/index.ts'
import { ConsumerOffsets } from './offsets/index.ts'
import { BrokerStats } from './stats/index.ts'
import type { StoreView } from './store-view.ts'
import { DeletedTopics, TopicTable } from './topics/index.ts'

/** %RETRY%…, %DLQ%…: of one queue each. */
const OWN_TOPICS = '%'
/** A queue number beyond is more likely a damaged record's than a topic's that was lost. */
const RESTORED_QUEUES_MAX = 1024

export class Tables {
  readonly topics: TopicTable
  readonly deletedTopics: DeletedTopics
  readonly groups: SubscriptionGroups
  readonly consumers: ConsumerManager
  readonly producers: ProducerManager<Connection>
  readonly locks: QueueLocks
  readonly offsets: ConsumerOffsets
  readonly filters: ConsumerFilters
  readonly stats: BrokerStats

  /**
   * Loads what the store holds. Throws StoreError METADATA_DAMAGED. `steady`: who is alive and who holds a lock must not
   * depend on a system's time that is set.
   */
  constructor(engine: Engine, config: BrokerConfig, clock: Clock, steady: Clock, log: Log) {
    const common = { settings: config, store: engine.metadata, clock, log }
    this.topics = new TopicTable(common)
    this.deletedTopics = new DeletedTopics(common)
    this.groups = new SubscriptionGroups(common)
    this.filters = new ConsumerFilters(common)
    this.consumers = new ConsumerManager({ ...common, clock: steady, filters: this.filters })
    this.producers = new ProducerManager<Connection>({ ...common, clock: steady })
    this.locks = new QueueLocks(steady)
    this.offsets = new ConsumerOffsets(common)
    this.stats = new BrokerStats(clock)
    this.topics.load()
    this.groups.load()
    this.offsets.load()
    this.filters.load()
    const { control } = engine
    this.deletedTopics.load(control.load('retained'))
    this.topics.onDeletion((topic) => this.deletedTopics.add(topic, control.load('appended')))
  }

  /** The connection is gone, and with it the clients behind it. */
  disconnected(connection: Connection, reason: string): void {
    this.consumers.closed(connection, reason)
    this.producers.closed(connection, reason)
  }

  /** Removes who has been silent for too long. */
  scan(): void {
    this.consumers.scan()
    this.producers.scan()
    this.locks.scan()
  }

  retryFailedSaves(): void {
    this.topics.retryFailedSave()
    this.groups.retryFailedSave()
    this.deletedTopics.retryFailedSave()
  }

  /** Settled when all changes so far are on disk or could not be written. */
  async save(): Promise<void> {
    await Promise.all([this.offsets.flush(), this.filters.flush()])
    await Promise.allSettled([this.topics.saved(), this.groups.saved()])
  }

  /** Messages of its topics that the group has not committed yet. */
  lag(group: string, queueMax: (topic: string, queueId: number) => number): number {
    let behind = 0
    for (const topic of this.offsets.topicsOf(group)) {
      for (const [queueId, offset] of this.offsets.queryAll(group, topic) ?? []) {
        behind += Math.max(0, queueMax(topic, queueId) - offset)
      }
    }
    return behind
  }
}

/**
 * Topics whose queues hold messages and that topics.json has lost (or has not got yet: a broker was killed just after it had
 * created one): their consumers must find them, and their producers go on with the queues that they know of. `deleted`:
 * those that it lacks because they were deleted: their queues have to go once more. `since`: those whose messages end below are
 * not missing, but deleted, though not here. `isUndecided`: dispatch has not said yet what some queue holds.
 */
export function restoreTopics(
  { topics, deletedTopics }: Pick<Tables, 'topics' | 'deletedTopics'>,
  queueIds: Engine['queueIds'],
  view: Pick<StoreView, 'newestRecord'>,
  options: { log: Log; queueNumsMin: number; since?: number },
): { deleted: string[]; isUndecided: boolean } {
  const unknown = new Map<string, { queueNums: number; newest: number }>()
  for (const [queue, { topic, queueId }] of queueIds.all()) {
    if (topics.get(topic) !== undefined || topics.validateName(topic) !== undefined || topics.isSystem(topic)) continue
    const least = topic.startsWith(OWN_TOPICS) ? 1 : options.queueNumsMin
    const { queueNums, newest } = unknown.get(topic) ?? { queueNums: least, newest: 0 }
    const known = queueId < RESTORED_QUEUES_MAX ? queueId + 1 : 0
    unknown.set(topic, {
      queueNums: Math.max(queueNums, known),
      newest: Math.max(newest, view.newestRecord(queue)),
    })
  }
  const deleted: string[] = []
  let isUndecided = false
  for (const [topic, { queueNums, newest }] of unknown) {
    if (newest <= 0) isUndecided = true
    if (newest < (options.since ?? 0)) continue
    if (deletedTopics.covers(topic, newest)) {
      options.log.info(`topic ${topic} was deleted just before the last end: what was found of it is removed`)
      deleted.push(topic)
      continue
    }
    options.log.warn(`topic ${topic} has messages but no entry in topics.json: it is created with ${queueNums} queues`)
    topics.createInternal({ topic, queueNums, perm: 6 })
  }
  return { deleted, isUndecided }
}

/**
 * ConsumeQueues and index, built again from the log into a folder of their own: with the writers that dispatch has, from records
 * that verify has accepted, over damage. Nothing of the store is touched.
 *
 * A queue offset that does not follow the one before counts only if the next record of the queue goes on from it (no checksum covers
 * that number): forward is a loss, which becomes blank units; back to 0 is a topic that was deleted and made again, whose older
 * records no queue has.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { type RecordView, SYS_FLAG } from '../../store/commitlog/index.ts'
import { GAP_UNITS_MAX, QueueStore, QueueWriter } from '../../store/consumequeue/index.ts'
import { delayOf, PropertyScan, parseDelayLevels, type TopicEntry, TopicTable } from '../../store/dispatch/index.ts'
import { IndexWriter, indexFolder } from '../../store/index/index.ts'
import { FOLDERS } from '../../store/settings.ts'
import { logBounds } from '../log-end.ts'
import { LogWalk } from '../log-walk.ts'
import type { InspectedStore } from '../open-store.ts'

export interface RebuildOptions {
  store: InspectedStore
  /** Where the folders consumequeue/ and index/ are made. */
  into: string
  wantsQueue: (topic: string, queueId: number) => boolean
  wantsIndex: boolean
  /** Records behind are left out; the end of the log where it is undefined. */
  to: number | undefined
  /** Where the log ended when a topic was deleted: its older records are nobody's. */
  deletedBelow: ReadonlyMap<string, number>
  /** Bytes of the log that are done, of all. */
  onProgress?: ((done: number, total: number) => void) | undefined
}

export interface Rebuilt {
  /** By `topic/queueId`. */
  queues: Map<string, { topic: string; queueId: number; units: number; end: number; folder: string }>
  /** Files of the index, in order. */
  indexFiles: string[]
  /** Queue offsets that cannot be: such records are in no queue. */
  misplaced: number
}

interface Unit {
  queueOffset: number
  position: number
  size: number
  tagsHigh: number
  tagsLow: number
}

interface Build {
  topic: string
  queueId: number
  writer: QueueWriter | undefined
  next: number
  units: number
  /** A jump that the next record has to confirm. */
  open: Unit | undefined
}

const HIGH = 0x1_0000_0000
const PROGRESS_BYTES = 8 * 1024 * 1024

export function rebuild(options: RebuildOptions): Rebuilt {
  return new Rebuilder(options).run()
}

class Rebuilder {
  private readonly options: RebuildOptions
  private readonly queueStore: QueueStore
  private readonly index: IndexWriter | undefined
  private readonly topics = new TopicTable<Build>()
  private readonly builds: Build[] = []
  private readonly properties = new PropertyScan()
  private readonly delays: number[]
  private storeTime = 0
  private misplaced = 0

  constructor(options: RebuildOptions) {
    this.options = options
    const settings = { ...options.store.settings, storePathRootDir: options.into }
    this.queueStore = new QueueStore({ settings })
    // Files of the index are named by the time of their first record, as if they had been written then.
    const clock: Clock = { now: () => this.storeTime }
    this.index = options.wantsIndex ? new IndexWriter({ settings, clock }) : undefined
    this.delays = parseDelayLevels(options.store.settings.messageDelayLevel)
  }

  run(): Rebuilt {
    const { store, into, to, onProgress } = this.options
    const { settings, files } = store
    const segmentStarts = files.segments.map(({ start }) => start)
    const bounds = logBounds(store, false)
    const { min } = bounds
    const end = Math.min(bounds.end, to ?? bounds.end)
    try {
      using walk = new LogWalk({ settings, segmentStarts, from: min, limit: end })
      let told = min
      for (let step = walk.step(); step !== 'end'; step = walk.step()) {
        // What has its lengths has its unit, whatever became of its body: the broker that dispatched it could not see that.
        if (walk.isReadable) this.take(walk)
        if (walk.at - told < PROGRESS_BYTES) continue
        told = walk.at
        onProgress?.(walk.at - min, end - min)
      }
      for (const build of this.builds) this.settle(build)
    } finally {
      for (const { writer } of this.builds) writer?.close()
      this.index?.close()
      this.queueStore.close()
    }
    const queues: Rebuilt['queues'] = new Map()
    for (const { topic, queueId, writer, units } of this.builds) {
      if (writer === undefined || units === 0) continue
      const folder = join(into, FOLDERS.consumeQueue, topic, String(queueId))
      queues.set(`${topic}/${queueId}`, { topic, queueId, units, end: writer.end, folder })
    }
    const folder = indexFolder({ storePathRootDir: into })
    const indexFiles = existsSync(folder)
      ? readdirSync(folder)
          .sort()
          .map((name) => join(folder, name))
      : []
    return { queues, indexFiles, misplaced: this.misplaced }
  }

  private take({ record, recordAt: at, window }: LogWalk): void {
    const { bytes, view } = window
    const topic = this.topics.find(bytes, record.topicStart, record.topicLength)
    if (!topic.isUsable) return
    const transaction = record.sysFlag & SYS_FLAG.transactionMask
    const wantsKeys = this.index !== undefined && transaction !== SYS_FLAG.rollback
    const build = transaction === 0 || transaction === SYS_FLAG.commit ? this.buildOf(topic, record, at) : undefined
    if (!wantsKeys && build === undefined) return
    const end = record.propertiesStart + record.propertiesLength
    this.properties.scan(bytes, view, record.propertiesStart, end, wantsKeys ? topic.keyPrefix : undefined)
    if (build !== undefined) this.unit(build, this.unitOf(record, topic, at))
    if (!wantsKeys) return
    this.storeTime = record.storeTimestamp
    this.index!.put(this.properties.keyHashes, this.properties.keyCount, at, record.storeTimestamp)
  }

  private buildOf(topic: TopicEntry<Build>, { queueId }: RecordView, at: number): Build | undefined {
    if (queueId < 0 || at < (this.options.deletedBelow.get(topic.name) ?? 0)) return undefined
    const known = topic.get(queueId)
    if (known !== undefined) return known
    if (!this.options.wantsQueue(topic.name, queueId)) return undefined
    const build: Build = { topic: topic.name, queueId, writer: undefined, next: -1, units: 0, open: undefined }
    topic.set(queueId, build)
    this.builds.push(build)
    return build
  }

  private unitOf(record: RecordView, topic: TopicEntry<Build>, position: number): Unit {
    const { tagsHash, delayLevel } = this.properties
    const { queueOffset, totalSize: size } = record
    if (!topic.isSchedule || delayLevel <= 0)
      return { queueOffset, position, size, tagsHigh: tagsHash >> 31, tagsLow: tagsHash }
    const due = record.storeTimestamp + delayOf(this.delays, delayLevel)
    return { queueOffset, position, size, tagsHigh: Math.floor(due / HIGH), tagsLow: due | 0 }
  }

  private unit(build: Build, unit: Unit): void {
    const { open } = build
    if (unit.queueOffset === build.next || (build.next < 0 && open === undefined)) {
      if (open !== undefined) this.misplaced += 1
      build.open = undefined
      this.put(build, unit)
    } else if (open !== undefined && unit.queueOffset === open.queueOffset + 1) {
      build.open = undefined
      this.jump(build, open)
      this.put(build, unit)
    } else {
      if (open !== undefined) this.misplaced += 1
      build.open = unit
    }
  }

  /** At the end of the log: a last record that nothing follows. */
  private settle(build: Build): void {
    const { open } = build
    if (open === undefined) return
    const isLoss = open.queueOffset > build.next && open.queueOffset - build.next <= GAP_UNITS_MAX
    if (isLoss || open.queueOffset === 0) this.jump(build, open)
    else this.misplaced += 1
  }

  private jump(build: Build, unit: Unit): void {
    const isBack = unit.queueOffset < build.next
    const isFar = unit.queueOffset - build.next > GAP_UNITS_MAX
    if (isBack || isFar) {
      build.writer?.close()
      build.writer = undefined
      build.units = 0
      const { topic, queueId } = build
      rmSync(join(this.options.into, FOLDERS.consumeQueue, topic, String(queueId)), { recursive: true, force: true })
    }
    this.put(build, unit)
  }

  private put(build: Build, { queueOffset, position, size, tagsHigh, tagsLow }: Unit): void {
    build.writer ??= new QueueWriter(this.queueStore, build.topic, build.queueId)
    const result = build.writer.put(queueOffset, position, size, tagsHigh, tagsLow)
    if (result === 'misplaced') {
      this.misplaced += 1
      return
    }
    build.next = queueOffset + 1
    build.units += 1
  }
}

/**
 * Reads records of the CommitLog and builds what finds them: ConsumeQueue units and index entries.
 *
 *   log [from, to) ─▶ parse in place ─▶ topic bytes ─▶ queue ─▶ unit at its queueOffset
 *                                    └▶ properties ─▶ tags hash, key hashes ─▶ index entries
 *
 * Owns:      the queue writers and the index writer. Called by: stages/dispatch.ts, recovery, tools; one thread.
 * Invariant: idempotent. Dispatching a part of the log again changes no byte of any file.
 * Errors:    a StoreError of a writer ends the batch before the record that met it; dispatch from there again later.
 *            Nothing is skipped for want of room. Damage in the log is skipped, counted, and told once to the log.
 * Source:    spec/store-format.md §4, §5, §9.
 */
import { StoreError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { CLASSIC_LAYOUT, type LogLayout } from '../commitlog/log-layout.ts'
import type { MappedSegment } from '../commitlog/log-reader.ts'
import { BLANK_SIZE, RECORD_SIZE_MIN, RecordView, SYS_FLAG } from '../commitlog/record.ts'
import type { QueueStore } from '../consumequeue/queue-store.ts'
import { type QueueEnd, QueueWriter } from '../consumequeue/queue-writer.ts'
import type { IndexWriter } from '../index/index-writer.ts'
import type { StoreSettings } from '../settings.ts'
import { delayOf, parseDelayLevels } from './delay-levels.ts'
import { FilterBitMaps } from './filter-bit-maps.ts'
import { PropertyScan } from './property-scan.ts'
import { type TopicEntry, TopicTable } from './topic-table.ts'

/** The part of LogReader that dispatch uses. */
export interface LogSource {
  segmentAt(offset: number): MappedSegment | undefined
}

export type DispatchSettings = Pick<StoreSettings, 'mappedFileSizeCommitLog' | 'messageDelayLevel'>

export interface DispatcherOptions {
  settings: DispatchSettings
  source: LogSource
  queues: QueueStore
  /** Left out when messageIndexEnable is false. */
  index?: IndexWriter
  log: Log
  /** Of segments that do not say their own. */
  layout?: LogLayout
}

const HIGH = 0x1_0000_0000

export class Dispatcher {
  /** Queues that the last batch put units into: touched[0, touchedCount). */
  readonly touched: QueueWriter[] = []
  touchedCount = 0
  /** Records since the start, and those that could not be placed. */
  recordCount = 0
  damagedCount = 0

  private readonly source: LogSource
  private readonly layout: LogLayout
  private readonly segmentSize: number
  private readonly queueStore: QueueStore
  private readonly index: IndexWriter | undefined
  private readonly log: Log
  private readonly delays: number[]
  private readonly hasExt: boolean
  private readonly record = new RecordView()
  private readonly properties = new PropertyScan()
  /** What ConsumeQueueExt units say of SQL92 filters; none until somebody sets it. */
  readonly bitMaps = new FilterBitMaps()
  private readonly topics = new TopicTable<QueueWriter>()
  private batch = 0
  private position = 0

  constructor(options: DispatcherOptions) {
    this.source = options.source
    this.layout = options.layout ?? CLASSIC_LAYOUT
    this.segmentSize = options.settings.mappedFileSizeCommitLog
    this.queueStore = options.queues
    this.index = options.index
    this.log = options.log
    this.hasExt = options.queues.ext !== undefined
    this.delays = parseDelayLevels(options.settings.messageDelayLevel)
  }

  /**
   * Dispatches records from `from` that end at or below `to`, until `maxBytes` are done. Returns the position reached, which
   * is behind a record or at the start of a segment. All it did is in the page cache.
   *
   * `to` may lie inside a record (what a slave has acknowledged may): whole ones are there up to `whole`.
   */
  dispatch(from: number, to: number, maxBytes: number, whole = to): number {
    this.batch += 1
    this.touchedCount = 0
    this.position = from
    const limit = Math.min(to, from + maxBytes)
    try {
      while (this.position < limit && this.dispatchSegment(limit, to, whole));
    } catch (error) {
      if (!(error instanceof StoreError) || this.position === from) throw error
    }
    for (let index = 0; index < this.touchedCount; index += 1) this.touched[index].endBatch()
    return this.position
  }

  /** Writer of a queue; made when it is new. undefined for names and numbers that no queue has. */
  queue(topic: string, queueId: number, known?: QueueEnd): QueueWriter | undefined {
    if (queueId < 0) return undefined
    return this.queueOf(this.topics.named(topic), queueId, known)
  }

  /** Lets go of a queue; its files are not touched. */
  forget(topic: string, queueId: number): void {
    const entry = this.topics.named(topic)
    entry.get(queueId)?.close()
    if (queueId >= 0) entry.set(queueId, undefined)
  }

  *writers(): Generator<QueueWriter> {
    for (const entry of this.topics.entries()) yield* entry.queues()
  }

  close(): void {
    for (const writer of this.writers()) writer.close()
    this.index?.close()
    this.queueStore.close()
  }

  /** Goes on within the segment that holds the position. False: the next record, or the blank, does not end at or below `to`. */
  private dispatchSegment(limit: number, to: number, whole: number): boolean {
    const { record } = this
    const segment = this.source.segmentAt(this.position)
    if (segment === undefined) {
      throw new StoreError('SEGMENT_MISSING', {
        what: `dispatch stands at ${this.position}, and there is no CommitLog file for it`,
        todo: 'the file was removed under the broker, or the store is damaged: run "basaltmq inspect"',
      })
    }
    const { bytes, view, start } = segment
    const layout = this.layoutOf(segment)
    const last = Math.min(limit, segment.end) - start
    const end = Math.min(whole, segment.end) - start
    let at = this.position - start
    while (at < last) {
      const kind = layout.read(record, bytes, view, at, end)
      if (kind === 'record') {
        if (start + record.at + record.totalSize > to) return false
        this.put(record, bytes, view, start)
        at = record.at + record.totalSize
      } else if (kind === 'blank' || this.segmentSize - at < BLANK_SIZE) {
        if (segment.end > to) return false
        at = this.segmentSize
      } else {
        at = this.skipDamage(segment, at, end)
      }
      this.position = start + at
    }
    return true
  }

  private put(record: RecordView, bytes: Uint8Array, view: DataView, segmentStart: number): void {
    const transaction = record.sysFlag & SYS_FLAG.transactionMask
    const topic = this.topics.find(bytes, record.topicStart, record.topicLength)
    const position = segmentStart + record.at
    const wantsKeys = this.index !== undefined && transaction !== SYS_FLAG.rollback && this.index.wants(position)
    const { properties } = this
    properties.scan(
      bytes,
      view,
      record.propertiesStart,
      record.propertiesStart + record.propertiesLength,
      wantsKeys ? topic.keyPrefix : undefined,
    )
    this.recordCount += 1
    if (transaction === 0 || transaction === SYS_FLAG.commit) this.putUnit(record, bytes, topic, position)
    if (wantsKeys) {
      this.index!.put(properties.keyHashes, properties.keyCount, position, record.storeTimestamp)
    }
  }

  private putUnit(record: RecordView, bytes: Uint8Array, topic: TopicEntry<QueueWriter>, position: number): void {
    const { queueId, queueOffset } = record
    const queue = topic.get(queueId) ?? this.queueOf(topic, queueId)
    if (queue === undefined) {
      this.tellDamage('a record names a queue that cannot be', position, { topic: topic.name, queueId })
      return
    }
    let tagsHigh = this.properties.tagsHash >> 31
    let tagsLow = this.properties.tagsHash
    if (topic.isSchedule && this.properties.delayLevel > 0) {
      const due = record.storeTimestamp + delayOf(this.delays, this.properties.delayLevel)
      tagsHigh = Math.floor(due / HIGH)
      tagsLow = due | 0
    }
    const bits = this.hasExt ? this.bitMaps.of(topic.name, bytes, record) : undefined
    const result = this.hasExt
      ? queue.putExt(queueOffset, position, record.totalSize, tagsHigh, tagsLow, record.storeTimestamp, bits)
      : queue.put(queueOffset, position, record.totalSize, tagsHigh, tagsLow)
    if (result === 'misplaced') {
      this.tellDamage('a record names a queue offset that cannot be', position, {
        topic: topic.name,
        queueId,
        queueOffset,
      })
    }
    if (queue.batch === this.batch) return
    queue.batch = this.batch
    this.touched[this.touchedCount] = queue
    this.touchedCount += 1
  }

  private queueOf(topic: TopicEntry<QueueWriter>, queueId: number, known?: QueueEnd): QueueWriter | undefined {
    if (queueId < 0 || !topic.isUsable) return undefined
    let queue = topic.get(queueId)
    if (queue === undefined) {
      queue = new QueueWriter(this.queueStore, topic.name, queueId, known)
      topic.set(queueId, queue)
    }
    return queue
  }

  /**
   * Next index in the segment at which a record, or its blank, can be. A record whose parts do not add up is stepped
   * over by its size (RocketMQ 4.9.8 stores such records when the properties of a batch overflow); otherwise the next
   * bytes that are a record and name their own place are looked for.
   */
  private skipDamage(segment: MappedSegment, at: number, end: number): number {
    const { record } = this
    const { bytes, view, start } = segment
    const layout = this.layoutOf(segment)
    const candidate = at + (layout.entrySizeAt(view, at, end) || sizeOfRecord(layout, view, at, end))
    let next = candidate
    if (candidate === at || candidate > end || !this.isStart(segment, candidate, end)) {
      next = at + 1
      while (next < end) {
        if (layout.read(record, bytes, view, next, end) === 'record' && record.physicalOffset === start + record.at)
          break
        next += 1
      }
    }
    this.tellDamage('the log is damaged and was stepped over', start + at, { bytes: next - at })
    return next
  }

  private isStart(segment: MappedSegment, at: number, end: number): boolean {
    if (at === end) return true
    const layout = this.layoutOf(segment)
    if (layout.entrySizeAt(segment.view, at, end) > 0) return true
    const kind = layout.read(this.record, segment.bytes, segment.view, at, end)
    return kind === 'record' || kind === 'blank'
  }

  private layoutOf(segment: MappedSegment): LogLayout {
    return segment.layout ?? this.layout
  }

  private tellDamage(what: string, position: number, fields: Record<string, unknown>): void {
    this.damagedCount += 1
    if (this.damagedCount <= 100) this.log.error(what, { position, ...fields })
  }
}

/** What the record at index `at` says its size is, its header included; 0 when that cannot be. */
function sizeOfRecord({ headerSize }: LogLayout, view: DataView, at: number, end: number): number {
  if (at + headerSize + 4 > end) return 0
  const size = view.getInt32(at + headerSize)
  return size < RECORD_SIZE_MIN ? 0 : headerSize + size
}

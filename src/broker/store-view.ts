/**
 * The store as request processors see it, from the network thread: queue numbers from shared memory, units by pread, hot
 * records from maps, and everything that may wait for a disk from the pool.
 */
import { totalmem } from 'node:os'
import type { ControlBlock } from '../concurrency/control-block.ts'
import type { QueueTable } from '../concurrency/queue-table.ts'
import type { FilteredRecords, FilterRecordsRequest, LogReader, ReadLimits } from '../store/commitlog/index.ts'
import { type ListedUnit, QueueReader, QueueReaders, type UnitPlace } from '../store/consumequeue/index.ts'
import type { KeyQuery, KeyQueryResult, MessageStore } from '../store/message-store.ts'
import type { StoreSettings } from '../store/settings.ts'
import type { Pool } from './pool.ts'
import { mayMatch, type PullFilter } from './pull/pull-filter.ts'
import { RecordTests } from './pull/record-tests.ts'
import type { QueueIds } from './queue-ids.ts'

export interface StoreViewOptions {
  settings: StoreSettings
  control: ControlBlock
  table: QueueTable
  queueIds: QueueIds
  log: LogReader
  pool: Pool
}

/** A test is 0.2 us and more; behind so many messages a consumer goes on in portions, whether one is wanted or not. */
const TESTED_MAX = 16_000

/** Smallest record: what must be readable to know how long one is. */
const RECORD_HEAD = 4
const MEMORY_BYTES = totalmem()
const SLAVE_RATIO_LESS = 10
/** Each place is two preads: 512 cold ones keep a thread of the pool for seconds, not for minutes. */
const PLACES_A_TASK = 512

export class StoreView implements MessageStore {
  readonly log: LogReader
  /** Bytes from the log's end within which messages count as "in memory". */
  get inMemoryBytes(): number {
    const { brokerRole, accessMessageInMemoryMaxRatio } = this.options.settings
    // Back to the master earlier than from it: 4.9.8 means that, too, but looks at the role before its file is read.
    const ratio = accessMessageInMemoryMaxRatio - (brokerRole === 'SLAVE' ? SLAVE_RATIO_LESS : 0)
    return Math.floor((MEMORY_BYTES * Math.max(0, ratio)) / 100)
  }
  readonly tests: RecordTests
  private readonly options: StoreViewOptions
  private readonly readers = new Map<number, QueueReader>()
  private readonly shared: QueueReaders

  constructor(options: StoreViewOptions) {
    this.options = options
    this.log = options.log
    this.tests = new RecordTests(options.log)
    this.shared = new QueueReaders(options.settings)
  }

  /** Reader of a queue's units, by its integer. */
  unitsOf(queue: number): QueueReader {
    let reader = this.readers.get(queue)
    if (reader === undefined) {
      const { topic, queueId } = this.options.queueIds.nameOf(queue)!
      reader = new QueueReader({ settings: this.options.settings, topic, queueId, shared: this.shared })
      this.readers.set(queue, reader)
    }
    return reader
  }

  /** Physical offset of the newest record of a queue, 0 where it has none. */
  newestRecord(queue: number): number {
    const max = this.options.table.max(queue)
    if (max === 0) return 0
    const units = this.unitsOf(queue).read(max - 1, 1, max)
    return units.count === 0 ? 0 : units.physicalOffset(0)
  }

  /** The queue's files are gone with its topic. */
  forget(queue: number): void {
    this.readers.get(queue)?.close()
    this.readers.delete(queue)
  }

  /**
   * Whether the filter wants a message in [from, to), by its tag or by its properties. One that is damaged or not in memory
   * may be wanted: whoever pulls finds out.
   */
  hasMatch(queue: number, from: number, to: number, filter: PullFilter): boolean {
    const reader = this.unitsOf(queue)
    const { records } = filter
    const logEnd = this.logMax()
    this.tests.begin()
    if (records !== undefined && to - from > TESTED_MAX) return true
    for (let offset = from; offset < to; ) {
      const units = reader.read(offset, to - offset, to)
      for (let i = 0; i < units.count; i += 1) {
        if (!mayMatch(filter, units, i)) continue
        if (records === undefined) return true
        if (this.tests.verdict(records.filter, units.physicalOffset(i), units.size(i), logEnd) !== 'unwanted')
          return true
      }
      offset = units.count > 0 ? offset + units.count : reader.nextFile(offset)
    }
    return false
  }

  /** Whole records side by side, read by the pool. */
  readRecords(offsets: Float64Array, sizes: Int32Array): Promise<Uint8Array | undefined> {
    return this.options.pool.readRecords(offsets, sizes)
  }

  /** The wanted ones of records that are not in memory, read by the pool. */
  filterRecords(request: Omit<FilterRecordsRequest, 'limits' | 'logEnd'>, all: ReadLimits): Promise<FilteredRecords> {
    // Not the whole configuration goes to another thread.
    const limits: ReadLimits = {
      maxTransferBytesOnMessageInMemory: all.maxTransferBytesOnMessageInMemory,
      maxTransferCountOnMessageInMemory: all.maxTransferCountOnMessageInMemory,
      maxTransferBytesOnMessageInDisk: all.maxTransferBytesOnMessageInDisk,
      maxTransferCountOnMessageInDisk: all.maxTransferCountOnMessageInDisk,
      inMemoryBytes: all.inMemoryBytes,
    }
    return this.options.pool.filterRecords({ ...request, limits, logEnd: this.logMax() })
  }

  queueMax(topic: string, queueId: number): number {
    const queue = this.options.queueIds.find(topic, queueId)
    return queue < 0 ? 0 : this.options.table.max(queue)
  }

  queueMin(topic: string, queueId: number): number {
    const queue = this.options.queueIds.find(topic, queueId)
    return queue < 0 ? 0 : this.options.table.min(queue)
  }

  isInMemory(topic: string, queueId: number, queueOffset: number): boolean {
    const physicalOffset = this.physicalOffsetAt(topic, queueId, queueOffset)
    return physicalOffset >= 0 && this.logMax() - physicalOffset <= this.inMemoryBytes
  }

  offsetByTime(topic: string, queueId: number, timestamp: number): Promise<number> {
    const max = this.queueMax(topic, queueId)
    if (max === 0) return Promise.resolve(0)
    const min = this.queueMin(topic, queueId)
    return this.options.pool.offsetByTime({ topic, queueId, timestamp, min, max, logMin: this.logMin() })
  }

  async storeTimeAt(topic: string, queueId: number, queueOffset: number): Promise<number> {
    return (await this.storeTimesAt([{ topic, queueId, queueOffset }]))[0]
  }

  storeTimesAt(places: readonly UnitPlace[]): Promise<readonly number[]> {
    return this.lookUp(places, true)
  }

  physicalOffsetsAt(places: readonly UnitPlace[]): Promise<readonly number[]> {
    return this.lookUp(places, false)
  }

  units(topic: string, queueId: number, from: number, count: number): Promise<ListedUnit[]> | undefined {
    const queue = this.options.queueIds.find(topic, queueId)
    if (queue < 0) return undefined
    return this.options.pool.listUnits({ topic, queueId, from, count, max: this.options.table.max(queue) })
  }

  view(physicalOffset: number): Promise<Uint8Array | undefined> {
    const isInside = physicalOffset >= this.logMin() && physicalOffset + RECORD_HEAD <= this.visibleEnd()
    if (!Number.isSafeInteger(physicalOffset) || !isInside) return Promise.resolve(undefined)
    return this.options.pool.view(physicalOffset, this.visibleEnd())
  }

  /** The oldest record; undefined where there is none. */
  firstRecord(): Promise<Uint8Array | undefined> {
    const min = this.logMin()
    return this.view(min + this.log.layoutAt(min).headerSize)
  }

  queryByKey(query: KeyQuery): Promise<KeyQueryResult> {
    return this.options.pool.queryByKey({ query, logMin: this.logMin(), logEnd: this.visibleEnd() })
  }

  logMin(): number {
    return this.options.control.load('retained')
  }

  /** Of a DLedger group's log what is committed: the rest may go again, and be another one at the same place. */
  logMax(): number {
    const { control, settings } = this.options
    return settings.enableDLegerCommitLog ? control.visible() : control.load('appended')
  }

  dispatchBehindBytes(): number {
    return Math.max(0, this.logMax() - this.options.control.load('dispatched'))
  }

  /** Keeps the segment that is written mapped: it is served then even if somebody takes its file away. */
  holdTail(): void {
    this.log.segmentAt(this.logMax())
  }

  close(): void {
    this.shared.close()
    this.log.close()
  }

  /** Nothing is shown that a crash could take back. */
  private visibleEnd(): number {
    return this.options.control.visible()
  }

  /** Only units that are in their queue's range are looked for: most questions about young queues end here. */
  private async lookUp(places: readonly UnitPlace[], withTimes: boolean): Promise<readonly number[]> {
    const answers = new Array<number>(places.length).fill(-1)
    const asked = [...places.keys()].filter((i) => this.isInRange(places[i]))
    for (let from = 0; from < asked.length; from += PLACES_A_TASK) {
      const some = asked.slice(from, from + PLACES_A_TASK)
      const task = { places: some.map((i) => places[i]), logMin: this.logMin(), withTimes }
      const { storeTimes, physicalOffsets } = await this.options.pool.lookUpUnits(task)
      const found = withTimes ? storeTimes : physicalOffsets
      for (const [k, i] of some.entries()) answers[i] = found[k]
    }
    return answers
  }

  private isInRange({ topic, queueId, queueOffset }: UnitPlace): boolean {
    const queue = this.options.queueIds.find(topic, queueId)
    return queue >= 0 && queueOffset >= this.options.table.min(queue) && queueOffset < this.options.table.max(queue)
  }

  private physicalOffsetAt(topic: string, queueId: number, queueOffset: number): number {
    const queue = this.options.queueIds.find(topic, queueId)
    if (queue < 0) return -1
    const max = this.options.table.max(queue)
    if (queueOffset < this.options.table.min(queue) || queueOffset >= max) return -1
    const units = this.unitsOf(queue).read(queueOffset, 1, max)
    return units.count === 0 || units.isBlank(0) ? -1 : units.physicalOffset(0)
  }
}

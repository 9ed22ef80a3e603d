/**
 * Appends records to a store that no broker has open, with the store's own code: recovery finds its end, records go through the
 * tail writer, dispatch builds ConsumeQueues and index.
 *
 *   lock, recover ─▶ dispatch up to the end ─▶ record … batch ─▶ log, then units and entries ─▶ all synced, checkpoint ─▶ unlock
 *
 * Invariant: abort is there until everything is on disk, so that a crash at any moment leaves a store that a start recovers.
 * Blocks on: the disk.
 */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../clock.ts'
import { StoreError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { CheckpointFile } from '../../store/checkpoint/index.ts'
import {
  allocateSegment,
  CLASSIC_LAYOUT,
  commitLogFolder,
  createTailWriter,
  FIELD,
  LogReader,
  type MappedSegment,
  type RecordView,
  segmentStart,
  type TailWriter,
  writeInt64,
} from '../../store/commitlog/index.ts'
import { QueueStore } from '../../store/consumequeue/index.ts'
import { Dispatcher } from '../../store/dispatch/index.ts'
import { IndexWriter, indexFolder, listIndexFiles, readIndexHeader } from '../../store/index/index.ts'
import { syncFolder } from '../../store/metadata/index.ts'
import { type RecoveredStore, recoverStore } from '../../store/recovery/recover-store.ts'
import { FOLDERS, type StoreSettings } from '../../store/settings.ts'
import { closeStoreFolder, openStoreFolder, type StoreFolder } from '../../store/store-folder.ts'

const BATCH = 1024 * 1024
const MAPS = 2

/** What the append thread would fill in. */
export interface Place {
  queueOffset: number
  storeTimestamp: number
  preparedTransactionOffset: number
}

export class StoreBuilder {
  readonly recovered: RecoveredStore
  /** Where the next record goes. */
  end: number
  records = 0
  lastTime = 0
  private readonly settings: StoreSettings
  private readonly folder: StoreFolder
  private readonly tail: TailWriter
  private readonly reader: LogReader
  private readonly dispatcher: Dispatcher
  private readonly next = new Map<string, number>()
  private allocated: number
  private batch = Buffer.alloc(BATCH)
  private view = new DataView(this.batch.buffer)
  private batchFrom: number
  private staged = 0

  /**
   * `beginsAt`: first offset of a new log, a multiple of the segment size. Throws StoreError STORE_IN_USE, and what a start of
   * a broker throws.
   */
  constructor(settings: StoreSettings, log: Log, beginsAt = 0) {
    this.settings = settings
    this.folder = openStoreFolder(settings)
    try {
      if (beginsAt > 0) this.allocate(beginsAt)
      this.recovered = recoverStore(settings, this.folder, log)
    } catch (error) {
      closeStoreFolder(this.folder, !this.folder.isUnclean)
      throw error
    }
    const { recovered } = this
    this.end = recovered.end
    this.batchFrom = recovered.end
    this.allocated = recovered.allocated
    this.tail = createTailWriter({ ...settings, tailWriter: 'pwrite' })
    this.reader = new LogReader(settings, MAPS)
    const queues = new QueueStore({ settings })
    const index = settings.messageIndexEnable ? new IndexWriter({ settings, clock: systemClock }) : undefined
    const source = { segmentAt: (offset: number) => this.segmentAt(offset) }
    this.dispatcher = new Dispatcher({ settings, source, queues, index, log })
    for (const { topic, queueId, end, maxPhysical, nextOffset } of recovered.queues) {
      this.dispatcher.queue(topic, queueId, { end, maxPhysical })
      this.next.set(`${topic}/${queueId}`, nextOffset)
    }
    for (let at = recovered.dispatchFrom; at < recovered.end; ) at = this.dispatcher.dispatch(at, recovered.end, BATCH)
    this.openTail()
  }

  /** Next queue offset; undefined for a queue that is not there. */
  nextOf(topic: string, queueId: number): number | undefined {
    return this.next.get(`${topic}/${queueId}`)
  }

  /** A queue without records that ends at `end`. */
  emptyQueue(topic: string, queueId: number, end: number): void {
    this.dispatcher.queue(topic, queueId)?.fillTo(end)
  }

  /** Appends the record in `bytes` and returns its physical offset. */
  append(record: RecordView, bytes: Buffer, place: Place): number {
    const size = record.totalSize
    const { mappedFileSizeCommitLog: segmentSize } = this.settings
    if (!CLASSIC_LAYOUT.fits(size, segmentSize)) throw tooLarge(size, segmentSize)
    const left = segmentStart(this.end, segmentSize) + segmentSize - this.end
    if (!CLASSIC_LAYOUT.fits(size, left)) this.nextSegment(left)
    if (this.staged + size > this.batch.length) this.flush()
    if (size > this.batch.length) {
      this.batch = Buffer.alloc(size)
      this.view = new DataView(this.batch.buffer)
    }
    const at = this.staged
    bytes.copy(this.batch, at, record.at, record.at + size)
    const { view } = this
    const inRecord = (index: number) => at + index - record.at
    writeInt64(view, at + FIELD.queueOffset, place.queueOffset)
    writeInt64(view, at + FIELD.physicalOffset, this.end)
    writeInt64(view, inRecord(record.storeTimestampAt), place.storeTimestamp)
    writeInt64(view, inRecord(record.bodyStart) - 12, place.preparedTransactionOffset)
    this.staged += size
    this.end += size
    this.records += 1
    this.lastTime = place.storeTimestamp
    return this.end - size
  }

  /** Everything is on disk, and the store is clean, when it returns. `before` may write tables. */
  finish(before: () => void): void {
    this.flush()
    this.close()
    syncTree(commitLogFolder(this.settings))
    for (const name of [FOLDERS.consumeQueue, FOLDERS.consumeQueueExt, FOLDERS.index])
      syncTree(join(this.folder.root, name))
    before()
    if (this.records > 0) this.writeCheckpoint()
    closeStoreFolder(this.folder, true)
  }

  /** What was appended stays, and the store as after a crash. */
  abandon(): void {
    this.close()
    closeStoreFolder(this.folder, false)
  }

  private close(): void {
    this.tail.close()
    this.dispatcher.close()
    this.reader.close()
  }

  private segmentAt(offset: number): MappedSegment | undefined {
    if (offset < this.batchFrom || this.staged === 0) return this.reader.segmentAt(offset)
    const { mappedFileSizeCommitLog: segmentSize } = this.settings
    const end = segmentStart(offset, segmentSize) + segmentSize
    return { start: this.batchFrom, end, bytes: this.batch, view: this.view }
  }

  private flush(): void {
    const { staged } = this
    if (staged === 0) return
    const index = this.tail.place(staged)
    this.batch.copy(this.tail.bytes, index, 0, staged)
    this.tail.flushBatch()
    for (let at = this.batchFrom; at < this.end; ) at = this.dispatcher.dispatch(at, this.end, BATCH)
    this.batchFrom = this.end
    this.staged = 0
  }

  private nextSegment(left: number): void {
    this.flush()
    this.tail.blank(left)
    this.end += left
    this.batchFrom = this.end
    this.openTail()
  }

  private openTail(): void {
    const start = segmentStart(this.end, this.settings.mappedFileSizeCommitLog)
    if (start >= this.allocated) this.allocate(start)
    this.tail.open(start, this.end - start)
  }

  private allocate(start: number): void {
    const { mappedFileSizeCommitLog: size } = this.settings
    allocateSegment({ folder: commitLogFolder(this.settings), ownFolder: this.folder.ownFolder, start, size })
    this.allocated = start + size
  }

  private writeCheckpoint(): void {
    const newest = listIndexFiles(indexFolder(this.settings)).at(-1)
    const indexed = newest === undefined ? undefined : readIndexHeader(newest.path)
    new CheckpointFile(this.folder.root).write({
      physicMsgTimestamp: this.lastTime,
      logicsMsgTimestamp: this.lastTime,
      indexMsgTimestamp: indexed?.endTimestamp ?? 0,
    })
  }
}

/** Files and folders below, and the folder itself. */
function syncTree(folder: string): void {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) syncTree(path)
    else if (entry.isFile()) {
      const fd = openSync(path, 'r')
      try {
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    }
  }
  syncFolder(folder)
}

function tooLarge(size: number, segmentSize: number): StoreError {
  return new StoreError('RECORD_TOO_LARGE', {
    what: `a record of ${size} bytes does not fit in a segment of ${segmentSize}`,
    todo: 'give a larger one: --set mappedFileSizeCommitLog=…',
  })
}

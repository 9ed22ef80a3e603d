/**
 * Units of one queue for a walk along the log: records of a queue come in its order, so that a few units read ahead serve the
 * next ones. Addresses of ConsumeQueueExt are resolved on the way.
 */
import {
  type ExtSettings,
  isReal,
  physicalOffsetAt,
  QueueReader,
  type QueueReaders,
  UNIT,
  UNIT_SIZE,
} from '../../store/consumequeue/index.ts'
import { unitChunks } from '../queue-units.ts'
import { listQueue, type QueueFiles } from '../store-files.ts'

const UNITS_READ = 128

export class UnitCursor {
  readonly queue: QueueFiles
  /** Physical offset of the first real unit; Infinity without any. */
  readonly firstPhysicalOffset: number
  /** Of the unit that find() found. */
  view: DataView
  at = 0
  private readonly reader: QueueReader
  private readonly bytes = Buffer.alloc(UNITS_READ * UNIT_SIZE)
  private from = 0
  private count = 0

  constructor(
    shared: QueueReaders,
    settings: ExtSettings & { mappedFileSizeConsumeQueue: number },
    topic: string,
    queueId: number,
  ) {
    this.queue = listQueue(settings.storePathRootDir, topic, queueId)
    this.reader = new QueueReader({ settings, topic, queueId, shared })
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
    this.firstPhysicalOffset = firstReal(this.queue, shared.unitsPerFile * UNIT_SIZE)
  }

  get exists(): boolean {
    return this.queue.files.length > 0
  }

  /** Looks at the unit of a queue offset; false where its file ends or is missing. */
  find(queueOffset: number): boolean {
    if (queueOffset < this.from || queueOffset >= this.from + this.count) {
      const batch = this.reader.read(queueOffset, UNITS_READ, Number.MAX_SAFE_INTEGER)
      this.from = queueOffset
      this.count = batch.count
      batch.bytes.copy(this.bytes, 0, 0, batch.count * UNIT_SIZE)
      if (batch.count === 0) return false
    }
    this.at = (queueOffset - this.from) * UNIT_SIZE
    return true
  }

  get physicalOffset(): number {
    return physicalOffsetAt(this.view, this.at)
  }

  get size(): number {
    return this.view.getInt32(this.at + UNIT.size)
  }

  get tagsHigh(): number {
    return this.view.getInt32(this.at + UNIT.tagsCode)
  }

  get tagsLow(): number {
    return this.view.getInt32(this.at + UNIT.tagsCode + 4)
  }

  get isReal(): boolean {
    return isReal(this.view, this.at)
  }
}

function firstReal({ files }: QueueFiles, fileSize: number): number {
  for (const { count, view } of unitChunks(files, fileSize)) {
    for (let at = 0; at < count * UNIT_SIZE; at += UNIT_SIZE) if (isReal(view, at)) return physicalOffsetAt(view, at)
  }
  return Number.POSITIVE_INFINITY
}

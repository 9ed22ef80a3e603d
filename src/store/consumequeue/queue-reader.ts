/**
 * Reads units of one queue for pulls: one pread of what is wanted into a buffer that all readers of a thread share.
 *
 * A pread of 32 units costs 1.1 us of CPU (measured); to ask whether a mapped page is in memory costs more, and a pread needs
 * no address space for thousands of queues. Descriptors are shared too: the least recently used is closed.
 *
 * The caller knows how far it may read (QueueTable.max); the reader only knows files. A file that was deleted under it
 * reads as empty.
 */
import { readSync } from 'node:fs'
import { type FilterBits, hasBits } from '../../filter/index.ts'
import { BIT_MAP_MAX, ExtReader, type ExtSettings, isExtAddress } from './ext-files.ts'
import { type QueueSettings, queueFilePath, queueFileSize, queueFolder } from './queue-files.ts'
import { FdCache } from './queue-store.ts'
import { BLANK_UNIT_SIZE, physicalOffsetAt, UNIT, UNIT_SIZE, UNITS_PER_READ_MAX } from './unit.ts'

/** Units side by side. Valid until the next read() with the same QueueReaders. */
export class UnitBatch {
  /** Units that were read. */
  count = 0
  /** Queue offset of unit 0. */
  from = 0
  readonly bytes = Buffer.alloc(UNITS_PER_READ_MAX * UNIT_SIZE)
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  /** Of units that have one (ConsumeQueueExt), else 0; made with the first. */
  bitMapSizes: Uint8Array | undefined
  private bitMaps: Buffer | undefined

  physicalOffset(index: number): number {
    return physicalOffsetAt(this.view, index * UNIT_SIZE)
  }

  size(index: number): number {
    return this.view.getInt32(index * UNIT_SIZE + UNIT.size)
  }

  /** What tag filters compare: int(tagsCode). */
  tagsCodeLow(index: number): number {
    return this.view.getInt32(index * UNIT_SIZE + UNIT.tagsCode + 4)
  }

  tagsCodeHigh(index: number): number {
    return this.view.getInt32(index * UNIT_SIZE + UNIT.tagsCode)
  }

  /** False when the unit names an ext unit that is not there: nobody knows its tag, so that it matches every filter. */
  isTagsCodeKnown(index: number): boolean {
    return !isExtAddress(this.tagsCodeHigh(index))
  }

  /** Whether the unit has a bit map of so many bits, and it lacks one of these. */
  lacksBits(index: number, bits: FilterBits): boolean {
    const { bitMapSizes, bitMaps } = this
    if (bitMapSizes === undefined || bitMaps === undefined || bitMapSizes[index] * 8 !== bits.bitNum) return false
    return !hasBits(bitMaps, index * BIT_MAP_MAX, bits)
  }

  keepBitMap(index: number, bitMap: Uint8Array): void {
    this.bitMapSizes ??= new Uint8Array(UNITS_PER_READ_MAX)
    this.bitMaps ??= Buffer.alloc(UNITS_PER_READ_MAX * BIT_MAP_MAX)
    this.bitMapSizes[index] = bitMap.length
    this.bitMaps.set(bitMap, index * BIT_MAP_MAX)
  }

  /** No record here: the store never had it, or the unit is damaged. Such units are stepped over. */
  isBlank(index: number): boolean {
    const size = this.size(index)
    return size <= 0 || size === BLANK_UNIT_SIZE
  }
}

/** What the readers of one thread share. */
export class QueueReaders {
  readonly settings: QueueSettings
  readonly batch = new UnitBatch()
  readonly fds: FdCache
  readonly unitsPerFile: number

  constructor(settings: QueueSettings, fdCount = 256) {
    this.settings = settings
    this.fds = new FdCache(fdCount)
    this.unitsPerFile = queueFileSize(settings) / UNIT_SIZE
  }

  close(): void {
    this.fds.close()
  }
}

export interface QueueReaderOptions {
  settings: QueueSettings & Partial<ExtSettings>
  topic: string
  queueId: number
  /** Given by whoever reads more than one queue. */
  shared?: QueueReaders
}

export class QueueReader {
  private readonly shared: QueueReaders
  private readonly ownsShared: boolean
  private readonly options: QueueReaderOptions
  private ext: ExtReader | undefined
  private readonly folder: string
  /** The file that was read last. */
  private fileStart = -1
  private path = ''

  constructor(options: QueueReaderOptions) {
    this.options = options
    this.shared = options.shared ?? new QueueReaders(options.settings, 4)
    this.ownsShared = options.shared === undefined
    this.folder = queueFolder(options.settings, options.topic, options.queueId)
  }

  /**
   * Reads up to `count` units (at most 800) from queue offset `from`, none at or above `max` and none behind the end of
   * the file that holds `from`. Fewer, or none, when the file ends early or is gone: then nextFile() says where to go on.
   */
  read(from: number, count: number, max: number): UnitBatch {
    const { shared } = this
    const { batch, unitsPerFile } = shared
    const fileStart = from - (from % unitsPerFile)
    batch.from = from
    const wanted = Math.min(count, UNITS_PER_READ_MAX, max - from, fileStart + unitsPerFile - from)
    batch.count = 0
    if (wanted <= 0 || from < 0) return batch
    const fd = this.descriptor(fileStart)
    if (fd < 0) return batch
    const read = readSync(fd, batch.bytes, 0, wanted * UNIT_SIZE, (from - fileStart) * UNIT_SIZE)
    batch.count = Math.floor(read / UNIT_SIZE)
    batch.bitMapSizes?.fill(0)
    for (let at = UNIT.tagsCode; at < batch.count * UNIT_SIZE; at += UNIT_SIZE) {
      if (isExtAddress(batch.view.getInt32(at))) this.resolve(batch, at)
    }
    return batch
  }

  /** Queue offset of the first unit of the file behind the one that holds `from`. */
  nextFile(from: number): number {
    const { unitsPerFile } = this.shared
    return from - (from % unitsPerFile) + unitsPerFile
  }

  /** Closes the queue's files, which may be removed then. */
  close(): void {
    this.shared.fds.dropFolder(this.folder)
    if (this.ownsShared) this.shared.close()
  }

  /** Written with enableConsumeQueueExt, by us or by RocketMQ: the tagsCode is in another file. */
  private resolve(batch: UnitBatch, at: number): void {
    const { settings, topic, queueId } = this.options
    const { mappedFileSizeConsumeQueueExt } = settings
    if (mappedFileSizeConsumeQueueExt === undefined) return
    this.ext ??= new ExtReader({ ...settings, mappedFileSizeConsumeQueueExt }, topic, queueId, this.shared.fds)
    const bitMap = this.ext.resolve(batch.bytes, at)
    if (bitMap !== undefined) batch.keepBitMap(Math.floor(at / UNIT_SIZE), bitMap)
  }

  /** -1 when the file is not there. */
  private descriptor(fileStart: number): number {
    if (fileStart !== this.fileStart) {
      this.path = queueFilePath(this.folder, fileStart * UNIT_SIZE)
      this.fileStart = fileStart
    }
    try {
      return this.shared.fds.get(this.path, 'r')
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return -1
      throw error
    }
  }
}

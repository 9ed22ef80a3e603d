/**
 * Finds out at start where every queue stands, mends its files, and says from which position of the log dispatch has to
 * go on for all of them to be whole.
 *
 *   files walked ─▶ units beyond the log zeroed ─▶ holes, short and missing queues ─▶ resumeFrom
 *   log [resumeFrom, end) read ─▶ next offset of every queue: the largest of files, snapshot and log
 *   (after a kill from the last snapshot on: a queue that is younger and lacks its units or files shows there)
 *
 * Units that are right are never written again: dispatch puts each at the queueOffset of its record, so that going back
 * costs time and changes nothing. Queue offsets are never given out twice, whatever was lost: the snapshot remembers them.
 *
 * Runs in:   the start of the broker, before any thread. Blocks on the disk.
 * Errors:    StoreError QUEUE_FILE_SIZE when the files have another size than the configuration says. None for a state
 *            that a crash can leave.
 * Source:    spec/store-format.md §10; RocketMQ 4.9.8 goes on behind the highest unit of any queue.
 */
import { StoreError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { CLASSIC_LAYOUT, type LogLayout } from '../commitlog/log-layout.ts'
import { RecordView, SYS_FLAG } from '../commitlog/record.ts'
import { realDisk, type StoreDisk } from '../disk.ts'
import type { LogSource } from '../dispatch/dispatcher.ts'
import { TopicTable } from '../dispatch/topic-table.ts'
import { cutUnproven } from './cut-unproven.ts'
import { OffsetJumps } from './offset-jumps.ts'
import {
  findQueues,
  type QueueFile,
  type QueueSettings,
  queueFilePath,
  queueFileSize,
  queueFolder,
} from './queue-files.ts'
import { firstUnitAtOrAbove } from './queue-min.ts'
import { BLANK_UNIT_SIZE, UNIT, UNIT_SIZE, writeUnit } from './unit.ts'
import { type QueueWalk, walkQueue } from './walk-queue.ts'

export interface RecoverQueuesOptions {
  settings: QueueSettings
  source: LogSource
  layout?: LogLayout
  logMin: number
  logEnd: number
  /** DLedger: committed below; records above count only as far as some queue has them. Left out: all of the log counts. */
  committed?: number | undefined
  /** <root>/basalt/queues, where there is one. */
  snapshot: { countedTo?: number; queues: readonly { topic: string; queueId: number; maxOffset: number }[] } | undefined
  /** All units of records below are in their files; undefined when no mark says so. */
  provenTo: number | undefined
  /** The last stop was clean. */
  isClean: boolean
  /** min(physic, logics) of the checkpoint in milliseconds, 0 when unknown. Used when nothing is proven. */
  checkpointTime: number
  log: Log
  disk?: StoreDisk
}

export interface RecoveredQueue {
  /** Integers from 0, in no order. */
  queue: number
  topic: string
  queueId: number
  /** Queue offset of the next record. */
  nextOffset: number
  /** Smallest queue offset whose record exists; nextOffset when there is none. */
  minOffset: number
  /** End of the ConsumeQueue's files in units, and end of the record that the last one points at. */
  end: number
  maxPhysical: number
}

export interface RecoveredQueues {
  queues: RecoveredQueue[]
  /** Dispatch goes on here. */
  resumeFrom: number
  /** Queue offsets are those of records below. */
  countedTo: number
}

/** RocketMQ 4.9.8: what the checkpoint names may not be on disk for so long. */
const CHECKPOINT_MARGIN_MS = 3000
const FINDINGS_TOLD_MAX = 100
/** With more queues only their newest files are read: three of 6 MB take 11 ms a queue. */
const QUEUES_WALKED_FULLY_MAX = 100
/** How much of the log behind the marks is compared with the queues when no snapshot says what they had. */
const DOUBTED_BYTES_MAX = 1024 * 1024 * 1024

export function recoverQueues(options: RecoverQueuesOptions): RecoveredQueues {
  return new QueueRecovery(options).run()
}

class QueueRecovery {
  private readonly options: RecoverQueuesOptions
  private readonly fileSize: number
  private readonly disk: StoreDisk
  private readonly queues = new Map<string, RecoveredQueue>()
  private resumeFrom: number
  private filesWalked = 3
  private readonly jumps = new OffsetJumps()
  private readonly begun = new Set<RecoveredQueue>()
  /** Records below have their units, by the marks and by what was found in the files. */
  private believedTo = 0
  private findings = 0

  constructor(options: RecoverQueuesOptions) {
    this.options = options
    this.disk = options.disk ?? realDisk
    this.fileSize = queueFileSize(options.settings)
    this.resumeFrom = options.logEnd
  }

  run(): RecoveredQueues {
    const { settings, snapshot, logMin, logEnd } = this.options
    const found = findQueues(settings, this.disk)
    if (found.length > QUEUES_WALKED_FULLY_MAX) this.filesWalked = 1
    for (const { topic, queueId } of found) this.recoverQueue(topic, queueId)
    this.resumeFrom = Math.min(this.resumeFrom, this.provenPosition())
    for (const { topic, queueId, maxOffset } of snapshot?.queues ?? []) this.compare(topic, queueId, maxOffset)
    this.resumeFrom = Math.min(Math.max(this.resumeFrom, logMin), logEnd)
    if (!this.options.isClean) this.dropUnproven()
    const countedTo = this.countedTo()
    this.readLog(countedTo)
    for (const { topic, queueId, next, to } of this.jumps.settle()) {
      this.tell('a record names a queue offset that cannot be: it is not counted', { topic, queueId, next, to })
    }
    return { queues: [...this.queues.values()], resumeFrom: Math.min(this.resumeFrom, countedTo), countedTo }
  }

  /** Whatever a queue has of was committed: nothing else is dispatched. */
  private countedTo(): number {
    const { committed, provenTo = 0, logEnd } = this.options
    if (committed === undefined) return logEnd
    let to = Math.max(committed, provenTo)
    for (const { maxPhysical } of this.queues.values()) to = Math.max(to, maxPhysical)
    return Math.min(to, logEnd)
  }

  private recoverQueue(topic: string, queueId: number): void {
    const { settings, logMin, logEnd } = this.options
    const folder = queueFolder(settings, topic, queueId)
    const walk = walkQueue(folder, this.fileSize, logEnd, this.filesWalked, this.disk)
    this.checkFiles(walk.files)
    this.mend(topic, queueId, folder, walk)
    this.findMissingFiles(topic, queueId, walk.files)
    const queue = this.queueOf(topic, queueId)
    queue.end = walk.end
    queue.nextOffset = walk.end
    queue.maxPhysical = walk.maxPhysical
    queue.minOffset = firstUnitAtOrAbove(folder, this.fileSize, walk.end, logMin, undefined, this.disk)
  }

  private checkFiles(files: QueueFile[]): void {
    for (const { start, path, size } of files) {
      if (size <= this.fileSize && start % this.fileSize === 0) continue
      throw new StoreError('QUEUE_FILE_SIZE', {
        what: `ConsumeQueue file of ${size} bytes starts at ${start}, but mappedFileSizeConsumeQueue is ${this.fileSize}`,
        where: path,
        todo: 'set mappedFileSizeConsumeQueue to the size that the store was made with',
      })
    }
  }

  private mend(topic: string, queueId: number, folder: string, walk: QueueWalk): void {
    const name = { topic, queueId }
    for (const stray of walk.strays) this.tell('not a ConsumeQueue file: left alone', { path: stray })
    for (const file of walk.files) {
      if (file.start >= walk.end * UNIT_SIZE && file.start > 0 && file !== walk.files[0]) {
        this.tell('ConsumeQueue file without a unit: removed', { path: file.path })
        this.disk.unlink(file.path)
      } else if (file.size < this.fileSize) {
        this.tell(`ConsumeQueue file of ${file.size} bytes: extended to ${this.fileSize}`, { path: file.path })
        this.withFile(file.path, (fd) => this.disk.truncate(fd, this.fileSize))
      }
    }
    for (const { from, to } of walk.beyond) {
      this.tell('ConsumeQueue units point behind the end of the log: dropped', { ...name, from, to })
      this.overwrite(folder, from, to, false)
    }
    for (const hole of walk.holes) {
      if (hole.logTo <= this.options.logMin) {
        // Their records are gone with the log: RocketMQ would end the queue at a unit of zeros.
        this.overwrite(folder, hole.from, hole.to, true)
        continue
      }
      this.tell('ConsumeQueue has a hole: built again from the log', { ...name, from: hole.from, to: hole.to })
      this.resumeFrom = Math.min(this.resumeFrom, hole.logFrom)
    }
  }

  private dropUnproven(): void {
    const { settings, snapshot, provenTo = 0 } = this.options
    const { fileSize, filesWalked, resumeFrom, disk } = this
    const counted = new Map(snapshot?.queues.map(({ topic, queueId, maxOffset }) => [`${topic}/${queueId}`, maxOffset]))
    for (const [key, queue] of this.queues) {
      const folder = queueFolder(settings, queue.topic, queue.queueId)
      const provenEnd = Math.max(resumeFrom, provenTo)
      const cut = cutUnproven({ folder, fileSize, filesWalked, provenEnd, resumeFrom, disk })
      if (cut === undefined) continue
      queue.end = cut.end
      queue.nextOffset = Math.max(cut.end, counted.get(key) ?? 0)
      queue.maxPhysical = cut.maxPhysical
    }
  }

  /** Older files are not read: that one is gone shows in the names, and in a log that still has its first record. */
  private findMissingFiles(topic: string, queueId: number, files: QueueFile[]): void {
    const { logMin } = this.options
    const first = files.at(0)
    if (first === undefined) return
    let expected = logMin === 0 && first.start > 0 && this.unitAt(first.path, 0) !== 'blank' ? 0 : first.start
    let logFrom = logMin
    for (const { start, path } of files) {
      if (start !== expected) {
        this.tell('ConsumeQueue files are missing: built again from the log', {
          topic,
          queueId,
          from: expected,
          to: start,
        })
        this.resumeFrom = Math.min(this.resumeFrom, logFrom)
      }
      expected = start + this.fileSize
      const last = this.unitAt(path, this.fileSize - UNIT_SIZE)
      logFrom = typeof last === 'number' ? last : logMin
    }
  }

  /** Zeros or blanks units [from, to) of those files that are there. Right units in between are kept when blanking. */
  private overwrite(folder: string, from: number, to: number, blank: boolean): void {
    const perFile = this.fileSize / UNIT_SIZE
    const bytes = Buffer.alloc(UNIT_SIZE)
    writeUnit(new DataView(bytes.buffer, bytes.byteOffset, UNIT_SIZE), 0, 0, BLANK_UNIT_SIZE, 0, 0)
    for (let unit = from; unit < to; ) {
      const fileStart = unit - (unit % perFile)
      const last = Math.min(to, fileStart + perFile)
      const path = queueFilePath(folder, fileStart * UNIT_SIZE)
      this.withFile(path, (fd) => {
        if (!blank) {
          const zeros = Buffer.alloc((last - unit) * UNIT_SIZE)
          this.disk.write(fd, zeros, 0, zeros.length, (unit - fileStart) * UNIT_SIZE)
          return
        }
        const present = Buffer.alloc(UNIT_SIZE)
        for (; unit < last; unit += 1) {
          const at = (unit - fileStart) * UNIT_SIZE
          const isWritten = this.disk.read(fd, present, 0, UNIT_SIZE, at) === UNIT_SIZE && present.readInt32BE(8) > 0
          if (!isWritten) this.disk.write(fd, bytes, 0, UNIT_SIZE, at)
        }
      })
      unit = last
    }
  }

  /** Where dispatch goes on when all files are as they should be. */
  private provenPosition(): number {
    const { provenTo, isClean, logMin, logEnd } = this.options
    if (provenTo !== undefined) return Math.min(provenTo, logEnd)
    let highest = logMin
    for (const { maxPhysical } of this.queues.values()) highest = Math.max(highest, maxPhysical)
    return isClean ? highest : Math.min(highest, this.checkpointPosition())
  }

  /** Start of the newest segment whose first record was surely synced with its units, or of the log. */
  private checkpointPosition(): number {
    const { source, layout = CLASSIC_LAYOUT, logMin, logEnd, checkpointTime } = this.options
    const until = checkpointTime - CHECKPOINT_MARGIN_MS
    const record = new RecordView()
    let position = logMin
    for (let at = logMin; at < logEnd; ) {
      const segment = source.segmentAt(at)
      if (segment === undefined) break
      const { bytes, view, start, end } = segment
      const kind = (segment.layout ?? layout).read(record, bytes, view, at - start, Math.min(end, logEnd) - start)
      if (kind !== 'record' || record.storeTimestamp > until) break
      position = at
      at = end
    }
    return position
  }

  /** A queue that ends before what the snapshot says has lost units, or all its files. */
  private compare(topic: string, queueId: number, maxOffset: number): void {
    const queue = this.queueOf(topic, queueId)
    if (queue.end >= maxOffset) return
    this.tell('ConsumeQueue is shorter than it was: built again from the log', {
      topic,
      queueId,
      end: queue.end,
      expected: maxOffset,
    })
    queue.nextOffset = Math.max(queue.nextOffset, maxOffset)
    if (queue.end === 0) queue.minOffset = queue.nextOffset
    this.resumeFrom = Math.min(this.resumeFrom, queue.maxPhysical)
  }

  /** Start of the records that the snapshot does not count: their units are looked for, though the marks say they are there. */
  private doubtedFrom(): number {
    const { snapshot, provenTo, isClean, logMin } = this.options
    if (isClean || provenTo === undefined) return this.resumeFrom
    const from = snapshot?.countedTo ?? this.resumeFrom - DOUBTED_BYTES_MAX
    return Math.max(logMin, Math.min(this.resumeFrom, from))
  }

  /** Queue offsets of the records that are not in the queues yet, and of those that should be and are not. */
  private readLog(logEnd: number): void {
    const { source } = this.options
    const topics = new TopicTable<RecoveredQueue>()
    const record = new RecordView()
    this.believedTo = this.resumeFrom
    let position = this.doubtedFrom()
    while (position < logEnd) {
      const segment = source.segmentAt(position)
      if (segment === undefined) return
      const { bytes, view, start, layout = this.options.layout ?? CLASSIC_LAYOUT } = segment
      const limit = Math.min(segment.end, logEnd) - start
      let at = position - start
      while (at < limit) {
        const kind = layout.read(record, bytes, view, at, limit)
        if (kind !== 'record') {
          // A record whose parts do not add up is stepped over by its size, damage to the next segment.
          const size = kind === 'bad' ? record.totalSize : 0
          at = size > 0 ? at + size : segment.end - start
          continue
        }
        const entry = start + at
        at = record.at + record.totalSize
        const transaction = record.sysFlag & SYS_FLAG.transactionMask
        if (transaction !== 0 && transaction !== SYS_FLAG.commit) continue
        this.note(topics, bytes, record, entry)
      }
      position = start + at
    }
  }

  private note(topics: TopicTable<RecoveredQueue>, bytes: Uint8Array, record: RecordView, position: number): void {
    const { queueId, queueOffset } = record
    if (queueId < 0 || queueOffset < 0 || !Number.isSafeInteger(queueOffset)) return
    const topic = topics.find(bytes, record.topicStart, record.topicLength)
    if (!topic.isUsable) return
    let queue = topic.get(queueId)
    if (queue === undefined) {
      queue = this.queueOf(topic.name, queueId)
      topic.set(queueId, queue)
    }
    if (queueOffset >= queue.end && position < this.resumeFrom && position < this.believedTo) {
      this.tell('ConsumeQueue units are missing: built again from the log', { topic: topic.name, queueId, position })
      this.resumeFrom = position
    }
    // A queue without files begins at its first record; its next offset may be believed later (offset-jumps.ts).
    if (queue.end === 0 && queue.minOffset >= queue.nextOffset && !this.begun.has(queue)) {
      queue.minOffset = queueOffset
      this.begun.add(queue)
    }
    if (queueOffset >= queue.nextOffset) this.jumps.follow(queue, queueOffset)
    if (queueOffset < queue.minOffset) queue.minOffset = queueOffset
  }

  private queueOf(topic: string, queueId: number): RecoveredQueue {
    const key = `${topic}/${queueId}`
    let queue = this.queues.get(key)
    if (queue === undefined) {
      queue = { queue: this.queues.size, topic, queueId, nextOffset: 0, minOffset: 0, end: 0, maxPhysical: 0 }
      this.queues.set(key, queue)
    }
    return queue
  }

  private tell(what: string, fields: Record<string, unknown>): void {
    this.findings += 1
    if (this.findings <= FINDINGS_TOLD_MAX) this.options.log.warn(what, fields)
  }

  /** End of the record that the unit at a byte of a file points at. */
  private unitAt(path: string, at: number): number | 'blank' | 'none' {
    const bytes = Buffer.alloc(UNIT_SIZE)
    let read = 0
    this.withFile(path, (fd) => {
      read = this.disk.read(fd, bytes, 0, UNIT_SIZE, at)
    })
    const size = bytes.readInt32BE(UNIT.size)
    if (read < UNIT_SIZE || size <= 0) return 'none'
    return size === BLANK_UNIT_SIZE ? 'blank' : Number(bytes.readBigInt64BE(0)) + size
  }

  private withFile(path: string, use: (fd: number) => void): void {
    let fd: number
    try {
      fd = this.disk.open(path, 'r+')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    try {
      use(fd)
    } finally {
      this.disk.close(fd)
    }
  }
}

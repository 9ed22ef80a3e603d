/**
 * One range of the log: each record's frame, CRC and place; its ConsumeQueue unit; its index entries. Runs in a thread of the pool,
 * or where it is called.
 *
 * The other way round (units and entries that no record has) costs no second pass over the log: what matched is counted here, and
 * only a queue whose number of units differs is looked at unit by unit (queue-check.ts).
 */

import { LogReader, RECORD_SIZE_MIN, type RecordView, type Segment, SYS_FLAG } from '../../store/commitlog/index.ts'
import { standsAt } from '../../store/commitlog/record-head.ts'
import { QueueReaders, UNIT_SIZE } from '../../store/consumequeue/index.ts'
import { delayOf, PropertyScan, parseDelayLevels, type TopicEntry, TopicTable } from '../../store/dispatch/index.ts'
import { indexLayout } from '../../store/index/index.ts'
import type { InspectedEntryHead } from '../entry.ts'
import type { InspectSettings } from '../geometry.ts'
import { LogWalk } from '../log-walk.ts'
import { messageAt } from '../message.ts'
import { EntryIndex } from './entry-index.ts'
import { type Finding, Findings } from './finding.ts'
import { HashCheck, type HashedRange } from './hash-check.ts'
import { IndexCursor, type IndexFileHead } from './index-cursor.ts'
import { UnitCursor } from './unit-cursor.ts'

export interface LogRangeTask {
  settings: InspectSettings
  segmentStarts: number[]
  /** Records that start in [from, to). `isExact`: `from` is such a start; else the next one is looked for. */
  from: number
  to: number
  isExact: boolean
  logEnd: number
  /** Records below have their units; those below indexedTo their index entries. Others may have them, and then right ones. */
  dispatchedTo: number
  indexedTo: number
  indexFiles: IndexFileHead[]
  /** Of a DLedger log: the files of its entry index. */
  entryIndex?: Segment[] | undefined
  isLive: boolean
  /** Blocks of the range that are hashed on the way. */
  hashed?: HashedRange | undefined
}

/** What a range says of one queue. */
export interface RangeQueue {
  topic: string
  queueId: number
  /** Records at which their unit points. */
  matched: number
  /** Records without a unit, and where the first one is. */
  missing: number
  missingAt: number
  /** The same, where the queue has no files, or begins behind them. */
  older: number
  hasFiles: boolean
  /** Records whose queue offset a later one holds. */
  superseded: number
  lastAt: number
}

export interface LogRangeResult {
  /** First record, and where the next range has to begin; -1 where no record was found. */
  startedAt: number
  next: number
  recordCount: number
  damaged: { from: number; to: number }[]
  queues: RangeQueue[]
  /** Keys that the index does not have. */
  keysMissing: number
  keysMissingFrom: number
  keysMissingTo: number
  timesBack: number
  /** Of a DLedger log. */
  entries: RangeEntries
  /** Blocks of the segment that are not what was hashed. */
  wrongBlocks: number[]
  findings: Finding[]
  more: number
}

/** Entries of a range: the first and the last one, those that hold no record, those whose index unit is in no file. */
export interface RangeEntries {
  count: number
  first: { index: number; term: number; position: number } | undefined
  last: { index: number; term: number; position: number; size: number } | undefined
  foreign: number
  unindexed: number
}

export const noEntries = (): RangeEntries => ({
  count: 0,
  first: undefined,
  last: undefined,
  foreign: 0,
  unindexed: 0,
})

interface CheckedQueue extends RangeQueue {
  cursor: UnitCursor
}

const HIGH = 0x1_0000_0000

export async function verifyLogRange(task: LogRangeTask): Promise<LogRangeResult> {
  const { settings, hashed } = task
  const hash = hashed === undefined ? undefined : await HashCheck.open(settings, hashed)
  using check = new RangeCheck(task, hash)
  return { ...check.run(), wrongBlocks: hash?.finish() ?? [] }
}

class RangeCheck implements Disposable {
  private readonly task: LogRangeTask
  private readonly walk: LogWalk
  private readonly findings = new Findings()
  private readonly topics = new TopicTable<CheckedQueue>()
  private readonly readers: QueueReaders
  private readonly log: LogReader
  private readonly properties = new PropertyScan()
  private readonly delays: number[]
  private readonly entryIndex: EntryIndex | undefined
  private index: IndexCursor | undefined
  private readonly fileSize: number
  private readonly result: LogRangeResult

  constructor(task: LogRangeTask, hash: HashCheck | undefined) {
    this.task = task
    const { settings, segmentStarts, from, logEnd, isLive } = task
    const window = hash?.window
    this.walk = new LogWalk({ settings, segmentStarts, from, limit: logEnd, durable: logEnd, isLive, window })
    this.readers = new QueueReaders(settings)
    this.fileSize = this.readers.unitsPerFile * UNIT_SIZE
    this.log = new LogReader(settings, 0)
    this.delays = parseDelayLevels(settings.messageDelayLevel)
    this.entryIndex = task.entryIndex && new EntryIndex(task.entryIndex, this.findings)
    const { list: findings } = this.findings
    const missing = { keysMissing: 0, keysMissingFrom: -1, keysMissingTo: -1, timesBack: 0 }
    const nothing = {
      startedAt: -1,
      next: from,
      recordCount: 0,
      damaged: [],
      queues: [],
      wrongBlocks: [],
      entries: noEntries(),
    }
    this.result = { ...nothing, ...missing, findings, more: 0 }
  }

  run(): LogRangeResult {
    const { task, walk, result } = this
    if (!this.begin()) return result
    let lastTime = 0
    while (walk.next < task.to) {
      const step = walk.step()
      if (step === 'end') break
      // A blank leads into the next range.
      if (walk.at >= task.to) {
        walk.moveTo(walk.at)
        break
      }
      if (step === 'damage') this.damage()
      else if (walk.entry !== undefined) this.entry(walk.entry, step === 'entry')
      if (!walk.isReadable) continue
      result.recordCount += 1
      const { storeTimestamp } = walk.record
      if (storeTimestamp < lastTime) result.timesBack += 1
      lastTime = storeTimestamp
      this.record(walk.record, walk.window.bytes, walk.window.view, walk.recordAt)
    }
    result.next = this.isAtBlank() ? walk.scanner.segmentEnd(walk.next) : walk.next
    this.entriesBelow(Math.min(walk.next, task.indexedTo))
    for (const entry of this.topics.entries()) {
      for (const { cursor, ...queue } of entry.queues()) result.queues.push(queue)
    }
    result.more = this.findings.more
    return result
  }

  [Symbol.dispose](): void {
    this.walk.close()
    this.readers.close()
    this.log.close()
    this.index?.[Symbol.dispose]()
    this.entryIndex?.[Symbol.dispose]()
  }

  /** Finds the first record; false where there is none in the range. */
  private begin(): boolean {
    const { task, walk, result } = this
    if (!task.isExact) {
      const step = walk.step()
      const at = step === 'record' || step === 'entry' || (step === 'damage' && walk.isReadable) ? walk.at : walk.next
      if (step === 'end' || at >= task.to) {
        result.next = step === 'end' ? task.to : at
        return false
      }
      walk.moveTo(at)
    }
    result.startedAt = walk.next
    if (task.settings.messageIndexEnable && task.indexFiles.length > 0)
      this.index = new IndexCursor(task.indexFiles, indexLayout(task.settings), walk.next)
    return true
  }

  /** The walk ended at a blank: the segment behind it is missing. */
  private isAtBlank(): boolean {
    const { walk, task } = this
    return walk.next < task.to && walk.next < task.logEnd && walk.scanner.check(walk.next) === 'blank'
  }

  private entry(head: InspectedEntryHead, isForeign: boolean): void {
    const { entries } = this.result
    entries.count += 1
    entries.first ??= head
    entries.last = head
    if (isForeign) entries.foreign += 1
    this.entryIndex?.check(head)
    entries.unindexed = this.entryIndex?.missing ?? 0
  }

  private damage(): void {
    const { walk } = this
    const { at, next, problem } = walk
    if (!walk.isReadable) this.result.damaged.push({ from: at, to: next })
    const what = `${next - at} bytes of the log, ${at} to ${next}, are not what was written: ${problem}`
    this.findings.inLog('RECORD_DAMAGED', what, this.task.settings, at)
  }

  private record(record: RecordView, bytes: Buffer, view: DataView, at: number): void {
    const { task, properties } = this
    const transaction = record.sysFlag & SYS_FLAG.transactionMask
    const topic = this.topics.find(bytes, record.topicStart, record.topicLength)
    const wantsKeys = task.settings.messageIndexEnable && transaction !== SYS_FLAG.rollback
    const end = record.propertiesStart + record.propertiesLength
    properties.scan(bytes, view, record.propertiesStart, end, wantsKeys ? topic.keyPrefix : undefined)
    this.fields(record, topic, transaction, at)
    const hasUnit = (transaction === 0 || transaction === SYS_FLAG.commit) && at < task.dispatchedTo
    if (hasUnit && topic.isUsable && record.queueId >= 0) this.unit(record, topic, at)
    if (wantsKeys) this.keys(at, record.storeTimestamp)
  }

  /** What neither frame nor CRC nor unit covers, as far as anything can be said of it. */
  private fields(record: RecordView, topic: TopicEntry<CheckedQueue>, transaction: number, at: number): void {
    const tell = (what: string) =>
      this.findings.inLog('RECORD_FIELD', `the record at ${at} ${what}`, this.task.settings, at)
    if (!topic.isUsable) tell(`has a topic that no folder can have: ${JSON.stringify(topic.name)}`)
    if (record.queueId < 0) tell(`has queueId ${record.queueId}`)
    if (record.bodyLength === 0 && record.bodyCRC !== 0) tell('has no body, and a CRC of one')
    const { preparedTransactionOffset: half } = record
    if (transaction === SYS_FLAG.commit ? half < 0 || half >= at : half !== 0) tell(`names a half message at ${half}`)
  }

  private unit(record: RecordView, topic: TopicEntry<CheckedQueue>, at: number): void {
    const queue = topic.get(record.queueId) ?? this.queueOf(topic, record.queueId)
    const { cursor } = queue
    queue.lastAt = at
    if (!cursor.exists) {
      queue.older += 1
      return
    }
    if (!cursor.find(record.queueOffset) || !cursor.isReal) {
      if (at < cursor.firstPhysicalOffset) queue.older += 1
      else {
        if (queue.missing === 0) queue.missingAt = at
        queue.missing += 1
      }
      return
    }
    if (cursor.physicalOffset !== at) {
      this.otherUnit(queue, record, at)
      return
    }
    queue.matched += 1
    const { properties } = this
    let tagsHigh = properties.tagsHash >> 31
    let tagsLow = properties.tagsHash
    if (topic.isSchedule && properties.delayLevel > 0) {
      const due = record.storeTimestamp + delayOf(this.delays, properties.delayLevel)
      tagsHigh = Math.floor(due / HIGH)
      tagsLow = due | 0
    }
    if (cursor.size !== record.totalSize) {
      const what = `says that the record at ${at} has ${cursor.size} bytes; it has ${record.totalSize}`
      this.tellUnit('UNIT_SIZE', queue, record.queueOffset, what)
    }
    if (cursor.tagsHigh !== tagsHigh || cursor.tagsLow !== tagsLow)
      this.tellTag(queue, record, topic, tagsHigh, tagsLow)
  }

  private tellTag(
    queue: CheckedQueue,
    record: RecordView,
    topic: TopicEntry<CheckedQueue>,
    high: number,
    low: number,
  ): void {
    const { cursor } = queue
    const asBig = (h: number, l: number) => (BigInt(h) << 32n) | BigInt(l >>> 0)
    const found = asBig(cursor.tagsHigh, cursor.tagsLow)
    const what = topic.isSchedule
      ? `makes the message due at ${found}, not at ${asBig(high, low)}; if messageDelayLevel is not RocketMQ’s, say it with -c or --set`
      : `has the tagsCode ${found}, but the record’s tag has ${asBig(high, low)}: consumers that filter by it do not get it`
    this.tellUnit('UNIT_TAG', queue, record.queueOffset, what)
  }

  /** The unit of the record's queue offset points at another place. */
  private otherUnit(queue: CheckedQueue, record: RecordView, at: number): void {
    const { physicalOffset, size } = queue.cursor
    const { queueOffset } = record
    if (physicalOffset > at && this.claims(physicalOffset, size, queue, queueOffset)) {
      queue.superseded += 1
      return
    }
    this.tellUnit('UNIT_WRONG', queue, queueOffset, `points at ${physicalOffset}; its record is at ${at}`)
  }

  /** Whether the record there says that it has this place in the queue. */
  private claims(at: number, size: number, { topic, queueId }: RangeQueue, queueOffset: number): boolean {
    if (size < RECORD_SIZE_MIN || size > this.task.settings.mappedFileSizeCommitLog) return false
    const bytes = this.log.readCold(at, size)
    if (bytes?.length !== size) return false
    if (!standsAt(new DataView(bytes.buffer, bytes.byteOffset, size), 0, at, size)) return false
    const message = messageAt(bytes)
    return message?.topic === topic && message.queueId === queueId && message.queueOffset === queueOffset
  }

  private tellUnit(
    code: 'UNIT_SIZE' | 'UNIT_TAG' | 'UNIT_WRONG',
    queue: CheckedQueue,
    unit: number,
    what: string,
  ): void {
    const { topic, queueId, cursor } = queue
    const text = `unit ${unit} of ${topic}/${queueId} ${what}`
    this.findings.inQueue(code, text, cursor.queue.folder, this.fileSize, unit)
  }

  private queueOf(topic: TopicEntry<CheckedQueue>, queueId: number): CheckedQueue {
    const cursor = new UnitCursor(this.readers, this.task.settings, topic.name, queueId)
    const counts = { matched: 0, missing: 0, missingAt: -1, older: 0, superseded: 0, lastAt: -1 }
    const queue = { topic: topic.name, queueId, ...counts, hasFiles: cursor.exists, cursor }
    topic.set(queueId, queue)
    return queue
  }

  private keys(at: number, storeTimestamp: number): void {
    const { index, properties } = this
    const { keyCount, keyHashes } = properties
    this.entriesBelow(at)
    for (let key = 0; key < keyCount; key += 1) {
      if (index === undefined || index.physicalOffset !== at) {
        if (at < this.task.indexedTo) this.keyMissing(at)
        continue
      }
      // Of a record that begins in a file which is lost, the entries of its first keys were there.
      if (index.keyHash !== keyHashes[key] && keyHashes.subarray(key + 1, keyCount).includes(index.keyHash)) {
        if (at < this.task.indexedTo) this.keyMissing(at)
        continue
      }
      if (index.keyHash !== keyHashes[key]) this.tellEntry(`has a hash that no key of the record at ${at} has`)
      else if (!index.isTimeOf(storeTimestamp)) this.tellEntry(`does not have the time of the record at ${at}`)
      index.advance()
    }
    // A record that was indexed again after a crash has its entries twice.
    while (index !== undefined && index.physicalOffset === at) {
      if (!keyHashes.subarray(0, keyCount).includes(index.keyHash))
        this.tellEntry(`has a hash that no key of the record at ${at} has`)
      index.advance()
    }
  }

  private entriesBelow(at: number): void {
    const { index } = this
    while (index !== undefined && index.physicalOffset < at) {
      this.tellEntry(`points at ${index.physicalOffset}, where no record with a key is`)
      index.advance()
    }
  }

  private keyMissing(at: number): void {
    const { result } = this
    if (result.keysMissing === 0) result.keysMissingFrom = at
    result.keysMissing += 1
    result.keysMissingTo = at
  }

  private tellEntry(what: string): void {
    const { file, entry, offset } = this.index!
    this.findings.add('INDEX_ENTRY', `entry ${entry} ${what}`, file.path, offset)
  }
}

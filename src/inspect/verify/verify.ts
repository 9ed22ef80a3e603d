/**
 * Whether a store is whole: log, ConsumeQueues, index, marks and tables, each by itself and against the others.
 *
 *   bounds, what must be dispatched ─▶ ranges of the log │ queues │ index files, in threads
 *        ─▶ ranges joined: each begins where the one before ended ─▶ queues whose counts differ, unit by unit
 *        ─▶ marks, tables, offsets ─▶ findings, the worst first
 *
 * Beside a running broker everything is measured up to what was there when it began.
 */
import { join } from 'node:path'
import { HASHED_BLOCK } from '../../store/checksums/index.ts'
import { SCHEDULE_TOPIC } from '../../store/dispatch/index.ts'
import { indexLayout, readIndexHeader, SLOT_SIZE } from '../../store/index/index.ts'
import { FOLDERS } from '../../store/settings.ts'
import { committedEnd } from '../committed.ts'
import { type LogBounds, logBounds, newestUnits } from '../log-end.ts'
import { memberState } from '../member-state.ts'
import type { InspectedStore } from '../open-store.ts'
import { listLogOf } from '../store-files.ts'
import { deletedTopics, readTables, topicRows } from '../tables.ts'
import { tryRead } from '../try-read.ts'
import { type Finding, Findings, ofMember } from './finding.ts'
import type { IndexFileHead } from './index-cursor.ts'
import type { LogRangeResult, LogRangeTask } from './log-range.ts'
import { checkMarks } from './marks-check.ts'
import { checkEntryIndexFiles, checkMember } from './member-check.ts'
import { joinRanges, nothingJoined, type PlannedRange, planRanges } from './ranges.ts'
import { type Runner, runnerOf, threadsFor } from './runner.ts'
import { SideChecksums } from './side-checksums.ts'
import { checkOffsets, checkTables } from './table-check.ts'

export interface VerifyOptions {
  /** 0: in this thread. By default one a core, none for a small store. */
  threads?: number | undefined
  /** Bytes of log, queues and index that are done, of all. */
  onProgress?: (done: number, total: number) => void
}

export interface Verification {
  /** No finding is more than worth knowing. */
  isWhole: boolean
  findings: Finding[]
  /** Findings that were not kept. */
  more: number
  recordCount: number
  unitCount: number
  indexCount: number
  /** Log, queues, index. */
  bytes: number
  log: LogBounds
  /** Records above have no units yet, and need none. */
  dispatchedTo: number
  threads: number
  ms: number
}

const QUEUES_A_TASK = 32
/** Index files that are checked at once. */
const INDEX_LANES = 2

export async function verifyStore(store: InspectedStore, options: VerifyOptions = {}): Promise<Verification> {
  const began = performance.now()
  const verifier = new Verifier(store, options)
  await verifier.run()
  const { findings } = verifier
  const order = { error: 0, warn: 1, info: 2 }
  const told = store.files.member === undefined ? findings.list : findings.list.map(ofMember)
  const sorted = told.sort((a, b) => order[a.severity] - order[b.severity])
  const { bounds, joined, unitCount, indexCount, total, dispatchedTo, threads } = verifier
  return {
    isWhole: findings.more === 0 && sorted.every(({ severity }) => severity === 'info'),
    findings: sorted,
    more: findings.more,
    recordCount: joined.recordCount,
    unitCount,
    indexCount,
    bytes: total,
    log: bounds,
    dispatchedTo,
    threads,
    ms: performance.now() - began,
  }
}

class Verifier {
  readonly findings = new Findings()
  readonly bounds: LogBounds
  readonly dispatchedTo: number
  joined = nothingJoined()
  unitCount = 0
  indexCount = 0
  total = 0
  threads = 0
  private done = 0
  private readonly store: InspectedStore
  private readonly options: VerifyOptions
  private readonly indexedTo: number
  private readonly indexFiles: (IndexFileHead & { size: number })[] = []
  private readonly tables: ReturnType<typeof readTables>
  private readonly checksums: SideChecksums
  private readonly maxOf = new Map<string, number>()
  private readonly real = new Map<string, number>()

  constructor(store: InspectedStore, options: VerifyOptions) {
    this.store = store
    this.options = options
    this.checksums = new SideChecksums(store, this.findings)
    // Offsets first: consumers go on while the rest is looked at.
    this.tables = readTables(store.root)
    for (const { name, path, size } of store.files.indexFiles) {
      const header = tryRead(() => readIndexHeader(path))
      if (header !== undefined) this.indexFiles.push({ name, path, size, header })
      else this.findings.add('INDEX_HEADER', `the file has ${size} bytes: it has no header`, path)
    }
    const { dispatched, indexed } = dispatchedOf(store)
    this.bounds = logBounds(store)
    this.dispatchedTo = Math.min(dispatched, this.bounds.end)
    this.indexedTo = Math.min(indexed, this.bounds.end)
  }

  async run(): Promise<void> {
    const { store, bounds, findings } = this
    this.checkSegments()
    const ranges = planRanges(store.files.segments, store.settings.mappedFileSizeCommitLog, bounds, rangeBytes(bounds))
    const queueBytes = store.files.queues.reduce(
      (sum, { files }) => sum + files.reduce((all, { size }) => all + size, 0),
      0,
    )
    const indexBytes = this.indexFiles.reduce((sum, file) => sum + entryBytes(file), 0)
    this.total = bounds.end - bounds.min + queueBytes + indexBytes
    const runner = await runnerOf(this.options.threads ?? threadsFor(this.total))
    this.threads = runner.threads
    try {
      const [, results] = await Promise.all([
        this.index(runner),
        this.log(runner, ranges),
        this.queues(runner),
        this.behindTheEnd(runner, ranges),
      ])
      const again = (range: PlannedRange) => runner.run('verifyLogRange', this.rangeTask(range))
      this.joined = await joinRanges(ranges, results, again, findings, store.settings)
      await this.dangling(runner)
    } finally {
      await runner.close()
    }
    this.checksums.tell(bounds.end)
    this.records()
    this.keys()
    this.tail()
    this.member()
    checkMarks(store, bounds, this.indexFiles, findings)
    checkTables(this.tables, findings)
    checkOffsets(store, this.tables, (topic, queueId) => this.maxOf.get(`${topic}/${queueId}`), findings)
  }

  private log(runner: Runner, ranges: PlannedRange[]): Promise<LogRangeResult[]> {
    const run = async (range: PlannedRange, i: number) => {
      const isLast = ranges[i + 1]?.from !== range.to || ranges[i + 1].isExact
      const hashed = this.checksums.of(range, isLast)
      const result = await runner.run('verifyLogRange', { ...this.rangeTask(range), hashed })
      if (hashed !== undefined) this.checksums.found(hashed.start, result.wrongBlocks)
      this.progress(range.to - range.from)
      return result
    }
    return Promise.all(ranges.map(run))
  }

  /** Sealed segments in which the log does not go on any more. */
  private async behindTheEnd(runner: Runner, ranges: PlannedRange[]): Promise<void> {
    const { settings } = this.store
    for (const range of this.checksums.others(ranges))
      this.checksums.found(range.start, await runner.run('hashSegment', { settings, range }))
  }

  private rangeTask({ from, to, isExact }: PlannedRange): LogRangeTask {
    const { store, bounds, dispatchedTo, indexedTo } = this
    const segmentStarts = store.files.segments.map(({ start }) => start)
    const indexFiles = this.indexFiles.map(({ name, path, header }) => ({ name, path, header }))
    const { settings, use } = store
    return {
      settings,
      segmentStarts,
      from,
      to,
      isExact,
      logEnd: bounds.end,
      dispatchedTo,
      indexedTo,
      indexFiles,
      entryIndex: store.files.member?.indexFiles,
      isLive: use.isInUse,
    }
  }

  private async queues(runner: Runner): Promise<void> {
    const { store, bounds, dispatchedTo } = this
    const { settings, files, use } = store
    const batches: (typeof files.queues)[] = []
    for (let i = 0; i < files.queues.length; i += QUEUES_A_TASK) batches.push(files.queues.slice(i, i + QUEUES_A_TASK))
    const run = async (batch: typeof files.queues) => {
      const queues = batch.map(({ topic, queueId }) => ({ topic, queueId }))
      const { min: logMin, end: logEnd } = bounds
      const task = { settings, queues, logMin, logEnd, dispatchedTo, isLive: use.isInUse }
      const result = await runner.run('verifyQueues', task)
      this.take(result)
      for (const { topic, queueId, real, max } of result.queues) {
        this.real.set(`${topic}/${queueId}`, real)
        this.maxOf.set(`${topic}/${queueId}`, max)
        this.unitCount += real
      }
      this.progress(batch.reduce((sum, { files: own }) => sum + own.reduce((all, { size }) => all + size, 0), 0))
    }
    await Promise.all(batches.map(run))
  }

  /** A few at a time, each with room for the slots of one file. */
  private async index(runner: Runner): Promise<void> {
    const { store, bounds, indexFiles } = this
    const { settings, use } = store
    const { min: logMin, end } = bounds
    const logEnd = use.isInUse ? Number.MAX_SAFE_INTEGER : end
    const waiting = indexFiles.values()
    const lane = async () => {
      const slots = new SharedArrayBuffer(indexLayout(settings).slotCount * SLOT_SIZE)
      for (const file of waiting) {
        const isLive = use.isInUse && file === indexFiles.at(-1)
        const task = { settings, file, size: file.size, logMin, logEnd, isLive, slots }
        this.take(await runner.run('verifyIndexFile', task))
        this.indexCount += Math.max(0, Math.floor(entryBytes(file) / 20) - 1)
        this.progress(entryBytes(file))
      }
    }
    const lanes = Math.min(indexFiles.length, runner.threads, INDEX_LANES)
    await Promise.all(Array.from({ length: lanes }, lane))
  }

  /** Queues that have another number of units than records which matched. */
  private async dangling(runner: Runner): Promise<void> {
    const { store, bounds, joined, dispatchedTo } = this
    const { settings, use } = store
    for (const [key, real] of this.real) {
      if ((joined.queues.get(key)?.matched ?? 0) === real) continue
      const at = key.lastIndexOf('/')
      const logMin = store.use.isInUse ? (listLogOf(settings).segments[0]?.start ?? 0) : bounds.min
      this.take(
        await runner.run('danglingUnits', {
          settings,
          topic: key.slice(0, at),
          queueId: Number(key.slice(at + 1)),
          damaged: joined.damaged,
          logMin,
          logEnd: bounds.end,
          dispatchedTo,
          isLive: use.isInUse,
        }),
      )
    }
  }

  /** Records that their queue does not have, one finding a queue. */
  private records(): void {
    const { store, findings, joined } = this
    const topics = topicRows(this.tables)
    const deleted = deletedTopics(store.root)
    for (const { topic, queueId, missing, missingAt, older, superseded, hasFiles, lastAt } of joined.queues.values()) {
      const name = `${topic}/${queueId}`
      const folder = join(store.root, FOLDERS.consumeQueue, topic, String(queueId))
      const isDeleted = lastAt < (deleted.get(topic) ?? 0)
      if (missing > 0) {
        const what = `${missing} records of ${name} have no unit, the first one at ${missingAt}: consumers do not get them`
        findings.add('UNIT_MISSING', what, folder)
      }
      if (older > 0 && !hasFiles) {
        if (isDeleted || (topics !== undefined && !topics.has(topic) && !isSystem(topic)))
          findings.add('TOPIC_DELETED', `the log has ${older} records of ${name}, a topic that is gone`, folder)
        else
          findings.add(
            'QUEUE_MISSING',
            `${older} records of ${name} are in the log, and the queue has no files`,
            folder,
          )
      } else if (older > 0) {
        const what = `${older} records of ${name} are older than all units of the queue`
        if (deleted.has(topic)) findings.add('TOPIC_DELETED', what, folder)
        else findings.add('QUEUE_YOUNGER', what, folder)
      }
      if (superseded > 0) {
        const what = `${superseded} records of ${name} have queue offsets that later records have as well`
        if (deleted.has(topic)) findings.add('TOPIC_DELETED', what, folder)
        else findings.add('QUEUE_SUPERSEDED', what, folder)
      }
    }
  }

  private keys(): void {
    const { store, findings, joined } = this
    const { keysMissing, keysMissingFrom, keysMissingTo } = joined
    if (keysMissing === 0) return
    const what = `${keysMissing} keys of records from ${keysMissingFrom} to ${keysMissingTo} are not in the index: queries do not find them`
    findings.add('INDEX_INCOMPLETE', what, join(store.root, FOLDERS.index))
  }

  private tail(): void {
    const { store, bounds, findings } = this
    if (bounds.behind === 0 || store.use.isInUse) return
    const what = `${bounds.behind} bytes behind the end of the log at ${bounds.end} are no record: ${bounds.problem}`
    // A recovery leaves something behind the records that it keeps: without any record nobody knows what it was.
    const isTorn = store.isUnclean || bounds.problem !== 'no record' || bounds.firstTime === 0
    findings.inLog(isTorn ? 'TAIL_TORN' : 'TAIL_LEFTOVERS', what, store.settings, bounds.end)
  }

  /** In DLedger mode: what its member keeps beside the log. */
  private member(): void {
    const { store, findings, joined } = this
    const { member } = store.files
    if (member === undefined) return
    const { entries } = joined
    checkEntryIndexFiles(member, findings)
    checkMember(member, memberState(member), entries, store.use.isInUse, findings)
    const index = join(member.folder, 'index')
    // A crash leaves the last ones without: the next start writes them.
    if (entries.unindexed > 0 && !store.use.isInUse && !store.isUnclean)
      findings.add('ENTRY_INDEX', `${entries.unindexed} of ${entries.count} entries are not in the entry index`, index)
    if (entries.foreign === 0) return
    const what = `${entries.foreign} of ${entries.count} entries hold no record`
    // Where a broker's records are, one that is none is a record that is damaged, or stops the dispatch of a JVM's broker.
    const isPlain = entries.foreign === entries.count && store.files.queues.length === 0
    findings.add(isPlain ? 'ENTRY_FOREIGN' : 'RECORD_DAMAGED', what, store.files.logFolder)
  }

  private checkSegments(): void {
    const { store, findings, bounds } = this
    const { files, settings } = store
    const size = settings.mappedFileSizeCommitLog
    for (const path of files.strays) findings.add('STRAY_FILE', 'this is no CommitLog segment', path)
    let expected = files.segments[0]?.start
    for (const { start, path, size: own } of files.segments) {
      if (start % size !== 0 || own > size)
        findings.add('SEGMENT_SHORT', `a segment of ${own} bytes begins at ${start}; they have ${size}`, path)
      else if (start !== expected)
        findings.add('SEGMENT_MISSING', `segments before it are missing, from ${expected} on`, path)
      // The one that is made ahead may be short when its broker dies.
      if (own < size && (start <= bounds.end || !store.isUnclean))
        findings.add('SEGMENT_SHORT', `the segment has ${own} of ${size} bytes`, path, own)
      expected = start + size
    }
  }

  private take({ findings, more }: { findings: Finding[]; more: number }): void {
    this.findings.list.push(...findings)
    this.findings.more += more
  }

  private progress(bytes: number): void {
    this.done += bytes
    this.options.onProgress?.(this.done, this.total)
  }
}

/** Of an index file; a damaged header may count anything. */
function entryBytes({ header, size }: { header: { indexCount: number }; size: number }): number {
  return Math.min(Math.max(0, header.indexCount) * 20, size)
}

/** Bytes of a range, whole blocks: all threads are kept busy to the end, and buffers are not made more often than they must be. */
function rangeBytes({ min, end }: LogBounds): number {
  const share = Math.ceil((end - min) / 16 / HASHED_BLOCK) * HASHED_BLOCK
  return Math.min(64 * 1024 * 1024, Math.max(4 * 1024 * 1024, share))
}

/** Up to where records have their units, and their index entries, for certain. */
export function dispatchedOf(store: InspectedStore): { dispatched: number; indexed: number } {
  const { use, isUnclean, positions } = store
  const all = Number.POSITIVE_INFINITY
  if (store.settings.enableDLegerCommitLog) return committedOf(store)
  if (!use.isInUse && !isUnclean) return { dispatched: all, indexed: all }
  if (positions !== undefined) {
    const { dispatched, settled } = positions.slot
    // Of a copy the marks are those of the moment when it was made.
    const mark = positions.trust === 'durable' ? settled : dispatched
    return { dispatched: mark, indexed: mark }
  }
  // Our dispatch does not write queue after queue: without its mark nothing is certain.
  const newest = use.isInUse && store.isOurs ? undefined : newestUnits(store)[0]
  if (newest === undefined) return { dispatched: 0, indexed: 0 }
  return { dispatched: newest.offset + newest.size, indexed: newest.offset }
}

/**
 * Only what is committed is dispatched; how far that is, the marks say, or the newest unit. Without any unit, after a clean stop, the
 * member's checkpoint: a member stops behind its dispatch.
 */
function committedOf(store: InspectedStore): { dispatched: number; indexed: number } {
  const { use, isUnclean, positions } = store
  if (positions !== undefined) {
    const { slot, trust } = positions
    const mark = trust === 'durable' ? slot.settled : slot.dispatched
    return { dispatched: mark, indexed: mark }
  }
  if (use.isInUse && store.isOurs) return { dispatched: 0, indexed: 0 }
  const newest = newestUnits(store)[0]
  const hasStopped = !isUnclean && !use.isInUse
  if (newest === undefined) {
    const all = hasStopped ? committedEnd(store) : 0
    return { dispatched: all, indexed: all }
  }
  const dispatched = newest.offset + newest.size
  return { dispatched, indexed: hasStopped ? dispatched : newest.offset }
}

/** Brokers make their own queues without an entry in topics.json. */
export function isSystem(topic: string): boolean {
  return topic === SCHEDULE_TOPIC || topic === 'TRANS_CHECK_MAX_TIME_TOPIC' || topic.startsWith('RMQ_SYS_')
}

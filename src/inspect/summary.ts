/**
 * What is in a store, in one look: the log, queues and topics, groups and how far behind they are, what waits for a delay or for
 * the end of a transaction, where the space is.
 */
import { statSync } from 'node:fs'
import { decodeRecord, LogFolders, LogReader } from '../store/commitlog/index.ts'
import { QueueReader, queueFileSize } from '../store/consumequeue/index.ts'
import { parseDelayLevels, SCHEDULE_TOPIC } from '../store/dispatch/index.ts'
import { readIndexHeader } from '../store/index/index.ts'
import { type LogBounds, logBounds } from './log-end.ts'
import { memberState } from './member-state.ts'
import { modeHints } from './mode-hints.ts'
import type { InspectedStore } from './open-store.ts'
import { type QueueStats, queueStats } from './queue-units.ts'
import { delayOffsets, groupOffsets, readTables, type TopicRow, topicRows } from './tables.ts'
import { tryRead } from './try-read.ts'

export const HALF_TOPIC = 'RMQ_SYS_TRANS_HALF_TOPIC'
export const OP_TOPIC = 'RMQ_SYS_TRANS_OP_HALF_TOPIC'
export const TRANSACTION_GROUP = 'CID_RMQ_SYS_TRANS'

export interface TopicSummary {
  topic: string
  config: TopicRow | undefined
  queues: QueueStats[]
  count: number
  /** Of its records in the log. */
  bytes: number
}

export interface GroupSummary {
  group: string
  topic: string
  lag: number
  queues: { queueId: number; offset: number; min: number; max: number; lag: number }[]
}

export interface DLedgerSummary {
  selfId: string
  folder: string
  /** Of the log, −1 without entries. */
  beginIndex: number
  endIndex: number
  endTerm: number
  /** By its checkpoint. */
  committedIndex: number
  currTerm: number | undefined
  voteLeader: string | undefined
  /** Where the data files begin. */
  dataBegin: number
  /** The CommitLog before it ends there; undefined without one. */
  divide: number | undefined
  dataFiles: number
  indexFiles: number
}

export interface Summary {
  root: string
  inUse: InspectedStore['use']
  isUnclean: boolean
  modeHints: string[]
  /** In DLedger mode. */
  dledger: DLedgerSummary | undefined
  log: LogBounds & {
    segmentSize: number
    segmentCount: number
    /** Bytes on the disk of commitlog/, consumequeue/ and index/. */
    allocated: number
    queuesAllocated: number
    indexAllocated: number
  }
  topics: TopicSummary[]
  /** Bytes of the log that no queue points at: half-written transactions, deleted topics, ends of files, damage. */
  otherBytes: number
  groups: GroupSummary[]
  delays: { level: number; delayMs: number | undefined; waiting: number; deliveredTo: number; max: number }[]
  transactions: { halves: number; decided: number; undecided: number } | undefined
  index: { files: number; entries: number; firstTime: number; lastTime: number }
  checkpoint: InspectedStore['checkpoint']
  positions: InspectedStore['positions']
  problems: string[]
}

export function summaryOf(store: InspectedStore): Summary {
  const { files, settings } = store
  const bounds = logBounds(store, false)
  const fileSize = queueFileSize(settings)
  const tables = readTables(store.root)
  const stats = files.queues.map((queue) => queueStats(queue, fileSize, bounds.min, bounds.end))
  const topics = byTopic(stats, topicRows(tables))
  const counted = topics.reduce((sum, { bytes }) => sum + bytes, 0)
  const problems: string[] = []
  for (const { problem } of tables.values()) if (problem !== undefined) problems.push(problem)
  for (const path of files.strays) problems.push(`${path} is no segment: a broker does not start with it`)
  if (bounds.isDamaged) problems.push('the log is damaged before its end: see "inspect verify"')
  return {
    root: store.root,
    inUse: store.use,
    isUnclean: store.isUnclean,
    modeHints: modeHints(store),
    dledger: dledgerSummary(store, bounds),
    log: {
      ...bounds,
      segmentSize: settings.mappedFileSizeCommitLog,
      segmentCount: files.segments.length,
      allocated: allocatedOf(files.segments),
      queuesAllocated: allocatedOf(files.queues.flatMap((queue) => queue.files)),
      indexAllocated: allocatedOf(files.indexFiles),
    },
    topics,
    otherBytes: Math.max(0, bounds.end - bounds.min - counted),
    groups: groupSummaries(groupOffsets(tables), stats),
    delays: delaySummaries(delayOffsets(tables), stats, settings.messageDelayLevel),
    transactions: transactionSummary(store, groupOffsets(tables), stats),
    index: indexSummary(store),
    checkpoint: store.checkpoint,
    positions: store.positions,
    problems,
  }
}

function byTopic(stats: QueueStats[], rows: Map<string, TopicRow> | undefined): TopicSummary[] {
  const topics = new Map<string, TopicSummary>()
  for (const queue of stats) {
    const topic = topics.get(queue.topic) ?? {
      topic: queue.topic,
      config: rows?.get(queue.topic),
      queues: [],
      count: 0,
      bytes: 0,
    }
    topic.queues.push(queue)
    topic.count += queue.count
    topic.bytes += queue.bytes
    topics.set(queue.topic, topic)
  }
  return [...topics.values()].sort((a, b) => b.bytes - a.bytes)
}

function groupSummaries(offsets: ReturnType<typeof groupOffsets>, stats: QueueStats[]): GroupSummary[] {
  const queues = new Map(stats.map((queue) => [`${queue.topic}/${queue.queueId}`, queue]))
  const groups = new Map<string, GroupSummary>()
  for (const { group, topic, queueId, offset } of offsets) {
    const key = `${topic}@${group}`
    const summary = groups.get(key) ?? { group, topic, lag: 0, queues: [] }
    const { min = 0, max = 0 } = queues.get(`${topic}/${queueId}`) ?? {}
    const lag = Math.max(0, max - offset)
    summary.queues.push({ queueId, offset, min, max, lag })
    summary.lag += lag
    groups.set(key, summary)
  }
  return [...groups.values()].sort((a, b) => b.lag - a.lag || (a.group < b.group ? -1 : 1))
}

function delaySummaries(delivered: Map<number, number>, stats: QueueStats[], levels: string): Summary['delays'] {
  const delays = tryRead(() => parseDelayLevels(levels)) ?? []
  const summaries: Summary['delays'] = []
  for (const { topic, queueId, max } of stats) {
    if (topic !== SCHEDULE_TOPIC || max === 0) continue
    const level = queueId + 1
    const deliveredTo = delivered.get(level) ?? 0
    summaries.push({ level, delayMs: delays[level], waiting: Math.max(0, max - deliveredTo), deliveredTo, max })
  }
  return summaries.sort((a, b) => a.level - b.level)
}

/** Halves that the check has not passed yet, and which of them an op message names as decided. */
function transactionSummary(
  store: InspectedStore,
  offsets: ReturnType<typeof groupOffsets>,
  stats: QueueStats[],
): Summary['transactions'] {
  const half = stats.find(({ topic, queueId }) => topic === HALF_TOPIC && queueId === 0)
  if (half === undefined) return undefined
  const offsetOf = (topic: string) =>
    offsets.find((each) => each.group === TRANSACTION_GROUP && each.topic === topic && each.queueId === 0)?.offset ?? 0
  const from = Math.max(half.min, offsetOf(HALF_TOPIC))
  const halves = Math.max(0, half.max - from)
  const ops = stats.find(({ topic, queueId }) => topic === OP_TOPIC && queueId === 0)
  let decided = 0
  if (ops !== undefined) {
    for (const offset of decidedIn(store, Math.max(ops.min, offsetOf(OP_TOPIC)), ops.max)) {
      if (offset >= from && offset < half.max) decided += 1
    }
  }
  return { halves, decided, undecided: Math.max(0, halves - decided) }
}

/** Queue offsets of halves that op messages name; 5.x names several in one. */
export function decidedIn({ settings }: InspectedStore, from: number, max: number): Set<number> {
  const decided = new Set<number>()
  const reader = new QueueReader({ settings, topic: OP_TOPIC, queueId: 0 })
  using log = new LogReader(settings, 0)
  for (let offset = from; offset < max; ) {
    const units = reader.read(offset, max - offset, max)
    for (let i = 0; i < units.count; i += 1) {
      if (units.isBlank(i)) continue
      const record = log.readCold(units.physicalOffset(i), Math.min(units.size(i), RECORD_MAX))
      const body = record === undefined ? undefined : decodeRecord(record)?.body
      for (const text of Buffer.from(body ?? [])
        .toString('latin1')
        .split(',')) {
        if (/^\d+$/.test(text)) decided.add(Number(text))
      }
    }
    offset = units.count > 0 ? offset + units.count : reader.nextFile(offset)
  }
  reader.close()
  return decided
}

const RECORD_MAX = 64 * 1024 * 1024

function dledgerSummary({ files, settings }: InspectedStore, { firstEntry, lastEntry }: LogBounds) {
  const { member } = files
  if (member === undefined) return undefined
  const { id, folder, term, voteFor, committedIndex, begin } = memberState(member)
  const { folder: dataFolder, divide } = new LogFolders(settings)
  const data = files.segments.filter(({ path }) => path.startsWith(dataFolder))
  return {
    selfId: id,
    folder,
    beginIndex: begin?.index ?? firstEntry?.index ?? -1,
    endIndex: lastEntry?.index ?? -1,
    endTerm: lastEntry?.term ?? -1,
    committedIndex,
    currTerm: term,
    voteLeader: voteFor,
    dataBegin: begin?.position ?? data[0]?.start ?? 0,
    divide: files.segments.length > data.length ? divide : undefined,
    dataFiles: data.length,
    indexFiles: member.indexFiles.length,
  }
}

function indexSummary({ files }: InspectedStore): Summary['index'] {
  const headers = files.indexFiles.map(({ path }) => tryRead(() => readIndexHeader(path)))
  const known = headers.filter((header) => header !== undefined)
  return {
    files: files.indexFiles.length,
    entries: known.reduce((sum, { indexCount }) => sum + Math.max(0, indexCount - 1), 0),
    firstTime: known[0]?.beginTimestamp ?? 0,
    lastTime: known.at(-1)?.endTimestamp ?? 0,
  }
}

/** What the files take of the disk, sparse parts not counted. */
function allocatedOf(files: { path: string }[]): number {
  let bytes = 0
  for (const { path } of files) bytes += (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
  return bytes
}

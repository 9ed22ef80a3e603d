/**
 * A picture of a store as numbers: what every cell of its log holds, by topic and kind; what is on disk, in queues and in
 * memory; which groups are how far behind; what goes next.
 *
 *   ConsumeQueues ─▶ cells (read-units) ─▶ what is missing there, from the log (walk-gaps) ─▶ sums
 *
 * Invariant: the kinds of a segment add up to the size of its file, those of the store to the sizes of its files.
 * Blocks on: reads of queue files; of the log only where queues do not tell.
 */
import { statSync } from 'node:fs'
import { storeTimeAt } from '../../store/checkpoint/store-times.ts'
import { LogFolders } from '../../store/commitlog/log-folders.ts'
import { QueueReaders } from '../../store/consumequeue/index.ts'
import { type LogBounds, logBounds } from '../log-end.ts'
import type { InspectedStore } from '../open-store.ts'
import { decidedIn, OP_TOPIC, TRANSACTION_GROUP } from '../summary.ts'
import { delayOffsets, groupOffsets, readTables, topicRows } from '../tables.ts'
import { tryRead } from '../try-read.ts'
import { Grid, type GridSegment, NO_TOPIC } from './grid.ts'
import { type Kind, type KindBytes, noBytes } from './kinds.ts'
import { dispatchedMark, flushedMark, type Mark, type RetentionOutlook, retentionOutlook } from './marks.ts'
import { countAll, countSampled, queueEnd, queueStart } from './read-units.ts'
import { type Residency, residencyOf } from './residency.ts'
import { isDeleted, type MappedQueue, mappedQueue, offsetsByTopic, type SpanTables } from './spans.ts'
import { fillBlanks, fillRoom, walkGaps } from './walk-gaps.ts'

export interface MapCell {
  /** Of the log, [from, to). */
  from: number
  to: number
  kinds: Partial<KindBytes>
  /** Bytes by topic; what has no topic is left out. */
  topics: Record<string, number>
  /** Undefined: nobody knows. */
  notOnDisk: number | undefined
  inMemory: number | undefined
}

export interface MapSegment {
  start: number
  path: string
  size: number
  /** Store time of its first record; 0 unknown. */
  firstTime: number
  kinds: KindBytes
  notOnDisk: number | undefined
  inMemory: number | undefined
  /** Its time is over: the next round of retention removes it. */
  isExpired: boolean
  cells: MapCell[]
}

export interface MapTopic {
  topic: string
  bytes: number
  kinds: Partial<KindBytes>
  isDeleted: boolean
}

export interface MapGroup {
  group: string
  topic: string
  /** Of records at or above its offsets. */
  records: number
  bytes: number
  /** Of those, in segments whose time is over. */
  queues: number
}

export interface StoreMap {
  root: string
  inUse: InspectedStore['use']
  isUnclean: boolean
  at: number
  log: Pick<LogBounds, 'min' | 'end' | 'firstTime' | 'lastTime' | 'behind' | 'problem'> & {
    segmentSize: number
    cellSize: number
    /** Sizes of the files. */
    bytes: number
    /** Blocks on the disk: log, queues, index. */
    allocated: number
    queuesAllocated: number
    indexAllocated: number
  }
  kinds: KindBytes
  flushed: Mark
  dispatched: Mark
  notOnDisk: number | undefined
  inMemory: number | undefined
  /** Why nobody knows what is in memory. */
  memoryUnknown: string | undefined
  retention: RetentionOutlook
  /** In the segments whose time is over. */
  expiredKinds: KindBytes
  topics: MapTopic[]
  groups: MapGroup[]
  segments: MapSegment[]
  /** Sizes are estimates from samples. */
  isSampled: boolean
  /** What is not exact, and why. */
  notes: string[]
}

export interface MapOptions {
  now?: number
  /** More units than this are sampled. */
  unitsMax?: number
  cellsMax?: number
  /** Of the log that may be read. */
  gapBytesMax?: number
}

/** 120 MB of queue files. */
const UNITS_MAX = 6_000_000
const GAP_BYTES_MAX = 256 * 1024 * 1024
/** Units that a sample looks at. */
const SAMPLED_UNITS = 2_000_000
const SAMPLE_PAGE = 204

export function storeMap(store: InspectedStore, options: MapOptions = {}): StoreMap {
  const { files, settings } = store
  const now = options.now ?? Date.now()
  const bounds = logBounds(store, false)
  const readers = new QueueReaders(settings)
  try {
    const tables = tablesOf(store, readers)
    const byTopic = offsetsByTopic(tables.offsets)
    const queues = files.queues.map((queue) => mappedQueue(queue, tables, byTopic))
    const topicCount = new Set(files.queues.map(({ topic }) => topic)).size
    const grid = new Grid(files.segments, settings.mappedFileSizeCommitLog, topicCount, options.cellsMax)
    // Before anything is read that would be in memory then.
    const residency = residencyOf(grid)
    const notes: string[] = []
    const isSampled = countUnits(store, queues, grid, { bounds, readers, notes, unitsMax: options.unitsMax })
    const newest = Math.max(bounds.min, ...grid.segments.map(({ lastEnd, start }) => (lastEnd > start ? lastEnd : 0)))
    const dispatched = dispatchedMark(store, bounds, isSampled ? bounds.end : newest)
    accountForRest(store, { grid, queues, bounds, dispatched, isSampled, notes, gapBytesMax: options.gapBytesMax })
    return assembled(store, { now, bounds, tables, queues, grid, residency, dispatched, isSampled, notes })
  } finally {
    readers.close()
  }
}

function tablesOf(store: InspectedStore, readers: QueueReaders): SpanTables {
  const tables = readTables(store.root)
  const offsets = groupOffsets(tables)
  const ops = store.files.queues.find(({ topic, queueId }) => topic === OP_TOPIC && queueId === 0)
  const checked =
    offsets.find(({ group, topic, queueId }) => group === TRANSACTION_GROUP && topic === OP_TOPIC && queueId === 0)
      ?.offset ?? 0
  const decided =
    ops === undefined
      ? undefined
      : tryRead(() => decidedIn(store, Math.max(queueStart(ops), checked), queueEnd(ops, readers)))
  return { topics: topicRows(tables), offsets, delivered: delayOffsets(tables), decided: decided ?? new Set() }
}

interface CountOptions {
  bounds: LogBounds
  readers: QueueReaders
  notes: string[]
  unitsMax: number | undefined
}

/** True when it was sampled. */
function countUnits(store: InspectedStore, queues: readonly MappedQueue[], grid: Grid, options: CountOptions): boolean {
  const { bounds, readers, notes, unitsMax = UNITS_MAX } = options
  const units = queues.reduce((sum, { files }) => sum + Math.max(0, queueEnd(files, readers) - queueStart(files)), 0)
  if (units <= unitsMax) {
    for (const queue of queues) countAll(store, queue, grid, bounds)
    return false
  }
  const wanted = Math.min(SAMPLED_UNITS, unitsMax)
  const stride = Math.max(SAMPLE_PAGE, Math.ceil((units / wanted) * SAMPLE_PAGE))
  for (const queue of queues) countSampled(queue, grid, bounds, { readers, stride })
  const share = ((SAMPLE_PAGE / stride) * 100).toPrecision(2)
  notes.push(`${share} % of ${units.toLocaleString('en-US')} units were read: sizes by topic and kind are estimates`)
  return true
}

interface RestOptions {
  grid: Grid
  queues: readonly MappedQueue[]
  bounds: LogBounds
  dispatched: Mark
  isSampled: boolean
  notes: string[]
  gapBytesMax: number | undefined
}

function accountForRest(store: InspectedStore, options: RestOptions): void {
  const { grid, queues, bounds, dispatched, isSampled, notes } = options
  if (isSampled) settleSampled(grid, bounds.end)
  fillRoom({ grid, end: bounds.end, behind: bounds.behind })
  if (!isSampled) fillBlanks(grid, bounds.end)
  const { unknown } = walkGaps(store, {
    grid,
    queues,
    end: bounds.end,
    behind: bounds.behind,
    dispatched: dispatched.offset ?? bounds.end,
    bytesMax: isSampled ? 0 : (options.gapBytesMax ?? GAP_BYTES_MAX),
  })
  if (unknown >= 1 && !isSampled) {
    const mib = Math.ceil(unknown / 1024 / 1024).toLocaleString('en-US')
    notes.push(`${mib} MiB that no queue points at were not looked into: they are shown as garbage`)
  }
}

/** A difference between what was estimated and the size of a cell: of a few percent it is the estimate's own. */
const SAMPLE_ERROR = 0.1

function settleSampled(grid: Grid, end: number): void {
  for (const segment of grid.segments) {
    for (let cell = segment.firstCell; cell < segment.firstCell + segment.cells; cell += 1) {
      const size = Math.min(grid.cellEnd(segment, cell), end) - grid.cellStart(segment, cell)
      const covered = grid.covered[cell]
      if (size <= 0 || covered <= 0) continue
      if (covered > size || size - covered < size * SAMPLE_ERROR) grid.scale(cell, size / covered)
    }
  }
}

interface Parts {
  now: number
  bounds: LogBounds
  tables: SpanTables
  queues: readonly MappedQueue[]
  grid: Grid
  residency: Residency | string
  dispatched: Mark
  isSampled: boolean
  notes: string[]
}

function assembled(store: InspectedStore, parts: Parts): StoreMap {
  const { now, bounds, tables, queues, grid, residency, dispatched, isSampled, notes } = parts
  const { files, settings } = store
  const flushed = flushedMark(store, bounds)
  const memory = typeof residency === 'string' ? undefined : residency
  if (memory?.isSampled === true) notes.push('what is in memory was asked of some pages only')
  const retention = retentionOutlook(store, files.segments, bounds.end, now)
  const cells = cellsOf(grid, bounds, flushed.offset, memory)
  const folders = new LogFolders(settings)
  const segments = grid.segments.map((segment) => segmentOf(segment, cells, retention, folders))
  const { min, end, firstTime, lastTime, behind, problem } = bounds
  return {
    root: store.root,
    inUse: store.use,
    isUnclean: store.isUnclean,
    at: now,
    log: {
      ...{ min, end, firstTime, lastTime, behind, problem },
      segmentSize: settings.mappedFileSizeCommitLog,
      cellSize: grid.cellSize,
      bytes: files.segments.reduce((sum, { size }) => sum + size, 0),
      allocated: allocatedOf(files.segments),
      queuesAllocated: allocatedOf(files.queues.flatMap((queue) => queue.files)),
      indexAllocated: allocatedOf(files.indexFiles),
    },
    kinds: sumKinds(segments.map(({ kinds }) => kinds)),
    flushed,
    dispatched,
    notOnDisk: flushed.offset === undefined ? undefined : Math.max(0, end - flushed.offset),
    inMemory: memory?.cells.reduce((sum, bytes) => sum + bytes, 0),
    memoryUnknown: typeof residency === 'string' ? residency : undefined,
    retention,
    expiredKinds: sumKinds(segments.filter(({ isExpired }) => isExpired).map(({ kinds }) => kinds)),
    topics: topicsOf(grid, tables),
    groups: groupsOf(queues),
    segments,
    isSampled,
    notes,
  }
}

function cellsOf(
  grid: Grid,
  { end }: LogBounds,
  flushed: number | undefined,
  memory: Residency | undefined,
): MapCell[] {
  const cells: MapCell[] = []
  for (const segment of grid.segments) {
    for (let cell = segment.firstCell; cell < segment.firstCell + segment.cells; cell += 1) {
      const from = grid.cellStart(segment, cell)
      const to = from + grid.cellBytes(segment, cell)
      const open = flushed === undefined ? undefined : Math.max(0, Math.min(to, end) - Math.max(from, flushed))
      cells.push({ from, to, kinds: {}, topics: {}, notOnDisk: open, inMemory: memory?.cells[cell] })
    }
  }
  for (const { topicIndex, kind, bytes } of grid.eachColumn()) {
    const topic = grid.topics[topicIndex]
    for (let cell = 0; cell < cells.length; cell += 1) {
      if (bytes[cell] === 0) continue
      const { kinds, topics } = cells[cell]
      kinds[kind] = (kinds[kind] ?? 0) + bytes[cell]
      if (topic !== NO_TOPIC) topics[topic] = (topics[topic] ?? 0) + bytes[cell]
    }
  }
  return cells
}

function segmentOf(
  segment: GridSegment,
  all: readonly MapCell[],
  { expired }: RetentionOutlook,
  folders: LogFolders,
): MapSegment {
  const { start, path, size, firstCell } = segment
  const cells = all.slice(firstCell, firstCell + segment.cells)
  const sum = (pick: (cell: MapCell) => number | undefined) =>
    cells.reduce((total: number | undefined, cell) => {
      const value = pick(cell)
      return total === undefined || value === undefined ? undefined : total + value
    }, 0)
  return {
    start,
    path,
    size,
    firstTime: tryRead(() => storeTimeAt(folders, start)) ?? 0,
    kinds: sumKinds(cells.map(({ kinds }) => kinds)),
    notOnDisk: sum(({ notOnDisk }) => notOnDisk),
    inMemory: sum(({ inMemory }) => inMemory),
    isExpired: start >= expired.from && start < expired.to,
    cells,
  }
}

export function sumKinds(each: readonly Partial<KindBytes>[]): KindBytes {
  const sum = noBytes()
  for (const kinds of each) {
    for (const [kind, bytes] of Object.entries(kinds) as [Kind, number][]) sum[kind] += bytes
  }
  return sum
}

function topicsOf(grid: Grid, { topics: rows }: SpanTables): MapTopic[] {
  const topics = new Map<number, MapTopic>()
  for (const { topicIndex, kind, bytes } of grid.eachColumn()) {
    const name = grid.topics[topicIndex]
    if (name === NO_TOPIC) continue
    const sum = bytes.reduce((total, each) => total + each, 0)
    if (sum === 0) continue
    const topic = topics.get(topicIndex) ?? { topic: name, bytes: 0, kinds: {}, isDeleted: isDeleted(name, rows) }
    topic.bytes += sum
    topic.kinds[kind] = (topic.kinds[kind] ?? 0) + sum
    topics.set(topicIndex, topic)
  }
  return [...topics.values()].sort((a, b) => b.bytes - a.bytes || (a.topic < b.topic ? -1 : 1))
}

/** Those that are the most bytes behind first. */
function groupsOf(queues: readonly MappedQueue[]): MapGroup[] {
  const found = new Map<string, MapGroup>()
  for (const { files, groups, spans } of queues) {
    for (const { group, offset } of groups) {
      const key = `${files.topic}@${group}`
      const row = found.get(key) ?? { group, topic: files.topic, records: 0, bytes: 0, queues: 0 }
      for (const { from, count, bytes } of spans) {
        if (from < offset) continue
        row.records += count
        row.bytes += bytes
      }
      row.queues += 1
      found.set(key, row)
    }
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes || (a.group < b.group ? -1 : 1))
}

function allocatedOf(files: { path: string }[]): number {
  let bytes = 0
  for (const { path } of files) bytes += (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
  return bytes
}

/**
 * Attributes the log to topics by ConsumeQueues: 20 bytes a record, the log itself is not touched. All units of them, or,
 * where there are too many, a page of units every so often, each standing for those up to the next.
 */
import {
  BLANK_UNIT_SIZE,
  QueueReader,
  type QueueReaders,
  queueFileSize,
  UNIT_SIZE,
} from '../../store/consumequeue/index.ts'
import type { InspectedStore } from '../open-store.ts'
import { unitChunks } from '../queue-units.ts'
import type { QueueFiles } from '../store-files.ts'
import type { Grid } from './grid.ts'
import { KINDS } from './kinds.ts'
import { type MappedQueue, type Span, spanAt } from './spans.ts'

/** Units that one read of a sample takes: a page of the file. */
const SAMPLE_UNITS = 204
const HIGH = 0x1_0000_0000

export interface LogRange {
  min: number
  end: number
}

/** Queue offset behind the last unit of a queue that was written, by halves: units are written in order. */
export function queueEnd({ files, topic, queueId }: QueueFiles, readers: QueueReaders): number {
  const reader = new QueueReader({ settings: readers.settings, topic, queueId, shared: readers })
  for (let i = files.length - 1; i >= 0; i -= 1) {
    const first = files[i].start / UNIT_SIZE
    let low = 0
    let high = Math.min(readers.unitsPerFile, Math.floor(files[i].size / UNIT_SIZE))
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const units = reader.read(first + middle, 1, Number.MAX_SAFE_INTEGER)
      if (units.count === 1 && units.size(0) > 0) low = middle + 1
      else high = middle
    }
    if (low > 0) return first + low
  }
  return (files[0]?.start ?? 0) / UNIT_SIZE
}

export const queueStart = ({ files }: QueueFiles): number => (files[0]?.start ?? 0) / UNIT_SIZE

/** Every unit of the queue. */
export function countAll(store: InspectedStore, queue: MappedQueue, grid: Grid, { min, end }: LogRange): void {
  const { files, spans } = queue
  const topicIndex = grid.topicIndex(files.topic)
  const columns = new Map(KINDS.map((kind) => [kind, () => grid.column(topicIndex, kind)]))
  let span = spans[0]
  let next = span.to
  let column: Float64Array | undefined
  for (const { first, count, view } of unitChunks(files.files, queueFileSize(store.settings))) {
    for (let i = 0, at = 0; i < count; i += 1, at += UNIT_SIZE) {
      const size = view.getInt32(at + 8)
      if (size <= 0) continue
      const high = view.getInt32(at)
      const offset = high * HIGH + view.getUint32(at + 4)
      const isRecord = size !== BLANK_UNIT_SIZE && high >= 0
      if (isRecord && offset + size > end) continue
      const queueOffset = first + i
      queue.max = queueOffset + 1
      if (!isRecord || offset < min) continue
      if (queueOffset >= next || column === undefined) {
        span = spanAt(queue, queueOffset)
        next = span.to
        column = columns.get(span.kind)!()
      }
      span.count += 1
      span.bytes += size
      grid.addRecord(offset, size, column)
    }
  }
}

/** A page of units in each `stride`. Stretches of the log between two of them are taken to be alike. */
export function countSampled(
  queue: MappedQueue,
  grid: Grid,
  range: LogRange,
  options: { readers: QueueReaders; stride: number },
): void {
  const { files } = queue
  const { readers, stride } = options
  const reader = new QueueReader({
    settings: readers.settings,
    topic: files.topic,
    queueId: files.queueId,
    shared: readers,
  })
  const topicIndex = grid.topicIndex(files.topic)
  queue.max = queueEnd(files, readers)
  const first = firstInLog(reader, queueStart(files), queue.max, range.min)
  for (const span of queue.spans) {
    const column = grid.column(topicIndex, span.kind)
    const to = Math.min(span.to, queue.max)
    let before: Sample | undefined
    for (let from = Math.max(span.from, first); from < to; from += stride) {
      const sample = sampleAt(reader, from, Math.min(stride, to - from), range)
      if (sample === undefined) continue
      if (before !== undefined) count(grid, span, before, sample.offset, column)
      before = sample
    }
    if (before !== undefined) count(grid, span, before, lastEnd(reader, to, range) ?? before.end, column)
  }
}

interface Sample {
  /** Of its first record; behind its last one. */
  offset: number
  end: number
  /** Units that it stands for. */
  units: number
  averageSize: number
}

function sampleAt(reader: QueueReader, from: number, units: number, { min, end }: LogRange): Sample | undefined {
  const batch = reader.read(from, Math.min(SAMPLE_UNITS, units), from + units)
  let offset = -1
  let last = -1
  let bytes = 0
  let count = 0
  for (let i = 0; i < batch.count; i += 1) {
    const at = batch.physicalOffset(i)
    if (batch.isBlank(i) || at < min || at + batch.size(i) > end) continue
    if (offset < 0) offset = at
    last = Math.max(last, at + batch.size(i))
    bytes += batch.size(i)
    count += 1
  }
  if (count === 0) return undefined
  return { offset, end: last, units: Math.round((units * count) / batch.count), averageSize: bytes / count }
}

function count(grid: Grid, span: Span, sample: Sample, to: number, column: Float64Array): void {
  const bytes = sample.units * sample.averageSize
  span.count += sample.units
  span.bytes += bytes
  grid.spread(sample.offset, Math.max(to, sample.end), bytes, column)
}

function lastEnd(reader: QueueReader, to: number, { min, end }: LogRange): number | undefined {
  const batch = reader.read(to - 1, 1, to)
  const at = batch.count === 1 && !batch.isBlank(0) ? batch.physicalOffset(0) : -1
  return at >= min && at + batch.size(0) <= end ? at + batch.size(0) : undefined
}

/** First queue offset whose record is still in the log, by halves: offsets rise along a queue. */
function firstInLog(reader: QueueReader, from: number, to: number, logMin: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const batch = reader.read(middle, 1, to)
    if (batch.count === 1 && !batch.isBlank(0) && batch.physicalOffset(0) >= logMin) high = middle
    else low = middle + 1
  }
  return low
}

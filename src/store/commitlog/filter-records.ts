/**
 * Reads records that are not in memory and keeps those that a filter wants. For threads that may wait.
 *
 * A record is tested by its head and its tail: 800 bodies of a MiB are not read to find that none is wanted.
 */
import { type FilterPlan, type RecordFilter, recordFilterOf } from '../../filter/index.ts'
import { isBatchFull, type ReadLimits } from './batch-limits.ts'
import type { LogReader } from './log-reader.ts'
import { RECORD_SIZE_MIN } from './record.ts'
import {
  behindTopic,
  headStandsAt,
  isFirstVersion,
  propertiesAt,
  RECORD_HEAD,
  standsAt,
  topicAt,
} from './record-head.ts'

export interface FilterRecordsRequest {
  readonly plan: FilterPlan
  /** Candidates in the order of their queue. */
  readonly offsets: Float64Array
  readonly sizes: Int32Array
  readonly limits: ReadLimits
  readonly wanted: number
  readonly maxBytes: number
  readonly logEnd: number
}

export interface FilteredRecords {
  /** Wanted records side by side; undefined where there is none. */
  readonly body: Uint8Array<ArrayBuffer> | undefined
  readonly count: number
  /** Candidates that were looked at; the next read begins behind them. */
  readonly looked: number
  /** Those of them that are no records. */
  readonly damaged: readonly number[]
}

/** Most records are shorter: one read is enough then. */
const FIRST_READ = 4096
/** Topic and properties, with their lengths. */
const TAIL_MIN = 1 + 1 + 2
const TAIL_MAX = TAIL_MIN + 32_767 + 32_767
const FILTERS_MAX = 64

const filters = new Map<string, RecordFilter>()

export function filterRecords(reader: LogReader, request: FilterRecordsRequest): FilteredRecords {
  const { offsets, sizes, limits, wanted, maxBytes, logEnd } = request
  const filter = filterOf(request.plan)
  const records: Buffer[] = []
  const damaged: number[] = []
  let bytes = 0
  let looked = 0
  for (; looked < offsets.length; looked += 1) {
    const [offset, size] = [offsets[looked], sizes[looked]]
    if (isBatchFull(limits, records.length, bytes, size, logEnd - offset, wanted, maxBytes)) break
    const record = wantedRecord(reader, filter, offset, size)
    if (record === 'damaged') damaged.push(looked)
    else if (record !== undefined) {
      records.push(record)
      bytes += size
    }
  }
  return { body: joined(records, bytes), count: records.length, looked, damaged }
}

function joined(records: readonly Buffer[], bytes: number): Uint8Array<ArrayBuffer> | undefined {
  if (records.length === 0) return undefined
  const body = new Uint8Array(bytes)
  let to = 0
  for (const record of records) {
    body.set(record, to)
    to += record.length
  }
  return body
}

/** The record if it is wanted. */
function wantedRecord(
  reader: LogReader,
  filter: RecordFilter,
  offset: number,
  size: number,
): Buffer | 'damaged' | undefined {
  const first = Math.min(FIRST_READ, size)
  const head = reader.readCold(offset, first)
  if (first < RECORD_SIZE_MIN || head?.length !== first || !headStandsAt(viewOf(head), 0, offset, size))
    return 'damaged'
  if (first === size) return tested(filter, head, offset, size)
  const tailAt = topicAt(viewOf(head), 0)
  if (tailAt < RECORD_HEAD || size - tailAt < TAIL_MIN || size - tailAt > TAIL_MAX) return 'damaged'
  const tail = reader.readCold(offset + tailAt, size - tailAt)
  if (tail?.length !== size - tailAt) return 'damaged'
  const from = behindTopic(viewOf(tail), 0, isFirstVersion(viewOf(head), 0))
  if (from <= tail.length && !filter.matches(tail, from, tail.length)) return undefined
  const record = reader.readCold(offset, size)
  return record?.length === size ? tested(filter, record, offset, size) : 'damaged'
}

function tested(filter: RecordFilter, record: Buffer, offset: number, size: number): Buffer | 'damaged' | undefined {
  const view = viewOf(record)
  if (!standsAt(view, 0, offset, size)) return 'damaged'
  return filter.matches(record, propertiesAt(view, 0), size) ? record : undefined
}

function filterOf(plan: FilterPlan): RecordFilter {
  const key = JSON.stringify(plan)
  let filter = filters.get(key)
  if (filter === undefined) {
    filter = recordFilterOf(plan)
    if (filters.size >= FILTERS_MAX) filters.clear()
    filters.set(key, filter)
  }
  return filter
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

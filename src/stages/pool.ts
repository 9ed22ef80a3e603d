/**
 * Tasks of the pool (piscina): whatever may wait for a disk, away from the network thread. One exported function a task;
 * results that are bytes are transferred, not copied.
 */
import { move, transferableSymbol, valueSymbol } from 'piscina'
import {
  type FilteredRecords,
  type FilterRecordsRequest,
  filterRecords as filter,
} from '../store/commitlog/filter-records.ts'
import { LogReader, type LogReaderSettings } from '../store/commitlog/log-reader.ts'
import { RecordView } from '../store/commitlog/record.ts'
import { headStandsAt, RECORD_HEAD, standsAt } from '../store/commitlog/record-head.ts'
import { type VerifiedLog, verifyLog } from '../store/recovery/index.ts'
import type { StoreSettings } from '../store/settings.ts'

export { firstUnits, listUnits, lookUpUnits } from '../store/consumequeue/look-up-units.ts'
export { offsetByTime } from '../store/consumequeue/offset-by-time.ts'
export interface VerifyTask {
  settings: StoreSettings
  from: number
  to: number
  bytesMax: number
}

export function verify({ settings, from, to, bytesMax }: VerifyTask): VerifiedLog {
  return verifyLog(settings, from, to, undefined, bytesMax)
}

export { queryByKey } from '../store/index/query-by-key.ts'

export interface ReadRecordsTask {
  settings: LogReaderSettings
  offsets: Float64Array
  sizes: Int32Array
}

export interface ViewRecordTask {
  settings: LogReaderSettings
  physicalOffset: number
  /** The log may be read up to here. */
  end: number
}

/** A record's first read: most are shorter. */
const FIRST_READ = 4096
const SIZE_FIELD = 4

const readers = new Map<string, LogReader>()

/**
 * Whole records side by side, in order, without those that are gone or are not what stands there; undefined when none is
 * left.
 */
export function readRecords({ settings, offsets, sizes }: ReadRecordsTask): Uint8Array | undefined {
  const reader = readerOf(settings)
  const records: Buffer[] = []
  let total = 0
  for (let i = 0; i < offsets.length; i += 1) {
    // A damaged unit may claim a GiB: its head is looked at first.
    const head = reader.readCold(offsets[i], Math.min(FIRST_READ, sizes[i]))
    if (head === undefined || head.length < RECORD_HEAD || !headStandsAt(viewOf(head), 0, offsets[i], sizes[i]))
      continue
    const record = head.length === sizes[i] ? head : reader.readCold(offsets[i], sizes[i])
    if (record?.length !== sizes[i] || !standsAt(viewOf(record), 0, offsets[i], sizes[i])) continue
    records.push(record)
    total += record.length
  }
  if (total === 0) return undefined
  const body = new Uint8Array(total)
  let to = 0
  for (const record of records) {
    body.set(record, to)
    to += record.length
  }
  return move(body) as Uint8Array
}

export type FilterRecordsTask = FilterRecordsRequest & { settings: LogReaderSettings }

/** The wanted ones of records, which are tested by their properties. */
export function filterRecords(task: FilterRecordsTask): FilteredRecords {
  const found = filter(readerOf(task.settings), task)
  if (found.body === undefined) return found
  const movable = { [transferableSymbol]: found.body.buffer, [valueSymbol]: found }
  return move(movable) as unknown as FilteredRecords
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The record that starts at the offset, or undefined when none does. */
export function viewRecord({ settings, physicalOffset, end }: ViewRecordTask): Uint8Array | undefined {
  const reader = readerOf(settings)
  let bytes = reader.readCold(physicalOffset, Math.min(FIRST_READ, end - physicalOffset))
  if (bytes === undefined || bytes.length < SIZE_FIELD) return undefined
  const size = bytes.readInt32BE(0)
  if (size <= SIZE_FIELD || size > end - physicalOffset) return undefined
  if (size > bytes.length) bytes = reader.readCold(physicalOffset, size)
  if (bytes === undefined || bytes.length < size) return undefined
  const record = new RecordView()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (record.read(bytes, view, 0, size) !== 'record' || record.physicalOffset !== physicalOffset) return undefined
  return move(Uint8Array.from(bytes.subarray(0, size))) as Uint8Array
}

function readerOf(settings: LogReaderSettings): LogReader {
  const known = readers.get(settings.storePathCommitLog)
  if (known !== undefined) return known
  const reader = new LogReader(settings, 1)
  readers.set(settings.storePathCommitLog, reader)
  return reader
}

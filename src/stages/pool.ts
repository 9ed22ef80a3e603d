/**
 * Tasks of the pool (piscina): whatever may wait for a disk, away from the network thread. One function a task, named by
 * `task`; results that are bytes are transferred, not copied.
 */
import { move } from 'piscina'
import { LogReader } from '../store/commitlog/log-reader.ts'
import type { StoreSettings } from '../store/settings.ts'

export interface ReadRecordsTask {
  task: 'readRecords'
  settings: Pick<StoreSettings, 'storePathCommitLog' | 'mappedFileSizeCommitLog'>
  offsets: Float64Array
  sizes: Int32Array
}

const readers = new Map<string, LogReader>()

/** Whole records side by side, or undefined when one of them is gone. */
export function readRecords({ settings, offsets, sizes }: ReadRecordsTask): Uint8Array | undefined {
  const reader = readerOf(settings)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const body = new Uint8Array(total)
  let to = 0
  for (let i = 0; i < offsets.length; i += 1) {
    const record = reader.readCold(offsets[i], sizes[i])
    if (record === undefined || record.length !== sizes[i]) return undefined
    body.set(record, to)
    to += record.length
  }
  return move(body) as Uint8Array
}

function readerOf(settings: ReadRecordsTask['settings']): LogReader {
  const known = readers.get(settings.storePathCommitLog)
  if (known !== undefined) return known
  const reader = new LogReader(settings, 1)
  readers.set(settings.storePathCommitLog, reader)
  return reader
}

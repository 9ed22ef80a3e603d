/** Key hashes of one record, as the index holds them: for checks and recovery, not for the hot path. */
import { javaHashOfBytes, javaHashOfString } from '../commitlog/java-hash.ts'
import { CLASSIC_LAYOUT, type LogLayout } from '../commitlog/log-layout.ts'
import { RecordView, SYS_FLAG } from '../commitlog/record.ts'
import type { LogSource } from './dispatcher.ts'
import { PropertyScan } from './property-scan.ts'

const record = new RecordView()
const scan = new PropertyScan()

export interface RecordKeys {
  /** Of the entry, where a layout was given that has more than the record. */
  size: number
  storeTimestamp: number
  /** keyHashes[0, keyCount), valid until the next call. */
  keyHashes: Int32Array
  keyCount: number
}

/** Keys of the record at `position`, with a layout of the entry there; undefined where no record is. */
export function recordKeysAt(
  source: LogSource,
  position: number,
  logEnd: number,
  layout: LogLayout = CLASSIC_LAYOUT,
): RecordKeys | 'blank' | undefined {
  const segment = source.segmentAt(position)
  if (segment === undefined) return undefined
  const { bytes, view, start } = segment
  const limit = Math.min(segment.end, logEnd) - start
  const kind = layout.read(record, bytes, view, position - start, limit)
  if (kind === 'blank') return 'blank'
  if (kind !== 'record') return undefined
  const { topicStart, topicLength, propertiesStart, propertiesLength, storeTimestamp } = record
  const size = start + record.at + record.totalSize - position
  const prefix = javaHashOfString('#', javaHashOfBytes(bytes, topicStart, topicStart + topicLength, 0))
  const isRollback = (record.sysFlag & SYS_FLAG.transactionMask) === SYS_FLAG.rollback
  scan.scan(bytes, view, propertiesStart, propertiesStart + propertiesLength, isRollback ? undefined : prefix)
  return { size, storeTimestamp, keyHashes: scan.keyHashes, keyCount: scan.keyCount }
}

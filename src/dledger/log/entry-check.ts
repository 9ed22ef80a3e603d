/**
 * Is what stands in the log an entry, and is its body what was written? Headers as the original judges them (spec/dledger.md §2.6);
 * bodies, which it does not look at, by whatever says something about them: the CRC of the header, or the CRC of the record.
 */
import {
  crcOfBody,
  DLEDGER_LAYOUT,
  FIELD,
  RECORD_MAGIC,
  RECORD_MAGIC_V2,
  RECORD_SIZE_MIN,
  RecordView,
  readInt64,
  bodyIsIntact as recordBodyIsIntact,
} from '../../store/commitlog/index.ts'
import { ENTRY_HEADER_SIZE, ENTRY_MAGIC } from '../wire/index.ts'

export interface EntryHead {
  index: number
  term: number
  pos: number
  size: number
}

/** Its place in the index is a number that Node can count to. */
const INDEX_MAX = 2 ** 48

/** The header at `at` of bytes that begin at position `start`; undefined when no entry can stand there. */
export function readHead(view: DataView, at: number, start: number): EntryHead | undefined {
  const size = view.getInt32(at + 4)
  const pos = readInt64(view, at + 24)
  if (view.getInt32(at) !== ENTRY_MAGIC || size < ENTRY_HEADER_SIZE) return undefined
  if (view.getInt32(at + 44) !== size - ENTRY_HEADER_SIZE || pos !== start + at) return undefined
  const index = readInt64(view, at + 8)
  const term = readInt64(view, at + 16)
  return index >= 0 && index <= INDEX_MAX && term >= 0 ? { index, term, pos, size } : undefined
}

const record = new RecordView()
const MAGIC_AT = ENTRY_HEADER_SIZE + FIELD.magic

/** False when the body is torn. True where nothing speaks against it, which is all that can be said of foreign bodies. */
export function bodyIsIntact(bytes: Buffer, view: DataView, at: number, size: number): boolean {
  const crc = view.getInt32(at + 40)
  if (crc !== 0) return crc === crcOfBody(bytes, at + ENTRY_HEADER_SIZE, at + size)
  if (size < ENTRY_HEADER_SIZE + RECORD_SIZE_MIN) return true
  const magic = view.getInt32(at + MAGIC_AT)
  if (magic !== RECORD_MAGIC && magic !== RECORD_MAGIC_V2) return true
  if (DLEDGER_LAYOUT.read(record, bytes, view, at, at + size) !== 'record') return false
  return !endsInZeros(bytes) && recordBodyIsIntact(record, bytes)
}

/** Neither text ends in a zero byte, unless its end was never written: no checksum of the record covers these two. */
function endsInZeros(bytes: Buffer): boolean {
  const { topicStart, topicLength, propertiesStart, propertiesLength } = record
  if (topicLength > 0 && bytes[topicStart + topicLength - 1] === 0) return true
  return propertiesLength > 0 && bytes[propertiesStart + propertiesLength - 1] === 0
}

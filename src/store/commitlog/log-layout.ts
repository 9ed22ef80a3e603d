/**
 * How entries lie in a segment, as a parameter: the plain CommitLog, or DLedger's log, where each record stands behind a
 * header of 48 bytes.
 *
 *   classic   record record … [int32 bytes left][int32 0xCBD43194] rest of the file
 *   dledger   header(48) record  header(48) record … [int32 −1][int32 bytes left] rest of the file
 *
 * In both, an entry that would leave fewer than 8 bytes in its file goes to the start of the next file behind a blank; a
 * batch goes as a whole. A record's physicalOffset is where the record starts, behind its header.
 * Format: spec/store-format.md §2 "Blank", spec/dledger.md §2.2.
 */
import type { StoreSettings } from '../settings.ts'
import { BLANK_MAGIC, BLANK_SIZE, type RecordKind, type RecordView } from './record.ts'

export interface LogLayout {
  /** Bytes in front of each record. */
  readonly headerSize: 0 | 48
  /** True when `length` bytes (headers included) and a blank behind them fit in `left` bytes of the segment. */
  fits(length: number, left: number): boolean
  /** Ends a segment in which `left` (at least 8) bytes are free from index `at`. */
  writeBlank(view: DataView, at: number, left: number): void
  /** What the entry at index `at` says its whole size is, header included. */
  sizeAt(view: DataView, at: number): number
  /**
   * Size of the entry at index `at` by its header alone, where a layout has one: an entry may hold something that is no record.
   * 0: nothing says so.
   */
  entrySizeAt(view: DataView, at: number, limit: number): number
  /** Whether the header at index `at`, where there is one, is that of position `offset`. */
  standsAt(view: DataView, at: number, offset: number): boolean
  /** Reads the entry at index `at` (its header, where there is one). `record.at` is the record's own start. */
  read(record: RecordView, bytes: Uint8Array, view: DataView, at: number, limit: number): RecordKind
}

const fits = (length: number, left: number): boolean => length + BLANK_SIZE <= left

export const CLASSIC_LAYOUT: LogLayout = {
  headerSize: 0,
  fits,
  writeBlank(view, at, left) {
    view.setInt32(at, left)
    view.setInt32(at + 4, BLANK_MAGIC)
  },
  sizeAt: (view, at) => view.getInt32(at),
  entrySizeAt: () => 0,
  standsAt: () => true,
  read: (record, bytes, view, at, limit) => record.read(bytes, view, at, limit),
}

const DLEDGER_HEADER = 48
const DLEDGER_MAGIC = 1
const DLEDGER_BLANK = -1
const POS = 24
const BODY_LENGTH = 44
const HIGH = 0x1_0000_0000

export const DLEDGER_LAYOUT: LogLayout = {
  headerSize: DLEDGER_HEADER,
  fits,
  writeBlank(view, at, left) {
    view.setInt32(at, DLEDGER_BLANK)
    view.setInt32(at + 4, left)
  },
  sizeAt: (view, at) => view.getInt32(at + 4),
  entrySizeAt(view, at, limit) {
    if (limit - at < DLEDGER_HEADER || view.getInt32(at) !== DLEDGER_MAGIC) return 0
    const size = view.getInt32(at + 4)
    const isEntry =
      size >= DLEDGER_HEADER && size <= limit - at && view.getInt32(at + BODY_LENGTH) === size - DLEDGER_HEADER
    return isEntry ? size : 0
  },
  standsAt: (view, at, offset) =>
    view.getInt32(at + POS) === Math.floor(offset / HIGH) && view.getInt32(at + POS + 4) === (offset | 0),
  read(record, bytes, view, at, limit) {
    record.at = at
    record.totalSize = 0
    if (limit - at < BLANK_SIZE) return 'end'
    const magic = view.getInt32(at)
    const size = view.getInt32(at + 4)
    if (magic === DLEDGER_BLANK) {
      record.totalSize = size
      return 'blank'
    }
    if (magic !== DLEDGER_MAGIC) return 'end'
    if (size <= DLEDGER_HEADER || at + size > limit) return 'bad'
    const kind = record.read(bytes, view, at + DLEDGER_HEADER, at + size)
    if (kind !== 'record' || record.totalSize !== size - DLEDGER_HEADER) return 'bad'
    return 'record'
  },
}

/** How entries lie in the log that a store is written to. */
export function logLayout({ enableDLegerCommitLog }: Pick<StoreSettings, 'enableDLegerCommitLog'>): LogLayout {
  return enableDLegerCommitLog ? DLEDGER_LAYOUT : CLASSIC_LAYOUT
}

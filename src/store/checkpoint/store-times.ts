/**
 * The store time of the record that starts at a known boundary, read from the file with one pread.
 *
 * The checkpoint names a time up to which all records are durable. Housekeeping knows positions, and every position
 * that it ever saw is a record boundary: it remembers the last one below the durable position (StoreTimeAnchor) and
 * takes the time of the record there: at most a tenth of a second older than the newest durable one.
 *
 * Format: spec/store-format.md §2 (magic at 4, sysFlag at 36, storeTimestamp behind bornHost at 48). In a DLedger log the record is
 * behind the header of its entry.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import type { LogFolders } from '../commitlog/log-folders.ts'
import { segmentStart } from '../commitlog/segments.ts'

const HEAD_SIZE = 76
const RECORD_MAGIC = 0xdaa320a7 | 0
const RECORD_MAGIC_V2 = 0xdaa320ab | 0
const BLANK_MAGIC = 0xcbd43194 | 0
const DLEDGER_BLANK = -1
const BORN_HOST_V6 = 0x10

interface Head {
  bytes: Buffer
  record: Buffer
}

/** Undefined where no record starts: blank without a successor, file gone, nothing written yet. */
export function storeTimeAt(folders: LogFolders, position: number): number | undefined {
  const head = readHead(folders, position)
  if (head === undefined || !isBlank(folders, position, head)) return timeIn(head)
  return timeIn(readHead(folders, segmentStart(position, folders.segmentSize) + folders.segmentSize))
}

/** Remembers the newest known boundary below a position that only grows. */
export class StoreTimeAnchor {
  private anchor: number | undefined
  private last: number

  constructor(start: number) {
    this.last = start
  }

  /** Called with each observed value of the position. */
  observe(position: number): void {
    if (position <= this.last) return
    this.anchor = this.last
    this.last = position
  }

  time(folders: LogFolders): number | undefined {
    return this.anchor === undefined ? undefined : storeTimeAt(folders, this.anchor)
  }
}

/** What stands at `position`: a record, behind its header where it has one, or a blank. */
function readHead(folders: LogFolders, position: number): Head | undefined {
  const { headerSize } = folders.layoutAt(position)
  try {
    const fd = openSync(folders.pathAt(position), 'r')
    try {
      const bytes = Buffer.alloc(headerSize + HEAD_SIZE)
      // A blank may end the file 8 bytes later: what is missing stays zero.
      const read = readSync(fd, bytes, 0, bytes.length, position % folders.segmentSize)
      return read >= 8 ? { bytes, record: bytes.subarray(headerSize) } : undefined
    } finally {
      closeSync(fd)
    }
  } catch {
    return undefined
  }
}

function isBlank(folders: LogFolders, position: number, { bytes }: Head): boolean {
  const isHeaded = folders.layoutAt(position).headerSize > 0
  return isHeaded ? bytes.readInt32BE(0) === DLEDGER_BLANK : bytes.readInt32BE(4) === BLANK_MAGIC
}

function timeIn(found: Head | undefined): number | undefined {
  if (found === undefined) return undefined
  const head = found.record
  const magic = head.readInt32BE(4)
  if (magic !== RECORD_MAGIC && magic !== RECORD_MAGIC_V2) return undefined
  const bornHost = (head.readInt32BE(36) & BORN_HOST_V6) === 0 ? 8 : 20
  const time = Number(head.readBigInt64BE(48 + bornHost))
  return time > 0 ? time : undefined
}

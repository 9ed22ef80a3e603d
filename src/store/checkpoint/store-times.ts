/**
 * The store time of the record that starts at a known boundary, read from the file with one pread.
 *
 * The checkpoint names a time up to which all records are durable. Housekeeping knows positions, and every position
 * that it ever saw is a record boundary: it remembers the last one below the durable position (StoreTimeAnchor) and
 * takes the time of the record there: at most a tenth of a second older than the newest durable one.
 *
 * Format: spec/store-format.md §2 (magic at 4, sysFlag at 36, storeTimestamp behind bornHost at 48).
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { segmentPath } from '../commitlog/segments.ts'

const HEAD_SIZE = 76
const RECORD_MAGIC = 0xdaa320a7 | 0
const RECORD_MAGIC_V2 = 0xdaa320ab | 0
const BLANK_MAGIC = 0xcbd43194 | 0
const BORN_HOST_V6 = 0x10

/** Undefined where no record starts: blank without a successor, file gone, nothing written yet. */
export function storeTimeAt(folder: string, segmentSize: number, position: number): number | undefined {
  const segment = position - (position % segmentSize)
  const head = readHead(folder, segment, position - segment)
  if (head === undefined) return undefined
  const magic = head.readInt32BE(4)
  if (magic === BLANK_MAGIC) {
    const next = readHead(folder, segment + segmentSize, 0)
    return next === undefined ? undefined : timeIn(next)
  }
  return timeIn(head)
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

  time(folder: string, segmentSize: number): number | undefined {
    return this.anchor === undefined ? undefined : storeTimeAt(folder, segmentSize, this.anchor)
  }
}

function readHead(folder: string, segment: number, at: number): Buffer | undefined {
  try {
    const fd = openSync(segmentPath(folder, segment), 'r')
    try {
      const head = Buffer.alloc(HEAD_SIZE)
      // A blank may end the file 8 bytes later: what is missing stays zero.
      return readSync(fd, head, 0, HEAD_SIZE, at) >= 8 ? head : undefined
    } finally {
      closeSync(fd)
    }
  } catch {
    return undefined
  }
}

function timeIn(head: Buffer): number | undefined {
  const magic = head.readInt32BE(4)
  if (magic !== RECORD_MAGIC && magic !== RECORD_MAGIC_V2) return undefined
  const bornHost = (head.readInt32BE(36) & BORN_HOST_V6) === 0 ? 8 : 20
  const time = Number(head.readBigInt64BE(48 + bornHost))
  return time > 0 ? time : undefined
}

/**
 * One walk over entries as they lie in the files: each must follow the one before it.
 *
 * Reads through a window that grows to the longest entry. Stops at the first byte that is no entry, and says why.
 * Rules: spec/dledger.md §2.6 step 4; bodies are looked at too (entry-check.ts).
 */
import { BLANK_SIZE } from '../../store/commitlog/index.ts'
import type { Segment } from '../../store/commitlog/segments.ts'
import { realDisk, type StoreDisk } from '../../store/disk.ts'
import { ENTRY_HEADER_SIZE } from '../wire/index.ts'
import { bodyIsIntact, type EntryHead, readHead } from './entry-check.ts'

const WINDOW = 1024 * 1024
const BLANK = -1

export interface Scanned {
  last: EntryHead | undefined
  /** Behind the last entry. */
  endPos: number
  /** `zero`: nothing follows. Else what stands there, for the log. */
  why: 'zero' | 'end' | string
}

/** The file of a segment, seen through a window. */
export class SegmentWindow {
  private readonly segment: Segment
  private readonly disk: StoreDisk
  private readonly fd: number
  bytes: Buffer = Buffer.alloc(WINDOW)
  view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  /** Position of bytes[0]. */
  from = 0
  private filled = 0

  constructor(segment: Segment, disk: StoreDisk = realDisk) {
    this.segment = segment
    this.disk = disk
    this.fd = disk.open(segment.path, 'r')
    this.from = segment.start
  }

  /** Index in `bytes` of position `pos`, with `length` bytes there; −1 when the file has fewer. */
  at(pos: number, length: number): number {
    if (pos + length > this.segment.start + this.segment.size) return -1
    if (pos >= this.from && pos + length <= this.from + this.filled) return pos - this.from
    if (length > this.bytes.length) {
      this.bytes = Buffer.alloc(2 ** Math.ceil(Math.log2(length)))
      this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
    }
    this.from = pos
    this.filled = this.disk.read(this.fd, this.bytes, 0, this.bytes.length, pos - this.segment.start)
    return this.filled >= length ? 0 : -1
  }

  close(): void {
    this.disk.close(this.fd)
  }
}

/** The header at `pos`, if it can be one. */
export function headAt(segment: Segment, pos: number, disk?: StoreDisk): EntryHead | undefined {
  const window = new SegmentWindow(segment, disk)
  try {
    const at = window.at(pos, ENTRY_HEADER_SIZE)
    return at < 0 ? undefined : readHead(window.view, at, window.from)
  } finally {
    window.close()
  }
}

/** Walks from `pos` in segments[0] to the end. `visit` sees each entry. */
export function scan(
  segments: readonly Segment[],
  pos: number,
  visit: (head: EntryHead) => void,
  disk?: StoreDisk,
): Scanned {
  const found: Scanned = { last: undefined, endPos: pos, why: 'end' }
  let at = pos
  for (const segment of segments) {
    const window = new SegmentWindow(segment, disk)
    try {
      // The first file may be entered in its middle.
      const why = scanFile(window, segment === segments[0] ? at : segment.start, found, visit)
      if (why !== 'blank') return { ...found, why }
      at = segment.start + segment.size
    } finally {
      window.close()
    }
  }
  return found
}

function scanFile(window: SegmentWindow, pos: number, found: Scanned, visit: (head: EntryHead) => void): string {
  for (let next = pos; ; ) {
    const short = window.at(next, BLANK_SIZE)
    if (short < 0) return 'end'
    const magic = window.view.getInt32(short)
    if (magic === BLANK) return 'blank'
    if (magic === 0 && window.view.getInt32(short + 4) === 0) return 'zero'
    const at = window.at(next, ENTRY_HEADER_SIZE)
    const head = at < 0 ? undefined : readHead(window.view, at, window.from)
    if (head === undefined) return `no entry at ${next}`
    const { last } = found
    if (last !== undefined && (head.index !== last.index + 1 || head.term < last.term))
      return `entry ${head.index} of term ${head.term} behind entry ${last.index} of term ${last.term} at ${next}`
    const whole = window.at(next, head.size)
    if (whole < 0) return `entry ${head.index} at ${next} is longer than its file`
    if (!bodyIsIntact(window.bytes, window.view, whole, head.size)) return `torn body of entry ${head.index} at ${next}`
    visit(head)
    found.last = head
    next += head.size
    found.endPos = next
  }
}

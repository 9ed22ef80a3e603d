/**
 * Judges what stands at an offset of the log, with everything that the format lets one check, not only the lengths:
 * the record says its own offset, it leaves room for a blank behind it, it was stored at some time, its body has its CRC.
 *
 * RocketMQ checks magic, lengths and CRC. The offset check is what keeps a record that the append thread had copied but
 * not patched yet (its open fields are 0), a re-used file, or a record inside another one's body from being believed.
 */
import type { LogFolders } from '../commitlog/log-folders.ts'
import type { LogLayout } from '../commitlog/log-layout.ts'
import {
  BLANK_SIZE,
  bodyIsIntact,
  RECORD_MAGIC,
  RECORD_MAGIC_V2,
  RECORD_SIZE_MIN,
  RecordView,
} from '../commitlog/record.ts'
import { segmentStart } from '../commitlog/segments.ts'
import type { LogWindow } from './log-window.ts'

/**
 * ok       a whole record in its place; `entrySize` leads to the next
 * blank    the rest of the segment is unused
 * content  the lengths are right, so `entrySize` leads on, but the record is not what was written (see `problem`)
 * bad      a record's magic, and lengths that do not add up
 * end      nothing that was ever a record
 */
export type Verdict = 'ok' | 'blank' | 'content' | 'bad' | 'end'

/** Loaded before the lengths are known: a header, and some bodies. */
const HEAD = 4096

export class LogScanner {
  readonly record = new RecordView()
  readonly window: LogWindow
  /** Of what was checked last. */
  layout: LogLayout
  readonly checkCRC: boolean
  /** Bytes of the entry, its header included; after `ok` and `content`. */
  entrySize = 0
  problem = ''
  /** After `content`: an entry with nothing wrong about it, but what it holds is no record. */
  isForeign = false
  /** Index of the entry in the window's bytes. */
  entryIndex = 0
  private readonly folders: LogFolders | undefined
  private readonly segmentSize: number

  /** `layout`: of all segments, or where each has its own. */
  constructor(window: LogWindow, layout: LogLayout | LogFolders, checkCRC: boolean) {
    this.window = window
    this.folders = 'layoutAt' in layout ? layout : undefined
    this.layout = 'layoutAt' in layout ? layout.layout : layout
    this.checkCRC = checkCRC
    this.segmentSize = window.segmentSize
  }

  segmentEnd(at: number): number {
    return segmentStart(at, this.segmentSize) + this.segmentSize
  }

  /** How entries lie at `at`. */
  layoutAt(at: number): LogLayout {
    return this.folders?.layoutAt(at) ?? this.layout
  }

  check(at: number): Verdict {
    this.layout = this.layoutAt(at)
    this.isForeign = false
    const { window, layout, record } = this
    const left = this.segmentEnd(at) - at
    this.entrySize = 0
    if (left < BLANK_SIZE) return 'end'
    let index = window.index(at, Math.min(left, HEAD))
    const size = layout.sizeAt(window.view, index)
    if (size > HEAD && size <= left) index = window.index(at, size)
    this.entryIndex = index
    const kind = layout.read(record, window.bytes, window.view, index, index + Math.min(left, Math.max(size, HEAD)))
    if (kind === 'blank') return record.totalSize === left ? 'blank' : this.complain('bad', 'a blank of the wrong size')
    if (kind === 'bad') {
      const known = layout.entrySizeAt(window.view, index, index + left)
      if (known === 0 || !layout.fits(known, left)) return this.complain('bad', 'lengths that do not add up')
      if (!layout.standsAt(window.view, index, at)) return this.complain('bad', 'the position of another place')
      this.entrySize = known
      this.isForeign = true
      return this.complain('content', 'an entry that holds no record')
    }
    if (kind === 'end') return this.complain('end', 'no record')
    this.entrySize = layout.headerSize + record.totalSize
    if (!layout.fits(this.entrySize, left)) return this.complain('bad', 'a record too close to the end of its file')
    if (record.physicalOffset !== at + layout.headerSize) return this.complain('content', 'the offset of another place')
    if (!layout.standsAt(window.view, index, at)) return this.complain('content', 'the position of another place')
    if (record.storeTimestamp <= 0) return this.complain('content', 'no store time')
    if (this.endsInZeros()) return this.complain('content', 'a topic or properties cut short')
    if (this.checkCRC && !bodyIsIntact(record, window.bytes))
      return this.complain('content', 'a body that differs from its CRC')
    return 'ok'
  }

  /**
   * Where the next record would start, if the broken entry at `at` is a record whose header is right: after check() gave
   * `bad`. By its total size, and by the lengths of its parts (one of them may be the damaged field).
   */
  guesses(at: number): number[] {
    const { record, window, layout } = this
    if (!this.headerIsPlausible(at)) return []
    const room = this.segmentEnd(at) - at - BLANK_SIZE
    const sizes = new Set([layout.headerSize + record.totalSize])
    const index = window.index(at, Math.min(room + BLANK_SIZE, HEAD)) + layout.headerSize
    const parts = sizeByParts(window, index, at + layout.headerSize, this.segmentEnd(at))
    if (parts > 0) sizes.add(layout.headerSize + parts)
    return [...sizes].filter((size) => size >= RECORD_SIZE_MIN && size <= room).map((size) => at + size)
  }

  /** After check() gave `bad`: magic and offset are those of a record that was written here. */
  headerIsPlausible(at: number): boolean {
    const { record, layout } = this
    const isRecord = record.magic === RECORD_MAGIC || record.magic === RECORD_MAGIC_V2
    return isRecord && record.physicalOffset === at + layout.headerSize
  }

  /** Neither text ends in a zero byte, unless its end was never written: no checksum covers these two. */
  private endsInZeros(): boolean {
    const { bytes } = this.window
    const { topicStart, topicLength, propertiesStart, propertiesLength } = this.record
    if (topicLength > 0 && bytes[topicStart + topicLength - 1] === 0) return true
    return propertiesLength > 0 && bytes[propertiesStart + propertiesLength - 1] === 0
  }

  private complain(verdict: Verdict, problem: string): Verdict {
    this.problem = problem
    return verdict
  }
}

/** Size of the record at index `index` by its bodyLength, topicLength and propertiesLength; 0 where they lead outside. */
function sizeByParts(window: LogWindow, index: number, offset: number, segmentEnd: number): number {
  const { view } = window
  const sysFlag = view.getInt32(index + 36)
  const hosts = ((sysFlag & 0x10) === 0 ? 8 : 20) + ((sysFlag & 0x20) === 0 ? 8 : 20)
  const wide = view.getInt32(index + 4) === RECORD_MAGIC ? 0 : 1
  const bodyLength = view.getInt32(index + 68 + hosts)
  const topicAt = offset + 72 + hosts + bodyLength
  if (bodyLength < 0 || topicAt + 4 > segmentEnd) return 0
  const topicIndex = window.index(topicAt, 2)
  const topicLength = wide === 0 ? window.view.getInt8(topicIndex) : window.view.getInt16(topicIndex)
  const propertiesAt = topicAt + 1 + wide + topicLength
  if (topicLength < 0 || propertiesAt + 2 > segmentEnd) return 0
  const propertiesLength = window.view.getInt16(window.index(propertiesAt, 2))
  return propertiesLength < 0 ? 0 : propertiesAt + 2 + propertiesLength - offset
}

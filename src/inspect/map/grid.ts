/**
 * The log cut into cells, and the bytes in each by topic and kind.
 *
 *   segment  |<-- cell -->|<-- cell -->|<-- cell -->| … |<- last cell, with what the file has too much ->|
 *
 * Owns:      one column of numbers a topic and kind that occur (cells × 8 bytes).
 * Invariant: `covered` of a cell is the sum of its columns.
 */
import type { Segment } from '../../store/commitlog/index.ts'
import { KINDS, type Kind, kindIndex } from './kinds.ts'

export interface GridSegment extends Segment {
  /** Of the bytes that belong to the log: the file's, at most a segment's. */
  end: number
  firstCell: number
  cells: number
  /** The largest end of a record that a queue points at. */
  lastEnd: number
}

const PAGE = 4096
const CELLS_MAX = 2048
const CELLS_PER_SEGMENT_MAX = 256
/** Cells × topics. */
const NUMBERS_MAX = 4_000_000
/** Topic of what has none. */
export const NO_TOPIC = ''

export class Grid {
  readonly segments: GridSegment[]
  readonly cellSize: number
  readonly cellCount: number
  readonly covered: Float64Array
  /** The last record start that a queue knows of in the cell; −1 without any. */
  readonly lastStart: Float64Array
  readonly topics: string[] = [NO_TOPIC]
  private readonly topicIndexes = new Map([[NO_TOPIC, 0]])
  private readonly columns = new Map<number, Float64Array>()
  private last = 0

  constructor(segments: readonly Segment[], segmentSize: number, topicCount: number, cellsMax = CELLS_MAX) {
    const most = Math.min(cellsMax, Math.floor(NUMBERS_MAX / Math.max(1, topicCount)))
    const each = Math.max(1, Math.min(CELLS_PER_SEGMENT_MAX, Math.floor(most / Math.max(1, segments.length))))
    this.cellSize = Math.max(PAGE, Math.ceil(segmentSize / each / PAGE) * PAGE)
    let firstCell = 0
    this.segments = segments.map((segment) => {
      const end = segment.start + Math.min(segment.size, segmentSize)
      const cells = Math.max(1, Math.ceil((end - segment.start) / this.cellSize))
      firstCell += cells
      return { ...segment, end, firstCell: firstCell - cells, cells, lastEnd: segment.start }
    })
    this.cellCount = firstCell
    this.covered = new Float64Array(firstCell)
    this.lastStart = new Float64Array(firstCell).fill(-1)
  }

  topicIndex(topic: string): number {
    const known = this.topicIndexes.get(topic)
    if (known !== undefined) return known
    this.topics.push(topic)
    this.topicIndexes.set(topic, this.topics.length - 1)
    return this.topics.length - 1
  }

  column(topicIndex: number, kind: Kind): Float64Array {
    const key = topicIndex * KINDS.length + kindIndex(kind)
    let column = this.columns.get(key)
    if (column === undefined) {
      column = new Float64Array(this.cellCount)
      this.columns.set(key, column)
    }
    return column
  }

  *eachColumn(): Generator<{ topicIndex: number; kind: Kind; bytes: Float64Array }> {
    for (const [key, bytes] of this.columns) {
      yield { topicIndex: Math.floor(key / KINDS.length), kind: KINDS[key % KINDS.length], bytes }
    }
  }

  /** The segment that holds the offset. Askers ask in order. */
  segmentAt(offset: number): GridSegment | undefined {
    const { segments } = this
    let at = this.last
    if (at >= segments.length || segments[at].start > offset) at = 0
    while (at < segments.length && segments[at].end <= offset) at += 1
    if (at >= segments.length || segments[at].start > offset) return undefined
    this.last = at
    return segments[at]
  }

  cellStart({ start, firstCell }: GridSegment, cell: number): number {
    return start + (cell - firstCell) * this.cellSize
  }

  cellEnd(segment: GridSegment, cell: number): number {
    return Math.min(segment.end, this.cellStart(segment, cell) + this.cellSize)
  }

  /** Size of the cell, with what the file has too much in its last one. */
  cellBytes(segment: GridSegment, cell: number): number {
    const isLast = cell === segment.firstCell + segment.cells - 1
    const end = isLast ? segment.start + segment.size : this.cellEnd(segment, cell)
    return end - this.cellStart(segment, cell)
  }

  /** A record that a queue points at. What goes beyond its segment is not counted. */
  addRecord(offset: number, size: number, column: Float64Array): void {
    const segment = this.segmentAt(offset)
    if (segment === undefined) return
    const end = Math.min(offset + size, segment.end)
    if (end > segment.lastEnd) segment.lastEnd = end
    const { cellSize, covered, lastStart } = this
    const cell = segment.firstCell + Math.floor((offset - segment.start) / cellSize)
    if (offset > lastStart[cell]) lastStart[cell] = offset
    if (end <= this.cellStart(segment, cell) + cellSize) {
      column[cell] += end - offset
      covered[cell] += end - offset
    } else this.add(segment, offset, end, column)
  }

  /** [from, to) of one segment. */
  add(segment: GridSegment, from: number, to: number, column: Float64Array, share = 1): void {
    for (let at = from; at < to; ) {
      const cell = segment.firstCell + Math.floor((at - segment.start) / this.cellSize)
      const end = Math.min(to, this.cellStart(segment, cell) + this.cellSize)
      const bytes = (end - at) * share
      column[cell] += bytes
      this.covered[cell] += bytes
      at = end
    }
  }

  /** `bytes` spread evenly over [from, to), which may go over several segments. */
  spread(from: number, to: number, bytes: number, column: Float64Array): void {
    const share = Math.min(1, bytes / Math.max(1, to - from))
    for (const segment of this.segments) {
      const low = Math.max(from, segment.start)
      const high = Math.min(to, segment.end)
      if (high > low) this.add(segment, low, high, column, share)
    }
  }

  /** Nothing is known of the cells any more. */
  clear(from: number, to: number): void {
    for (const column of this.columns.values()) column.fill(0, from, to)
    this.covered.fill(0, from, to)
  }

  scale(cell: number, factor: number): void {
    for (const column of this.columns.values()) column[cell] *= factor
    this.covered[cell] *= factor
  }
}

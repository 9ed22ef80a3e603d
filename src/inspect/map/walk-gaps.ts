/**
 * What no queue accounts for: ends of files, records of deleted topics, records that are not dispatched yet, damage. Only the
 * cells in which something is missing are read, the newest first, as much as the budget allows.
 *
 * Invariant: afterwards every cell is accounted for to the byte, or by an estimate that is told as one.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { BLANK_MAGIC } from '../../store/commitlog/record.ts'
import { LogWalk } from '../log-walk.ts'
import type { InspectedStore } from '../open-store.ts'
import { tryRead } from '../try-read.ts'
import { type Grid, type GridSegment, NO_TOPIC } from './grid.ts'
import type { Kind } from './kinds.ts'
import { type MappedQueue, spanAt } from './spans.ts'

export interface GapOptions {
  grid: Grid
  queues: readonly MappedQueue[]
  end: number
  /** Bytes behind the end that are no zeros. */
  behind: number
  /** Records at or above it may have no unit yet. */
  dispatched: number
  /** Bytes of the log that may be read. */
  bytesMax: number
}

export interface GapsResult {
  /** Bytes that no queue points at and that were not looked at. */
  unknown: number
}

interface Run {
  segment: GridSegment
  /** Cells, [from, to). */
  from: number
  to: number
}

/** Of one read. */
const RUN_BYTES_MAX = 32 * 1024 * 1024

export function fillRoom({ grid, end, behind }: Pick<GapOptions, 'grid' | 'end' | 'behind'>): void {
  const free = grid.column(0, 'free')
  const damaged = grid.column(0, 'damaged')
  for (const segment of grid.segments) {
    const from = Math.max(segment.start, Math.min(end, segment.end))
    const rest = from === end ? Math.min(segment.end, end + behind) : from
    grid.add(segment, from, rest, damaged)
    grid.add(segment, rest, segment.end, free)
    const extra = segment.start + segment.size - segment.end
    const last = segment.firstCell + segment.cells - 1
    damaged[last] += extra
    grid.covered[last] += extra
  }
}

/** A blank right behind the last record that a queue knows of is told by its 8 bytes. */
export function fillBlanks(grid: Grid, end: number): void {
  const blank = grid.column(0, 'blank')
  for (const segment of grid.segments) {
    const { lastEnd } = segment
    if (segment.end > end || lastEnd === segment.start || lastEnd >= segment.end) continue
    if (tryRead(() => isBlankAt(segment, lastEnd)) === true) grid.add(segment, lastEnd, segment.end, blank)
  }
}

function isBlankAt({ path, start, end }: GridSegment, at: number): boolean {
  const bytes = Buffer.alloc(8)
  const fd = openSync(path, 'r')
  try {
    if (readSync(fd, bytes, 0, 8, at - start) < 8) return end - at < 8
    const [first, second] = [bytes.readInt32BE(0), bytes.readInt32BE(4)]
    return (first === end - at && second === BLANK_MAGIC) || (first === -1 && second === end - at)
  } finally {
    closeSync(fd)
  }
}

export function walkGaps(store: InspectedStore, options: GapOptions): GapsResult {
  const { grid, end, bytesMax } = options
  const byKey = new Map(options.queues.map((queue) => [`${queue.files.topic}/${queue.files.queueId}`, queue]))
  const settings = store.settings
  const segmentStarts = grid.segments.map(({ start }) => start)
  let left = bytesMax
  using walk = new LogWalk({
    settings,
    segmentStarts,
    from: 0,
    isLive: store.use.isInUse,
    durable: end,
    checkCRC: false,
    limit: Number.POSITIVE_INFINITY,
  })
  for (const run of openRuns(grid, end).reverse()) {
    const size = (run.to - run.from) * grid.cellSize
    if (size > left) continue
    left -= size
    walkRun(walk, run, options, byKey)
  }
  return { unknown: estimateRest(grid) }
}

function isOpen(grid: Grid, segment: GridSegment, cell: number): boolean {
  return Math.abs(grid.cellBytes(segment, cell) - grid.covered[cell]) >= 1
}

/** Cells side by side that are not accounted for. */
function openRuns(grid: Grid, end: number): Run[] {
  const cellsMax = Math.max(1, Math.floor(RUN_BYTES_MAX / grid.cellSize))
  const runs: Run[] = []
  for (const segment of grid.segments) {
    let run: Run | undefined
    for (let cell = segment.firstCell; cell < segment.firstCell + segment.cells; cell += 1) {
      const isWanted = grid.cellStart(segment, cell) < end && isOpen(grid, segment, cell)
      if (!isWanted) run = undefined
      else if (run === undefined || run.to - run.from >= cellsMax) {
        run = { segment, from: cell, to: cell + 1 }
        runs.push(run)
      } else run.to = cell + 1
    }
  }
  return runs
}

function walkRun(walk: LogWalk, run: Run, options: GapOptions, queues: ReadonlyMap<string, MappedQueue>): void {
  const { grid, dispatched } = options
  const { segment } = run
  const low = grid.cellStart(segment, run.from)
  const high = Math.min(grid.cellEnd(segment, run.to - 1), options.end)
  const room = roomOf(grid, run)
  const anchor = anchorOf(grid, run)
  grid.clear(run.from, run.to)
  for (const { column, cell, bytes } of room) {
    column[cell] += bytes
    grid.covered[cell] += bytes
  }
  const add = (from: number, to: number, topic: string, kind: Kind) => {
    const [start, stop] = [Math.max(from, low), Math.min(to, high)]
    if (start < stop) grid.add(segment, start, stop, grid.column(grid.topicIndex(topic), kind))
  }
  walk.moveTo(anchor)
  let at = anchor
  while (at < high) {
    const step = walk.step()
    // What it stepped over silently is the blank end of a file.
    const reached = Math.min(walk.at, segment.end)
    if (reached > at) add(at, reached, NO_TOPIC, 'blank')
    at = Math.max(at, reached)
    if (at >= high) break
    if (step === 'end') {
      add(at, high, NO_TOPIC, 'damaged')
      break
    }
    if (step === 'damage') add(walk.at, walk.next, NO_TOPIC, 'damaged')
    else {
      const { record } = walk
      const topic = topicOf(walk)
      const queue = queues.get(`${topic}/${record.queueId}`)
      const first = queue === undefined ? 0 : (queue.files.files[0]?.start ?? 0) / 20
      const hasUnit = queue !== undefined && record.queueOffset < queue.max && record.queueOffset >= first
      const kind = hasUnit ? spanAt(queue, record.queueOffset).kind : walk.at >= dispatched ? 'undispatched' : 'garbage'
      add(walk.at, walk.next, topic, kind)
    }
    if (walk.next <= at) break
    at = walk.next
  }
}

function topicOf({ record, window }: LogWalk): string {
  return window.bytes.toString('utf8', record.topicStart, record.topicStart + record.topicLength)
}

/** What fillRoom() and only it put there: it stays. */
function roomOf(grid: Grid, { from, to }: Run): { column: Float64Array; cell: number; bytes: number }[] {
  const room: { column: Float64Array; cell: number; bytes: number }[] = []
  for (const kind of ['free', 'damaged'] as const) {
    const column = grid.column(0, kind)
    for (let cell = from; cell < to; cell += 1) {
      if (column[cell] > 0) room.push({ column, cell, bytes: column[cell] })
    }
  }
  return room
}

/** A record at or before the run's first byte. */
function anchorOf(grid: Grid, { segment, from }: Run): number {
  for (let cell = from - 1; cell >= segment.firstCell; cell -= 1) {
    const at = grid.lastStart[cell]
    if (at >= 0) return at
  }
  return segment.start
}

/** What is not accounted for now never will be. */
export function estimateRest(grid: Grid): number {
  const garbage = grid.column(0, 'garbage')
  let unknown = 0
  for (const segment of grid.segments) {
    for (let cell = segment.firstCell; cell < segment.firstCell + segment.cells; cell += 1) {
      const size = grid.cellBytes(segment, cell)
      const missing = size - grid.covered[cell]
      if (missing < -0.5) grid.scale(cell, size / grid.covered[cell])
      else if (missing > 0.5) {
        garbage[cell] += missing
        grid.covered[cell] += missing
        unknown += missing
      }
    }
  }
  return unknown
}

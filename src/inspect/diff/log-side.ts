/**
 * One of two logs that are compared: a store, or what `hashes` wrote about one that is elsewhere. Its end is taken once, so
 * that what is appended meanwhile is no difference.
 *
 * Side checksums (store/checksums) stand for reading where the segment was not written to since; whether the disk still has
 * what they say is the scrubber's question, or that of whoever asks to read.
 */
import { statSync } from 'node:fs'
import { HASHED_BLOCK } from '../../store/checksums/block-hash.ts'
import { changedSince, readChecksums } from '../../store/checksums/checksum-file.ts'
import { BLANK_SIZE } from '../../store/commitlog/index.ts'
import { logBounds } from '../log-end.ts'
import type { InspectedStore } from '../open-store.ts'
import { isBlank } from './blank.ts'
import { LogBytes, type LogFile } from './log-bytes.ts'
import { merged, type Range } from './ranges.ts'

/** xxhash64 of the blocks of [start, to): block i begins at start + i MiB, the last one may be shorter. */
export interface HashedRange {
  start: number
  to: number
  hashes: BigUint64Array
}

export interface LogSide {
  /** As it was given. */
  name: string
  /** Undefined: only hashes of it are here. */
  store: InspectedStore | undefined
  files: LogFile[]
  hashed: HashedRange[]
  /** What exists of the log, below its end. */
  ranges: Range[]
  end: number
  segmentSize: number
  /** Store times of its first and last record; 0 where unknown. */
  firstTime: number
  lastTime: number
}

export function storeSide(name: string, store: InspectedStore, useChecksums: boolean): LogSide {
  const { end: lastEnd, firstTime, lastTime } = logBounds(store)
  const {
    root,
    files: { segments },
  } = store
  const end = behindBlank(segments, lastEnd)
  const files: LogFile[] = []
  const hashed: HashedRange[] = []
  for (const [i, { start, path, size }] of segments.entries()) {
    // A file that is longer than it should be does not hide the next one.
    const limit = Math.min(segments[i + 1]?.start ?? Number.MAX_SAFE_INTEGER, end)
    const counted = Math.min(size, limit - start)
    if (counted <= 0) continue
    files.push({ start, path, size: counted })
    // Of the segment that is still written to nothing is believed.
    const known = useChecksums && start + size <= end ? checksumsOf(root, start, path, size) : undefined
    if (known !== undefined) hashed.push({ start, to: start + size, hashes: known })
  }
  const ranges = merged(files.map(({ start, size }) => ({ from: start, to: start + size })))
  const segmentSize = store.settings.mappedFileSizeCommitLog
  return { name, store, files, hashed, ranges, end, segmentSize, firstTime, lastTime }
}

/** Where the next file would begin, if the log ends with one that is full: whether that has been made says nothing. */
function behindBlank(segments: InspectedStore['files']['segments'], end: number): number {
  const segment = segments.find(({ start, size }) => start < end && end + BLANK_SIZE <= start + size)
  if (segment === undefined) return end
  const left = segment.start + segment.size - end
  const bytes = Buffer.alloc(BLANK_SIZE)
  using log = new LogBytes([segment])
  if (!log.read(bytes, end, end + BLANK_SIZE)) return end
  return isBlank(bytes, 0, left) ? end + left : end
}

function checksumsOf(root: string, start: number, path: string, size: number): BigUint64Array | undefined {
  const read = readChecksums(root, start)
  if (read.kind !== 'ok' || read.checksums.size !== size) return undefined
  const status = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (status === undefined || changedSince(read.checksums, status) !== undefined) return undefined
  return read.checksums.hashes
}

/** The hash of exactly [from, to), where it is known. */
export function knownHash({ hashed }: LogSide, from: number, to: number): bigint | undefined {
  const range = hashed.find(({ start, to: end }) => from >= start && to <= end)
  if (range === undefined) return undefined
  const block = (from - range.start) / HASHED_BLOCK
  if (!Number.isInteger(block) || to !== Math.min(from + HASHED_BLOCK, range.to)) return undefined
  return range.hashes[block]
}

/**
 * Cuts [from, to) where blocks of one of the two begin: of hashes that cannot be computed again, of known ones, else of the
 * files of the first.
 */
export function* blocksOf(range: Range, a: LogSide, b: LogSide): Generator<Range> {
  const sides = [a, b].sort((x, y) => rankOf(x) - rankOf(y))
  for (let at = range.from; at < range.to; ) {
    const start = gridAt(sides, at)
    const next = start.from + (Math.floor((at - start.from) / HASHED_BLOCK) + 1) * HASHED_BLOCK
    const to = Math.min(next, start.to, range.to)
    yield { from: at, to }
    at = to
  }
}

const rankOf = ({ store, hashed }: LogSide) => (store === undefined ? 0 : hashed.length > 0 ? 1 : 2)

function gridAt(sides: readonly LogSide[], at: number): Range {
  const holds = ({ from, to }: Range) => at >= from && at < to
  for (const { hashed } of sides) {
    const found = hashed.map(({ start, to }) => ({ from: start, to })).find(holds)
    if (found !== undefined) return found
  }
  for (const { files } of sides) {
    const found = files.map(({ start, size }) => ({ from: start, to: start + size })).find(holds)
    if (found !== undefined) return found
  }
  return { from: at, to: at + HASHED_BLOCK }
}

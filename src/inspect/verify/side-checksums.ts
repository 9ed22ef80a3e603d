/**
 * The files in basalt/checksums: whether they are whole, which blocks of a range they speak of, and what it means where a block
 * is another one now.
 */
import { statSync } from 'node:fs'
import {
  blockCount,
  changedSince,
  checksumsPath,
  HASHED_BLOCK,
  listChecksums,
  readChecksums,
  recordsIn,
  type SegmentChecksums,
} from '../../store/checksums/index.ts'
import { LogFolders } from '../../store/commitlog/index.ts'
import type { InspectedStore } from '../open-store.ts'
import { tryRead } from '../try-read.ts'
import type { Findings } from './finding.ts'
import type { HashedRange } from './hash-check.ts'
import type { PlannedRange } from './ranges.ts'

/** To name the records of a block the segment is read up to it. */
const EXPLAINED_MAX = 5
/** A segment that was sealed later may still get its file. */
const ON_THEIR_WAY_MS = 3_600_000

export class SideChecksums {
  private readonly store: InspectedStore
  private readonly findings: Findings
  private readonly known = new Map<number, SegmentChecksums>()
  private readonly wrong = new Map<number, number[]>()
  private readonly hasFiles: boolean

  constructor(store: InspectedStore, findings: Findings) {
    this.store = store
    this.findings = findings
    const { root, settings, files } = store
    const starts = tryRead(() => listChecksums(root))?.starts ?? []
    const segments = new Set(files.segments.map(({ start }) => start))
    this.hasFiles = starts.length > 0
    for (const start of starts) {
      const read = segments.has(start) ? readChecksums(root, start) : undefined
      // Retention takes both; a broker of RocketMQ's leaves it.
      if (read === undefined || read.kind === 'missing') continue
      if (read.kind === 'bad') findings.add('SIDE_CHECKSUM_FILE', read.problem, checksumsPath(root, start))
      else if (read.checksums.size !== settings.mappedFileSizeCommitLog)
        findings.add(
          'SIDE_CHECKSUM_FILE',
          `it is of a segment of ${read.checksums.size} bytes; they have ${settings.mappedFileSizeCommitLog}`,
          checksumsPath(root, start),
        )
      else this.known.set(start, read.checksums)
    }
  }

  /** What is to be hashed with a range; the last one of a segment has the rest of it. */
  of({ from, to }: PlannedRange, isLast: boolean): HashedRange | undefined {
    const size = this.store.settings.mappedFileSizeCommitLog
    const start = from - (from % size)
    const checksums = this.known.get(start)
    if (checksums === undefined) return undefined
    const first = Math.floor((from - start) / HASHED_BLOCK)
    const end = isLast ? blockCount(size) : Math.floor((to - start) / HASHED_BLOCK)
    return { start, first, hashes: checksums.hashes.slice(first, end) }
  }

  /** Segments that no range is in: the log ends before them. */
  others(ranges: readonly PlannedRange[]): HashedRange[] {
    const size = this.store.settings.mappedFileSizeCommitLog
    const planned = new Set(ranges.map(({ from }) => from - (from % size)))
    return [...this.known.values()]
      .filter(({ start }) => !planned.has(start))
      .map(({ start, hashes }) => ({ start, first: 0, hashes }))
  }

  found(start: number, blocks: readonly number[]): void {
    if (blocks.length > 0) this.wrong.set(start, [...(this.wrong.get(start) ?? []), ...blocks])
  }

  /** `end`: of the log. */
  tell(end: number): void {
    let explained = 0
    for (const [start, blocks] of [...this.wrong].sort(([a], [b]) => a - b)) {
      const checksums = this.known.get(start)!
      const path = new LogFolders(this.store.settings).pathAt(start)
      const status = statSync(path, { bigint: true, throwIfNoEntry: false })
      if (status === undefined) continue
      const since = new Date(checksums.hashedAt).toISOString()
      const changed = changedSince(checksums, status)
      if (changed !== undefined) {
        const what = `${blocks.length} blocks of 1 MiB are not what they were at ${since}; ${changed}: another program, or the disk`
        this.findings.add('SEGMENT_CHANGED', what, path, blocks[0] * HASHED_BLOCK)
        continue
      }
      for (const block of blocks) {
        const from = start + block * HASHED_BLOCK
        const to = Math.min(from + HASHED_BLOCK, start + checksums.size)
        explained += 1
        const records = explained > EXPLAINED_MAX ? '' : `; ${recordsIn(this.store.settings, start, from, to)}`
        const what = `bytes ${from} to ${to} of the log are not what they were at ${since}, and nobody wrote to the file since${records}`
        this.findings.add('SIDE_CHECKSUM', what, path, block * HASHED_BLOCK)
      }
    }
    this.tellMissing(end)
  }

  private tellMissing(end: number): void {
    const { files, settings, root } = this.store
    if (!this.hasFiles) return
    const sealed = files.segments.filter(({ start }) => start + settings.mappedFileSizeCommitLog <= end)
    const missing = sealed.filter(({ start, path }) => {
      const status = statSync(path, { throwIfNoEntry: false })
      return (
        readChecksums(root, start).kind === 'missing' &&
        (status?.mtimeMs ?? Number.POSITIVE_INFINITY) < Date.now() - ON_THEIR_WAY_MS
      )
    })
    if (missing.length === 0) return
    const what = `${missing.length} of ${sealed.length} sealed segments have no side checksums, and were sealed over an hour ago`
    this.findings.add('SIDE_CHECKSUM_MISSING', what, checksumsPath(root, missing[0].start))
  }
}

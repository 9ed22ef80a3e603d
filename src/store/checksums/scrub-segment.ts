/**
 * Reads one sealed segment again, a block a step, from the disk and past the page cache where that can be, and compares with
 * its checksums.
 *
 *   differs ─▶ read once more ─▶ right now: the disk answered wrong once
 *                            └▶ wrong again: damage; which records, who wrote to the file, is it right in memory
 *
 * Blocks on: the disk.
 */
import { statSync } from 'node:fs'
import { describe } from '../../errors.ts'
import { LogFolders } from '../commitlog/log-folders.ts'
import { errnoOf } from '../metadata/durable-file.ts'
import { HASHED_BLOCK } from './block-hash.ts'
import { changedSince, type SegmentChecksums } from './checksum-file.ts'
import type { ReadingTools } from './hash-segment.ts'
import { recordsIn } from './records-in.ts'
import { SegmentReader } from './segment-reader.ts'

/** A block that is not what was hashed. */
export interface Damage {
  /** Of the segment, and which block of it. */
  start: number
  block: number
  /** Range of the log. */
  from: number
  to: number
  foundAt: number
  hashedAt: number
  /** Who may have changed it but the disk, in words; absent where nobody did. */
  changed?: string
  /** The disk does not give the block at all. */
  unreadable?: string
  /** The page cache still has the right bytes. */
  isRightInMemory: boolean
  /** Which records are hit, in words. */
  records: string
}

export interface ScrubbedBlock {
  bytes: number
  /** undefined: as it was hashed. */
  damage?: Damage
  /** Wrong at first, right when it was read again. */
  wasWrongOnce?: boolean
}

export class SegmentScrub implements Disposable {
  readonly checksums: SegmentChecksums
  readonly reader: SegmentReader
  readonly path: string
  /** The next block. */
  block = 0
  private readonly tools: ReadingTools

  /** Throws the system's error: ENOENT where retention was faster. */
  constructor(tools: ReadingTools, checksums: SegmentChecksums) {
    const { settings, slot } = tools
    this.tools = tools
    this.checksums = checksums
    this.path = new LogFolders(settings).pathAt(checksums.start)
    this.reader = new SegmentReader(this.path, settings.mappedFileSizeCommitLog, slot)
  }

  get isDone(): boolean {
    return this.block >= this.checksums.hashes.length
  }

  /** Compares the next block. Throws the system's error, but EIO: that is damage. */
  step(now: number): ScrubbedBlock {
    const { reader, checksums } = this
    const block = this.block
    const bytes = Math.min(HASHED_BLOCK, checksums.size - block * HASHED_BLOCK)
    this.block += 1
    const first = this.compare(block, (into) => reader.fromDisk(block, into))
    if (first === 'right') return { bytes }
    const again = this.compare(block, (into) => reader.fromDisk(block, into))
    if (again === 'right') return { bytes, wasWrongOnce: true }
    return { bytes: 2 * bytes, damage: this.damageOf(block, again === 'wrong' ? undefined : again.unreadable, now) }
  }

  [Symbol.dispose](): void {
    this.reader[Symbol.dispose]()
  }

  private compare(block: number, read: (into: Uint8Array) => number): 'right' | 'wrong' | { unreadable: string } {
    const { tools, checksums } = this
    const into = tools.buffer.subarray(0, HASHED_BLOCK)
    const wanted = Math.min(HASHED_BLOCK, checksums.size - block * HASHED_BLOCK)
    try {
      const got = read(into)
      return got >= wanted && tools.hash(into.subarray(0, wanted)) === checksums.hashes[block] ? 'right' : 'wrong'
    } catch (error) {
      if (errnoOf(error) !== 'EIO') throw error
      return { unreadable: describe(error) }
    }
  }

  private damageOf(block: number, unreadable: string | undefined, now: number): Damage {
    const { tools, checksums, reader } = this
    const { start, size, hashedAt } = checksums
    const from = start + block * HASHED_BLOCK
    const to = Math.min(from + HASHED_BLOCK, start + size)
    const isRightInMemory = this.compare(block, (into) => reader.fromMemory(block, into)) === 'right'
    const status = statSync(this.path, { bigint: true, throwIfNoEntry: false })
    const changed = status === undefined ? 'the file is gone' : changedSince(checksums, status)
    const records = recordsIn(tools.settings, start, from, to)
    const damage: Damage = { start, block, from, to, foundAt: now, hashedAt, isRightInMemory, records }
    if (changed !== undefined) damage.changed = changed
    if (unreadable !== undefined) damage.unreadable = unreadable
    return damage
  }
}

/** One line: what, and what to do. */
export function damageText({
  block,
  from,
  to,
  hashedAt,
  changed,
  unreadable,
  isRightInMemory,
  records,
}: Damage): string {
  const since = new Date(hashedAt).toISOString()
  const what =
    unreadable === undefined
      ? `block ${block} (bytes ${from} to ${to} of the log) is not what it was at ${since}`
      : `block ${block} (bytes ${from} to ${to} of the log) cannot be read: ${unreadable}`
  if (changed !== undefined)
    return (
      `a sealed CommitLog segment has changed: ${what}; ${changed}, so that it may be another program’s doing and no ` +
      `bit rot; ${records}; if it is meant, remove its side checksums, else take the segment from a replica`
    )
  const rescue = isRightInMemory ? 'copy the file now: the page cache still has the right bytes; ' : ''
  return (
    `bit rot: ${what}, and nobody has written to the file since; ${records}; ${rescue}stop the broker and take the ` +
    'segment from a replica or a backup; until then it is served as it is'
  )
}

/**
 * Two logs, block by block: what only one has, what both have and is equal, and where they differ.
 *
 * Bytes behind the 8 bytes of a blank (the end of a file that no record fills) mean nothing: releases of RocketMQ leave there
 * what was in their buffers.
 */
import { BLANK_SIZE } from '../../store/commitlog/index.ts'
import { LogWalk } from '../log-walk.ts'
import type { InspectedStore } from '../open-store.ts'
import type { Runner } from '../verify/runner.ts'
import { lastBlank } from './blank.ts'
import type { Block, CompareResult, DifferingRange } from './block-tasks.ts'
import { LogBytes } from './log-bytes.ts'
import { blocksOf, knownHash, type LogSide } from './log-side.ts'
import { bytesOf, common, merged, type Range, without } from './ranges.ts'

export interface LogDiff {
  onlyA: Range[]
  onlyB: Range[]
  both: Range[]
  differing: DifferingRange[]
  uncompared: Range[]
  bytesRead: number
  /** Of what both have, compared by hashes alone. */
  bytesHashed: number
}

const BLOCKS_A_TASK = 32
/** No record is larger, so that a blank begins no farther from the end of its file. */
const BLANK_MAX = 64 * 1024 * 1024

export async function diffLogs(
  a: LogSide,
  b: LogSide,
  runner: Runner,
  onProgress: (bytes: number) => void,
): Promise<LogDiff> {
  const both = common(a.ranges, b.ranges)
  const differing: DifferingRange[] = []
  const uncompared: Range[] = []
  let bytesRead = 0
  let bytesHashed = 0
  const tasks: Promise<CompareResult>[] = []
  let blocks: Block[] = []
  const send = () => {
    const bytes = bytesOf(blocks)
    const task = { filesA: filesOf(a, blocks), filesB: filesOf(b, blocks), blocks }
    tasks.push(
      runner.run('compareBlocks', task).then((result) => {
        onProgress(bytes)
        return result
      }),
    )
    blocks = []
  }
  for (const range of both) {
    for (const { from, to } of blocksOf(range, a, b)) {
      const [hashA, hashB] = [knownHash(a, from, to), knownHash(b, from, to)]
      if (hashA !== undefined && hashA === hashB) {
        bytesHashed += to - from
        continue
      }
      blocks.push({ from, to, hashA, hashB })
      if (blocks.length === BLOCKS_A_TASK) send()
    }
  }
  if (blocks.length > 0) send()
  for (const result of await Promise.all(tasks)) {
    for (const range of result.differing) add(differing, range)
    uncompared.push(...result.uncompared)
    bytesRead += result.bytesRead
  }
  onProgress(bytesHashed)
  return {
    onlyA: without(a.ranges, b.ranges),
    onlyB: without(b.ranges, a.ranges),
    both,
    differing: withoutBlanks(differing, a, b),
    uncompared: merged(uncompared),
    bytesRead,
    bytesHashed,
  }
}

function filesOf({ files }: LogSide, blocks: readonly Block[]): LogSide['files'] {
  const [from, to] = [blocks[0].from, blocks[blocks.length - 1].to]
  return files.filter(({ start, size }) => start < to && start + size > from)
}

const NEAR = 4096

function add(differing: DifferingRange[], range: DifferingRange): void {
  const last = differing.at(-1)
  const isSame = last !== undefined && last.isExact === range.isExact
  if (isSame && range.from <= last.to + (range.isExact ? NEAR : 0)) last.to = Math.max(last.to, range.to)
  else differing.push({ ...range })
}

/** Without what lies behind the blank of a file, where both have it at the same place. */
function withoutBlanks(differing: DifferingRange[], a: LogSide, b: LogSide): DifferingRange[] {
  const blanks = new Map<number, Range | undefined>()
  const padding = (at: number): Range | undefined => {
    const size = a.segmentSize
    const start = at - (at % size)
    if (!blanks.has(start)) blanks.set(start, size === b.segmentSize ? sharedPadding(a, b, start) : undefined)
    return blanks.get(start)
  }
  const kept: DifferingRange[] = []
  for (const { from, to, isExact } of differing) {
    if (!isExact) {
      kept.push({ from, to, isExact })
      continue
    }
    // A range reaches from one file into the next only where the end of the first differs as well.
    const parts: Range[] = []
    for (let at = from; at < to; at = Math.min(to, at - (at % a.segmentSize) + a.segmentSize)) {
      const end = Math.min(to, at - (at % a.segmentSize) + a.segmentSize)
      const blank = padding(at)
      if (blank === undefined) parts.push({ from: at, to: end })
      else parts.push(...without([{ from: at, to: end }], [blank]))
    }
    for (const part of merged(parts)) kept.push({ ...part, isExact })
  }
  return kept
}

function sharedPadding(a: LogSide, b: LogSide, start: number): Range | undefined {
  if (a.store === undefined || b.store === undefined) return undefined
  const end = start + a.segmentSize
  const inA = blankIn(a, start, end)
  if (inA === undefined || inA !== blankIn(b, start, end)) return undefined
  return isReached(a.store, start, inA) && isReached(b.store, start, inA)
    ? { from: inA + BLANK_SIZE, to: end }
    : undefined
}

/** Where a blank that fills the rest of the file begins: size and magic say so. */
function blankIn({ files }: LogSide, start: number, end: number): number | undefined {
  const from = Math.max(start, end - BLANK_MAX)
  const bytes = Buffer.alloc(end - from)
  using log = new LogBytes(files)
  if (!log.read(bytes, from, end)) return undefined
  const at = lastBlank(bytes)
  return at === undefined ? undefined : from + at
}

/** Records lead to it: it is not the body of one. */
function isReached({ files, settings, use }: InspectedStore, start: number, blank: number): boolean {
  const segmentStarts = files.segments.map((segment) => segment.start)
  using walk = new LogWalk({
    settings,
    segmentStarts,
    from: start,
    limit: blank,
    durable: blank,
    isLive: use.isInUse,
    checkCRC: false,
  })
  while (walk.step() !== 'end');
  return walk.next === blank
}

/**
 * Two stores against each other: their logs, what follows from the logs, their tables; and in one word what it comes to.
 *
 *   sides (each log's end, once) ─▶ blocks of what both have, in threads ─▶ records at the differences
 *        ─▶ messages that only one has, counted ─▶ queues ─▶ tables ─▶ verdict
 *
 * Tables are told and do not count for the verdict: a slave takes them from its master every ten seconds.
 */
import { readTables } from '../tables.ts'
import { type Runner, runnerOf, threadsFor } from '../verify/runner.ts'
import { dispatchedOf } from '../verify/verify.ts'
import type { Counted } from './block-tasks.ts'
import { type Difference, explain } from './differing-records.ts'
import { diffLogs, type LogDiff } from './log-diff.ts'
import type { LogSide } from './log-side.ts'
import type { QueueDiff } from './queue-diff.ts'
import { bytesOf, common, type Range } from './ranges.ts'
import { diffTables, type TableDiff } from './table-diff.ts'

/**
 * equal     both logs are the same, and so are the queues
 * behind    what both have is the same; one ends earlier, or begins later
 * parted    two histories: from an offset on each has messages of its own
 * damaged   one message or more is not whole on one side, or a file is missing in the middle
 * altered   a message differs in something that no CRC covers, or hashes differ and nothing more can be said
 * queues    the logs are the same where both have them, the ConsumeQueues are not
 * apart     there is no offset that both have
 */
export type DiffVerdict = 'equal' | 'behind' | 'parted' | 'damaged' | 'altered' | 'queues' | 'apart'

/** A range that one has alone. */
export interface OwnRange extends Range {
  /** Undefined: elsewhere, or too much to be counted. */
  counted: Counted | undefined
}

export interface StoreDiff {
  verdict: DiffVerdict
  a: LogSide
  b: LogSide
  log: LogDiff
  onlyA: OwnRange[]
  onlyB: OwnRange[]
  /** The first differing ranges, with their records; ends with the place where histories part. */
  differences: Difference[]
  /** Messages of each from the place on where histories part. */
  parted: { from: number; a: Counted | undefined; b: Counted | undefined } | undefined
  /** Queues that differ, of so many; undefined where there is no second store to ask. */
  queues: { compared: number; from: number; to: number; differing: QueueDiff[] } | undefined
  tables: TableDiff[] | undefined
  threads: number
  ms: number
}

export interface DiffOptions {
  threads?: number | undefined
  onProgress?: (done: number, total: number) => void
}

const EXPLAINED_MAX = 100
const COUNTED_MAX = 16 * 1024 ** 3
const QUEUES_A_TASK = 32

export async function diffStores(a: LogSide, b: LogSide, options: DiffOptions = {}): Promise<StoreDiff> {
  const began = performance.now()
  const total = bytesOf(common(a.ranges, b.ranges))
  const runner = await runnerOf(options.threads ?? threadsFor(2 * total))
  try {
    let done = 0
    const log = await diffLogs(a, b, runner, (bytes) => {
      done += bytes
      options.onProgress?.(done, total)
    })
    const differences = explain(log.differing, a, b, EXPLAINED_MAX)
    const [onlyA, onlyB] = [await own(a, log.onlyA, runner), await own(b, log.onlyB, runner)]
    const parted = await partedOf(a, b, differences, runner)
    const queues = await queuesOf(a, b, log, parted?.from, runner)
    const tables = a.store && b.store ? diffTables(readTables(a.store.root), readTables(b.store.root)) : undefined
    const verdict = verdictOf(log, differences, queues)
    const ms = performance.now() - began
    return { verdict, a, b, log, onlyA, onlyB, differences, parted, queues, tables, threads: runner.threads, ms }
  } finally {
    await runner.close()
  }
}

function verdictOf(log: LogDiff, differences: Difference[], queues: StoreDiff['queues']): DiffVerdict {
  const { both, onlyA, onlyB } = log
  const hasOwn = onlyA.length + onlyB.length > 0
  if (both.length === 0 && onlyA.length > 0 && onlyB.length > 0) return 'apart'
  if (differences.some(({ kind }) => kind === 'parted')) return 'parted'
  if (differences.some(({ kind }) => kind === 'damaged' || kind === 'sealed')) return 'damaged'
  if (differences.length > 0) return 'altered'
  // A file that is missing between two that are there.
  if (both.length > 1) return 'damaged'
  if (queues?.differing.some(({ differing }) => differing > 0)) return 'queues'
  return hasOwn ? 'behind' : 'equal'
}

function own(side: LogSide, ranges: readonly Range[], runner: Runner): Promise<OwnRange[]> {
  return Promise.all(ranges.map(async (range) => ({ ...range, counted: await counted(side, range, runner) })))
}

/** In parts that begin with a file, side by side. */
async function counted({ store }: LogSide, { from, to }: Range, runner: Runner): Promise<Counted | undefined> {
  if (store === undefined || to - from > COUNTED_MAX) return undefined
  const { settings, files, use } = store
  const segmentStarts = files.segments.map(({ start }) => start)
  const cuts = [from, ...segmentStarts.filter((start) => start > from && start < to), to]
  const parts = await Promise.all(
    cuts.slice(1).map((end, i) => {
      const task = { settings, segmentStarts, from: cuts[i], to: end, isLive: use.isInUse }
      return runner.run('countRecords', task)
    }),
  )
  const withRecords = parts.filter(({ records }) => records > 0)
  return {
    records: parts.reduce((sum, { records }) => sum + records, 0),
    firstTime: withRecords[0]?.firstTime ?? 0,
    lastTime: withRecords.at(-1)?.lastTime ?? 0,
    hosts: [...new Set(parts.flatMap(({ hosts }) => hosts))],
  }
}

async function partedOf(
  a: LogSide,
  b: LogSide,
  differences: readonly Difference[],
  runner: Runner,
): Promise<StoreDiff['parted']> {
  const last = differences.at(-1)
  if (last === undefined || last.kind !== 'parted' || last.a === undefined || last.b === undefined) return undefined
  const from = Math.min(last.a.at, last.b.at)
  const [ofA, ofB] = [
    await counted(a, { from: last.a.at, to: a.end }, runner),
    await counted(b, { from: last.b.at, to: b.end }, runner),
  ]
  return { from, a: ofA, b: ofB }
}

async function queuesOf(
  a: LogSide,
  b: LogSide,
  log: LogDiff,
  partedAt: number | undefined,
  runner: Runner,
): Promise<StoreDiff['queues']> {
  if (a.store === undefined || b.store === undefined || log.both.length === 0) return undefined
  const dispatched = Math.min(dispatchedOf(a.store).dispatched, dispatchedOf(b.store).dispatched)
  const from = log.both[0].from
  const to = Math.min(log.both.at(-1)!.to, dispatched, partedAt ?? Number.POSITIVE_INFINITY)
  const names = new Map<string, { topic: string; queueId: number }>()
  for (const { topic, queueId } of [...a.store.files.queues, ...b.store.files.queues])
    names.set(`${topic}/${queueId}`, { topic, queueId })
  const all = [...names.values()]
  const tasks: Promise<QueueDiff[]>[] = []
  for (let i = 0; i < all.length; i += QUEUES_A_TASK) {
    const queues = all.slice(i, i + QUEUES_A_TASK)
    const task = { a: a.store.settings, b: b.store.settings, logA: logOf(a), logB: logOf(b), from, to, queues }
    tasks.push(runner.run('diffQueues', task))
  }
  const diffs = (await Promise.all(tasks)).flat()
  const differing = diffs.filter(
    (queue) => queue.differing > 0 || queue.a.min !== queue.b.min || queue.a.max !== queue.b.max,
  )
  return { compared: all.length, from, to, differing }
}

const logOf = ({ ranges, end }: LogSide): Range => ({ from: ranges[0]?.from ?? end, to: end })

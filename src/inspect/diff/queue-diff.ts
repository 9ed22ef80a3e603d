/**
 * ConsumeQueues of two stores, unit by unit, for records that both logs have and both have dispatched. Files may have different
 * sizes; a task of the pool.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import {
  isExtAddress,
  isReal,
  physicalOffsetAt,
  type QueueFile,
  queueFileSize,
  UNIT,
  UNIT_SIZE,
} from '../../store/consumequeue/index.ts'
import type { InspectSettings } from '../geometry.ts'
import { queueStats } from '../queue-units.ts'
import { listQueue, type QueueFiles } from '../store-files.ts'
import { merged, type Range } from './ranges.ts'

export interface QueueDiffTask {
  a: InspectSettings
  b: InspectSettings
  /** What exists of the logs, for min and max. */
  logA: Range
  logB: Range
  /** Units of records in [from, to) are compared. */
  from: number
  to: number
  queues: { topic: string; queueId: number }[]
}

export interface ComparedUnit {
  physicalOffset: number
  size: number
  tagsCode: string
}

export interface QueueDiff {
  topic: string
  queueId: number
  a: { min: number; max: number }
  b: { min: number; max: number }
  /** Units that differ, or that one has, and the first of them. */
  differing: number
  first: { queueOffset: number; a: ComparedUnit | undefined; b: ComparedUnit | undefined } | undefined
}

const CHUNK_UNITS = 3276

export function diffQueues(task: QueueDiffTask): QueueDiff[] {
  return task.queues.map((queue) => diffQueue(task, queue))
}

function diffQueue(task: QueueDiffTask, { topic, queueId }: { topic: string; queueId: number }): QueueDiff {
  const filesA = listQueue(task.a.storePathRootDir, topic, queueId)
  const filesB = listQueue(task.b.storePathRootDir, topic, queueId)
  const { from, to } = task
  const a = statsOf(filesA, task.a, task.logA)
  const b = statsOf(filesB, task.b, task.logB)
  using unitsA = new Units(filesA.files, queueFileSize(task.a), from, to)
  using unitsB = new Units(filesB.files, queueFileSize(task.b), from, to)
  const diff: QueueDiff = { topic, queueId, a, b, differing: 0, first: undefined }
  const end = Math.max(a.max, b.max)
  for (const { first, count } of chunksOf([...filesA.files, ...filesB.files], end)) {
    unitsA.read(first, count)
    unitsB.read(first, count)
    if (unitsA.bytes.compare(unitsB.bytes, 0, count * UNIT_SIZE, 0, count * UNIT_SIZE) === 0) continue
    for (let index = 0; index < count; index += 1) {
      const at = index * UNIT_SIZE
      const counts = unitsA.counts(at) || unitsB.counts(at)
      if (!counts || isSame(unitsA, unitsB, at)) continue
      diff.differing += 1
      diff.first ??= { queueOffset: first + index, a: unitsA.unit(at), b: unitsB.unit(at) }
    }
  }
  return diff
}

function statsOf(files: QueueFiles, settings: InspectSettings, log: Range): { min: number; max: number } {
  const { min, max } = queueStats(files, queueFileSize(settings), log.from, log.to)
  return { min, max }
}

/** Units of what any of the files has. */
function* chunksOf(files: QueueFile[], end: number): Generator<{ first: number; count: number }> {
  const written = merged(
    files.map(({ start, size }) => ({ from: Math.floor(start / UNIT_SIZE), to: (start + size) / UNIT_SIZE })),
  )
  for (const { from, to } of written) {
    const last = Math.min(Math.ceil(to), end)
    for (let first = from; first < last; first += CHUNK_UNITS)
      yield { first, count: Math.min(CHUNK_UNITS, last - first) }
  }
}

/** Where one has the tag's hash and the other an address in its ConsumeQueueExt, only place and size can be compared. */
function isSame(a: Units, b: Units, at: number): boolean {
  const place = UNIT.tagsCode
  if (a.bytes.compare(b.bytes, at, at + place, at, at + place) !== 0) return false
  const tags = at + UNIT.tagsCode
  if (isExtAddress(a.view.getInt32(tags)) || isExtAddress(b.view.getInt32(tags))) return true
  return a.bytes.compare(b.bytes, tags, at + UNIT_SIZE, tags, at + UNIT_SIZE) === 0
}

class Units implements Disposable {
  readonly bytes = Buffer.alloc(CHUNK_UNITS * UNIT_SIZE)
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  private readonly files: QueueFile[]
  private readonly fileSize: number
  private readonly from: number
  private readonly to: number
  private readonly fds = new Map<string, number>()

  constructor(files: QueueFile[], fileSize: number, from: number, to: number) {
    this.files = files
    this.fileSize = fileSize
    this.from = from
    this.to = to
  }

  /** What no file has is zeros. */
  read(first: number, count: number): void {
    const [from, to] = [first * UNIT_SIZE, (first + count) * UNIT_SIZE]
    this.bytes.fill(0, 0, to - from)
    for (const file of this.files) {
      const begin = Math.max(from, file.start)
      const end = Math.min(to, file.start + Math.min(file.size, this.fileSize))
      if (begin >= end) continue
      const fd = this.open(file.path)
      if (fd !== undefined) readSync(fd, this.bytes, begin - from, end - begin, begin - file.start)
    }
  }

  /** A unit of a record that is compared. */
  counts(at: number): boolean {
    if (!isReal(this.view, at)) return false
    const offset = physicalOffsetAt(this.view, at)
    return offset >= this.from && offset + this.view.getInt32(at + UNIT.size) <= this.to
  }

  unit(at: number): ComparedUnit | undefined {
    if (!isReal(this.view, at)) return undefined
    const tagsCode = String(this.view.getBigInt64(at + UNIT.tagsCode))
    return { physicalOffset: physicalOffsetAt(this.view, at), size: this.view.getInt32(at + UNIT.size), tagsCode }
  }

  [Symbol.dispose](): void {
    for (const fd of this.fds.values()) closeSync(fd)
    this.fds.clear()
  }

  private open(path: string): number | undefined {
    const known = this.fds.get(path)
    if (known !== undefined) return known
    try {
      const fd = openSync(path, 'r')
      // Files come in order: the one before is done with.
      this[Symbol.dispose]()
      this.fds.set(path, fd)
      return fd
    } catch {
      return undefined
    }
  }
}

/**
 * <root>/basalt/queues: next offset of every queue when the log was durable up to `position`.
 *
 * Two lines of JSON: {"version":2,"crc32":…,"position":…,"countedTo":…,"writtenAt":…} and {"<topic>":{"<queueId>":next,…},…}; the CRC is
 * of the three numbers and the second line (version 1: of that line alone). Recovery uses it to notice a ConsumeQueue that is gone, and to go on with its offsets where
 * the log no longer holds records of it: RocketMQ 4.9.8 begins such a queue at 0 again, below committed consumer offsets.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { errnoOf, writeDurably } from '../metadata/durable-file.ts'
import { FOLDERS } from '../settings.ts'

const VERSION = 2

export interface QueueMark {
  topic: string
  queueId: number
  /** Next queue offset. */
  maxOffset: number
}

export interface QueuesSnapshot {
  /** The CommitLog was on disk up to here, and no record at or above it is counted in the marks. */
  position: number
  /** All records below it are counted. */
  countedTo: number
  writtenAt: number
  queues: QueueMark[]
}

export function queuesPath(root: string): string {
  return join(root, FOLDERS.own, 'queues')
}

/** Undefined when the file is missing or damaged; `onDamage` is told why. */
export function readQueuesSnapshot(root: string, onDamage?: (reason: string) => void): QueuesSnapshot | undefined {
  let text: string
  try {
    text = readFileSync(queuesPath(root), 'utf8')
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') onDamage?.(String(error))
    return undefined
  }
  const snapshot = parse(text)
  if (snapshot === undefined) onDamage?.(`${queuesPath(root)} is damaged (${text.length} characters)`)
  return snapshot
}

/** Durable when it returns. Throws StoreError DISK_FULL or FILE_WRITE. */
export function writeQueuesSnapshot(root: string, snapshot: QueuesSnapshot): void {
  writeDurably(queuesPath(root), format(snapshot))
}

function format(snapshot: QueuesSnapshot): string {
  const topics: Record<string, Record<string, number>> = Object.create(null)
  for (const { topic, queueId, maxOffset } of snapshot.queues) {
    topics[topic] ??= {}
    topics[topic][queueId] = maxOffset
  }
  const body = JSON.stringify(topics)
  const { position, countedTo, writtenAt } = snapshot
  const checked = crcOf({ version: VERSION, position, countedTo, writtenAt }, body)
  return `${JSON.stringify({ version: VERSION, crc32: checked, position, countedTo, writtenAt })}\n${body}\n`
}

type Head = Omit<QueuesSnapshot, 'queues'> & { version: number }

function crcOf({ version, position, countedTo, writtenAt }: Head, body: string): number {
  return crc32(version === 1 ? body : `${position} ${countedTo} ${writtenAt}\n${body}`)
}

function parse(text: string): QueuesSnapshot | undefined {
  const [first = '', body = '', ...rest] = text.split('\n')
  if (rest.length !== 1 || rest[0] !== '') return undefined
  try {
    const head = JSON.parse(first) as Head & { crc32: number }
    if ((head.version !== VERSION && head.version !== 1) || head.crc32 !== crcOf(head, body)) return undefined
    const topics = JSON.parse(body) as Record<string, Record<string, number>>
    const queues: QueueMark[] = []
    for (const [topic, marks] of Object.entries(topics)) {
      for (const [queueId, maxOffset] of Object.entries(marks))
        queues.push({ topic, queueId: Number(queueId), maxOffset })
    }
    return { position: head.position, countedTo: head.countedTo ?? 0, writtenAt: head.writtenAt, queues }
  } catch {
    return undefined
  }
}

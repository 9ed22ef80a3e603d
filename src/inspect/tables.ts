/**
 * config/*.json as the inspector shows and checks them: what is there, and what is wrong with it, file by file. Bare integer
 * keys and the .bak are taken as brokers take them.
 *
 * Format: spec/store-format.md §7.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from '../errors.ts'
import { MetadataFile } from '../store/metadata/index.ts'
import { FOLDERS } from '../store/settings.ts'
import { tryRead } from './try-read.ts'

export interface Table {
  name: string
  path: string
  /** Where the content is from; `none`: there is no such file. */
  from: 'file' | 'bak' | 'none'
  /** The .bak was taken because of this, or nothing could be read. */
  problem: string | undefined
  content: Record<string, unknown> | undefined
}

export interface GroupOffset {
  group: string
  topic: string
  queueId: number
  offset: number
}

export interface TopicRow {
  name: string
  readQueueNums: number
  writeQueueNums: number
  perm: number
}

export const TABLES = [
  'topics.json',
  'subscriptionGroup.json',
  'consumerOffset.json',
  'delayOffset.json',
  'consumerFilter.json',
] as const

export type TableName = (typeof TABLES)[number]

export function readTables(root: string): Map<TableName, Table> {
  return new Map(TABLES.map((name) => [name, readTable(join(root, FOLDERS.config, name), name)]))
}

export function readTable(path: string, name: string): Table {
  let problem: string | undefined
  const note = (message: string) => {
    problem = message
  }
  const log = { info: note, warn: note, error: note }
  try {
    const read = new MetadataFile(path, log).read()
    if (read === undefined) return { name, path, from: 'none', problem: emptyOf(path), content: undefined }
    const content = JSON.parse(read.text) as Record<string, unknown>
    return { name, path, from: read.from, problem, content }
  } catch (error) {
    return { name, path, from: existsSync(path) ? 'file' : 'bak', problem: describe(error), content: undefined }
  }
}

function emptyOf(path: string): string | undefined {
  return existsSync(path) ? `${path} is empty` : undefined
}

/** Undefined where topics.json says nothing that can be read. */
export function topicRows(tables: ReadonlyMap<TableName, Table>): Map<string, TopicRow> | undefined {
  const table = tables.get('topics.json')?.content?.topicConfigTable
  if (!isObject(table)) return undefined
  const rows = new Map<string, TopicRow>()
  for (const [name, value] of Object.entries(table)) {
    const config = isObject(value) ? value : {}
    rows.set(name, {
      name,
      readQueueNums: numberOf(config.readQueueNums) ?? 16,
      writeQueueNums: numberOf(config.writeQueueNums) ?? 16,
      perm: numberOf(config.perm) ?? 6,
    })
  }
  return rows
}

/** Entries that are no offsets are left out. */
export function groupOffsets(tables: ReadonlyMap<TableName, Table>): GroupOffset[] {
  const found: GroupOffset[] = []
  for (const [key, queues] of entriesOf(tables.get('consumerOffset.json')?.content?.offsetTable)) {
    const at = key.indexOf('@')
    if (at <= 0) continue
    for (const [queue, value] of entriesOf(queues)) {
      const [queueId, offset] = [numberOf(Number(queue)), numberOf(value)]
      if (queueId === undefined || offset === undefined) continue
      found.push({ group: key.slice(at + 1), topic: key.slice(0, at), queueId, offset })
    }
  }
  return found
}

/** Level to queue offset. */
export function delayOffsets(tables: ReadonlyMap<TableName, Table>): Map<number, number> {
  const found = new Map<number, number>()
  for (const [key, value] of entriesOf(tables.get('delayOffset.json')?.content?.offsetTable)) {
    const offset = numberOf(value)
    if (/^\d+$/.test(key) && offset !== undefined) found.set(Number(key), offset)
  }
  return found
}

export function entriesOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : []
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined
}

/** Below which place of the CommitLog a deleted topic's messages have no queue: what the store itself remembers. */
export function deletedTopics(root: string): Map<string, number> {
  const text = tryRead(() => readFileSync(join(root, FOLDERS.own, 'deletedTopics.json'), 'utf8'))
  const content = text === undefined ? undefined : tryRead(() => JSON.parse(text) as { topics?: unknown })
  return new Map(entriesOf(content?.topics).map(([topic, place]) => [topic, numberOf(place) ?? 0]))
}

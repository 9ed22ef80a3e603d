/**
 * config/ of a store that was made or added to: topics of all records, and from another store its groups, and the offsets of
 * consumers and of delay levels where they are now.
 *
 * A store that was there keeps its tables; topics that it lacks are added.
 */
import { join } from 'node:path'
import { SCHEDULE_TOPIC } from '../../store/dispatch/index.ts'
import { MetadataFile } from '../../store/metadata/index.ts'
import { FOLDERS } from '../../store/settings.ts'
import { entriesOf, isObject, numberOf, readTables, type Table, type TableName } from '../tables.ts'
import { isSystem } from '../verify/verify.ts'
import type { ImportPlan, QueueOffset } from './plan.ts'

type Content = Record<string, unknown>

export interface TablesOptions {
  root: string
  plan: ImportPlan
  /** Of the store that was exported; undefined for lines, and for a store that was there. */
  source: ReadonlyMap<TableName, Table> | undefined
  /** Everything of the source was wanted. */
  isWhole: boolean
  now: number
}

export function writeTables(options: TablesOptions): void {
  const { root, source, isWhole } = options
  const write = (name: TableName, content: Content | undefined) => {
    if (content !== undefined)
      new MetadataFile(join(root, FOLDERS.config, name)).write(JSON.stringify(content, null, 1))
  }
  write('topics.json', topicsOf(options))
  if (source === undefined) return
  write('subscriptionGroup.json', source.get('subscriptionGroup.json')?.content)
  write('consumerOffset.json', consumerOffsets(options, source.get('consumerOffset.json')?.content))
  write('delayOffset.json', delayOffsets(options, source.get('delayOffset.json')?.content))
  if (isWhole) write('consumerFilter.json', source.get('consumerFilter.json')?.content)
}

/** Undefined where nothing is to be changed. */
function topicsOf({ root, plan, source, isWhole, now }: TablesOptions): Content | undefined {
  const present = readTables(root).get('topics.json')?.content
  const from = source?.get('topics.json')?.content
  const content: Content = { ...(present ?? from) }
  const table: Content = {}
  for (const [name, config] of entriesOf(content.topicConfigTable))
    if (present !== undefined || isWhole || plan.hasTopic(name)) table[name] = config
  let isChanged = present === undefined
  for (const { topic, queueId } of plan.queues) {
    if (isSystem(topic)) continue
    const known = isObject(table[topic]) ? table[topic] : newTopic(topic)
    const count = (name: string) => Math.max(numberOf(known[name]) ?? 1, queueId + 1)
    const [readQueueNums, writeQueueNums] = [count('readQueueNums'), count('writeQueueNums')]
    const isEnough = table[topic] !== undefined && readQueueNums === known.readQueueNums
    // Queues that may only be read stay so.
    if (isEnough) continue
    table[topic] = { ...known, readQueueNums, writeQueueNums }
    isChanged = true
  }
  if (!isChanged) return undefined
  return { ...content, topicConfigTable: table, dataVersion: nextVersion(content.dataVersion, now) }
}

function newTopic(topicName: string): Content {
  const queues = { readQueueNums: 1, writeQueueNums: 1 }
  return { order: false, perm: 6, topicFilterType: 'SINGLE_TAG', topicName, topicSysFlag: 0, ...queues }
}

function nextVersion(version: unknown, now: number): Content {
  const counter = isObject(version) ? (numberOf(version.counter) ?? 0) : 0
  return { ...(isObject(version) ? version : {}), counter: counter + 1, timestamp: now }
}

function consumerOffsets({ plan, isWhole }: TablesOptions, content: Content | undefined): Content | undefined {
  if (content === undefined) return undefined
  const table: Record<string, Record<string, number>> = {}
  for (const { key, ...queue } of consumerRows(content)) {
    const offset = plan.translate(queue) ?? (isWhole ? queue.offset : undefined)
    if (offset === undefined) continue
    table[key] ??= {}
    table[key][queue.queueId] = offset
  }
  return { ...content, offsetTable: table }
}

function delayOffsets({ plan, isWhole }: TablesOptions, content: Content | undefined): Content | undefined {
  if (content === undefined || (!isWhole && !plan.hasTopic(SCHEDULE_TOPIC))) return undefined
  const table: Record<string, number> = {}
  for (const queue of delayRows(content)) {
    const offset = plan.translate(queue) ?? (isWhole ? queue.offset : undefined)
    if (offset !== undefined) table[queue.queueId + 1] = offset
  }
  return { ...content, offsetTable: table }
}

/** All offsets of the source into its queues: the plan is told of them before it begins. */
export function offsetsOf(source: ReadonlyMap<TableName, Table>): QueueOffset[] {
  const [consumers, delays] = [source.get('consumerOffset.json')?.content, source.get('delayOffset.json')?.content]
  return [...consumerRows(consumers ?? {}), ...delayRows(delays ?? {})]
}

function* consumerRows(content: Content): Generator<QueueOffset & { key: string }> {
  for (const [key, queues] of entriesOf(content.offsetTable)) {
    const topic = key.slice(0, Math.max(0, key.indexOf('@')))
    for (const [queue, value] of entriesOf(queues)) {
      const [queueId, offset] = [numberOf(Number(queue)), numberOf(value)]
      if (topic !== '' && queueId !== undefined && queueId >= 0 && offset !== undefined)
        yield { key, topic, queueId, offset }
    }
  }
}

function* delayRows(content: Content): Generator<QueueOffset> {
  for (const [level, value] of entriesOf(content.offsetTable)) {
    const offset = numberOf(value)
    if (/^[1-9]\d*$/.test(level) && offset !== undefined)
      yield { topic: SCHEDULE_TOPIC, queueId: Number(level) - 1, offset }
  }
}

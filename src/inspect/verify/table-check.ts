/** config/*.json: readable, of the shape that brokers expect, and offsets that exist. */
import { existsSync } from 'node:fs'
import { parseDelayLevels, SCHEDULE_TOPIC } from '../../store/dispatch/index.ts'
import type { InspectedStore } from '../open-store.ts'
import { entriesOf, isObject, numberOf, readTable, type Table, type TableName } from '../tables.ts'
import { tryRead } from '../try-read.ts'
import type { Findings } from './finding.ts'

/** What each table holds its entries in. */
const ROOTS: Record<TableName, string> = {
  'topics.json': 'topicConfigTable',
  'subscriptionGroup.json': 'subscriptionGroupTable',
  'consumerOffset.json': 'offsetTable',
  'delayOffset.json': 'offsetTable',
  'consumerFilter.json': 'filterDataByTopic',
}
const NAME = /^[%|a-zA-Z0-9_-]+$/
const QUEUE_NUMS_MAX = 65_536

export function checkTables(tables: ReadonlyMap<TableName, Table>, findings: Findings): void {
  for (const [name, table] of tables) {
    const { path, problem, content } = table
    if (problem !== undefined) findings.add('TABLE', problem, path)
    if (content === undefined) continue
    if (!isObject(content[ROOTS[name]])) findings.add('TABLE', `it has no ${ROOTS[name]}`, path)
    const version = content.dataVersion
    if (
      version !== undefined &&
      (!isObject(version) || numberOf(version.counter) === undefined || numberOf(version.timestamp) === undefined)
    )
      findings.add('TABLE', 'its dataVersion is none', path)
    checkBak(name, table, findings)
  }
  checkNames(tables, findings)
}

function checkBak(name: TableName, { path, from }: Table, findings: Findings): void {
  const bak = `${path}.bak`
  if (from !== 'file' || !existsSync(bak)) return
  const { problem, content } = readTable(bak, name)
  if (problem !== undefined || (content !== undefined && !isObject(content[ROOTS[name]])))
    findings.add('TABLE_BAK', problem ?? `it has no ${ROOTS[name]}`, bak)
}

function checkNames(tables: ReadonlyMap<TableName, Table>, findings: Findings): void {
  const topics = tables.get('topics.json')
  for (const [name, value] of entriesOf(topics?.content?.topicConfigTable)) {
    const tell = (what: string) => findings.add('TABLE', `topic ${JSON.stringify(name)} ${what}`, topics!.path)
    if (!NAME.test(name)) tell('has a name that no topic can have')
    if (!isObject(value)) {
      tell('is no object')
      continue
    }
    if (value.topicName !== undefined && value.topicName !== name)
      tell(`calls itself ${JSON.stringify(value.topicName)}`)
    for (const key of ['readQueueNums', 'writeQueueNums'] as const) {
      const nums = value[key]
      if (nums !== undefined && !(Number.isInteger(nums) && Number(nums) >= 0 && Number(nums) <= QUEUE_NUMS_MAX))
        tell(`has ${key} ${String(nums)}`)
    }
    const { perm } = value
    if (perm !== undefined && !(Number.isInteger(perm) && Number(perm) >= 0 && Number(perm) <= 15))
      tell(`has perm ${String(perm)}`)
  }
  const groups = tables.get('subscriptionGroup.json')
  for (const [name, value] of entriesOf(groups?.content?.subscriptionGroupTable)) {
    const isRight = NAME.test(name) && isObject(value) && (value.groupName === undefined || value.groupName === name)
    if (!isRight) findings.add('TABLE', `group ${JSON.stringify(name)} is not one`, groups!.path)
  }
}

/** `maxOf`: next queue offset of a queue, undefined where it has no files. */
export function checkOffsets(
  store: InspectedStore,
  tables: ReadonlyMap<TableName, Table>,
  maxOf: (topic: string, queueId: number) => number | undefined,
  findings: Findings,
): void {
  const offsets = tables.get('consumerOffset.json')
  for (const [key, queues] of entriesOf(offsets?.content?.offsetTable)) {
    const at = key.indexOf('@')
    const path = offsets!.path
    if (at <= 0 || !NAME.test(key.slice(0, at)) || !NAME.test(key.slice(at + 1)) || !isObject(queues)) {
      findings.add('TABLE', `${JSON.stringify(key)} is no topic@group`, path)
      continue
    }
    for (const [queue, value] of entriesOf(queues)) {
      checkOffset(`group ${key.slice(at + 1)}`, key.slice(0, at), queue, value, path, maxOf, findings)
    }
  }
  const delays = tables.get('delayOffset.json')
  const levels = tryRead(() => parseDelayLevels(store.settings.messageDelayLevel))?.length ?? 0
  for (const [level, value] of entriesOf(delays?.content?.offsetTable)) {
    const number = Number(level)
    if (!Number.isInteger(number) || number < 1 || number >= Math.max(levels, 2)) {
      findings.add('TABLE', `delay level ${level} does not exist`, delays!.path)
      continue
    }
    checkOffset(`delay level ${level}`, SCHEDULE_TOPIC, String(number - 1), value, delays!.path, maxOf, findings)
  }
}

function checkOffset(
  who: string,
  topic: string,
  queue: string,
  value: unknown,
  path: string,
  maxOf: (topic: string, queueId: number) => number | undefined,
  findings: Findings,
): void {
  const offset = numberOf(value)
  const place = `${topic} queue ${queue}`
  if (!/^\d+$/.test(queue) || offset === undefined || offset < 0) {
    findings.add('TABLE', `${who} has the offset ${JSON.stringify(value)} of ${place}`, path)
    return
  }
  const max = maxOf(topic, Number(queue))
  if (max === undefined && offset > 0)
    findings.add('OFFSET_UNKNOWN', `${who} is at ${offset} of ${place}, which has no files`, path)
  if (max !== undefined && offset > max)
    findings.add('OFFSET_BEYOND', `${who} is at ${offset} of ${place}, which ends at ${max}`, path)
}

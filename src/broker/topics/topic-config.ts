/**
 * One topic as topics.json, 21, 103 and 351 carry it (spec/store-format.md §7). Keys in the order that fastjson writes.
 */

import { integerOf } from '../metadata.ts'

export const PERM = { inherit: 1, write: 2, read: 4, priority: 8 } as const
export const PERM_READ_WRITE = 6

export const SYS_FLAG = { unit: 1, unitSub: 2 } as const

export type TopicFilterType = 'SINGLE_TAG' | 'MULTI_TAG'

export interface TopicConfig {
  /** "Ordered" as an administrator once said; 4.9.8 never sets it from a request. */
  readonly order: boolean
  /** PERM bits. */
  readonly perm: number
  readonly readQueueNums: number
  readonly topicFilterType: TopicFilterType
  readonly topicName: string
  /** SYS_FLAG bits. */
  readonly topicSysFlag: number
  readonly writeQueueNums: number
  /** 5.x only; carried through. */
  readonly attributes?: Readonly<Record<string, string>>
}

/** Apache's brokers have no bound here; 202 and every listing walk all queues, so an absurd number is refused. */
const QUEUE_NUMS_MAX = 65_536

export function topicConfig(
  topicName: string,
  queueNums: number,
  perm: number,
  rest: { writeQueueNums?: number; topicSysFlag?: number; topicFilterType?: TopicFilterType } = {},
): TopicConfig {
  return {
    order: false,
    perm,
    readQueueNums: queueNums,
    topicFilterType: rest.topicFilterType ?? 'SINGLE_TAG',
    topicName,
    topicSysFlag: rest.topicSysFlag ?? 0,
    writeQueueNums: rest.writeQueueNums ?? queueNums,
  }
}

export function isReadable(topic: TopicConfig): boolean {
  return (topic.perm & PERM.read) !== 0
}

export function isWritable(topic: TopicConfig): boolean {
  return (topic.perm & PERM.write) !== 0
}

/** What is wrong with the numbers of a topic, or undefined. */
export function topicNumbersFault(
  topic: Pick<TopicConfig, 'readQueueNums' | 'writeQueueNums' | 'perm'>,
): string | undefined {
  for (const key of ['readQueueNums', 'writeQueueNums'] as const) {
    const nums = topic[key]
    if (!Number.isInteger(nums) || nums < 0 || nums > QUEUE_NUMS_MAX) {
      return `${key} is ${nums}, allowed are 0 to ${QUEUE_NUMS_MAX}`
    }
  }
  if (!Number.isInteger(topic.perm) || topic.perm < 0 || topic.perm > 15) {
    return `perm is ${topic.perm}, allowed are the bits 1 inherit, 2 write, 4 read, 8 priority`
  }
  return undefined
}

/** One entry of topicConfigTable; missing keys take RocketMQ's defaults. Throws a plain Error naming the bad key. */
export function readTopicConfig(name: string, value: unknown): TopicConfig {
  if (typeof value !== 'object' || value === null) throw new Error('is not an object')
  const entry = value as Record<string, unknown>
  const filter = entry.topicFilterType ?? 'SINGLE_TAG'
  if (filter !== 'SINGLE_TAG' && filter !== 'MULTI_TAG') throw new Error(`topicFilterType is ${String(filter)}`)
  const config: TopicConfig = {
    order: entry.order === true || entry.order === 'true',
    perm: number(entry.perm, PERM_READ_WRITE),
    readQueueNums: number(entry.readQueueNums, 16),
    topicFilterType: filter,
    topicName: name,
    topicSysFlag: number(entry.topicSysFlag, 0),
    writeQueueNums: number(entry.writeQueueNums, 16),
  }
  const fault = topicNumbersFault(config)
  if (fault !== undefined) throw new Error(fault)
  if (!Number.isInteger(config.topicSysFlag)) throw new Error(`topicSysFlag is ${String(entry.topicSysFlag)}`)
  const { attributes } = entry
  if (typeof attributes !== 'object' || attributes === null) return config
  return { ...config, attributes: attributes as Record<string, string> }
}

/** NaN where something is there that is no integer. */
function number(value: unknown, fallback: number): number {
  return value === undefined || value === null ? fallback : (integerOf(value) ?? Number.NaN)
}

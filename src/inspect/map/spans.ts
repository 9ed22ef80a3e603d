/**
 * A queue cut into stretches of queue offsets, each of one kind: at the offsets of its groups, at what is delivered of a delay
 * level, at each half of a transaction.
 */
import { SCHEDULE_TOPIC } from '../../store/dispatch/index.ts'
import type { QueueFiles } from '../store-files.ts'
import { HALF_TOPIC, OP_TOPIC, TRANSACTION_GROUP } from '../summary.ts'
import type { GroupOffset, TopicRow } from '../tables.ts'
import type { Kind } from './kinds.ts'

export interface Span {
  /** Queue offsets, [from, to). */
  from: number
  to: number
  kind: Kind
  /** Of the records that were counted in it. */
  count: number
  bytes: number
}

export interface MappedQueue {
  files: QueueFiles
  spans: Span[]
  /** Groups that read its topic, with their offset of it: 0 where they never wrote one. */
  groups: { group: string; offset: number }[]
  /** Queue offset behind the last unit that was seen. */
  max: number
}

export interface SpanTables {
  topics: Map<string, TopicRow> | undefined
  offsets: GroupOffset[]
  delivered: Map<number, number>
  /** Queue offsets of halves that were committed or rolled back. */
  decided: Set<number>
}

const SYSTEM = /^(RMQ_SYS_|rmq_sys_|SCHEDULE_TOPIC_XXXX$|TRANS_CHECK_MAX_TIME_TOPIC$|TBW102$|OFFSET_MOVED_EVENT$)/

/** topics.json does not know it any more. Topics of the system need not be in it. */
export function isDeleted(topic: string, topics: SpanTables['topics']): boolean {
  return topics !== undefined && !topics.has(topic) && !SYSTEM.test(topic)
}

/** Offsets of groups by topic, in one pass. */
export function offsetsByTopic(offsets: readonly GroupOffset[]): Map<string, GroupOffset[]> {
  const found = new Map<string, GroupOffset[]>()
  for (const offset of offsets) {
    const list = found.get(offset.topic)
    if (list === undefined) found.set(offset.topic, [offset])
    else list.push(offset)
  }
  return found
}

export function mappedQueue(
  files: QueueFiles,
  tables: SpanTables,
  byTopic: ReadonlyMap<string, GroupOffset[]>,
): MappedQueue {
  const { topic, queueId } = files
  const own = byTopic.get(topic) ?? []
  const queue = (cuts: [number, Kind][], groups: MappedQueue['groups'] = []): MappedQueue => ({
    files,
    groups,
    max: 0,
    spans: spansOf(cuts),
  })
  const offsetOf = (group: string) => own.find((each) => each.group === group && each.queueId === queueId)?.offset ?? 0
  if (topic === SCHEDULE_TOPIC) {
    return queue([
      [0, 'consumed'],
      [tables.delivered.get(queueId + 1) ?? 0, 'waiting'],
    ])
  }
  if (topic === OP_TOPIC) {
    return queue([
      [0, 'consumed'],
      [offsetOf(TRANSACTION_GROUP), 'waiting'],
    ])
  }
  if (topic === HALF_TOPIC) return queue(halfCuts(offsetOf(TRANSACTION_GROUP), tables.decided))
  if (isDeleted(topic, tables.topics)) return queue([[0, 'garbage']])
  const groups = groupsOf(own, queueId)
  if (groups.length === 0) return queue([[0, 'nobody']])
  const slowest = Math.min(...groups.map(({ offset }) => offset))
  const cuts = groups.map(({ offset }): [number, Kind] => [offset, 'unread'])
  return queue(slowest > 0 ? [[0, 'consumed'], ...cuts] : cuts, groups)
}

/** Every group of the topic: one that has offsets of its other queues alone has read nothing of this one. */
function groupsOf(own: readonly GroupOffset[], queueId: number): MappedQueue['groups'] {
  const offsets = new Map<string, number>()
  for (const each of own) {
    const isHere = each.queueId === queueId
    if (isHere) offsets.set(each.group, Math.max(0, each.offset))
    else if (!offsets.has(each.group)) offsets.set(each.group, 0)
  }
  return [...offsets].map(([group, offset]) => ({ group, offset }))
}

function halfCuts(checked: number, decided: ReadonlySet<number>): [number, Kind][] {
  const cuts: [number, Kind][] = [
    [0, 'consumed'],
    [checked, 'waiting'],
  ]
  for (const offset of [...decided].filter((each) => each >= checked).sort((a, b) => a - b)) {
    cuts.push([offset, 'consumed'])
    if (!decided.has(offset + 1)) cuts.push([offset + 1, 'waiting'])
  }
  return cuts
}

/** From "at this offset this kind begins"; of several at one offset the last. */
function spansOf(cuts: [number, Kind][]): Span[] {
  const sorted = [...cuts].sort((a, b) => a[0] - b[0])
  const spans: Span[] = []
  for (const [from, kind] of sorted) {
    const before = spans.at(-1)
    if (before?.from === from) {
      before.kind = kind
      continue
    }
    if (before !== undefined) before.to = from
    spans.push({ from, to: Number.POSITIVE_INFINITY, kind, count: 0, bytes: 0 })
  }
  if (spans[0].from > 0) spans.unshift({ from: 0, to: spans[0].from, kind: spans[0].kind, count: 0, bytes: 0 })
  return spans
}

export function spanAt({ spans }: MappedQueue, queueOffset: number): Span {
  let low = 0
  let high = spans.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (spans[middle].from <= queueOffset) low = middle
    else high = middle - 1
  }
  return spans[low]
}

/**
 * Finds messages by what somebody has in hand: an id, a key, a place in the log, a time; and says what led there, so that a lost
 * index or queue shows.
 */
import { LogReader, segmentStart } from '../store/commitlog/index.ts'
import { physicalOffsetOf } from '../store/commitlog/offset-msg-id.ts'
import { queryByKeySync } from '../store/index/index.ts'
import { logBounds } from './log-end.ts'
import { LogRecords } from './log-records.ts'
import { LogWalk } from './log-walk.ts'
import { type InspectedMessage, messageAt } from './message.ts'
import type { InspectedStore } from './open-store.ts'
import { queueUnits } from './queue-records.ts'

export interface FindQuery {
  /** msgId (UNIQ_KEY) or offsetMsgId. */
  id?: string | undefined
  key?: string | undefined
  /** Physical offset, of any byte of the record. */
  offset?: number | undefined
  /** The first message stored then or later. */
  time?: number | undefined
  /** Without it all topics are tried. */
  topic?: string | undefined
  queueId?: number | undefined
  /** Reads the whole log where no index leads anywhere. */
  scan?: boolean | undefined
}

export interface Found {
  message: InspectedMessage
  /** What led there: `offsetMsgId`, `index of Orders#4711`, `segment …`, `scan`. */
  by: string
  /** What its ConsumeQueue has at its queue offset: `in place`, or what is wrong. */
  unit: string
}

export interface FindResult {
  found: Found[]
  /** What was tried without success. */
  tried: string[]
}

const FOUND_MAX = 64
const RECORD_MAX = 64 * 1024 * 1024

export function findMessages(store: InspectedStore, query: FindQuery): FindResult {
  const tried: string[] = []
  const messages = new Map<number, { message: InspectedMessage; by: string }>()
  const { topic: wantedTopic, queueId: wantedQueue } = query
  const add = (message: InspectedMessage | undefined, by: string) => {
    if (message === undefined) return false
    if (message.topic !== (wantedTopic ?? message.topic) || message.queueId !== (wantedQueue ?? message.queueId))
      return false
    if (!messages.has(message.physicalOffset)) messages.set(message.physicalOffset, { message, by })
    return true
  }
  if (query.offset !== undefined && !byOffset(store, query.offset, add))
    tried.push(
      `no record${wantedTopic === undefined && wantedQueue === undefined ? '' : ' of them'} holds byte ${query.offset} of the log`,
    )
  if (query.time !== undefined && !byTime(store, query, add)) tried.push('no message was stored then or later')
  const physicalOffset = physicalOffsetOf(query.id)
  if (physicalOffset !== undefined && !byOffsetMsgId(store, query.id!, physicalOffset, add))
    tried.push(`offsetMsgId: it names ${physicalOffset}, where no message of that id is`)
  const key = query.key ?? query.id
  if (key !== undefined && messages.size === 0 && !byIndex(store, key, query.topic, add))
    tried.push(store.files.indexFiles.length === 0 ? 'the index: there is none' : 'the index has no such key')
  if (key !== undefined && messages.size === 0 && query.scan === true && !byScan(store, query, add))
    tried.push('a scan of the whole log')
  const found = [...messages.values()].sort((a, b) => a.message.physicalOffset - b.message.physicalOffset)
  return { found: found.map((each) => ({ ...each, unit: unitOf(store, each.message) })), tried }
}

type Add = (message: InspectedMessage | undefined, by: string) => boolean

function readAt(store: InspectedStore, offset: number): InspectedMessage | undefined {
  const from = segmentStart(offset, store.settings.mappedFileSizeCommitLog)
  if (!store.files.segments.some(({ start }) => start === from)) return undefined
  using log = new LogReader(store.settings, 0)
  const head = log.readCold(offset, 4)
  const size = head?.length === 4 ? head.readInt32BE(0) : 0
  if (size < 8 || size > RECORD_MAX) return undefined
  const bytes = log.readCold(offset, size)
  const message = bytes === undefined || bytes.length < size ? undefined : messageAt(bytes)
  return message?.physicalOffset === offset ? message : undefined
}

function byOffsetMsgId(store: InspectedStore, id: string, offset: number, add: Add): boolean {
  const message = readAt(store, offset)
  return message?.offsetMsgId === id.toUpperCase() && add(message, 'offsetMsgId')
}

/** The record that starts there, or the one that holds the byte. */
function byOffset(store: InspectedStore, offset: number, add: Add): boolean {
  if (add(readAt(store, offset), 'physical offset')) return true
  const { settings, files, use } = store
  const segmentStarts = files.segments.map(({ start }) => start)
  const from = segmentStart(offset, settings.mappedFileSizeCommitLog)
  if (!segmentStarts.includes(from)) return false
  using walk = new LogWalk({ settings, segmentStarts, from, isLive: use.isInUse })
  while (walk.step() !== 'end' && walk.at <= offset) {
    if (walk.isReadable && offset < walk.next)
      return add(
        readAt(store, walk.recordAt),
        offset < walk.recordAt ? 'physical offset: its entry' : `physical offset: byte ${offset - walk.recordAt} of it`,
      )
  }
  return false
}

function byTime(store: InspectedStore, { time, topic, queueId }: FindQuery, add: Add): boolean {
  using records = new LogRecords(store, { after: time, topic, queueId })
  for (const item of records.items()) if (item?.kind === 'record') return add(item.message, 'store time')
  return false
}

function byIndex(store: InspectedStore, key: string, topic: string | undefined, add: Add): boolean {
  const topics = topic === undefined ? [...new Set(store.files.queues.map((queue) => queue.topic))] : [topic]
  const { min: logMin, end: logEnd } = logBounds(store, false)
  let isFound = false
  for (const name of topics) {
    const query = { topic: name, key, maxNum: FOUND_MAX, beginTimestamp: 0, endTimestamp: Number.MAX_SAFE_INTEGER }
    const { records } = queryByKeySync({ settings: store.settings, query, logMin, logEnd })
    for (const record of records) isFound = add(messageAt(record), `index of ${name}#${key}`) || isFound
  }
  return isFound
}

function byScan(store: InspectedStore, { id, key, topic, queueId }: FindQuery, add: Add): boolean {
  using records = new LogRecords(store, { id, key, topic, queueId })
  let count = 0
  for (const item of records.items()) {
    if (item?.kind !== 'record') continue
    add(item.message, 'scan')
    count += 1
    if (count >= FOUND_MAX) break
  }
  return count > 0
}

function unitOf(
  store: InspectedStore,
  { topic, queueId, queueOffset, physicalOffset, kinds }: InspectedMessage,
): string {
  if (kinds.includes('half') || kinds.includes('rollback')) return 'has none'
  const [unit] = queueUnits(store, { topic, queueId, from: queueOffset, to: queueOffset + 1 })
  if (unit === undefined) return `missing: ${topic}/${queueId} does not reach ${queueOffset}`
  if (unit.physicalOffset === physicalOffset && unit.problem === undefined) return 'in place'
  return unit.kind === 'record' ? `points at ${unit.physicalOffset}` : `is ${unit.kind}`
}

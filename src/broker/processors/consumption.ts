/**
 * How far groups have consumed: one group 208, all groups of the broker 317, time spans of a group on a topic 303.
 * Rules: spec/broker-requests.md §13.
 */
import { type RemotingCommand, VERSIONS } from '../../remoting/command.ts'
import { type JsonObject, stringify, type Writable } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import { GET_BROKER_CONSUME_STATS, GET_CONSUME_STATS, QUERY_CONSUME_TIME_SPAN } from '../../remoting/schemas/admin.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { jsonAnswer, refuse, textAnswer } from './support.ts'

export function consumptionProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.GET_CONSUME_STATS, (request) => progress(context, request)],
    [REQUEST.GET_BROKER_CONSUME_STATS, (request) => progressOfAll(context, request)],
    [REQUEST.QUERY_CONSUME_TIME_SPAN, (request) => timeSpans(context, request)],
  ]
}

interface QueueProgress {
  readonly brokerOffset: number
  readonly consumerOffset: number
  readonly lastTimestamp: number
}
type Row = [JsonObject, JsonObject & QueueProgress]

/** False for a topic that the online group does not subscribe to (any more): it has offsets that nobody moves. */
export function isConsumed({ consumers }: AdminContext, group: string, topic: string): boolean {
  const online = consumers.group(group)
  return online === undefined || online.subscription(topic) !== undefined
}

async function progress(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const header = decodeHeader(GET_CONSUME_STATS, request.ext)
  const { consumerGroup: group } = header
  const rows: Row[] = []
  let consumeTps = 0
  for (const topic of topicsAskedFor(context, header)) {
    const config = context.topics.get(topic)
    if (config === undefined || !isConsumed(context, group, topic)) continue
    rows.push(...(await topicProgress(context, group, topic, config.readQueueNums)))
    consumeTps += context.stats.groupGetRate(group, topic)
  }
  // 5.x subtracts pullOffset, which 4.9.8 does not send; here nobody keeps what is pulled and not committed.
  const isOf5 = request.version >= VERSIONS.v5_0_0
  const offsetTable = new Map(
    rows.map(([queue, row]) => [queue, isOf5 ? { ...row, pullOffset: row.consumerOffset } : row]),
  )
  return textAnswer(request, stringify({ consumeTps, offsetTable }))
}

function topicsAskedFor(
  context: AdminContext,
  header: { consumerGroup: string; topic?: string | undefined; topicList?: string | undefined },
): string[] {
  if (header.topic !== undefined && header.topic.trim() !== '') return [header.topic]
  const all = context.offsets.topicsOf(header.consumerGroup)
  const wanted = header.topicList?.split(/[;,]/).filter((topic) => topic !== '') ?? []
  return wanted.length === 0 ? all : wanted
}

/** "isOrder" asks for ordered topics only: those that topics.json marks so. */
async function progressOfAll(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { isOrder } = decodeHeader(GET_BROKER_CONSUME_STATS, request.ext)
  const list: Record<string, Writable[]>[] = []
  let totalDiff = 0
  for (const { groupName: group } of [...context.groups.values()]) {
    const stats: Writable[] = []
    for (const topic of context.offsets.topicsOf(group)) {
      const config = context.topics.get(topic)
      if (config === undefined || (isOrder && !config.order) || !isConsumed(context, group, topic)) continue
      const rows = await topicProgress(context, group, topic, config.readQueueNums)
      for (const [, { brokerOffset, consumerOffset }] of rows) totalDiff += Math.max(0, brokerOffset - consumerOffset)
      stats.push({ consumeTps: context.stats.groupGetRate(group, topic), offsetTable: new Map(rows) })
    }
    list.push({ [group]: stats })
  }
  return textAnswer(request, stringify({ brokerAddr: context.brokerAddress(), consumeStatsList: list, totalDiff }))
}

async function topicProgress(
  { store, offsets, settings }: AdminContext,
  group: string,
  topic: string,
  queueNums: number,
): Promise<Row[]> {
  const found = Array.from({ length: queueNums }, (_, queueId) => ({
    queueId,
    brokerOffset: store.queueMax(topic, queueId),
    consumerOffset: Math.max(0, offsets.query(group, topic, queueId)),
  }))
  // Of the message that was consumed last.
  const places = found.map(({ queueId, consumerOffset }) => ({ topic, queueId, queueOffset: consumerOffset - 1 }))
  const times = await store.storeTimesAt(places)
  return found.map(({ queueId, brokerOffset, consumerOffset }, i) => [
    { brokerName: settings.brokerName, queueId, topic },
    { brokerOffset, consumerOffset, lastTimestamp: Math.max(0, times[i]) },
  ])
}

async function timeSpans(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { topic, group } = decodeHeader(QUERY_CONSUME_TIME_SPAN, request.ext)
  const config = context.topics.get(topic)
  if (config === undefined) throw refuse(RESPONSE.TOPIC_NOT_EXIST, `topic[${topic.slice(0, 300)}] not exist`)
  const { store, offsets, settings, clock } = context
  const queues = Array.from({ length: config.writeQueueNums }, (_, queueId) => {
    const [min, max] = [store.queueMin(topic, queueId), store.queueMax(topic, queueId)]
    const consumed = offsets.query(group, topic, queueId)
    // First, last, last consumed, and the next to be consumed.
    return [min, max - 1, consumed > 0 ? consumed - 1 : min, consumed < max ? Math.max(consumed, min) : -1]
  })
  const places = queues.flatMap((wanted, queueId) => wanted.map((queueOffset) => ({ topic, queueId, queueOffset })))
  const times = await store.storeTimesAt(places)
  const spans = queues.map((_, queueId) => {
    const [minTimeStamp, maxTimeStamp, consumeTimeStamp, next] = times.slice(queueId * 4, queueId * 4 + 4)
    return {
      consumeTimeStamp,
      consumeTimeStampStr: javaTime(consumeTimeStamp),
      delayTime: next > 0 ? Math.max(0, clock.now() - next) : 0,
      maxTimeStamp,
      maxTimeStampStr: javaTime(maxTimeStamp),
      messageQueue: { brokerName: settings.brokerName, queueId, topic },
      minTimeStamp,
      minTimeStampStr: javaTime(minTimeStamp),
    }
  })
  return jsonAnswer(request, { consumeTimeSpanSet: spans })
}

/** yyyy-MM-dd#HH:mm:ss:SSS in local time. */
function javaTime(ms: number): string {
  const date = new Date(ms)
  const digits = (value: number, count = 2) => String(value).padStart(count, '0')
  const day = `${date.getFullYear()}-${digits(date.getMonth() + 1)}-${digits(date.getDate())}`
  const time = `${digits(date.getHours())}:${digits(date.getMinutes())}:${digits(date.getSeconds())}`
  return `${day}#${time}:${digits(date.getMilliseconds(), 3)}`
}

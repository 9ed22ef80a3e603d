/**
 * Who consumes what and how far: connections 203 and 204, progress of a group 208, groups of a topic 300, time spans 303.
 * Rules: spec/broker-requests.md §13.
 */
import type { RemotingCommand } from '../../remoting/command.ts'
import { type JsonObject, stringify } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import {
  GET_CONSUME_STATS,
  GET_CONSUMER_CONNECTION_LIST,
  GET_PRODUCER_CONNECTION_LIST,
  QUERY_CONSUME_TIME_SPAN,
  QUERY_TOPIC_CONSUME_BY_WHO,
} from '../../remoting/schemas/admin.ts'
import { type GroupMember, subscriptionJson } from '../groups/index.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { forEachQueue, jsonAnswer, refuse, textAnswer } from './support.ts'

export function consumptionProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.GET_CONSUMER_CONNECTION_LIST, (request) => consumers(context, request)],
    [REQUEST.GET_PRODUCER_CONNECTION_LIST, (request) => producers(context, request)],
    [REQUEST.GET_CONSUME_STATS, (request) => progress(context, request)],
    [REQUEST.QUERY_TOPIC_CONSUME_BY_WHO, (request) => groupsOf(context, request)],
    [REQUEST.QUERY_CONSUME_TIME_SPAN, (request) => timeSpans(context, request)],
  ]
}

function consumers(context: AdminContext, request: RemotingCommand): RemotingCommand {
  const { consumerGroup } = decodeHeader(GET_CONSUMER_CONNECTION_LIST, request.ext)
  const group = context.consumers.group(consumerGroup)
  if (group === undefined) {
    throw refuse(RESPONSE.CONSUMER_NOT_ONLINE, `the consumer group[${consumerGroup}] not online`)
  }
  const table = [...group.subscribed()].map((it) => [it.topic, subscriptionJson(it)])
  return jsonAnswer(request, {
    connectionSet: [...group.members.values()].map(connectionJson),
    consumeFromWhere: group.mode.consumeFromWhere,
    consumeType: group.mode.consumeType,
    messageModel: group.mode.messageModel,
    subscriptionTable: Object.fromEntries(table),
  })
}

function producers(context: AdminContext, request: RemotingCommand): RemotingCommand {
  const { producerGroup } = decodeHeader(GET_PRODUCER_CONNECTION_LIST, request.ext)
  const members = context.producers.group(producerGroup)
  if (members === undefined) throw refuse(RESPONSE.SYSTEM_ERROR, `the producer group[${producerGroup}] not exist`)
  return jsonAnswer(request, { connectionSet: members.map(connectionJson) })
}

function connectionJson({ peer, clientId, language, version }: GroupMember): Record<string, unknown> {
  return { clientAddr: peer.remoteAddress, clientId, language, version }
}

async function progress(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const header = decodeHeader(GET_CONSUME_STATS, request.ext)
  const { consumerGroup: group } = header
  const rows: [JsonObject, JsonObject][] = []
  let consumeTps = 0
  for (const topic of topicsAskedFor(context, header)) {
    const config = context.topics.get(topic)
    const online = context.consumers.group(group)
    if (config === undefined) continue
    // A topic that the group no longer subscribes to has offsets that nobody moves.
    if (online !== undefined && online.subscription(topic) === undefined) continue
    const start = rows.length
    await forEachQueue(config.readQueueNums, async (queueId) => {
      rows[start + queueId] = await queueProgress(context, group, topic, queueId)
    })
    consumeTps += context.stats.groupGetRate(group, topic)
  }
  return textAnswer(request, stringify({ consumeTps, offsetTable: new Map(rows) }))
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

async function queueProgress(
  { store, offsets, settings }: AdminContext,
  group: string,
  topic: string,
  queueId: number,
): Promise<[JsonObject, JsonObject]> {
  const brokerOffset = store.queueMax(topic, queueId)
  const consumerOffset = Math.max(0, offsets.query(group, topic, queueId))
  const isStored = consumerOffset > 0 && consumerOffset <= brokerOffset
  const lastTimestamp = isStored ? await store.storeTimeAt(topic, queueId, consumerOffset - 1) : 0
  return [
    { brokerName: settings.brokerName, queueId, topic },
    { brokerOffset, consumerOffset, lastTimestamp: Math.max(0, lastTimestamp) },
  ]
}

function groupsOf({ consumers, offsets }: AdminContext, request: RemotingCommand): RemotingCommand {
  const { topic } = decodeHeader(QUERY_TOPIC_CONSUME_BY_WHO, request.ext)
  return jsonAnswer(request, { groupList: [...new Set([...consumers.groupsOf(topic), ...offsets.groupsOf(topic)])] })
}

async function timeSpans(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { topic, group } = decodeHeader(QUERY_CONSUME_TIME_SPAN, request.ext)
  const config = context.topics.get(topic)
  if (config === undefined) throw refuse(RESPONSE.TOPIC_NOT_EXIST, `topic[${topic.slice(0, 300)}] not exist`)
  const spans: Record<string, unknown>[] = []
  await forEachQueue(config.writeQueueNums, async (queueId) => {
    spans[queueId] = await timeSpan(context, topic, group, queueId)
  })
  return jsonAnswer(request, { consumeTimeSpanSet: spans })
}

/** Store times of the queue's first and last message and of the last consumed one; `delayTime`: age of the next. */
async function timeSpan(
  { store, offsets, settings, clock }: AdminContext,
  topic: string,
  group: string,
  queueId: number,
): Promise<Record<string, unknown>> {
  const max = store.queueMax(topic, queueId)
  const min = store.queueMin(topic, queueId)
  const consumed = offsets.query(group, topic, queueId)
  const timeAt = (offset: number) =>
    offset >= min && offset < max ? store.storeTimeAt(topic, queueId, offset) : Promise.resolve(-1)
  const minTimeStamp = await timeAt(min)
  const maxTimeStamp = await timeAt(max - 1)
  const consumeTimeStamp = consumed > 0 ? await timeAt(consumed - 1) : minTimeStamp
  const next = consumed < max ? await timeAt(Math.max(consumed, min)) : -1
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
}

/** yyyy-MM-dd#HH:mm:ss:SSS in local time. */
export function javaTime(ms: number): string {
  const date = new Date(ms)
  const digits = (value: number, count = 2) => String(value).padStart(count, '0')
  const day = `${date.getFullYear()}-${digits(date.getMonth() + 1)}-${digits(date.getDate())}`
  const time = `${digits(date.getHours())}:${digits(date.getMinutes())}:${digits(date.getSeconds())}`
  return `${day}#${time}:${digits(date.getMilliseconds(), 3)}`
}

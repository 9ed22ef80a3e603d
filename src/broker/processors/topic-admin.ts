/**
 * Topics for administrators and slaves: create 17, all 21, statistics 202, delete 215, system topics 305, one 351.
 * Rules: spec/broker-requests.md §12.
 */
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { type JsonObject, stringify } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import {
  DELETE_TOPIC_IN_BROKER,
  GET_TOPIC_CONFIG,
  GET_TOPIC_STATS_INFO,
  UPDATE_AND_CREATE_TOPIC,
} from '../../remoting/schemas/admin.ts'
import type { Processor } from '../router.ts'
import { type TopicConfig, topicNumbersFault } from '../topics/index.ts'
import type { AdminContext } from './context.ts'
import { checkTopic, forEachQueue, jsonAnswer, refuse, textAnswer } from './support.ts'

export const ON_SLAVE =
  "Can't modify topic or subscription group from slave broker, please execute it from master broker."

export function topicProcessors(context: AdminContext): [number, Processor][] {
  const { topics } = context
  return [
    [REQUEST.UPDATE_AND_CREATE_TOPIC, (request, connection) => create(context, request, connection)],
    [REQUEST.GET_ALL_TOPIC_CONFIG, (request) => jsonAnswer(request, topics)],
    [REQUEST.GET_TOPIC_STATS_INFO, (request) => statistics(context, request)],
    [REQUEST.DELETE_TOPIC_IN_BROKER, (request, connection) => remove(context, request, connection)],
    [
      REQUEST.GET_SYSTEM_TOPIC_LIST_FROM_BROKER,
      (request) => jsonAnswer(request, { topicList: [...topics.systemTopics] }),
    ],
    [
      REQUEST.GET_TOPIC_CONFIG,
      (request) => jsonAnswer(request, existing(context, decodeHeader(GET_TOPIC_CONFIG, request.ext).topic)),
    ],
  ]
}

async function create(
  context: AdminContext,
  request: RemotingCommand,
  connection: Connection,
): Promise<RemotingCommand> {
  refuseOnSlave(context)
  const header = decodeHeader(UPDATE_AND_CREATE_TOPIC, request.ext)
  const { topic: topicName, readQueueNums, writeQueueNums, perm, topicFilterType } = header
  checkUserTopic(context, topicName)
  if (topicFilterType !== 'SINGLE_TAG' && topicFilterType !== 'MULTI_TAG') {
    throw refuse(RESPONSE.SYSTEM_ERROR, `topicFilterType is "${topicFilterType}", allowed are SINGLE_TAG and MULTI_TAG`)
  }
  const topicSysFlag = header.topicSysFlag ?? 0
  // 4.9.8 drops the request's order flag; ordered topics are made by the NameServer's KV configuration.
  const known = context.topics.get(topicName)
  const topic: TopicConfig = {
    order: false,
    perm,
    readQueueNums,
    topicFilterType,
    topicName,
    topicSysFlag,
    writeQueueNums,
    ...(known?.attributes === undefined ? {} : { attributes: known.attributes }),
  }
  const fault = topicNumbersFault(topic)
  if (fault !== undefined) throw refuse(RESPONSE.SYSTEM_ERROR, fault)
  context.log.info(`topic ${topicName} ${known === undefined ? 'created' : 'updated'} by an administrator`, {
    ...topic,
    remote: connection.remoteAddress,
  })
  await context.topics.put(topic)
  return answerTo(request, RESPONSE.SUCCESS)
}

async function remove(
  context: AdminContext,
  request: RemotingCommand,
  connection: Connection,
): Promise<RemotingCommand> {
  refuseOnSlave(context)
  const { topic } = decodeHeader(DELETE_TOPIC_IN_BROKER, request.ext)
  checkUserTopic(context, topic)
  context.log.info(`topic ${topic} deleted by an administrator`, { topic, remote: connection.remoteAddress })
  await context.topics.remove(topic)
  return answerTo(request, RESPONSE.SUCCESS)
}

async function statistics(context: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { store, settings } = context
  const { topicName: topic, writeQueueNums } = existing(context, decodeHeader(GET_TOPIC_STATS_INFO, request.ext).topic)
  const rows: [JsonObject, JsonObject][] = new Array(writeQueueNums)
  await forEachQueue(writeQueueNums, async (queueId) => {
    const maxOffset = store.queueMax(topic, queueId)
    const minOffset = store.queueMin(topic, queueId)
    const lastUpdateTimestamp = maxOffset > minOffset ? await store.storeTimeAt(topic, queueId, maxOffset - 1) : 0
    const queue = { brokerName: settings.brokerName, queueId, topic }
    rows[queueId] = [queue, { lastUpdateTimestamp: Math.max(0, lastUpdateTimestamp), maxOffset, minOffset }]
  })
  return textAnswer(request, stringify({ offsetTable: new Map(rows) }))
}

function existing(context: AdminContext, name: string): TopicConfig {
  const config = context.topics.get(name)
  if (config === undefined) throw refuse(RESPONSE.TOPIC_NOT_EXIST, `topic[${name.slice(0, 300)}] not exist`)
  return config
}

function checkUserTopic(context: AdminContext, topic: string): void {
  checkTopic(topic)
  if (context.topics.isSystem(topic)) {
    throw refuse(RESPONSE.SYSTEM_ERROR, `The topic[${topic}] is conflict with system topic.`)
  }
}

export function refuseOnSlave({ settings }: AdminContext): void {
  if (settings.brokerRole === 'SLAVE') throw refuse(RESPONSE.SYSTEM_ERROR, ON_SLAVE)
}

/**
 * Topics for administrators and slaves: create one 17 or several 18, all 21, statistics 202, delete 215, system topics 305, one
 * 351.
 * Rules: spec/broker-requests.md §12.
 */
import { describe } from '../../errors.ts'
import { answerTo, type RemotingCommand, VERSIONS } from '../../remoting/command.ts'
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
import { changedAttributes, readTopicConfig, type TopicConfig, topicNumbersFault } from '../topics/index.ts'
import type { AdminContext } from './context.ts'
import {
  badBody,
  bodyList,
  bodyText,
  checkTopic,
  isObject,
  jsonAnswer,
  jsonBody,
  refuse,
  textAnswer,
} from './support.ts'

const ON_SLAVE = "Can't modify topic or subscription group from slave broker, please execute it from master broker."

export function topicProcessors(context: AdminContext): [number, Processor][] {
  const { topics } = context
  return [
    [REQUEST.UPDATE_AND_CREATE_TOPIC, (request, connection) => create(context, request, connection)],
    [REQUEST.UPDATE_AND_CREATE_TOPIC_LIST, (request, connection) => createList(context, request, connection)],
    [REQUEST.GET_ALL_TOPIC_CONFIG, (request) => jsonAnswer(request, topics)],
    [REQUEST.GET_TOPIC_STATS_INFO, (request) => statistics(context, request)],
    [REQUEST.DELETE_TOPIC_IN_BROKER, (request, connection) => remove(context, request, connection)],
    [
      REQUEST.GET_SYSTEM_TOPIC_LIST_FROM_BROKER,
      (request) => jsonAnswer(request, { topicList: [...topics.systemTopics] }),
    ],
    [REQUEST.GET_TOPIC_CONFIG, (request) => one(context, request)],
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
  const attributes = changed(header.attributes, context.topics.get(topicName)?.attributes)
  // 4.9.8 drops the request's order flag; ordered topics are made by the NameServer's KV configuration.
  await put(context, connection, {
    ...{ order: false, perm, readQueueNums, topicFilterType, topicName, topicSysFlag, writeQueueNums },
    ...(attributes === undefined ? {} : { attributes }),
  })
  return answerTo(request, RESPONSE.SUCCESS)
}

/** 18: all of them or none. */
async function createList(
  context: AdminContext,
  request: RemotingCommand,
  connection: Connection,
): Promise<RemotingCommand> {
  refuseOnSlave(context)
  const wished = bodyList(request, jsonBody(request), 'topicConfigList').map((item) => {
    if (!isObject(item)) throw badBody(request, 'has an item in topicConfigList that is no object')
    const name = bodyText(request, item, 'topicName')
    checkUserTopic(context, name)
    try {
      return { ...readTopicConfig(name, item), order: false }
    } catch (error) {
      throw refuse(RESPONSE.SYSTEM_ERROR, `topic ${name}: ${describe(error)}`)
    }
  })
  await Promise.all(wished.map((topic) => put(context, connection, topic)))
  return answerTo(request, RESPONSE.SUCCESS)
}

async function put(context: AdminContext, connection: Connection, topic: TopicConfig): Promise<void> {
  const fault = topicNumbersFault(topic)
  if (fault !== undefined) throw refuse(RESPONSE.SYSTEM_ERROR, fault)
  const { topicName } = topic
  const known = context.topics.get(topicName)
  context.log.info(`topic ${topicName} ${known === undefined ? 'created' : 'updated'} by an administrator`, {
    ...topic,
    remote: connection.remoteAddress,
  })
  await context.topics.put(topic)
}

function changed(text: string | undefined, known: TopicConfig['attributes']): TopicConfig['attributes'] {
  const attributes = changedAttributes(text, known)
  if (typeof attributes === 'string') throw refuse(RESPONSE.SYSTEM_ERROR, attributes)
  return attributes
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
  const { store, settings, topics } = context
  const { topic } = decodeHeader(GET_TOPIC_STATS_INFO, request.ext)
  const config = topics.get(topic)
  if (config === undefined) throw refuse(RESPONSE.TOPIC_NOT_EXIST, `topic[${topic.slice(0, 300)}] not exist`)
  const queues = Array.from({ length: config.writeQueueNums }, (_, queueId) => ({
    queueId,
    maxOffset: store.queueMax(topic, queueId),
    minOffset: store.queueMin(topic, queueId),
  }))
  const places = queues.map(({ queueId, maxOffset }) => ({ topic, queueId, queueOffset: maxOffset - 1 }))
  const times = await store.storeTimesAt(places)
  const rows = queues.map(({ queueId, maxOffset, minOffset }, i): [JsonObject, JsonObject] => [
    { brokerName: settings.brokerName, queueId, topic },
    { lastUpdateTimestamp: Math.max(0, times[i]), maxOffset, minOffset },
  ])
  const offsetTable = new Map(rows)
  const isOf5 = request.version >= VERSIONS.v5_0_0
  return textAnswer(
    request,
    stringify(isOf5 ? { offsetTable, topicPutTps: context.stats.topicPutRate(topic) } : { offsetTable }),
  )
}

function one({ topics }: AdminContext, request: RemotingCommand): RemotingCommand {
  const { topic } = decodeHeader(GET_TOPIC_CONFIG, request.ext)
  const config = topics.get(topic)
  if (config === undefined) {
    throw refuse(RESPONSE.TOPIC_NOT_EXIST, `No topic in this broker. topic: ${topic.slice(0, 300)}`)
  }
  return jsonAnswer(request, config)
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

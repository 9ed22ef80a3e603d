/**
 * Who is online: consumers of a group 203, producers of a group 204, all producers 328, groups of a topic 300, and what a group
 * reads (5.x): its topics 343, one subscription 345, a ban on one topic 353.
 * Rules: spec/broker-requests.md §13.
 */
import type { RemotingCommand } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import {
  GET_CONSUMER_CONNECTION_LIST,
  GET_PRODUCER_CONNECTION_LIST,
  QUERY_SUBSCRIPTION_BY_CONSUMER,
  QUERY_TOPIC_CONSUME_BY_WHO,
  QUERY_TOPICS_BY_CONSUMER,
  UPDATE_AND_GET_GROUP_FORBIDDEN,
} from '../../remoting/schemas/admin.ts'
import { type GroupMember, subscriptionJson } from '../groups/index.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { checkGroup, checkTopic, jsonAnswer, refuse } from './support.ts'
import { refuseOnSlave } from './topic-admin.ts'

export function connectionProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.GET_CONSUMER_CONNECTION_LIST, (request) => consumers(context, request)],
    [REQUEST.GET_PRODUCER_CONNECTION_LIST, (request) => producers(context, request)],
    [REQUEST.GET_ALL_PRODUCER_INFO, (request) => allProducers(context, request)],
    [REQUEST.QUERY_TOPIC_CONSUME_BY_WHO, (request) => groupsOf(context, request)],
    [REQUEST.QUERY_TOPICS_BY_CONSUMER, (request) => topicsOf(context, request)],
    [REQUEST.QUERY_SUBSCRIPTION_BY_CONSUMER, (request) => subscriptionOf(context, request)],
    [REQUEST.UPDATE_AND_GET_GROUP_FORBIDDEN, (request, connection) => forbid(context, request, connection)],
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

/** remoteIP as Java prints a socket address: "/192.0.2.1:40430". */
function allProducers({ producers: all }: AdminContext, request: RemotingCommand): RemotingCommand {
  const data = all.groups().map(([group, members]) => [
    group,
    members.map(({ peer, clientId, language, version, lastUpdate }) => ({
      clientId,
      language,
      lastUpdateTimestamp: lastUpdate,
      remoteIP: `/${peer.remoteAddress}`,
      version,
    })),
  ])
  return jsonAnswer(request, { data: Object.fromEntries(data) })
}

function groupsOf({ consumers: online, offsets }: AdminContext, request: RemotingCommand): RemotingCommand {
  const { topic } = decodeHeader(QUERY_TOPIC_CONSUME_BY_WHO, request.ext)
  return jsonAnswer(request, { groupList: [...new Set([...online.groupsOf(topic), ...offsets.groupsOf(topic)])] })
}

function topicsOf({ offsets, brokerAddress }: AdminContext, request: RemotingCommand): RemotingCommand {
  const { group } = decodeHeader(QUERY_TOPICS_BY_CONSUMER, request.ext)
  return jsonAnswer(request, { brokerAddr: brokerAddress(), topicList: offsets.topicsOf(group) })
}

function subscriptionOf({ consumers: online }: AdminContext, request: RemotingCommand): RemotingCommand {
  const { group, topic } = decodeHeader(QUERY_SUBSCRIPTION_BY_CONSUMER, request.ext)
  const subscription = online.group(group)?.subscription(topic)
  const data = subscription === undefined ? {} : { subscriptionData: subscriptionJson(subscription) }
  return jsonAnswer(request, { group, ...data, topic })
}

/** Without `readable` it only says how things are. */
async function forbid(
  context: AdminContext,
  request: RemotingCommand,
  connection: Connection,
): Promise<RemotingCommand> {
  const { group, topic, readable } = decodeHeader(UPDATE_AND_GET_GROUP_FORBIDDEN, request.ext)
  checkGroup(group)
  checkTopic(topic)
  if (readable !== undefined) {
    refuseOnSlave(context)
    const may = readable ? 'may' : 'may not'
    context.log.info(`group ${group} ${may} read topic ${topic}, by an administrator`, {
      group,
      topic,
      remote: connection.remoteAddress,
    })
    await context.groups.setForbidden(group, topic, !readable)
  }
  return jsonAnswer(request, { group, readable: !context.groups.isForbidden(group, topic), topic })
}

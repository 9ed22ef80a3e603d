/**
 * What clients say of themselves: heartbeat 34, unregister 35, who else is in the group 38, client check 46.
 * Rules: spec/broker-requests.md §9.
 */
import { FilterError } from '../../filter/index.ts'
import { answerTo, type RemotingCommand, VERSIONS } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../../remoting/schema.ts'
import { GET_CONSUMER_LIST_BY_GROUP, HEART_BEAT_ANSWER, UNREGISTER_CLIENT } from '../../remoting/schemas/clients.ts'
import { filterOrFault, SQL92 } from '../filter/index.ts'
import { TAG } from '../groups/index.ts'
import type { Processor } from '../router.ts'
import { groupNameFault, PERM_READ_WRITE, retryTopic, SYS_FLAG } from '../topics/index.ts'
import type { AdminContext } from './context.ts'
import { type ConsumerData, type HeartbeatBody, readHeartbeat, readSubscription } from './heartbeat-body.ts'
import { bodyText, jsonAnswer, jsonBody, refuse } from './support.ts'

export function clientProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.HEART_BEAT, (request, connection) => heartbeat(context, request, connection)],
    [REQUEST.UNREGISTER_CLIENT, (request, connection) => unregister(context, request, connection)],
    [REQUEST.GET_CONSUMER_LIST_BY_GROUP, (request) => consumerList(context, request)],
    [REQUEST.CHECK_CLIENT_CONFIG, (request) => checkClient(context, request)],
  ]
}

/**
 * Takes every group that is well named, then refuses with the first that is not: one bad group of a client must not hold
 * up its others.
 */
function heartbeat(context: AdminContext, request: RemotingCommand, connection: Connection): RemotingCommand {
  const body = readHeartbeat(request)
  const { clientId, fingerprint } = body
  const client = { clientId, language: request.language, version: request.version, fingerprint }
  let fault: string | undefined
  let wantsWhole = fingerprint === 0
  for (const data of body.consumers) {
    const illegal = groupNameFault(data.group)
    if (illegal === undefined) wantsWhole = takeConsumer(context, connection, client, data) || wantsWhole
    else fault ??= `${illegal} (group "${data.group.slice(0, 300)}")`
  }
  for (const group of body.producerGroups) {
    const illegal = groupNameFault(group)
    if (illegal === undefined) context.producers.heartbeat(connection, group, client)
    else fault ??= `${illegal} (producer group "${group.slice(0, 300)}")`
  }
  if (fault !== undefined) throw refuse(RESPONSE.SYSTEM_ERROR, fault)
  const answer = answerTo(request, RESPONSE.SUCCESS)
  // 4.9.8 answers without; who does not know the fields passes over them.
  if (fingerprint !== 0 || request.version >= VERSIONS.v5_0_0) {
    answer.ext = encodeHeader(HEART_BEAT_ANSWER, { supportsV2: true, subscriptionChanged: wantsWhole })
  }
  return answer
}

type Client = Pick<HeartbeatBody, 'clientId' | 'fingerprint'> & { language: string; version: number }

/**
 * Heartbeat V2: true when the client is to send a whole heartbeat the next time, because somebody of the group said something
 * else since, or because nobody has said yet what the group subscribes to.
 */
function takeConsumer(context: AdminContext, connection: Connection, client: Client, data: ConsumerData): boolean {
  const { group, mode, subscriptions } = data
  const online = context.consumers.group(group)
  const former = online?.fingerprint
  const config = context.groups.find(group)
  if (config !== undefined && config.retryQueueNums > 0) {
    context.topics.createInternal({
      topic: retryTopic(group),
      queueNums: config.retryQueueNums,
      perm: PERM_READ_WRITE,
      topicSysFlag: data.unitMode ? SYS_FLAG.unitSub : 0,
      remote: connection.remoteAddress,
    })
  }
  const notify = config?.notifyConsumerIdsChangedEnable ?? true
  context.consumers.heartbeat(connection, { group, ...client, mode, subscriptions, notify })
  if (subscriptions === undefined && (online?.hasSubscriptions !== true || online.isOutdated)) return true
  return former !== undefined && former !== client.fingerprint
}

function unregister(context: AdminContext, request: RemotingCommand, connection: Connection): RemotingCommand {
  const { producerGroup, consumerGroup } = decodeHeader(UNREGISTER_CLIENT, request.ext)
  if (producerGroup !== undefined) context.producers.unregister(connection, producerGroup)
  if (consumerGroup !== undefined) {
    const notify = context.groups.get(consumerGroup)?.notifyConsumerIdsChangedEnable ?? true
    context.consumers.unregister(connection, consumerGroup, notify)
  }
  return answerTo(request, RESPONSE.SUCCESS)
}

function consumerList(context: AdminContext, request: RemotingCommand): RemotingCommand {
  const { consumerGroup } = decodeHeader(GET_CONSUMER_LIST_BY_GROUP, request.ext)
  const group = context.consumers.group(consumerGroup)
  if (group === undefined) throw refuse(RESPONSE.SYSTEM_ERROR, `no consumer for this group, ${consumerGroup}`)
  // Once each: RocketMQ names a client as often as it has connections, also ones whose network is gone, and the share of each that nobody
  // is behind is consumed by nobody until it expires.
  const ids = new Set([...group.members.values()].map((member) => member.clientId))
  return jsonAnswer(request, { consumerIdList: [...ids] })
}

function checkClient(context: AdminContext, request: RemotingCommand): RemotingCommand {
  const body = jsonBody(request)
  bodyText(request, body, 'group')
  if (body.subscriptionData === undefined || body.subscriptionData === null) return answerTo(request, RESPONSE.SUCCESS)
  const subscription = readSubscription(request, body.subscriptionData)
  const { expressionType: type, subString } = subscription
  if (type === TAG) return answerTo(request, RESPONSE.SUCCESS)
  if (!context.settings.enablePropertyFilter) {
    throw refuse(RESPONSE.SYSTEM_ERROR, `The broker does not support consumer to filter message by ${type}`)
  }
  if (type !== SQL92) {
    throw refuse(RESPONSE.SUBSCRIPTION_PARSE_FAILED, `no filter is of type ${type}, use TAG or SQL92`)
  }
  const filter = filterOrFault(subString)
  if (filter instanceof FilterError) throw refuse(RESPONSE.SUBSCRIPTION_PARSE_FAILED, filter.message)
  return answerTo(request, RESPONSE.SUCCESS)
}

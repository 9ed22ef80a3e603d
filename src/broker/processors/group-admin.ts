/**
 * Consumer groups for administrators and slaves: create or change one 200 or several 225, all 201, delete 207, one 352.
 * Rules: spec/broker-requests.md §13.
 */
import { describe } from '../../errors.ts'
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import { DELETE_SUBSCRIPTIONGROUP, GET_SUBSCRIPTIONGROUP_CONFIG } from '../../remoting/schemas/admin.ts'
import { groupJson, readGroupConfig, type SubscriptionGroupConfig } from '../groups/index.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { badBody, bodyList, bodyText, checkGroup, isObject, jsonAnswer, jsonBody, refuse } from './support.ts'
import { refuseOnSlave } from './topic-admin.ts'

export function groupProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, (request, connection) => put(context, request, connection)],
    [REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, (request, connection) => putList(context, request, connection)],
    [REQUEST.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, (request) => jsonAnswer(request, context.groups)],
    [REQUEST.DELETE_SUBSCRIPTIONGROUP, (request, connection) => remove(context, request, connection)],
    [REQUEST.GET_SUBSCRIPTIONGROUP_CONFIG, (request) => one(context, request)],
  ]
}

async function put(context: AdminContext, request: RemotingCommand, connection: Connection): Promise<RemotingCommand> {
  refuseOnSlave(context)
  await store(context, connection, checked(request, jsonBody(request)))
  return answerTo(request, RESPONSE.SUCCESS)
}

/** 225: all of them or none. */
async function putList(
  context: AdminContext,
  request: RemotingCommand,
  connection: Connection,
): Promise<RemotingCommand> {
  refuseOnSlave(context)
  const configs = bodyList(request, jsonBody(request), 'groupConfigList').map((item) => {
    if (!isObject(item)) throw badBody(request, 'has an item in groupConfigList that is no object')
    return checked(request, item)
  })
  await Promise.all(configs.map((config) => store(context, connection, config)))
  return answerTo(request, RESPONSE.SUCCESS)
}

function store(context: AdminContext, connection: Connection, config: SubscriptionGroupConfig): Promise<void> {
  context.log.info(`group ${config.groupName} configured by an administrator`, {
    ...config,
    remote: connection.remoteAddress,
  })
  return context.groups.put(config)
}

function checked(request: RemotingCommand, body: Record<string, unknown>): SubscriptionGroupConfig {
  checkGroup(bodyText(request, body, 'groupName'))
  return read(body)
}

function read(body: Record<string, unknown>): SubscriptionGroupConfig {
  try {
    return readGroupConfig(body)
  } catch (error) {
    throw refuse(RESPONSE.SYSTEM_ERROR, describe(error))
  }
}

async function remove(
  context: AdminContext,
  request: RemotingCommand,
  connection: Connection,
): Promise<RemotingCommand> {
  refuseOnSlave(context)
  const { groupName, removeOffset, cleanOffset } = decodeHeader(DELETE_SUBSCRIPTIONGROUP, request.ext)
  const isOffsetsToo = removeOffset || cleanOffset
  context.log.info(`group ${groupName} deleted by an administrator`, {
    group: groupName,
    offsets: isOffsetsToo,
    remote: connection.remoteAddress,
  })
  await context.groups.remove(groupName)
  if (context.settings.autoDeleteUnusedStats) context.stats.forgetGroup(groupName)
  if (isOffsetsToo) {
    context.offsets.removeGroup(groupName)
    await context.offsets.flush()
  }
  return answerTo(request, RESPONSE.SUCCESS)
}

function one({ groups }: AdminContext, request: RemotingCommand): RemotingCommand {
  const { group } = decodeHeader(GET_SUBSCRIPTIONGROUP_CONFIG, request.ext)
  const config = groups.find(group)
  if (config === undefined) {
    throw refuse(RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST, `subscription group [${group.slice(0, 300)}] not exist`)
  }
  return jsonAnswer(request, groupJson(config))
}

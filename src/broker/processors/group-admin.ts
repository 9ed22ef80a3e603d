/**
 * Consumer groups for administrators and slaves: create or change 200, all 201, delete 207, one 352.
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
import { bodyText, checkGroup, jsonAnswer, jsonBody, refuse } from './support.ts'
import { refuseOnSlave } from './topic-admin.ts'

export function groupProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, (request, connection) => put(context, request, connection)],
    [REQUEST.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, (request) => jsonAnswer(request, context.groups)],
    [REQUEST.DELETE_SUBSCRIPTIONGROUP, (request, connection) => remove(context, request, connection)],
    [REQUEST.GET_SUBSCRIPTIONGROUP_CONFIG, (request) => one(context, request)],
  ]
}

async function put(context: AdminContext, request: RemotingCommand, connection: Connection): Promise<RemotingCommand> {
  refuseOnSlave(context)
  const body = jsonBody(request)
  const name = bodyText(request, body, 'groupName')
  checkGroup(name)
  const config = read(body)
  context.log.info(`group ${name} configured by an administrator`, { ...config, remote: connection.remoteAddress })
  await context.groups.put(config)
  return answerTo(request, RESPONSE.SUCCESS)
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

/**
 * Reset of a group's offsets 222, by time or to an offset.
 *
 *   RocketMQ 4.9                     offsets worked out here ─▶ 220 to every client of the group, which drops its queues, stores
 *                                    the offsets itself and goes on: the group must be online
 *   useServerSideResetOffset (5.x),  offsets set here ─▶ the next pull of each queue is answered 21 with them: works for
 *   or a queueId in the request      every client, also offline
 *
 * Rules: spec/broker-requests.md §14.
 */
import { type RemotingCommand, request as requestOf } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { type JsonObject, stringify } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader, type HeaderOf } from '../../remoting/schema.ts'
import { INVOKE_BROKER_TO_RESET_OFFSET, RESET_CONSUMER_CLIENT_OFFSET } from '../../remoting/schemas/clients.ts'
import type { GroupMember } from '../groups/index.ts'
import { NO_OFFSET } from '../offsets/index.ts'
import type { Processor } from '../router.ts'
import type { TopicConfig } from '../topics/index.ts'
import { refuseOldClients } from './client-calls.ts'
import type { AdminContext } from './context.ts'
import { checkGroup, checkQueueId, forEachQueue, refuse, textAnswer } from './support.ts'

type Header = HeaderOf<typeof INVOKE_BROKER_TO_RESET_OFFSET>
type Targets = readonly { readonly queueId: number; readonly offset: number }[]

/** Clients that read only {"offsetTable":[{"topic","brokerName","queueId","offset"},…]}. */
const LIST_LANGUAGE = 'CPP'
const ALL_QUEUES = -1

export function offsetResetProcessors(context: AdminContext): [number, Processor][] {
  return [[REQUEST.INVOKE_BROKER_TO_RESET_OFFSET, (request, connection) => reset(context, request, connection)]]
}

async function reset(
  context: AdminContext,
  request: RemotingCommand,
  connection: Connection,
): Promise<RemotingCommand> {
  const header = decodeHeader(INVOKE_BROKER_TO_RESET_OFFSET, request.ext)
  const { topic, group, queueId } = header
  checkGroup(group)
  const config = context.topics.get(topic)
  if (config === undefined) {
    throw refuse(
      RESPONSE.SYSTEM_ERROR,
      `[reset-offset] reset offset failed, no topic in this broker. topic=${topic.slice(0, 300)}`,
    )
  }
  context.log.info(`offsets of group ${group} on topic ${topic} are reset by an administrator`, {
    ...header,
    remote: connection.remoteAddress,
  })
  const isHere = context.settings.useServerSideResetOffset || queueId !== ALL_QUEUES
  const targets = isHere ? await resetHere(context, header, config) : await resetAtClients(context, request, header)
  return textAnswer(request, stringify(offsetTable(context, topic, targets)))
}

async function resetHere(context: AdminContext, header: Header, config: TopicConfig): Promise<Targets> {
  const { topic, group, queueId } = header
  // A group that only has offsets (cloned ones: 314) is none of the table's, and may be reset all the same.
  if (context.groups.get(group) === undefined && context.offsets.queryAll(group, topic) === undefined) {
    throw refuse(RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST, `Group ${group} does not exist`)
  }
  const targets =
    queueId === ALL_QUEUES
      ? await targetsByTime(context, header, config.readQueueNums)
      : [{ queueId, offset: await targetOfOne(context, header, config) }]
  for (const target of targets) {
    context.offsets.reset(group, topic, target.queueId, target.offset)
    context.releasePulls(group, topic, target.queueId)
  }
  await context.offsets.flush()
  return targets
}

/** One queue, to the offset in the request or by time. */
async function targetOfOne(context: AdminContext, header: Header, config: TopicConfig): Promise<number> {
  const { topic, queueId, offset } = header
  checkQueueId(queueId)
  if (queueId >= config.readQueueNums) {
    throw refuse(
      RESPONSE.SYSTEM_ERROR,
      `queueId is ${queueId}, topic ${topic} has ${config.readQueueNums} queues to read`,
    )
  }
  if (offset === undefined || offset === NO_OFFSET) return targetByTime(context, header, queueId)
  const [min, max] = [context.store.queueMin(topic, queueId), context.store.queueMax(topic, queueId)]
  if (offset >= min && offset <= max) return offset
  throw refuse(RESPONSE.SYSTEM_ERROR, `Target offset ${offset} not in consume queue range [${min}-${max}]`)
}

async function resetAtClients(context: AdminContext, request: RemotingCommand, header: Header): Promise<Targets> {
  const { topic, group, timestamp } = header
  const { readQueueNums } = context.topics.get(topic)!
  const stored = context.offsets.queryAll(group, topic)
  // 4.9.8 refuses as soon as one queue was never consumed; useServerSideResetOffset does without.
  if (Array.from({ length: readQueueNums }, (_, queueId) => stored?.has(queueId)).some((isThere) => !isThere)) {
    throw refuse(RESPONSE.SYSTEM_ERROR, `THe consumer group <${group}> not exist`)
  }
  const targets = await targetsByTime(context, header, readQueueNums)
  const members = [...(context.consumers.group(group)?.members.values() ?? [])]
  if (members.length === 0) {
    throw refuse(
      RESPONSE.CONSUMER_NOT_ONLINE,
      `Consumer not online, so can not reset offset, Group: ${group} Topic: ${topic} Timestamp: ${timestamp}`,
    )
  }
  refuseOldClients(members)
  const map = Buffer.from(stringify(offsetTable(context, topic, targets)))
  const list = Buffer.from(stringify(offsetList(context, topic, targets)))
  // RocketMQ 4.9 sends one form to all, as the administrator's tool says ("-c"): each client gets the one it reads.
  const ext = encodeHeader(RESET_CONSUMER_CLIENT_OFFSET, { topic, group, timestamp, isForce: false })
  for (const member of members) {
    const body = readsLists(member, request.language) ? list : map
    if (!member.peer.closed) member.peer.oneway(requestOf(REQUEST.RESET_CONSUMER_CLIENT_OFFSET, ext, body))
  }
  return targets
}

function readsLists({ language }: GroupMember, administrator: string): boolean {
  return language === LIST_LANGUAGE || (administrator === LIST_LANGUAGE && language !== 'JAVA')
}

async function targetsByTime(context: AdminContext, header: Header, queueNums: number): Promise<Targets> {
  const targets: { queueId: number; offset: number }[] = []
  await forEachQueue(queueNums, async (queueId) => {
    targets[queueId] = { queueId, offset: await targetByTime(context, header, queueId) }
  })
  return targets
}

/** Unless it is forced, an offset only goes back: what is not consumed is not skipped. */
async function targetByTime({ store, offsets }: AdminContext, header: Header, queueId: number): Promise<number> {
  const { topic, group, timestamp, isForce } = header
  const wanted =
    timestamp < 0 ? store.queueMax(topic, queueId) : Math.max(0, await store.offsetByTime(topic, queueId, timestamp))
  const current = offsets.query(group, topic, queueId)
  return isForce || current === NO_OFFSET ? wanted : Math.min(wanted, current)
}

function offsetTable({ settings }: AdminContext, topic: string, targets: Targets) {
  const rows = targets.map(({ queueId, offset }): [JsonObject, number] => [
    { brokerName: settings.brokerName, queueId, topic },
    offset,
  ])
  return { offsetTable: new Map(rows) }
}

function offsetList({ settings }: AdminContext, topic: string, targets: Targets) {
  return { offsetTable: targets.map((target) => ({ brokerName: settings.brokerName, ...target, topic })) }
}

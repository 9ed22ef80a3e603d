/**
 * Offsets of several groups: the smallest of all 308, one group's for another 314.
 *
 * RocketMQ 4.9.7 deletes the offsets of the groups that 308 is told to leave out, and 314 without a topic copies nothing;
 * neither is done here.
 * Rules: spec/broker-requests.md §13.
 */
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { stringify, type Writable } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import { CLONE_GROUP_OFFSET, QUERY_CORRECTION_OFFSET } from '../../remoting/schemas/admin.ts'
import type { Processor } from '../router.ts'
import { isConsumed } from './consumption.ts'
import type { AdminContext } from './context.ts'
import { checkGroup, textAnswer } from './support.ts'

/** Java's Long.MAX_VALUE: "the group is behind all others". */
const BEHIND = 9223372036854775807n

export function groupOffsetProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.QUERY_CORRECTION_OFFSET, (request) => smallest(context, request)],
    [REQUEST.CLONE_GROUP_OFFSET, (request, connection) => clone(context, request, connection)],
  ]
}

function smallest({ offsets, store }: AdminContext, request: RemotingCommand): RemotingCommand {
  const { topic, compareGroup, filterGroups } = decodeHeader(QUERY_CORRECTION_OFFSET, request.ext)
  const leftOut = new Set(filterGroups?.split(',').map((group) => group.trim()))
  const correction = new Map<Writable, number | bigint>()
  for (const group of offsets.groupsOf(topic)) {
    if (leftOut.has(group)) continue
    for (const [queueId, offset] of offsets.queryAll(group, topic) ?? []) {
      // What points below the queue's first message says nothing about how far anybody is.
      if (offset < store.queueMin(topic, queueId)) continue
      const known = correction.get(queueId)
      if (known === undefined || offset < known) correction.set(queueId, offset)
    }
  }
  for (const [queueId, offset] of offsets.queryAll(compareGroup, topic) ?? []) {
    const known = correction.get(queueId)
    if (known !== undefined && known > offset) correction.set(queueId, BEHIND)
  }
  return textAnswer(request, stringify({ correctionOffsets: correction }))
}

async function clone(
  context: AdminContext,
  request: RemotingCommand,
  connection: Connection,
): Promise<RemotingCommand> {
  const { srcGroup, destGroup, topic, offline } = decodeHeader(CLONE_GROUP_OFFSET, request.ext)
  checkGroup(srcGroup)
  checkGroup(destGroup)
  const wanted = topic === undefined || topic.trim() === '' ? context.offsets.topicsOf(srcGroup) : [topic]
  const cloned = wanted.filter(
    (name) =>
      context.topics.get(name) !== undefined &&
      (offline || isConsumed(context, srcGroup, name)) &&
      context.offsets.clone(srcGroup, destGroup, name),
  )
  context.log.info(`offsets of group ${srcGroup} are those of group ${destGroup} as well, by an administrator`, {
    topics: cloned.join(),
    remote: connection.remoteAddress,
  })
  await context.offsets.flush()
  return answerTo(request, RESPONSE.SUCCESS)
}

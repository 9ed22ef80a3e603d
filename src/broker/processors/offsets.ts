/**
 * Offsets of groups and queues: query 14, update 15, by time 29, max 30, min 31, earliest store time 32; the tables that
 * slaves copy: 43, 45. None of 29–32 asks whether the topic exists: an unknown queue begins and ends at 0.
 * Rules: spec/broker-requests.md §8, §15.
 */
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../../remoting/schema.ts'
import {
  GET_EARLIEST_MSG_STORETIME,
  GET_EARLIEST_MSG_STORETIME_ANSWER,
  GET_MAX_OFFSET,
  GET_MIN_OFFSET,
  OFFSET_ANSWER,
  QUERY_CONSUMER_OFFSET,
  SEARCH_OFFSET_BY_TIMESTAMP,
  UPDATE_CONSUMER_OFFSET,
} from '../../remoting/schemas/pull.ts'
import { DELIVERIES } from '../replication/deliveries-header.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { checkGroup, checkQueueId, checkTopic, headerAnswer, jsonAnswer, refuse } from './support.ts'

/** A member of a DLedger group has heard of it from its leader, seconds ago. */
const NOT_LEADING =
  'this member does not lead its DLedger group, or has not found out yet what its leader has delivered'

export function offsetProcessors(context: AdminContext): [number, Processor][] {
  const { store, offsets, runtime } = context
  return [
    [REQUEST.QUERY_CONSUMER_OFFSET, (request) => query(context, request)],
    [REQUEST.UPDATE_CONSUMER_OFFSET, (request, connection) => update(context, request, connection)],
    [REQUEST.SEARCH_OFFSET_BY_TIMESTAMP, (request) => search(context, request)],
    [
      REQUEST.GET_MAX_OFFSET,
      (request) => {
        const { topic, queueId } = checked(decodeHeader(GET_MAX_OFFSET, request.ext))
        return offsetAnswer(request, store.queueMax(topic, queueId))
      },
    ],
    [
      REQUEST.GET_MIN_OFFSET,
      (request) => {
        const { topic, queueId } = checked(decodeHeader(GET_MIN_OFFSET, request.ext))
        return offsetAnswer(request, store.queueMin(topic, queueId))
      },
    ],
    [REQUEST.GET_EARLIEST_MSG_STORETIME, (request) => earliest(context, request)],
    [REQUEST.GET_ALL_CONSUMER_OFFSET, (request) => jsonAnswer(request, offsets)],
    [
      REQUEST.GET_ALL_DELAY_OFFSET,
      (request) => {
        const progress = runtime.delayProgress()
        if (progress === undefined) throw refuse(RESPONSE.SYSTEM_ERROR, NOT_LEADING)
        const levels = progress.map(({ level, offset }) => [level, offset])
        const answer = jsonAnswer(request, { offsetTable: Object.fromEntries(levels) })
        // A slave of ours asks for more than RocketMQ's.
        if (request.ext?.[DELIVERIES.asked] !== undefined) {
          const { mark, end } = runtime.deliveries()
          answer.ext = { [DELIVERIES.mark]: mark, [DELIVERIES.end]: String(end) }
        }
        return answer
      },
    ],
  ]
}

/**
 * A group without an offset starts at 0 while the queue still holds its first message in memory (or none at all): a new
 * group on a young queue misses nothing. Else 22, and the client decides.
 */
function query({ offsets, store }: AdminContext, request: RemotingCommand): RemotingCommand {
  const header = checked(decodeHeader(QUERY_CONSUMER_OFFSET, request.ext))
  const { consumerGroup, topic, queueId } = header
  const offset = offsets.query(consumerGroup, topic, queueId)
  if (offset >= 0) return offsetAnswer(request, offset)
  const isYoung =
    store.queueMin(topic, queueId) <= 0 && (store.queueMax(topic, queueId) === 0 || store.isInMemory(topic, queueId, 0))
  if (isYoung && header.setZeroIfNotFound !== false) return offsetAnswer(request, 0)
  throw refuse(
    RESPONSE.QUERY_NOT_FOUND,
    `no offset of group ${consumerGroup} on topic ${topic} queue ${queueId}: it has not consumed it yet`,
  )
}

function update({ offsets }: AdminContext, request: RemotingCommand, connection: Connection): RemotingCommand {
  const { consumerGroup, topic, queueId, commitOffset } = checked(decodeHeader(UPDATE_CONSUMER_OFFSET, request.ext))
  checkGroup(consumerGroup)
  if (commitOffset < 0 || !Number.isSafeInteger(commitOffset)) {
    throw refuse(RESPONSE.SYSTEM_ERROR, `commitOffset is ${commitOffset}, offsets count from 0`)
  }
  const isStored = offsets.commit(consumerGroup, topic, queueId, commitOffset, connection.remoteAddress)
  return answerTo(request, RESPONSE.SUCCESS, isStored ? undefined : 'Offset has been previously reset')
}

async function search({ store }: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { topic, queueId, timestamp } = checked(decodeHeader(SEARCH_OFFSET_BY_TIMESTAMP, request.ext))
  return offsetAnswer(request, await store.offsetByTime(topic, queueId, timestamp))
}

async function earliest({ store }: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { topic, queueId } = checked(decodeHeader(GET_EARLIEST_MSG_STORETIME, request.ext))
  const isEmpty = store.queueMax(topic, queueId) === 0
  const timestamp = isEmpty ? -1 : await store.storeTimeAt(topic, queueId, store.queueMin(topic, queueId))
  return headerAnswer(request, encodeHeader(GET_EARLIEST_MSG_STORETIME_ANSWER, { timestamp }))
}

function offsetAnswer(request: RemotingCommand, offset: number): RemotingCommand {
  return headerAnswer(request, encodeHeader(OFFSET_ANSWER, { offset }))
}

function checked<H extends { topic: string; queueId: number }>(header: H): H {
  checkTopic(header.topic)
  checkQueueId(header.queueId)
  return header
}

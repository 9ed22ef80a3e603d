/**
 * Which permissions a request needs, by its code; a code that is not here needs a signature and no more.
 *
 *   as in RocketMQ 4.9   10 310 11 12 15 34 35 36 38
 *   beside it            320, which 4.9 forgets: any account may send batches anywhere; 14 41 42, which only a consumer of
 *                        the group asks; 361 and the pop family of 5.x, which are pulls
 *
 * A send to a group's retry topic needs SUB on that group. RocketMQ asks for SUB on the group that the sender names, so
 * that anybody with a group of its own may send to every group's retry topic.
 * Rules: spec/remoting.md §8.
 */
import type { RemotingCommand } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { readHeartbeat, readLockBody } from '../processors/heartbeat-body.ts'
import { RETRY_PREFIX, retryTopic } from '../topics/names.ts'
import { PUB, SUB } from './permissions.ts'

export interface Need {
  /** A topic, or the retry topic that stands for a group. */
  readonly resource: string
  readonly permission: number
}
type Rule = (request: RemotingCommand) => Need[]

const NOTHING: Need[] = []

/** Throws RefusedRequest for a body that cannot be read. */
export function needsOf(request: RemotingCommand): readonly Need[] {
  return RULES.get(request.code)?.(request) ?? NOTHING
}

const sendTo = (key: string): Rule => {
  return ({ ext }) => {
    const topic = ext?.[key]
    if (topic === undefined) return NOTHING
    return [{ resource: topic, permission: topic.startsWith(RETRY_PREFIX) ? SUB : PUB }]
  }
}

/** SUB on what these ext fields name. Absent ones are the processor's to refuse. */
const subscribe = (fields: { group?: string; topic?: string }): Rule => {
  return ({ ext }) => {
    const needs: Need[] = []
    const topic = fields.topic === undefined ? undefined : ext?.[fields.topic]
    const group = fields.group === undefined ? undefined : ext?.[fields.group]
    if (topic !== undefined) needs.push({ resource: topic, permission: SUB })
    if (group !== undefined) needs.push({ resource: retryTopic(group), permission: SUB })
    return needs
  }
}

const heartbeat: Rule = (request) =>
  readHeartbeat(request).consumers.flatMap(({ group, subscriptions = [] }) => [
    { resource: retryTopic(group), permission: SUB },
    ...subscriptions.map(({ topic }) => ({ resource: topic, permission: SUB })),
  ])

const lock: Rule = (request) => [{ resource: retryTopic(readLockBody(request).group), permission: SUB }]

const consumer = subscribe({ group: 'consumerGroup', topic: 'topic' })

const RULES: ReadonlyMap<number, Rule> = new Map([
  [REQUEST.SEND_MESSAGE, sendTo('topic')],
  [REQUEST.SEND_MESSAGE_V2, sendTo('b')],
  [REQUEST.SEND_BATCH_MESSAGE, sendTo('b')],
  [REQUEST.CONSUMER_SEND_MSG_BACK, subscribe({ group: 'group' })],
  [REQUEST.PULL_MESSAGE, consumer],
  [REQUEST.LITE_PULL_MESSAGE, consumer],
  [REQUEST.QUERY_MESSAGE, subscribe({ topic: 'topic' })],
  [REQUEST.QUERY_CONSUMER_OFFSET, consumer],
  [REQUEST.UPDATE_CONSUMER_OFFSET, consumer],
  [REQUEST.HEART_BEAT, heartbeat],
  [REQUEST.UNREGISTER_CLIENT, subscribe({ group: 'consumerGroup' })],
  [REQUEST.GET_CONSUMER_LIST_BY_GROUP, subscribe({ group: 'consumerGroup' })],
  [REQUEST.LOCK_BATCH_MQ, lock],
  [REQUEST.UNLOCK_BATCH_MQ, lock],
  [REQUEST.POP_MESSAGE, consumer],
  [REQUEST.PEEK_MESSAGE, consumer],
  [REQUEST.ACK_MESSAGE, consumer],
  [REQUEST.CHANGE_MESSAGE_INVISIBLETIME, consumer],
  [REQUEST.NOTIFICATION, consumer],
  [REQUEST.POLLING_INFO, consumer],
])

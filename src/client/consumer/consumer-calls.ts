/**
 * What a consumer asks of brokers, each request with its rule of whom to ask: progress and locks at the queue's master, pulls where
 * the last answer suggested, the members of the group at any broker of the topic.
 *
 * Source: spec/client-behaviour.md §2; spec/broker-requests.md §4, §7–§9.
 */

import { type RemotingCommand, request } from '../../remoting/command.ts'
import { stringify } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../../remoting/schema.ts'
import {
  CONSUMER_SEND_MSG_BACK,
  GET_CONSUMER_LIST_BY_GROUP,
  GET_MAX_OFFSET,
  GET_MIN_OFFSET,
  OFFSET_ANSWER,
  PULL_MESSAGE,
  PULL_MESSAGE_ANSWER,
  QUERY_CONSUMER_OFFSET,
  SEARCH_OFFSET_BY_TIMESTAMP,
  UPDATE_CONSUMER_OFFSET,
} from '../../remoting/schemas/index.ts'
import { ClientError, refusedBy } from '../errors.ts'
import { subscriptionJson } from '../heartbeat.ts'
import type { ClientInstance } from '../instance.ts'
import { decodeMessages } from '../message/message-ext.ts'
import { MASTER_ID } from '../route.ts'
import { compareQueues, type MessageQueue } from './message-queue.ts'
import type { OffsetCalls } from './offsets/index.ts'
import type { ReceivedMessage } from './received-message.ts'
import type { SubscriptionData } from './subscription.ts'

const COMMIT_OFFSET = 1
const SUSPEND = 2
const SUBSCRIPTION = 4
const LITE = 16
const PULL_TIMEOUT_MS = 30_000
const SUSPEND_MS = 15_000
const ASK_TIMEOUT_MS = 5000
const LOCK_TIMEOUT_MS = 1000

export interface PullRequest {
  readonly queue: MessageQueue
  readonly offset: number
  readonly maxMsgNums: number
  /** Told to the master as consumed; not above 0: not told. */
  readonly commitOffset: number
  readonly subscription: SubscriptionData
  /** A lite pull consumer's: its subscription travels with it. */
  readonly isLite: boolean
  /** How long the broker holds it. */
  readonly suspendMs?: number
}

export interface PullAnswer {
  readonly status: 'FOUND' | 'NO_NEW_MSG' | 'NO_MATCHED_MSG' | 'OFFSET_ILLEGAL'
  readonly nextBeginOffset: number
  readonly minOffset: number
  readonly maxOffset: number
  readonly messages: ReceivedMessage[]
}

const STATUS: Record<number, PullAnswer['status']> = {
  [RESPONSE.SUCCESS]: 'FOUND',
  [RESPONSE.PULL_NOT_FOUND]: 'NO_NEW_MSG',
  [RESPONSE.PULL_RETRY_IMMEDIATELY]: 'NO_MATCHED_MSG',
  [RESPONSE.PULL_OFFSET_MOVED]: 'OFFSET_ILLEGAL',
}

/** Whether a broker answered with that code. */
export function isAnswered(error: unknown, code: number): boolean {
  return error instanceof ClientError && error.answerCode === code
}

export class ConsumerCalls implements OffsetCalls {
  private readonly instance: ClientInstance
  private readonly group: string
  /** Broker ids that pull answers suggested, by queue. */
  private readonly suggested = new Map<MessageQueue, number>()

  constructor(instance: ClientInstance, group: string) {
    this.instance = instance
    this.group = group
  }

  /** Held by the broker until there is something; rejects with ClientError. */
  async pull(pull: PullRequest): Promise<PullAnswer> {
    const { queue, subscription, isLite } = pull
    const place = this.placeFor(queue) ?? (await this.placeOfNewRoute(queue))
    const isMaster = place.brokerId === MASTER_ID
    const commits = isMaster && !isLite && pull.commitOffset > 0
    const header = encodeHeader(PULL_MESSAGE, {
      consumerGroup: this.group,
      topic: queue.topic,
      queueId: queue.queueId,
      queueOffset: pull.offset,
      maxMsgNums: pull.maxMsgNums,
      sysFlag: SUSPEND | (commits ? COMMIT_OFFSET : 0) | (isLite ? SUBSCRIPTION | LITE : 0),
      commitOffset: commits ? pull.commitOffset : 0,
      suspendTimeoutMillis: pull.suspendMs ?? SUSPEND_MS,
      subscription: isLite ? subscription.subString : undefined,
      subVersion: isLite && subscription.expressionType === 'TAG' ? 0 : subscription.subVersion,
      expressionType: subscription.expressionType,
      bname: queue.brokerName,
    })
    const answer = await this.instance.invoke(place.address, request(PULL_MESSAGE.code, header), PULL_TIMEOUT_MS)
    const status = STATUS[answer.code]
    if (status === undefined) throw refusedBy(place.address, PULL_MESSAGE.code, answer)
    const { suggestWhichBrokerId, ...offsets } = decodeHeader(PULL_MESSAGE_ANSWER, answer.ext)
    this.suggested.set(queue, suggestWhichBrokerId)
    return { status, ...offsets, messages: decodeMessages(answer.body, queue.brokerName, offsets) }
  }

  async queryConsumerOffset(queue: MessageQueue): Promise<number | undefined> {
    const header = { consumerGroup: this.group, topic: queue.topic, queueId: queue.queueId }
    const address = await this.offsetPlaceOf(queue)
    const also = { also: [RESPONSE.QUERY_NOT_FOUND], timeoutMs: ASK_TIMEOUT_MS }
    const answer = await this.instance.call(address, QUERY_CONSUMER_OFFSET, header, also)
    return answer.code === RESPONSE.QUERY_NOT_FOUND ? undefined : offsetIn(answer)
  }

  async updateConsumerOffset(queue: MessageQueue, commitOffset: number, confirmed: boolean): Promise<void> {
    const header = { consumerGroup: this.group, topic: queue.topic, queueId: queue.queueId, commitOffset }
    const address = await this.offsetPlaceOf(queue)
    const command = request(UPDATE_CONSUMER_OFFSET.code, encodeHeader(UPDATE_CONSUMER_OFFSET, header))
    if (confirmed) await this.instance.ask(address, command, { timeoutMs: ASK_TIMEOUT_MS })
    else await this.instance.oneway(address, command)
  }

  async maxOffset(queue: MessageQueue): Promise<number> {
    const { topic, queueId } = queue
    return offsetIn(await this.instance.call(await this.masterOf(queue), GET_MAX_OFFSET, { topic, queueId }))
  }

  async minOffset(queue: MessageQueue): Promise<number> {
    const { topic, queueId } = queue
    return offsetIn(await this.instance.call(await this.masterOf(queue), GET_MIN_OFFSET, { topic, queueId }))
  }

  /** Of the first message stored at that time or after. */
  async searchOffset(queue: MessageQueue, timestamp: number): Promise<number> {
    const { topic, queueId } = queue
    const header = { topic, queueId, timestamp: Math.trunc(timestamp) }
    return offsetIn(await this.instance.call(await this.masterOf(queue), SEARCH_OFFSET_BY_TIMESTAMP, header))
  }

  /** Client ids of the group; undefined while the topic has no route. */
  async members(topic: string): Promise<string[] | undefined> {
    const { routes } = this.instance
    if (routes.known(topic) === undefined) await routes.look(topic)
    const address = routes.anyBrokerOf(topic)
    if (address === undefined) return undefined
    const answer = await this.instance.call(address, GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: this.group })
    const body =
      answer.body === undefined ? {} : (JSON.parse(Buffer.from(answer.body).toString()) as { consumerIdList?: unknown })
    return Array.isArray(body.consumerIdList) ? body.consumerIdList.filter((id) => typeof id === 'string') : []
  }

  /** 36: the broker keeps a copy for later, or in the DLQ. `topic`: as it travels. */
  async sendBack(
    message: { brokerName: string; commitLogOffset: number; msgId: string; topic: string },
    delayLevel: number,
    maxReconsumeTimes: number,
  ): Promise<void> {
    const header = {
      offset: message.commitLogOffset,
      group: this.group,
      delayLevel,
      originMsgId: message.msgId,
      originTopic: message.topic,
      unitMode: this.instance.options.unitMode,
      maxReconsumeTimes,
    }
    const address = await this.instance.masterOf(message.brokerName, message.topic)
    await this.instance.call(address, CONSUMER_SEND_MSG_BACK, header, { timeoutMs: ASK_TIMEOUT_MS })
  }

  /** Those of the queues (all of one broker) whose lock is ours now. */
  async lock(queues: readonly MessageQueue[]): Promise<MessageQueue[]> {
    const body = this.locksBody(queues)
    const command = request(REQUEST.LOCK_BATCH_MQ, undefined, body)
    const answer = await this.instance.ask(await this.masterOf(queues[0]), command, { timeoutMs: LOCK_TIMEOUT_MS })
    const { lockOKMQSet = [] } = JSON.parse(Buffer.from(answer.body ?? Buffer.from('{}')).toString()) as {
      lockOKMQSet?: MessageQueue[]
    }
    return queues.filter((queue) => lockOKMQSet.some((granted) => compareQueues(granted, queue) === 0))
  }

  async unlock(queues: readonly MessageQueue[]): Promise<void> {
    const command = request(REQUEST.UNLOCK_BATCH_MQ, undefined, this.locksBody(queues))
    await this.instance.ask(await this.masterOf(queues[0]), command, { timeoutMs: LOCK_TIMEOUT_MS })
  }

  /** 46: rejects where the broker refuses the subscription (an SQL92 expression that does not parse, or no SQL92 at all). */
  async checkSubscription(subscription: SubscriptionData): Promise<void> {
    const { routes } = this.instance
    const address = routes.anyBrokerOf(subscription.topic)
    if (address === undefined) return
    const { clientId } = this.instance
    const body = stringify({ clientId, group: this.group, subscriptionData: subscriptionJson(subscription) })
    await this.instance.ask(address, request(REQUEST.CHECK_CLIENT_CONFIG, undefined, Buffer.from(body)))
  }

  /** What was suggested for a queue that is no longer ours. */
  forget(queue: MessageQueue): void {
    this.suggested.delete(queue)
  }

  private locksBody(queues: readonly MessageQueue[]): Buffer {
    const mqSet = queues.map(({ brokerName, queueId, topic }) => ({ brokerName, queueId, topic }))
    return Buffer.from(stringify({ clientId: this.instance.clientId, consumerGroup: this.group, mqSet }))
  }

  private placeFor(queue: MessageQueue) {
    return this.instance.routes.placeOf(queue.brokerName, this.suggested.get(queue) ?? MASTER_ID)
  }

  private async placeOfNewRoute(queue: MessageQueue) {
    await this.instance.routes.look(queue.topic)
    const place = this.placeFor(queue)
    if (place !== undefined) return place
    throw new ClientError('NO_BROKER', {
      what: `no address of broker ${queue.brokerName} is known, which has queue ${queue.queueId} of ${queue.topic}`,
      hint: 'see whether the broker is up and registered',
      retriable: true,
    })
  }

  private masterOf({ brokerName, topic }: MessageQueue): Promise<string> {
    return this.instance.masterOf(brokerName, topic)
  }

  /** The master's; where it is gone, any of the group keeps offsets for it. */
  private async offsetPlaceOf(queue: MessageQueue): Promise<string> {
    return await this.masterOf(queue)
  }
}

function offsetIn(answer: RemotingCommand): number {
  return decodeHeader(OFFSET_ANSWER, answer.ext).offset
}

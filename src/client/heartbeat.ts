/**
 * What a client says of itself to brokers: the groups that it produces for, the groups that it consumes for with their
 * subscriptions. Body of HEART_BEAT (34): spec/broker-requests.md §9.
 */
import { type RemotingCommand, request } from '../remoting/command.ts'
import { stringify } from '../remoting/fastjson.ts'
import { REQUEST } from '../remoting/request-codes.ts'

export type ConsumeType = 'CONSUME_ACTIVELY' | 'CONSUME_PASSIVELY'
export type MessageModel = 'CLUSTERING' | 'BROADCASTING'
export type ConsumeFromWhere = 'CONSUME_FROM_LAST_OFFSET' | 'CONSUME_FROM_FIRST_OFFSET' | 'CONSUME_FROM_TIMESTAMP'

export interface SubscriptionData {
  readonly topic: string
  readonly subString: string
  readonly expressionType: 'TAG' | 'SQL92'
  readonly tagsSet: readonly string[]
  readonly codeSet: readonly number[]
  /** Milliseconds when it was made; the newer one holds. */
  readonly subVersion: number
  readonly classFilterMode: boolean
}

export interface ConsumerData {
  readonly groupName: string
  readonly consumeType: ConsumeType
  readonly messageModel: MessageModel
  readonly consumeFromWhere: ConsumeFromWhere
  readonly unitMode: boolean
  readonly subscriptionDataSet: readonly SubscriptionData[]
}

/** The body of a heartbeat and of CHECK_CLIENT_CONFIG's subscription are Java's beans: keys in alphabetical order. */
export function heartbeatRequest(
  clientId: string,
  producerGroups: readonly string[],
  consumers: readonly ConsumerData[],
): RemotingCommand {
  const body = stringify({
    clientID: clientId,
    consumerDataSet: consumers.map((data) => ({
      consumeFromWhere: data.consumeFromWhere,
      consumeType: data.consumeType,
      groupName: data.groupName,
      messageModel: data.messageModel,
      subscriptionDataSet: data.subscriptionDataSet.map(subscriptionJson),
      unitMode: data.unitMode,
    })),
    producerDataSet: producerGroups.map((groupName) => ({ groupName })),
  })
  return request(REQUEST.HEART_BEAT, undefined, Buffer.from(body))
}

export function subscriptionJson(data: SubscriptionData) {
  return {
    classFilterMode: data.classFilterMode,
    codeSet: data.codeSet,
    expressionType: data.expressionType,
    subString: data.subString,
    subVersion: data.subVersion,
    tagsSet: data.tagsSet,
    topic: data.topic,
  }
}

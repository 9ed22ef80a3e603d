/** The generic way to PullFields: any pull that scanPull declined. Also what scanPull is proved equal to. */
import type { RemotingCommand } from '../command.ts'
import { decodeHeader } from '../schema.ts'
import { PULL_MESSAGE } from '../schemas/pull.ts'
import type { PullFields } from './pull-fields.ts'

/**
 * Fills `out` from a decoded pull; its ranges point into the buffer that is returned.
 * Throws RemotingError MISSING_FIELD or BAD_FIELD: the request is answered with code 1.
 */
export function genericPull(it: RemotingCommand, out: PullFields): Buffer {
  const header = decodeHeader(PULL_MESSAGE, it.ext)
  const group = Buffer.from(header.consumerGroup)
  const topic = Buffer.from(header.topic)
  const subscription = Buffer.from(header.subscription ?? '')
  const expressionType = Buffer.from(header.expressionType ?? '')
  out.code = it.code
  out.opaque = it.opaque
  out.flag = it.flag
  out.version = it.version
  out.serialize = it.serialize
  out.groupStart = 0
  out.groupEnd = out.topicStart = group.length
  out.topicEnd = out.topicStart + topic.length
  out.subscriptionStart = header.subscription === undefined ? -1 : out.topicEnd
  out.subscriptionEnd = header.subscription === undefined ? -1 : out.topicEnd + subscription.length
  const typeAt = out.topicEnd + subscription.length
  out.expressionTypeStart = header.expressionType === undefined ? -1 : typeAt
  out.expressionTypeEnd = header.expressionType === undefined ? -1 : typeAt + expressionType.length
  out.queueId = header.queueId
  out.queueOffset = header.queueOffset
  out.maxMsgNums = header.maxMsgNums
  out.sysFlag = header.sysFlag
  out.commitOffset = header.commitOffset
  out.suspendTimeoutMillis = header.suspendTimeoutMillis
  out.subVersion = header.subVersion
  out.maxMsgBytes = header.maxMsgBytes ?? -1
  return Buffer.concat([group, topic, subscription, expressionType])
}

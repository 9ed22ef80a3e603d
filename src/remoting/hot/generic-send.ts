/**
 * The generic way to SendFields: any send that scanSend declined (V1 names, escapes, odd headers), from its decoded form.
 * Also what scanSend is proved equal to.
 */
import { RemotingError } from '../../errors.ts'
import type { RemotingCommand } from '../command.ts'
import { REQUEST } from '../request-codes.ts'
import { decodeHeader } from '../schema.ts'
import { SEND_MESSAGE, SEND_MESSAGE_V2 } from '../schemas/send.ts'
import { PROPERTIES_MAX, type SendFields } from './send-fields.ts'

const NO_BODY = Buffer.alloc(0)

/**
 * Fills `out` from a decoded send; its ranges point into the buffer that is returned (topic, group, default topic, body).
 * Throws RemotingError MISSING_FIELD, BAD_FIELD or PROPERTIES_TOO_LONG: the request is answered with code 1 or 13.
 */
export function genericSend(it: RemotingCommand, out: SendFields): Buffer {
  const isLong = it.code === REQUEST.SEND_MESSAGE || it.code === REQUEST.SEND_REPLY_MESSAGE
  const header = decodeHeader(isLong ? SEND_MESSAGE : SEND_MESSAGE_V2, it.ext)
  const group = Buffer.from(header.producerGroup)
  const topic = Buffer.from(header.topic)
  const defaultTopic = Buffer.from(header.defaultTopic)
  const body = it.body ?? NO_BODY
  out.code = it.code
  out.opaque = it.opaque
  out.flag = it.flag
  out.version = it.version
  out.serialize = it.serialize
  out.topicStart = 0
  out.topicEnd = out.groupStart = topic.length
  out.groupEnd = out.defaultTopicStart = out.groupStart + group.length
  out.defaultTopicEnd = out.bodyStart = out.defaultTopicStart + defaultTopic.length
  out.bodyEnd = out.bodyStart + body.length
  out.defaultTopicQueueNums = header.defaultTopicQueueNums
  out.queueId = header.queueId
  out.sysFlag = header.sysFlag
  out.bornTimestamp = header.bornTimestamp
  out.messageFlag = header.flag
  out.reconsumeTimes = header.reconsumeTimes
  out.maxReconsumeTimes = header.maxReconsumeTimes ?? -1
  out.batch = header.batch
  out.unitMode = header.unitMode
  out.propertiesLength = putProperties(header.properties ?? '', out)
  out.findSeparators()
  return Buffer.concat([topic, group, defaultTopic, body])
}

function putProperties(properties: string, out: SendFields): number {
  const length = Buffer.byteLength(properties)
  if (length > PROPERTIES_MAX) {
    throw new RemotingError('PROPERTIES_TOO_LONG', {
      what: `the properties have ${length} bytes, at most 32767 are stored`,
    })
  }
  return out.properties.write(properties)
}

/**
 * CHECK_TRANSACTION_STATE (39): what a producer is asked about a half that nobody has decided.
 *
 * The header names the copy that now stands for the half; the body is its record as the sender knows it, with topic and
 * queue of its own. Format: spec/broker-requests.md §10, and the recorded frames.
 */
import { type RemotingCommand, request } from '../../remoting/command.ts'
import { encodeHeader } from '../../remoting/schema.ts'
import { CHECK_TRANSACTION_STATE } from '../../remoting/schemas/send.ts'
import { offsetMsgId } from '../../store/commitlog/offset-msg-id.ts'
import { recordSize, writeRecord } from '../../store/commitlog/record.ts'
import type { InternalMessage, PutResult } from '../put/index.ts'
import type { Half } from './half-message.ts'

export function checkRequest(half: Half, copy: InternalMessage, stored: PutResult): RemotingCommand {
  const { uniqueKey, message } = half
  const ext = encodeHeader(CHECK_TRANSACTION_STATE, {
    tranStateTableOffset: stored.queueOffset,
    commitLogOffset: stored.physicalOffset,
    msgId: uniqueKey,
    transactionId: uniqueKey,
    offsetMsgId: offsetMsgId(message.storeHost, stored.physicalOffset),
  })
  return request(CHECK_TRANSACTION_STATE.code, ext, recordOf(half, copy, stored))
}

function recordOf({ message, realTopic, realQueueId }: Half, copy: InternalMessage, stored: PutResult): Buffer {
  const properties = Buffer.from(copy.properties)
  const { bornHost, storeHost } = message
  const [born, store] = [bornHost.address.length, storeHost.address.length]
  const size = recordSize(copy.body.length, realTopic.length, properties.length, born, store)
  const bytes = Buffer.alloc(size)
  writeRecord(bytes, new DataView(bytes.buffer, bytes.byteOffset, size), 0, {
    queueId: realQueueId,
    bodyCRC: message.bodyCRC,
    flag: copy.flag,
    queueOffset: stored.queueOffset,
    physicalOffset: stored.physicalOffset,
    sysFlag: copy.sysFlag,
    bornTimestamp: copy.bornTimestamp,
    bornHost,
    storeTimestamp: message.storeTimestamp,
    storeHost,
    reconsumeTimes: copy.reconsumeTimes,
    body: copy.body,
    topic: realTopic,
    properties,
  })
  return bytes
}

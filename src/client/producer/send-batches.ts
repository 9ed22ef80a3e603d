/**
 * Sends batches one after the other and says what became of every message: in the order in which they were given, also where a request
 * fails after others have ended well.
 */
import { abortedBy, ClientError, type ClientErrorDetails, orAborted } from '../errors.ts'
import type { Message } from '../message/message.ts'
import type { Batch } from './batch.ts'
import type { Outgoing } from './outgoing.ts'
import type { SendResult } from './send-result.ts'

export interface BatchSending {
  send(batch: Batch): Promise<SendResult>
  /** Told of every message that is stored. */
  sent(message: Message, result: SendResult, out: Outgoing): void
  readonly signal: AbortSignal | undefined
}

/** Rejects with ClientError, whose `sent` has the results of what is stored. */
export async function sendBatches(
  messages: readonly Message[],
  batches: readonly Batch[],
  { send, sent, signal }: BatchSending,
): Promise<SendResult[]> {
  const results = new Map<Message, SendResult[]>()
  const stored = () => messages.flatMap((message) => results.get(message)?.shift() ?? [])
  for (const batch of batches) {
    try {
      if (signal?.aborted === true) throw abortedBy(signal)
      const result = await orAborted(send(batch), signal)
      const places = result.offsetMsgId.split(',')
      batch.messages.forEach((message, i) => {
        const one: SendResult = {
          ...result,
          msgId: batch.msgIds[i],
          offsetMsgId: places[i] ?? '',
          queueOffset: result.queueOffset + i,
        }
        const list = results.get(message)
        if (list === undefined) results.set(message, [one])
        else list.push(one)
        sent(message, one, batch.outgoing)
      })
    } catch (error) {
      throw partial(error, stored(), messages.length)
    }
  }
  return stored()
}

function partial(error: unknown, sent: SendResult[], of: number): unknown {
  if (!(error instanceof ClientError)) return error
  const details: ClientErrorDetails = {
    what: `${sent.length} of ${of} messages are stored: ${error.what}`,
    address: error.address,
    hint: error.hint,
    retriable: error.retriable,
    ...(error.answerCode !== undefined && { answerCode: error.answerCode }),
    cause: error.cause ?? error,
    sent,
  }
  return new ClientError(error.code, details)
}

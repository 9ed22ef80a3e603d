/** Messages by key 12 and by physical offset 33. Rules: spec/broker-requests.md §8. */
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../../remoting/schema.ts'
import { QUERY_MESSAGE, QUERY_MESSAGE_ANSWER, VIEW_MESSAGE_BY_ID } from '../../remoting/schemas/pull.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { checkTopic, refuse } from './support.ts'

/** Largest time that Date takes; tools ask up to Long.MAX_VALUE. */
const DATE_MS_MAX = 8.64e15

export function queryProcessors(context: AdminContext): [number, Processor][] {
  return [
    [REQUEST.QUERY_MESSAGE, (request) => byKey(context, request)],
    [REQUEST.VIEW_MESSAGE_BY_ID, (request) => byOffset(context, request)],
  ]
}

async function byKey({ store, settings }: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const header = decodeHeader(QUERY_MESSAGE, request.ext)
  const { topic, key, beginTimestamp, endTimestamp } = header
  checkTopic(topic)
  if (header.maxNum < 0) throw refuse(RESPONSE.SYSTEM_ERROR, `maxNum is ${header.maxNum}, allowed are 0 and more`)
  const wished = header.uniqueKeyQuery ? settings.defaultQueryMaxNum : header.maxNum
  const maxNum = Math.min(wished, settings.maxMsgsNumBatch)
  const found = await store.queryByKey({ topic, key, maxNum, beginTimestamp, endTimestamp })
  const answer =
    found.records.length > 0
      ? answerTo(request, RESPONSE.SUCCESS)
      : answerTo(
          request,
          RESPONSE.QUERY_NOT_FOUND,
          nothingFound(beginTimestamp, endTimestamp, found.indexLastUpdateTimestamp),
        )
  const { indexLastUpdateTimestamp, indexLastUpdatePhyoffset } = found
  answer.ext = encodeHeader(QUERY_MESSAGE_ANSWER, { indexLastUpdateTimestamp, indexLastUpdatePhyoffset })
  if (found.records.length > 0) answer.body = Buffer.concat(found.records)
  return answer
}

async function byOffset({ store }: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { offset } = decodeHeader(VIEW_MESSAGE_BY_ID, request.ext)
  const isInLog = Number.isSafeInteger(offset) && offset >= store.logMin() && offset < store.logMax()
  const record = isInLog ? await store.view(offset) : undefined
  if (record === undefined) {
    throw refuse(RESPONSE.SYSTEM_ERROR, `can not find message by the offset, ${request.ext?.offset}`)
  }
  const answer = answerTo(request, RESPONSE.SUCCESS)
  answer.body = record
  return answer
}

/** RocketMQ's words, and what was looked at: clients whose clock is another one search beside their messages. */
function nothingFound(begin: number, end: number, indexedUntil: number): string {
  const said = (ms: number) => (Math.abs(ms) <= DATE_MS_MAX ? new Date(ms).toISOString() : String(ms))
  const index = indexedUntil > 0 ? `the index ends at ${said(indexedUntil)}` : 'the index is empty'
  return `can not find message, maybe time range not correct: searched were store times ${said(begin)} to ${said(end)}, ${index}`
}

/**
 * What processors share: answers with a JSON body, bodies that are read, names and queue numbers that are checked.
 */
import { describe } from '../../errors.ts'
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import { parse } from '../../remoting/fastjson.ts'
import { requestName } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { RefusedRequest } from '../router.ts'
import { groupNameFault, topicNameFault } from '../topics/names.ts'

/** Code 0 with the value as JSON body. */
export function jsonAnswer(request: RemotingCommand, value: unknown): RemotingCommand {
  return textAnswer(request, JSON.stringify(value))
}

export function textAnswer(request: RemotingCommand, text: string): RemotingCommand {
  const answer = answerTo(request, RESPONSE.SUCCESS)
  answer.body = Buffer.from(text)
  return answer
}

/** Code 0 with header fields. */
export function headerAnswer(request: RemotingCommand, ext: Record<string, string>): RemotingCommand {
  const answer = answerTo(request, RESPONSE.SUCCESS)
  answer.ext = ext
  return answer
}

export function refuse(code: number, remark: string): RefusedRequest {
  return new RefusedRequest(code, remark)
}

/** The body as a JSON object. Throws RefusedRequest (code 1) naming the request. */
export function jsonBody(request: RemotingCommand): Record<string, unknown> {
  const { body } = request
  if (body === undefined) throw badBody(request, 'is missing')
  let value: unknown
  try {
    value = parse(body)
  } catch (error) {
    throw badBody(request, `is no JSON: ${describe(error)}`)
  }
  if (isObject(value)) return value
  throw badBody(request, 'is no JSON object')
}

/** A JSON object that is no list and no map with objects as keys. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)
}

export function badBody(request: RemotingCommand, what: string): RefusedRequest {
  return refuse(RESPONSE.SYSTEM_ERROR, `the body of request ${requestName(request.code)} ${what}`)
}

/** A text of the body that must be there. */
export function bodyText(request: RemotingCommand, body: Record<string, unknown>, key: string): string {
  const value = body[key]
  if (typeof value === 'string' && value !== '') return value
  throw badBody(request, `has no ${key}`)
}

/** A list of the body; absent and null are the empty list. */
export function bodyList(request: RemotingCommand, body: Record<string, unknown>, key: string): unknown[] {
  const value = body[key]
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  throw badBody(request, `has a ${key} that is no list`)
}

/** Names become folders and keys: every door looks at them. Throws RefusedRequest (code 1). */
export function checkTopic(topic: string): void {
  const fault = topicNameFault(topic)
  if (fault !== undefined) throw refuse(RESPONSE.SYSTEM_ERROR, fault)
}

export function checkGroup(group: string): void {
  const fault = groupNameFault(group)
  if (fault !== undefined) throw refuse(RESPONSE.SYSTEM_ERROR, fault)
}

export function checkQueueId(queueId: number): void {
  if (queueId < 0) throw refuse(RESPONSE.SYSTEM_ERROR, `queueId is ${queueId}, queues count from 0`)
}

/** Runs `work` for 0 … count − 1, at most 64 at a time: a topic may have thousands of queues. */
export async function forEachQueue(count: number, work: (queueId: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < count; start += 64) {
    const some = Array.from({ length: Math.min(64, count - start) }, (_, i) => work(start + i))
    await Promise.all(some)
  }
}

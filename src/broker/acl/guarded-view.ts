/**
 * Request 33 names an offset and no topic: whether its message may be seen is known when it is read. (In RocketMQ every
 * account sees every message.)
 */
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeRecord } from '../../store/commitlog/index.ts'
import { type Processor, RefusedRequest } from '../router.ts'
import { TOPIC } from '../topics/names.ts'
import { AclError } from './acl-error.ts'
import { checkSeen } from './guard.ts'
import type { AclRules } from './rules.ts'

/** The broker's own topics in which a message waits for its topic. */
const WAITING: ReadonlySet<string> = new Set([TOPIC.schedule, TOPIC.half])

export function guardedView(view: Processor, source: { readonly rules: AclRules }): Processor {
  return async (request, connection) => {
    const answer = await view(request, connection)
    const record = answer?.body && decodeRecord(answer.body)
    if (record === undefined) return answer
    const topic = WAITING.has(record.topic) ? (record.properties.get('REAL_TOPIC') ?? record.topic) : record.topic
    try {
      checkSeen(source.rules, request, connection.remoteHost, topic)
    } catch (error) {
      if (error instanceof AclError) throw new RefusedRequest(RESPONSE.SYSTEM_ERROR, error.remark)
      throw error
    }
    return answer
  }
}

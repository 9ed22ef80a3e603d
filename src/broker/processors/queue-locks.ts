/** Ordered consumption: lock 41 and unlock 42 of queues. Rules: spec/broker-requests.md §9. */
import { answerTo } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { readLockBody } from './heartbeat-body.ts'
import { checkGroup, jsonAnswer } from './support.ts'

export function lockProcessors({ locks }: AdminContext): [number, Processor][] {
  return [
    [
      REQUEST.LOCK_BATCH_MQ,
      (request) => {
        const { group, clientId, queues } = readLockBody(request)
        checkGroup(group)
        return jsonAnswer(request, { lockOKMQSet: locks.lock(group, queues, clientId) })
      },
    ],
    [
      REQUEST.UNLOCK_BATCH_MQ,
      (request) => {
        const { group, clientId, queues } = readLockBody(request)
        locks.unlock(group, queues, clientId)
        return answerTo(request, RESPONSE.SUCCESS)
      },
    ],
  ]
}

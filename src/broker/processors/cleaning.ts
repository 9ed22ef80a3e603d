/**
 * Removal before its time: expired queues 306, queues of unknown topics 316, expired segments of the log 329.
 * Rules: spec/broker-requests.md §15.
 */
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'

export function cleaningProcessors(context: AdminContext): [number, Processor][] {
  const { cleaning } = context
  return [
    [
      REQUEST.CLEAN_EXPIRED_CONSUMEQUEUE,
      async (request, connection) =>
        done(context, request, connection, 'expired queues', await cleaning.expiredQueues()),
    ],
    [
      REQUEST.CLEAN_UNUSED_TOPIC,
      (request, connection) => done(context, request, connection, 'queues of unknown topics', cleaning.unusedTopics()),
    ],
    [
      REQUEST.DELETE_EXPIRED_COMMITLOG,
      (request, connection) => {
        cleaning.expiredLog()
        return done(context, request, connection, 'expired segments of the log, from now on', [])
      },
    ],
  ]
}

function done(
  { log }: AdminContext,
  request: RemotingCommand,
  connection: Connection,
  what: string,
  names: readonly string[],
): RemotingCommand {
  log.info(`an administrator had ${what} removed`, { removed: names.join(), remote: connection.remoteAddress })
  return answerTo(request, RESPONSE.SUCCESS)
}

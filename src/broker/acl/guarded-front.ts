/**
 * Stands before a port's front while aclEnable is true: each request is decoded the generic way and checked; what is allowed
 * goes on as it came, to the hot paths too. Without ACL it does not exist, and costs nothing.
 *
 * What is checked is what is served: the scanners of the hot paths read exactly what the generic decoder reads, or nothing
 * (test/remoting/hot.test.ts). A frame that was not taken is checked again when it is offered again.
 */
import { BasaltError, describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { answerTo, isAnswer, isOneway, type RemotingCommand } from '../../remoting/command.ts'
import type { Connection, FrameHandler } from '../../remoting/connection.ts'
import { decodeCommand } from '../../remoting/frame.ts'
import { LimitedLog } from '../../remoting/limited-log.ts'
import { requestName } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { AclError } from './acl-error.ts'
import { checkRequest } from './guard.ts'
import type { AclRules } from './rules.ts'

const LINES_PER_SECOND = 5

export class GuardedFront implements FrameHandler {
  private readonly inner: FrameHandler
  private readonly source: { readonly rules: AclRules }
  private readonly log: LimitedLog

  constructor(inner: FrameHandler, source: { readonly rules: AclRules }, log: Log) {
    this.inner = inner
    this.source = source
    this.log = new LimitedLog(log, LINES_PER_SECOND)
  }

  opened(connection: Connection): void {
    this.inner.opened(connection)
  }

  closed(connection: Connection, reason: string): void {
    this.inner.closed(connection, reason)
  }

  frame(connection: Connection, bytes: Buffer, start: number, end: number): 'taken' | 'later' {
    const command = decodeCommand(bytes, start, end)
    if (!isAnswer(command)) {
      const remark = this.refusal(command, connection)
      if (remark !== undefined) {
        if (!isOneway(command)) connection.send(answerTo(command, RESPONSE.SYSTEM_ERROR, remark))
        return 'taken'
      }
    }
    return this.inner.frame(connection, bytes, start, end)
  }

  private refusal(command: RemotingCommand, connection: Connection): string | undefined {
    try {
      checkRequest(this.source.rules, command, connection.remoteHost)
      return undefined
    } catch (error) {
      if (!(error instanceof BasaltError)) throw error
      const name = requestName(command.code)
      this.log.warn(`request ${name} refused by the access rules: ${error.what}`, { peer: connection.remoteAddress })
      return error instanceof AclError ? error.remark : describe(error)
    }
  }
}

/**
 * The port of this member: frames in, requests decoded and addressed, answers out. One header code for all that is processed (200);
 * the result is `code` in the body (spec/dledger.md §3.1).
 */

import type { Clock } from '../../clock.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { answerTo, isOneway, type RemotingCommand } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import { decodeCommand } from '../../remoting/frame.ts'
import { RemotingServer } from '../../remoting/server.ts'
import { CODES, type MemberRequest, type MemberResponse } from '../core/index.ts'
import {
  type ClientRequest,
  type ClientResponse,
  readRequest,
  refusal,
  type TimersMark,
  writeResponse,
  wrongAddress,
} from '../wire/index.ts'

export type AnyRequest = MemberRequest | ClientRequest
export type AnyResponse = MemberResponse | ClientResponse

export interface MemberServerOptions {
  group: string
  selfId: string
  host?: string | undefined
  port: number
  /** What this member believes, for answers to requests that are for somebody else. */
  leaderId: () => string | undefined
  /** Said with each answer to a member. */
  timers?: TimersMark | undefined
  /** `reply` is called at most once, now or later. What it throws is told to the asker as a failure. */
  handle: (request: AnyRequest, reply: (response: AnyResponse) => void) => void
  log: Log
  clock: Clock
}

const SYSTEM_ERROR = 1
const NOT_SUPPORTED = 3

export class MemberServer {
  private readonly options: MemberServerOptions
  private readonly server: RemotingServer

  constructor(options: MemberServerOptions) {
    this.options = options
    const { host, port, log, clock } = options
    this.server = new RemotingServer({
      host,
      port,
      log,
      clock,
      handler: {
        opened() {},
        closed() {},
        frame: (connection, bytes, start, end) => {
          this.take(connection, decodeCommand(bytes, start, end))
          return 'taken'
        },
      },
    })
  }

  /** The port. Rejects with RemotingError PORT_IN_USE or LISTEN_FAILED. */
  listen(): Promise<number> {
    return this.server.listen()
  }

  close(): Promise<void> {
    return this.server.close()
  }

  private take(connection: Connection, asked: RemotingCommand): void {
    const { group, selfId, handle, leaderId, timers } = this.options
    const send = (answer: RemotingCommand) => {
      if (!isOneway(asked)) connection.send(answer)
    }
    const reply = (response: AnyResponse) => {
      const answer = answerTo(asked, CODES.SUCCESS)
      answer.body = writeResponse(response, timers)
      send(answer)
    }
    try {
      const request = readRequest(asked.code, asked.body)
      if (request === undefined) {
        send(answerTo(asked, NOT_SUPPORTED, ` request type ${asked.code} not supported`))
        return
      }
      const wrong = wrongAddress(request, selfId, group)
      if (wrong !== undefined) reply(refusal(request, wrong, leaderId()))
      else handle(request, reply)
    } catch (error) {
      send(answerTo(asked, SYSTEM_ERROR, describe(error)))
    }
  }
}

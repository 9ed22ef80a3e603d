/**
 * From a request to its answer: one processor a request code.
 *
 * Unknown codes are answered 3. What a processor throws becomes code 1 and its text (a RefusedRequest brings its own
 * code), so that a bad request costs one answer and never a connection. A broken invariant is thrown on.
 * Rules: spec/remoting.md §7.
 */
import { AssertionError } from '../assert.ts'
import { BasaltError } from '../errors.ts'
import type { Log } from '../log.ts'
import { answerTo, isOneway, type RemotingCommand } from '../remoting/command.ts'
import type { Connection } from '../remoting/connection.ts'
import { requestName } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'

type Answer = RemotingCommand | undefined

/** Undefined: no answer (yet). The request's body is its own copy. */
export type Processor = (request: RemotingCommand, connection: Connection) => Answer | Promise<Answer>
export type Processors = ReadonlyMap<number, Processor>

/** A request that the rules refuse: its answer's code and remark. Not logged: the client is told. */
export class RefusedRequest extends BasaltError {
  override name = 'RefusedRequest'
  readonly responseCode: number

  constructor(responseCode: number, remark: string) {
    super('REFUSED', { what: remark })
    this.responseCode = responseCode
  }
}

/** The remark may be long where it quotes what was sent; a client needs its beginning. */
const REMARK_LENGTH_MAX = 4_096

/** Why a request is not taken at all (code 16), or undefined. */
export type Admission = (request: RemotingCommand, connection: Connection) => string | undefined

export class Router {
  private readonly processors: Processors
  private readonly log: Log
  private readonly refusal: Admission | undefined

  constructor(processors: Processors, log: Log, refusal?: Admission) {
    this.processors = processors
    this.log = log
    this.refusal = refusal
  }

  /** Undefined: nothing is to be sent, because the request is one-way or has no answer. */
  async handle(request: RemotingCommand, connection: Connection): Promise<Answer> {
    const processor = this.processors.get(request.code)
    if (processor === undefined) return this.unknown(request)
    try {
      const refusal = this.refusal?.(request, connection)
      if (refusal !== undefined) throw this.refused(request, connection, refusal)
      const answer = await processor(request, connection)
      return isOneway(request) ? undefined : answer
    } catch (error) {
      if (error instanceof AssertionError) throw error
      return this.failed(request, connection, error)
    }
  }

  private refused(request: RemotingCommand, connection: Connection, remark: string): RefusedRequest {
    this.log.warn(`request ${requestName(request.code)} refused: ${remark}`, { peer: connection.remoteAddress })
    return new RefusedRequest(RESPONSE.NO_PERMISSION, remark)
  }

  private unknown(request: RemotingCommand): Answer {
    if (isOneway(request)) return undefined
    return answerTo(request, RESPONSE.REQUEST_CODE_NOT_SUPPORTED, ` request type ${request.code} not supported`)
  }

  private failed(request: RemotingCommand, connection: Connection, error: unknown): Answer {
    const code = error instanceof RefusedRequest ? error.responseCode : RESPONSE.SYSTEM_ERROR
    const remark = textOf(error).slice(0, REMARK_LENGTH_MAX)
    if (!(error instanceof BasaltError)) {
      this.log.error(`request ${requestName(request.code)} failed: ${remark}`, {
        code: request.code,
        remote: connection.remoteAddress,
        stack: error instanceof Error ? error.stack : undefined,
      })
    }
    return isOneway(request) ? undefined : answerTo(request, code, remark)
  }
}

function textOf(error: unknown): string {
  if (error instanceof BasaltError) return error.message
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

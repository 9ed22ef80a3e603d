/**
 * The one error of the client: what went wrong, at which address, what to do, and whether trying again may help.
 *
 *   code        stable for machines: CLIENT_ERRORS
 *   address     of the broker or NameServer that it concerns
 *   hint        what the reader can do about it
 *   answerCode  what the broker answered (RESPONSE), where it did
 *   cause       the error below it
 */
import { BasaltError, describe, RemotingError } from '../errors.ts'
import type { RemotingCommand } from '../remoting/command.ts'
import { requestName } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import type { SendResult } from './producer/send-result.ts'

/** Every code that a ClientError has, and what it means. */
export const CLIENT_ERRORS = {
  BAD_OPTION: 'an option is missing, of the wrong kind or out of range',
  BAD_MESSAGE: 'the message cannot be sent: topic, body, size or properties',
  BAD_LISTENER: 'a listener gave back what it must not, or is missing',
  CLIENT_CLOSED: 'the client is closed, or was never started',
  GROUP_IN_USE: 'the group is registered already with this client id',
  NO_NAMESRV: 'no NameServer answers',
  NO_ROUTE: 'no broker has the topic',
  NO_BROKER: 'no address of the broker is known',
  NOT_REACHED: 'no connection, or it was lost before the answer',
  TIMEOUT: 'no answer in time',
  REFUSED: 'the broker answered with something else than success: see answerCode',
  SEND_FAILED: 'all tries of a send failed: see cause for the last',
  REQUEST_TIMEOUT: 'the request was sent, but no reply came in time',
  ABORTED: 'the AbortSignal was aborted: see cause for its reason',
  BAD_ANSWER: 'an answer that does not hold what it must',
  COMPRESSION: 'a body cannot be compressed or decompressed',
  ONCE_BUSY: 'once(): somebody else is at the key',
  ONCE_LEASE_LOST: 'once(): the effect took longer than its lease, and the key has another holder',
} as const
/** Codes of ClientError. */
export type ClientErrorCode = keyof typeof CLIENT_ERRORS

/** What a ClientError is made of. */
export interface ClientErrorDetails {
  /** What happened, with names and numbers. */
  what: string
  /** Of the broker or NameServer, "host:port". */
  address?: string | undefined
  /** What the reader can do about it. */
  hint?: string | undefined
  /** Whether the same may succeed later. */
  retriable?: boolean
  /** What the broker answered. */
  answerCode?: number
  /** The error below it. */
  cause?: unknown
  /** Of a batch that failed in part: what is stored. */
  sent?: readonly SendResult[]
}

/** The one error of the client: `code` is stable for machines, `address` says where, `hint` what to do, `retriable` whether again may help. */
export class ClientError extends BasaltError {
  /** Always ClientError. */
  override name = 'ClientError'
  /** What went wrong: CLIENT_ERRORS says what each means. */
  declare readonly code: ClientErrorCode
  /** What the broker answered (RESPONSE), where it did. */
  readonly answerCode: number | undefined
  /** Of a batch that failed in part: the results of the messages that are stored. */
  readonly sent: readonly SendResult[] | undefined

  constructor(code: ClientErrorCode, details: ClientErrorDetails) {
    const { what, address, hint, retriable, answerCode, cause } = details
    super(code, {
      what,
      ...(address !== undefined && { where: address }),
      ...(hint !== undefined && { todo: hint }),
      ...(retriable !== undefined && { retriable }),
      ...(cause !== undefined && { cause }),
    })
    this.answerCode = answerCode
    this.sent = details.sent
  }

  /** Of the broker or NameServer that it concerns, "host:port". */
  get address(): string | undefined {
    return this.where
  }

  /** What the reader can do about it. */
  get hint(): string | undefined {
    return this.todo
  }
}

/** An error of the connection, or any other, as the client's own; one that is a ClientError stays. */
export function asClientError(error: unknown, address?: string): ClientError {
  if (error instanceof ClientError) return error
  const isRemoting = error instanceof RemotingError
  const code: ClientErrorCode = !isRemoting
    ? 'NOT_REACHED'
    : error.code === 'TIMEOUT'
      ? 'TIMEOUT'
      : error.code === 'CLIENT_CLOSED'
        ? 'CLIENT_CLOSED'
        : error.code === 'BAD_ADDRESS'
          ? 'BAD_OPTION'
          : 'NOT_REACHED'
  return new ClientError(code, {
    what: isRemoting ? error.what : describe(error),
    address: (isRemoting ? error.where : undefined) ?? address,
    hint: code === 'BAD_OPTION' ? 'give host:port' : undefined,
    retriable: code === 'TIMEOUT' || code === 'NOT_REACHED',
    cause: error,
  })
}

/** Answers after which the same request may succeed: at another broker, or later. */
const RETRIABLE: ReadonlySet<number> = new Set([
  RESPONSE.SYSTEM_ERROR,
  RESPONSE.SYSTEM_BUSY,
  RESPONSE.SERVICE_NOT_AVAILABLE,
  RESPONSE.TOPIC_NOT_EXIST,
  RESPONSE.FLOW_CONTROL,
  RESPONSE.GO_AWAY,
])

const REMARK_MAX = 400

/** What a broker's answer says that is no success. */
export function refusedBy(address: string, asked: number, answer: RemotingCommand): ClientError {
  const [line] = (answer.remark ?? '').split('\n', 1)
  const said = line.trim().slice(0, REMARK_MAX)
  return new ClientError('REFUSED', {
    what: `${requestName(asked)} was answered with ${answer.code}${said === '' ? '' : `: ${said}`}`,
    address,
    hint: hintOn(answer.code, said),
    retriable: RETRIABLE.has(answer.code),
    answerCode: answer.code,
  })
}

function hintOn(code: number, said: string): string | undefined {
  if (/AclException|access key|signature/i.test(said))
    return 'give the account in the option acl, with the rights that it needs'
  if (code === RESPONSE.TOPIC_NOT_EXIST) return 'create the topic, or let the broker do it (autoCreateTopicEnable)'
  if (code === RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST) return 'create the group, or let the broker do it'
  if (code === RESPONSE.REQUEST_CODE_NOT_SUPPORTED) return 'this release of the broker does not serve the request'
  return undefined
}

export function abortedBy(signal: AbortSignal): ClientError {
  return new ClientError('ABORTED', { what: `aborted: ${describe(signal.reason)}`, cause: signal.reason })
}

/** Rejects when the signal is aborted first; leaves nothing behind at the signal. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  if (signal.aborted) {
    promise.catch(() => {})
    return Promise.reject(abortedBy(signal))
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortedBy(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

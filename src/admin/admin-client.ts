/**
 * The administrator's side of the protocol: requests to NameServers and brokers, one connection an address, answers
 * checked. Errors say which server, what it answered and what to do.
 *
 *   ask(address, request)        one server; refusals are AdminError REFUSED with the server's words
 *   askNamesrv(request)          whichever NameServer answers first in turn
 *   tellNamesrvs(request)        all of them: they do not talk to each other
 *
 * Works against Apache's servers of 4.9 and 5.x as well: nothing here depends on ours.
 */
import { describe, RemotingError } from '../errors.ts'
import { RemotingClient } from '../remoting/client.ts'
import { type RemotingCommand, request } from '../remoting/command.ts'
import { requestName } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { encodeHeader, type HeaderFor, type Schema } from '../remoting/schema.ts'
import type { Account } from '../remoting/signature.ts'
import type { ClientTls } from '../remoting/tls/index.ts'
import { AdminError } from './admin-error.ts'

export type { Account } from '../remoting/signature.ts'

export interface AdminOptions {
  /** "host:port" each. */
  namesrv: readonly string[]
  timeoutMs?: number | undefined
  account?: Account | undefined
  tls?: ClientTls | undefined
}

export interface AskOptions {
  timeoutMs?: number | undefined
  /** Answers beside 0 that the caller understands. */
  also?: readonly number[]
}

const TIMEOUT_MS = 5000

export class AdminClient {
  readonly namesrv: readonly string[]
  readonly timeoutMs: number
  private readonly remoting: RemotingClient
  /** The NameServer that answered last. */
  private preferred = 0

  constructor(options: AdminOptions) {
    this.namesrv = options.namesrv
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    const { tls, account } = options
    this.remoting = new RemotingClient({ tls, account, connectTimeoutMs: Math.min(3000, this.timeoutMs) })
  }

  async ask(address: string, asked: RemotingCommand, options: AskOptions = {}): Promise<RemotingCommand> {
    const { timeoutMs = this.timeoutMs, also = [] } = options
    let answer: RemotingCommand
    try {
      answer = await this.remoting.invoke(address, asked, timeoutMs)
    } catch (error) {
      throw noAnswer(address, error)
    }
    if (answer.code === RESPONSE.SUCCESS || also.includes(answer.code)) return answer
    throw refused(address, asked.code, answer)
  }

  call<S extends Schema>(address: string, of: S, header: HeaderFor<S>, options?: AskOptions): Promise<RemotingCommand> {
    return this.ask(address, requestOf(of, header), options)
  }

  /** Only servers that do not answer at all are passed over. */
  async askNamesrv(asked: RemotingCommand, options: AskOptions = {}): Promise<RemotingCommand> {
    const failures: AdminError[] = []
    for (let turn = 0; turn < this.namesrv.length; turn++) {
      const at = (this.preferred + turn) % this.namesrv.length
      try {
        const answer = await this.ask(this.namesrv[at], { ...asked }, options)
        this.preferred = at
        return answer
      } catch (error) {
        if (!(error instanceof AdminError)) throw error
        if (error.answerCode === RESPONSE.REQUEST_CODE_NOT_SUPPORTED) throw noNamesrv(error)
        if (error.answerCode !== undefined) throw error
        failures.push(error)
      }
    }
    throw new AdminError('NO_NAMESRV', {
      what: `no NameServer answers: ${failures.map(({ what, where }) => `${what} (${where})`).join('; ')}`,
      todo:
        failures.find(({ todo, code }) => todo !== undefined && todo !== SEE_THAT_IT_RUNS && code !== 'TIMEOUT')
          ?.todo ?? 'start one, or name those that run with -n host:port[;host:port…] or NAMESRV_ADDR',
      retriable: true,
    })
  }

  callNamesrv<S extends Schema>(of: S, header: HeaderFor<S>, options?: AskOptions): Promise<RemotingCommand> {
    return this.askNamesrv(requestOf(of, header), options)
  }

  /** Every NameServer is asked; fails after that, naming those which did not do it. */
  async tellNamesrvs(asked: RemotingCommand, options: AskOptions = {}): Promise<RemotingCommand[]> {
    const results = await Promise.allSettled(this.namesrv.map((address) => this.ask(address, { ...asked }, options)))
    const failures = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason as unknown)
    if (failures.length === 0) {
      return results.filter((result) => result.status === 'fulfilled').map(({ value }) => value)
    }
    if (results.length === 1) throw failures[0]
    throw new AdminError('NOT_ALL_NAMESRVS', {
      what: `${failures.length} of ${results.length} NameServers did not do it: ${failures.map(describe).join('; ')}`,
      todo: 'give the command again when they answer: they keep what they have until then',
      retriable: true,
    })
  }

  tellNamesrvsOf<S extends Schema>(of: S, header: HeaderFor<S>, options?: AskOptions): Promise<RemotingCommand[]> {
    return this.tellNamesrvs(requestOf(of, header), options)
  }

  close(): Promise<void> {
    return this.remoting.close()
  }
}

export function requestOf<S extends Schema>(of: S, header: HeaderFor<S>, body?: Uint8Array): RemotingCommand {
  return request(of.code, encodeHeader(of, header), body)
}

/** What is asked of a NameServer every one of them knows. */
function noNamesrv(cause: AdminError): AdminError {
  return new AdminError('NO_NAMESRV', {
    what: 'a broker answers there, or something else that is no NameServer',
    where: cause.where ?? '',
    todo: 'give the address of a NameServer (9876 by default) with -n or NAMESRV_ADDR',
    cause,
  })
}

function noAnswer(address: string, error: unknown): AdminError {
  const isTimeout = error instanceof RemotingError && error.code === 'TIMEOUT'
  if (error instanceof RemotingError && error.code === 'BAD_ADDRESS') {
    return new AdminError('BAD_ADDRESS', { what: error.what, todo: 'give host:port' })
  }
  const said = error instanceof RemotingError ? error.what : describe(error)
  const { code = '' } = ((error as { cause?: unknown }).cause ?? {}) as { code?: string }
  const what = NOT_CONNECTED[code] ?? strange(said, code)
  const todo = isTimeout
    ? 'the server hangs, is overloaded, or does not know the request (4.9 says nothing then)'
    : adviceOnConnection(error)
  return new AdminError(isTimeout ? 'TIMEOUT' : 'NOT_REACHED', {
    what,
    where: address,
    ...(todo === undefined ? {} : { todo }),
    retriable: true,
    cause: error,
  })
}

const NOT_CONNECTED: Record<string, string> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'that name is not known here',
  EAI_AGAIN: 'that name cannot be looked up now',
  ENETUNREACH: 'no network leads there',
  EHOSTUNREACH: 'no way leads there',
}

const SEE_THAT_IT_RUNS = 'see that it runs, and that its address is right from here'
const NO_FRAME = /a frame declares|no frame|header/

/** The first bytes of another protocol are taken for a length; OpenSSL's errors have line ends. */
function strange(said: string, code: string): string {
  if (NO_FRAME.test(said)) return 'what answers there does not speak the protocol of RocketMQ'
  return code.startsWith('ERR_SSL')
    ? `the TLS handshake fails: ${code.slice(8).toLowerCase().replaceAll('_', ' ')}`
    : said
}

/** What a connection that fails or breaks off most often means. */
function adviceOnConnection(error: unknown): string | undefined {
  if (!(error instanceof RemotingError)) return undefined
  const { code = '' } = (error.cause ?? {}) as { code?: string }
  if (/SELF_SIGNED|UNABLE_TO_|CERT_|ALTNAME/.test(code)) {
    return 'name the authority of its certificate with --tls-ca FILE; --tls-insecure checks nobody'
  }
  if (/ERR_SSL_(WRONG_VERSION|PACKET_LENGTH|HTTP)/.test(code)) return 'the port speaks no TLS: leave --tls away'
  if (/ERR_SSL/.test(code)) return 'it refuses the handshake: it may ask for a certificate (--tls-cert and --tls-key)'
  if (NO_FRAME.test(error.what)) return 'see what listens there: NameServers do on 9876, brokers on 10911 by default'
  if (NOT_CONNECTED[code] !== undefined || error.code === 'CONNECT_FAILED') {
    return SEE_THAT_IT_RUNS
  }
  if (error.code === 'CONNECTION_CLOSED' || /ECONNRESET/.test(code)) {
    return 'it may ask for TLS (--tls) or for a certificate (--tls-cert), or is no server of RocketMQ'
  }
  return undefined
}

const REMARK_MAX = 400

function refused(address: string, code: number, answer: RemotingCommand): AdminError {
  const name = requestName(code)
  const unknown = answer.code === RESPONSE.REQUEST_CODE_NOT_SUPPORTED
  const said = firstLine(answer.remark ?? '')
  const what = unknown
    ? `${name} (${code}) is not served there`
    : `${name} was answered with ${answer.code}${said === '' ? '' : `: ${said}`}`
  const acl = adviceOnAccess(answer.remark ?? '')
  const todo = acl ?? (unknown ? 'this release has no such request, or refuses it on purpose' : adviceOn(answer))
  const kind = acl === undefined ? 'REFUSED' : 'NOT_ALLOWED'
  return new AdminError(kind, { what, where: address, ...(todo === undefined ? {} : { todo }) }, answer.code, said)
}

/** Undefined where access rules have nothing to do with it. */
function adviceOnAccess(remark: string): string | undefined {
  if (!/AclException/.test(remark)) return undefined
  if (/signature/i.test(remark)) return 'the secretKey of the account that was given is another one'
  if (/No acl config/i.test(remark))
    return 'the broker knows no account of that accessKey: see who was given by --account'
  if (/No accessKey/i.test(remark)) {
    return 'give an account: --account FILE, or BASALTMQ_ACCESS_KEY and BASALTMQ_SECRET_KEY in the environment'
  }
  return 'its account may not do that: it takes one with admin: true, or with rights to the topic and group'
}

function adviceOn({ code }: RemotingCommand): string | undefined {
  if (code === RESPONSE.TOPIC_NOT_EXIST) return 'see "basaltmq admin topic list"'
  if (code === RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST) return 'see "basaltmq admin group list"'
  return undefined
}

/** Java's remarks carry whole stacks. */
function firstLine(remark: string): string {
  const line = remark.split('\n', 1)[0].trim()
  return line.length > REMARK_MAX ? `${line.slice(0, REMARK_MAX)}…` : line
}

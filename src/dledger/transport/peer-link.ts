/**
 * Calls to one peer over one connection of ours, opened when there is something to say.
 *
 *   call ─┬─ connected: sent ─▶ answer, or undefined
 *         ├─ connecting: waits for it, behind `reached`
 *         └─ refused a moment ago: undefined at once
 *
 * Every call is answered once. A refused connection is an answer too: whoever is not there is not waited for.
 * A call without an answer on a connection from which nothing came since then closes it: behind a partition it may be dead.
 */
import type { Clock } from '../../clock.ts'
import { describe, RemotingError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { RemotingClient } from '../../remoting/client.ts'
import { request as command } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import type { MemberRequest, MemberResponse } from '../core/index.ts'
import { codeOf, readResponse, type TimersMark, writeRequest } from '../wire/index.ts'

/** Undefined: there is no answer. */
export type CallEnd = (response: MemberResponse | undefined) => void

export interface PeerLinkOptions {
  id: string
  address: string
  /** Of a call, and of opening the connection. */
  callMs: number
  /** A connection is open that was not before: before anything is sent on it. */
  reached: () => void
  log: Log
  clock: Clock
  /** Said with each request. */
  timers?: TimersMark | undefined
  /** Each answer, before its call ends. */
  heard?: (response: MemberResponse) => void
}

/** Between attempts to connect: doubled from the first to the second. */
const RETRY_MS_MIN = 5
const RETRY_MS_MAX = 200
const WAITING_MAX = 256

export class PeerLink {
  private readonly options: PeerLinkOptions
  private readonly client: RemotingClient
  private connection: Connection | undefined
  private isConnecting = false
  private waiting: { request: MemberRequest; end: CallEnd }[] = []
  private retryAt = Number.NEGATIVE_INFINITY
  private retryMs = RETRY_MS_MIN
  private isClosed = false
  /** It is said once when a peer goes, and once when it is back. */
  private isKnownGone = false

  constructor(options: PeerLinkOptions) {
    this.options = options
    this.client = new RemotingClient({ log: options.log, clock: options.clock, connectTimeoutMs: options.callMs })
  }

  call(request: MemberRequest, end: CallEnd): void {
    if (this.connection !== undefined && !this.connection.closed) {
      this.send(this.connection, request, end)
      return
    }
    const now = this.options.clock.now()
    if (this.isClosed || (!this.isConnecting && now < this.retryAt) || this.waiting.length >= WAITING_MAX) {
      end(undefined)
      return
    }
    this.waiting.push({ request, end })
    if (!this.isConnecting) this.connect()
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.client.close()
  }

  private connect(): void {
    this.isConnecting = true
    this.client.connection(this.options.address, this.options.callMs).then(
      (connection) => this.connected(connection),
      (error: unknown) => this.failed(error),
    )
  }

  private connected(connection: Connection): void {
    const { id, address, log } = this.options
    this.isConnecting = false
    this.connection = connection
    this.retryMs = RETRY_MS_MIN
    if (this.isKnownGone) log.info(`DLedger member ${id} is reached again`, { peer: address })
    this.isKnownGone = false
    if (!this.isClosed) this.options.reached()
    const { waiting } = this
    this.waiting = []
    for (const { request, end } of waiting) this.send(connection, request, end)
  }

  private failed(error: unknown): void {
    const { id, address, log, clock } = this.options
    this.isConnecting = false
    this.retryAt = clock.now() + this.retryMs
    this.retryMs = Math.min(RETRY_MS_MAX, this.retryMs * 2)
    if (!this.isKnownGone && !this.isClosed)
      log.warn(`DLedger member ${id} cannot be reached: ${describe(error)}`, { peer: address })
    this.isKnownGone = true
    const { waiting } = this
    this.waiting = []
    for (const { end } of waiting) end(undefined)
  }

  private send(connection: Connection, request: MemberRequest, end: CallEnd): void {
    const { callMs, id, log, timers, heard } = this.options
    const heardBefore = connection.lastRead
    const message = command(codeOf(request), undefined, writeRequest(request, timers))
    connection.invoke(message, callMs).then(
      (answer) => {
        let response: MemberResponse | undefined
        try {
          // A handler that failed answers without a body, and says why in the remark.
          if (answer.body !== undefined) {
            response = readResponse(request.kind, answer.body)
            if (request.kind !== 'LEADERSHIP_TRANSFER') heard?.(response)
          } else log.warn(`DLedger member ${id} failed at ${request.kind}: ${answer.remark}`, { code: answer.code })
        } catch (error) {
          log.warn(`DLedger member ${id} answered ${request.kind} with what is no answer: ${describe(error)}`, {})
        }
        end(response)
      },
      (error: unknown) => {
        const isLate = error instanceof RemotingError && error.code === 'TIMEOUT'
        if (isLate && connection.lastRead === heardBefore) connection.close('no answer')
        end(undefined)
      },
    )
  }
}

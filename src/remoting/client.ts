/**
 * Outgoing connections by address: opened at the first use, shared by all requests, opened again when one is gone.
 *
 * Used by the broker towards NameServers, by tools and by the client. Requests that the other side sends go to `onRequest`.
 */
import { connect, type Socket } from 'node:net'
import { type Clock, systemClock } from '../clock.ts'
import { describe, RemotingError } from '../errors.ts'
import { type Log, silentLog } from '../log.ts'
import { BackOff, type BackOffLimits } from './back-off.ts'
import { answerTo, isOneway, type RemotingCommand, type SerializeType } from './command.ts'
import { Connection, type ConnectionOwner, type FrameHandler } from './connection.ts'
import { decodeCommand, MAX_FRAME } from './frame.ts'
import { parseAddress } from './host.ts'
import { inTime } from './in-time.ts'
import { RESPONSE } from './response-codes.ts'
import { type Account, signed } from './signature.ts'
import type { ClientTls } from './tls/index.ts'

export interface ClientOptions {
  log?: Log
  clock?: Clock
  /** 3 s, as Java's clients. */
  connectTimeoutMs?: number
  /** Every connection begins with a handshake. Whoever made it closes it. */
  tls?: ClientTls | undefined
  /** Every request is signed with it. */
  account?: Account | undefined
  /** Header form of requests; JSON (0) unless given. */
  serialize?: SerializeType | undefined
  /** An address that cannot be connected is tried again only after this; at once where it is not given. */
  backOff?: BackOffLimits | undefined
  /** A connection is open; what is written to it during the call goes before every other request. */
  onOpened?: (address: string, c: Connection) => void
  /** A request that the peer sent; what it gives is sent back unless the request was one-way. */
  onRequest?: (
    command: RemotingCommand,
    c: Connection,
  ) => RemotingCommand | undefined | Promise<RemotingCommand | undefined>
  onClosed?: (address: string, reason: string) => void
}

const MAX_PENDING_BYTES = 64 * 1024 * 1024

export class RemotingClient {
  private readonly options: ClientOptions
  private readonly log: Log
  private readonly open = new Map<string, { opening: Promise<Connection>; connection?: Connection }>()
  private readonly owner: ConnectionOwner
  private readonly backOff: BackOff | undefined
  private readonly now: () => number
  /** Ends of waits for a back-off. */
  private readonly pauses = new Set<() => void>()
  private stopped = false

  constructor(options: ClientOptions = {}) {
    this.options = options
    this.log = options.log ?? silentLog
    const clock = options.clock ?? systemClock
    this.now = () => clock.now()
    this.backOff = options.backOff === undefined ? undefined : new BackOff(options.backOff)
    this.owner = {
      handler: this.handler(),
      maxFrame: MAX_FRAME,
      maxPendingBytes: MAX_PENDING_BYTES,
      now: this.now,
      asksOften: true,
      gone: (c, reason) => this.gone(c, reason),
      unknownAnswer: (c) => this.log.warn('an answer came that nobody waits for', { peer: c.remoteAddress }),
    }
  }

  /**
   * Rejects with RemotingError CONNECT_FAILED, TIMEOUT, CONNECTION_CLOSED or CLIENT_CLOSED. A connection on which nothing
   * was heard since a request that timed out is closed: the next request opens another.
   */
  async invoke(address: string, command: RemotingCommand, timeoutMs: number): Promise<RemotingCommand> {
    const connection = await this.connection(address, timeoutMs)
    const heardBefore = connection.lastRead
    try {
      return await connection.invoke(this.prepared(command), timeoutMs)
    } catch (error) {
      const silent = connection.lastRead === heardBefore
      if (silent && error instanceof RemotingError && error.code === 'TIMEOUT') connection.close('no answer')
      throw error
    }
  }

  /** Resolves when the command is in the output buffer. */
  async oneway(address: string, command: RemotingCommand): Promise<void> {
    const connection = await this.connection(address, this.options.connectTimeoutMs ?? 3000)
    connection.oneway(this.prepared(command))
  }

  /** As it goes out: in this client's header form, signed. */
  prepared(command: RemotingCommand): RemotingCommand {
    const { account, serialize } = this.options
    const formed = serialize === undefined ? command : { ...command, serialize }
    return account === undefined ? formed : signed(formed, account)
  }

  /** False after a try that failed, until one succeeds. */
  isReachable(address: string): boolean {
    return this.backOff?.isDown(address) !== true
  }

  /** The connection to that address if one is open. */
  opened(address: string): Connection | undefined {
    const connection = this.open.get(address)?.connection
    return connection?.closed === true ? undefined : connection
  }

  /** Ends the connection to that address, if there is one. */
  drop(address: string, reason: string): void {
    this.opened(address)?.close(reason)
  }

  /** The clock was moved: requests whose time is over by it fail now. */
  expireAnswers(): void {
    for (const { connection } of this.open.values()) connection?.expireAnswers()
  }

  /** The open connection to that address, opened if need be. */
  connection(address: string, timeoutMs = 3000): Promise<Connection> {
    const known = this.open.get(address)
    if (known !== undefined && known.connection?.closed !== true) {
      // Whoever began to open it may have more time.
      return known.connection === undefined ? this.waitFor(address, known.opening, timeoutMs) : known.opening
    }
    if (this.stopped) return Promise.reject(new RemotingError('CLIENT_CLOSED', { what: 'the client is closed' }))
    const opening = this.reach(address, timeoutMs)
    const entry: { opening: Promise<Connection>; connection?: Connection } = { opening }
    this.open.set(address, entry)
    opening.then(
      (connection) => {
        entry.connection = connection
        this.options.onOpened?.(address, connection)
      },
      () => {
        if (this.open.get(address) === entry) this.open.delete(address)
      },
    )
    return opening
  }

  private waitFor(address: string, opening: Promise<Connection>, timeoutMs: number): Promise<Connection> {
    const late = () =>
      new RemotingError('CONNECT_FAILED', {
        what: `cannot connect: no connection within ${timeoutMs} ms`,
        where: address,
        retriable: true,
      })
    return inTime(opening, timeoutMs, late)
  }

  async close(): Promise<void> {
    this.stopped = true
    const all = [...this.open.values()]
    this.open.clear()
    for (const end of [...this.pauses]) end()
    await Promise.all(all.map((one) => one.opening.then((c) => c.close('this client is closed')).catch(() => {})))
  }

  /** One try, after the back-off where it ends in time. */
  private async reach(address: string, timeoutMs: number): Promise<Connection> {
    const { backOff, now } = this
    if (backOff === undefined) return this.connect(address, timeoutMs)
    const waitMs = backOff.waitMs(address, now())
    if (waitMs >= timeoutMs) {
      throw new RemotingError('CONNECT_FAILED', {
        what: `cannot connect: it failed before, and is tried again in ${waitMs} ms`,
        where: address,
        retriable: true,
      })
    }
    if (waitMs > 0) await this.pause(waitMs)
    try {
      const connection = await this.connect(address, timeoutMs - waitMs)
      backOff.opened(address)
      return connection
    } catch (error) {
      backOff.failedAt(address, now())
      throw error
    }
  }

  /** Ends early when the client closes. */
  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.pauses.delete(end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.pauses.add(end)
    })
  }

  private connect(address: string, mostMs: number): Promise<Connection> {
    const timeoutMs = Math.min(mostMs, this.options.connectTimeoutMs ?? 3000)
    if (this.stopped) return Promise.reject(new RemotingError('CLIENT_CLOSED', { what: 'the client is closed' }))
    return new Promise((resolve, reject) => {
      const { host, port } = parseAddress(address)
      const { tls } = this.options
      const plain: Socket = connect({ host, port, noDelay: true, keepAlive: false })
      let socket: Socket = plain
      const failed = (why: string, cause?: unknown) => {
        clearTimeout(timer)
        socket.destroy()
        reject(
          new RemotingError('CONNECT_FAILED', {
            what: `cannot connect: ${why}`,
            where: address,
            retriable: true,
            cause,
          }),
        )
      }
      const onError = (error: Error) => failed(describe(error), error)
      const timer = setTimeout(() => failed(`no connection within ${timeoutMs} ms`), timeoutMs)
      const onOpen = () => {
        clearTimeout(timer)
        socket.off('error', onError)
        const connection = new Connection(socket, this.owner)
        connection.attachment = address
        if (this.stopped) connection.close('this client is closed')
        resolve(connection)
      }
      plain.once('error', onError)
      plain.once('connect', () => {
        if (tls === undefined) {
          onOpen()
          return
        }
        socket = tls.wrap(plain, host)
        socket.once('error', onError)
        socket.once('secureConnect', onOpen)
      })
    })
  }

  private gone(connection: Connection, reason: string): void {
    const address = connection.attachment as string
    if (this.open.get(address)?.connection === connection) this.open.delete(address)
    this.options.onClosed?.(address, reason)
  }

  private handler(): FrameHandler {
    return {
      opened() {},
      closed() {},
      frame: (c, bytes, start, end) => {
        this.answer(c, decodeCommand(bytes, start, end))
        return 'taken'
      },
    }
  }

  private async answer(c: Connection, command: RemotingCommand): Promise<void> {
    try {
      const answer = await this.options.onRequest?.(command, c)
      if (answer !== undefined && !isOneway(command)) c.send(answer)
    } catch (error) {
      this.log.error(`request ${command.code} failed: ${describe(error)}`, { peer: c.remoteAddress })
      if (!isOneway(command)) c.send(answerTo(command, RESPONSE.SYSTEM_ERROR, describe(error)))
    }
  }
}

/**
 * A listening port: accepts, limits, closes the idle, logs strangers with one line each.
 *
 * Owns:    its connections. Several servers (main and VIP port) may share one handler.
 * Bounds:  maxConnections of each port, and for all ports of the process its descriptors less a reserve for files: beyond
 *          either a new connection is refused with a line in the log and the others are served.
 */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { RemotingError } from '../errors.ts'
import type { Log } from '../log.ts'
import { Connection, type ConnectionOwner, type FrameHandler } from './connection.ts'
import { MAX_FRAME } from './frame.ts'
import { LimitedLog } from './limited-log.ts'
import { flushAll } from './output.ts'
import { explainTls, type ServerTls } from './tls/index.ts'

export interface RemotingLimits {
  /** Largest frame in bytes, its length field counted. */
  maxFrame: number
  maxConnections: number
  /** A connection on which nothing was read or written for so long is closed. */
  idleMs: number
  /** Bytes that may wait for one peer to read: beyond it the connection is closed, beyond a quarter it is not read. */
  maxPendingBytes: number
}

export const DEFAULT_LIMITS: RemotingLimits = {
  maxFrame: MAX_FRAME,
  maxConnections: 65_535,
  idleMs: 120_000,
  maxPendingBytes: 64 * 1024 * 1024,
}

export interface ServerOptions {
  /** All interfaces when undefined. */
  host?: string | undefined
  /** 0: a free one. */
  port: number
  handler: FrameHandler
  limits?: Partial<RemotingLimits> | undefined
  /** None: a TLS handshake closes the connection. Several servers may share one; whoever made it closes it. */
  tls?: ServerTls | undefined
  log: Log
  clock: Clock
}

/** Counters since the start. */
export interface ServerStats {
  accepted: number
  refused: number
  brokenConnections: number
  unknownAnswers: number
  idleClosed: number
}

const BACKLOG = 1024
const LINES_PER_SECOND = 20
/** A timer that is late by more was not just busy. */
const PAUSE_MS_MIN = 500
/** Descriptors that stay free for segments, ConsumeQueues, outgoing connections; half of all where there are few. */
const DESCRIPTORS_RESERVED = 512

/** Connections of all servers of this thread: they share the process's descriptors. */
let openInAll = 0

export class RemotingServer {
  readonly connections = new Set<Connection>()
  readonly stats: ServerStats = { accepted: 0, refused: 0, brokenConnections: 0, unknownAnswers: 0, idleClosed: 0 }
  private readonly options: ServerOptions
  private readonly limits: RemotingLimits
  private readonly log: LimitedLog
  /** Refusals come in floods: one line a second. */
  private readonly refusalLog: LimitedLog
  private readonly server: Server
  private readonly owner: ConnectionOwner
  private readonly room = descriptorRoom()
  private idleTimer: NodeJS.Timeout | undefined
  private lookedAt = 0
  private port = 0

  constructor(options: ServerOptions) {
    this.options = options
    this.limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.log = new LimitedLog(options.log, LINES_PER_SECOND)
    this.refusalLog = new LimitedLog(options.log, 1)
    this.owner = {
      handler: options.handler,
      maxFrame: this.limits.maxFrame,
      maxPendingBytes: this.limits.maxPendingBytes,
      now: () => options.clock.now(),
      asksOften: false,
      tls: options.tls,
      explain: explainTls,
      gone: (c, reason, error) => this.gone(c, reason, error),
      unknownAnswer: () => this.stats.unknownAnswers++,
    }
    this.server = createServer({ noDelay: true, keepAlive: false }, (socket) => this.accept(socket))
    this.server.maxConnections = Math.min(this.limits.maxConnections, this.room)
    this.server.on('drop', (peer) => this.refused(`${peer?.remoteAddress}:${peer?.remotePort}`))
  }

  /** The port it listens on. Rejects with RemotingError PORT_IN_USE or LISTEN_FAILED. */
  listen(): Promise<number> {
    const { host, port } = this.options
    return new Promise((resolve, reject) => {
      const failed = (cause: NodeJS.ErrnoException) => reject(listenError(cause, host, port))
      this.server.once('error', failed)
      this.server.listen({ ...(host === undefined ? {} : { host }), port, backlog: BACKLOG }, () => {
        this.server.off('error', failed)
        // EMFILE and the like: the listening socket stays.
        this.server.on('error', (error) => this.log.warn(`a connection could not be accepted: ${error.message}`, {}))
        const address = this.server.address()
        this.port = typeof address === 'object' && address !== null ? address.port : port
        const everyMs = Math.min(5000, this.limits.idleMs / 2)
        this.lookedAt = performance.now()
        // After a pause of the process the timer comes before the sockets are read: those are not idle.
        this.idleTimer = setInterval(() => setImmediate(() => this.look(everyMs)), everyMs)
        this.idleTimer.unref()
        resolve(this.port)
      })
    })
  }

  /** Writes at once what all connections of this thread have gathered; else it leaves at the end of the callback. */
  flush(): void {
    flushAll()
  }

  /** Closes connections that were idle too long by the clock. Runs by itself every few seconds. */
  checkIdle(): void {
    const limit = this.options.clock.now() - this.limits.idleMs
    for (const connection of this.connections) {
      connection.expireAnswers()
      if (connection.lastActive > limit) continue
      this.stats.idleClosed++
      connection.close(`idle for ${this.limits.idleMs} ms`)
    }
  }

  /** Stops listening, ends all connections; resolves when they are gone. */
  async close(): Promise<void> {
    clearInterval(this.idleTimer)
    flushAll()
    const ended = new Promise<void>((resolve) => this.server.close(() => resolve()))
    for (const connection of this.connections) connection.close('this server is stopping')
    await ended
    this.log.close()
    this.refusalLog.close()
  }

  private look(everyMs: number): void {
    // The process stood still (a debugger, a suspended machine): that was our silence, not theirs.
    const now = performance.now()
    const pauseMs = now - this.lookedAt - everyMs
    this.lookedAt = now
    if (pauseMs > PAUSE_MS_MIN) for (const connection of this.connections) connection.lastActive += pauseMs
    this.checkIdle()
    // Without descriptors libuv closes whoever connects and tells nobody.
    const failed = descriptorFailure()
    if (failed === undefined) return
    this.refusalLog.warn(
      `no file descriptor is left (${failed}): connections to port ${this.port} are refused; raise "ulimit -n"`,
      { connections: this.connections.size },
    )
  }

  private accept(socket: Socket): void {
    this.stats.accepted++
    // Reset before it was accepted: there is nobody to serve.
    if (socket.remoteAddress === undefined) {
      socket.on('error', () => {}).destroy()
      return
    }
    if (openInAll >= this.room) {
      this.refused(`${socket.remoteAddress}:${socket.remotePort}`)
      socket.on('error', () => {}).destroy()
      return
    }
    const { tls } = this.options
    const connection = new Connection(tls?.mode === 'enforcing' ? tls.wrap(socket) : socket, this.owner)
    this.connections.add(connection)
    openInAll += 1
    this.options.handler.opened(connection)
  }

  private gone(connection: Connection, reason: string, error: unknown): void {
    this.connections.delete(connection)
    openInAll -= 1
    if (error instanceof RemotingError) {
      this.stats.brokenConnections++
      this.log.warn(`connection closed: ${error.message}`, { peer: connection.remoteAddress, code: error.code })
    } else if (error instanceof Error && !isOfTheNetwork(error)) {
      this.stats.brokenConnections++
      this.log.error(`connection closed by a failure of ours: ${error.stack}`, { peer: connection.remoteAddress })
    }
    this.options.handler.closed(connection, reason)
  }

  private refused(peer: string): void {
    this.stats.refused++
    this.refusalLog.warn(
      `connection refused: ${this.connections.size} are open on port ${this.port} and ${openInAll} on all, as many as ` +
        'maxConnections and the file descriptor limit allow; raise them, or look for a client that opens too many',
      { peer },
    )
  }
}

/** What the system said, or Node for it: EPIPE without a system call is a write to a peer that has ended its side already. */
function isOfTheNetwork(error: Error): boolean {
  return 'syscall' in error || (error as NodeJS.ErrnoException).code === 'EPIPE'
}

function listenError(cause: NodeJS.ErrnoException, host: string | undefined, port: number): RemotingError {
  const where = `${host ?? '*'}:${port}`
  if (cause.code !== 'EADDRINUSE') {
    return new RemotingError('LISTEN_FAILED', { what: `cannot listen: ${cause.message}`, where, cause })
  }
  return new RemotingError('PORT_IN_USE', {
    what: 'the port is in use',
    where,
    todo: 'stop the process that holds it, or set another listenPort',
    cause,
  })
}

/** Connections that the soft limit of open files leaves room for; Node raises it to the hard limit at its start. */
function descriptorRoom(): number {
  let soft = Number.POSITIVE_INFINITY
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? soft)
  } catch {
    // No /proc: maxConnections alone holds, and beyond the descriptors libuv closes what it cannot keep.
  }
  return Number.isFinite(soft) ? soft - Math.min(DESCRIPTORS_RESERVED, Math.floor(soft / 2)) : soft
}

/** "EMFILE" or "ENFILE" when no further file could be opened now. */
function descriptorFailure(): string | undefined {
  try {
    closeSync(openSync('/dev/null', 'r'))
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'EMFILE' || code === 'ENFILE' ? code : undefined
  }
}

/**
 * Where frames of both ports come in: hot commands go to their scanners, the rest through the generic codec to the router.
 *
 *   frame ─┬─ 310, 320 ─▶ scanSend ─▶ SendProcessor ─▶ submit ring
 *          ├─ 11, 361 ──▶ scanPull ─▶ PullProcessor
 *          └─ others, and whatever a scanner declines ─▶ decodeCommand ─▶ router
 *
 * Back-pressure: a frame that cannot be taken stays in its socket, which is not read for at most PAUSE_MS_MAX (pulls and
 * heartbeats come over it too); then its sends are refused with "system busy", naming the stage that is behind.
 */
import type { Clock } from '../clock.ts'
import { describe, RemotingError } from '../errors.ts'
import { isOneway, type RemotingCommand } from '../remoting/command.ts'
import type { Connection, FrameHandler } from '../remoting/connection.ts'
import { decodeCommand } from '../remoting/frame.ts'
import { PullFields, SendFields, scanPull, scanSend } from '../remoting/hot/index.ts'
import type { Router } from './router.ts'

export interface FrontOptions {
  clock: Clock
  router: Router
  /** A send whose header is in `fields`; the ranges point into `bytes`. */
  send(connection: Connection, bytes: Buffer, fields: SendFields): 'taken' | 'later'
  /** A send that the scanner declined: V1 names, odd headers. */
  sendGeneric(connection: Connection, command: RemotingCommand): 'taken' | 'later'
  pull(connection: Connection, bytes: Buffer, fields: PullFields): void
  pullGeneric(connection: Connection, command: RemotingCommand): void
  /** Answers a send "system busy". */
  busy(connection: Connection, command: RemotingCommand): void
  opened(connection: Connection): void
  closed(connection: Connection): void
}

/** A socket is paused at most so long; its sends are refused from then on until the rings have room. */
const PAUSE_MS_MAX = 200
const SEND_CODES = new Set([10, 310, 320])
const PULL_CODES = new Set([11, 361])

export class Front implements FrameHandler {
  private readonly options: FrontOptions
  private readonly sendFields = new SendFields()
  private readonly pullFields = new PullFields()
  /** Connections whose next frame could not be taken, and since when. */
  private readonly waiting = new Map<Connection, number>()
  private isOverdue = false

  constructor(options: FrontOptions) {
    this.options = options
  }

  opened(connection: Connection): void {
    this.options.opened(connection)
  }

  closed(connection: Connection): void {
    this.waiting.delete(connection)
    this.options.closed(connection)
  }

  frame(connection: Connection, bytes: Buffer, start: number, end: number): 'taken' | 'later' {
    if (scanSend(bytes, start, end, this.sendFields)) {
      const taken = this.options.send(connection, bytes, this.sendFields)
      return taken === 'taken' ? taken : this.postpone(connection, bytes, start, end)
    }
    if (scanPull(bytes, start, end, this.pullFields)) {
      this.options.pull(connection, bytes, this.pullFields)
      return 'taken'
    }
    const command = decodeCommand(bytes, start, end)
    if (SEND_CODES.has(command.code)) {
      const taken = this.options.sendGeneric(connection, command)
      return taken === 'taken' ? taken : this.postpone(connection, bytes, start, end)
    }
    if (PULL_CODES.has(command.code)) this.options.pullGeneric(connection, command)
    else this.route(connection, command)
    return 'taken'
  }

  /** The rings have room again: offers what waits. */
  roomAgain(): void {
    if (this.waiting.size === 0) return
    const connections = [...this.waiting.keys()]
    this.waiting.clear()
    for (const connection of connections) connection.resume()
  }

  /** Every few milliseconds while something waits: whoever waits too long is refused. */
  tick(): void {
    const now = this.options.clock.now()
    for (const [connection, since] of this.waiting) {
      if (now - since < PAUSE_MS_MAX) continue
      this.waiting.delete(connection)
      this.isOverdue = true
      connection.resume()
      this.isOverdue = false
    }
  }

  get waitingCount(): number {
    return this.waiting.size
  }

  private postpone(connection: Connection, bytes: Buffer, start: number, end: number): 'taken' | 'later' {
    if (this.isOverdue) {
      this.options.busy(connection, decodeCommand(bytes, start, end))
      return 'taken'
    }
    if (!this.waiting.has(connection)) this.waiting.set(connection, this.options.clock.now())
    return 'later'
  }

  private route(connection: Connection, command: RemotingCommand): void {
    // The frame's bytes are the socket's: a processor that answers later must not find them overwritten.
    if (command.body !== undefined) command.body = Buffer.from(command.body)
    this.options.router.handle(command, connection).then(
      (answer) => {
        if (answer !== undefined && !isOneway(command)) connection.send(answer)
      },
      (error: unknown) => {
        const cause = error instanceof RemotingError ? error : undefined
        connection.close(cause?.message ?? describe(error))
      },
    )
  }
}

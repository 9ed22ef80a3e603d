/**
 * Where frames of a port come in: hot commands go to their scanners, the rest through the generic codec to the router.
 *
 *   frame ─┬─ 310, 320, 10 ─▶ scanSend ─▶ SendProcessor ─▶ submit ring
 *          ├─ 11, 361 ──────▶ scanPull ─▶ PullProcessor          (main port only)
 *          └─ others, and whatever a scanner declines ─▶ decodeCommand ─▶ genericSend, genericPull, router
 *
 * Back-pressure: a frame that cannot be taken stays in its socket, which is not read for at most waitTimeMillsInSendQueue
 * (pulls and heartbeats come over it too); then its sends are refused with "system busy", naming the stage that is behind.
 */
import { AssertionError } from '../assert.ts'
import { describe } from '../errors.ts'
import { answerTo, isAnswer, isOneway, type RemotingCommand } from '../remoting/command.ts'
import type { Connection, FrameHandler } from '../remoting/connection.ts'
import { decodeCommand } from '../remoting/frame.ts'
import { genericPull, genericSend, PullFields, SendFields, scanPull, scanSend } from '../remoting/hot/index.ts'
import type { Router } from './router.ts'
import { SEND_CODE } from './send/send-checks.ts'

export interface FrontOptions {
  router: Router
  /** False on the fast port: pulls are unknown there. */
  servesPulls: boolean
  /** A send whose header is in `fields`; the ranges point into `bytes`. */
  send(connection: Connection, bytes: Buffer, fields: SendFields): 'taken' | 'later'
  pull(connection: Connection, bytes: Buffer, fields: PullFields): void
  /** Answers a send that has waited too long for room "system busy"; `size`: sends that wait. */
  busy(connection: Connection, fields: SendFields, waitedMs: number, size: number): void
  /** How long a send may wait for room (waitTimeMillsInSendQueue). */
  sendWaitMs(): number
  opened(connection: Connection): void
  closed(connection: Connection, reason: string): void
}

/** Between two looks for those who have waited too long, as in RocketMQ. */
const LOOK_MS = 10
const SEND_CODES: ReadonlySet<number> = new Set([10, 310, 320])
const PULL_CODES: ReadonlySet<number> = new Set([11, 361])

export class Front implements FrameHandler {
  private readonly options: FrontOptions
  private readonly sendFields = new SendFields()
  private readonly pullFields = new PullFields()
  /** Connections whose next frame could not be taken, and since when (monotonic: no clock that is set prolongs a pause). */
  private readonly waiting = new Map<Connection, number>()
  /** How long the connection that is resumed at the moment has waited, when that is too long; else -1. */
  private overdueMs = -1
  private timer: NodeJS.Timeout | undefined

  constructor(options: FrontOptions) {
    this.options = options
  }

  opened(connection: Connection): void {
    this.options.opened(connection)
  }

  closed(connection: Connection, reason: string): void {
    this.waiting.delete(connection)
    this.options.closed(connection, reason)
  }

  frame(connection: Connection, bytes: Buffer, start: number, end: number): 'taken' | 'later' {
    let command: RemotingCommand | undefined
    try {
      if (scanSend(bytes, start, end, this.sendFields)) return this.send(connection, bytes)
      if (this.options.servesPulls && scanPull(bytes, start, end, this.pullFields)) {
        this.options.pull(connection, bytes, this.pullFields)
        return 'taken'
      }
      command = decodeCommand(bytes, start, end)
      // An answer that nobody waits for: the connection looks only at those that may be one.
      if (isAnswer(command)) return 'taken'
      if (SEND_CODES.has(command.code)) return this.send(connection, genericSend(command, this.sendFields))
      if (PULL_CODES.has(command.code) && this.options.servesPulls) {
        this.options.pull(connection, genericPull(command, this.pullFields), this.pullFields)
        return 'taken'
      }
    } catch (error) {
      if (error instanceof AssertionError) throw error
      // A header that misses a field, or a broker with too many queues, costs the request an answer, not its connection;
      // a frame that is none costs the connection: it throws here again.
      command ??= decodeCommand(bytes, start, end)
      if (!isOneway(command)) connection.send(answerTo(command, SEND_CODE.systemError, describe(error)))
      return 'taken'
    }
    this.route(connection, command)
    return 'taken'
  }

  /** Connections that wait for room. */
  get waitingCount(): number {
    return this.waiting.size
  }

  /** The rings have room again: offers what waits. Whoever finds them full again has waited since his first try. */
  roomAgain(): void {
    for (const connection of [...this.waiting.keys()]) connection.resume()
  }

  /** How long the first has waited for room, milliseconds. */
  headWaitMs(now: number): number {
    const first = this.waiting.values().next()
    return first.done ? 0 : now - first.value
  }

  /** Every few milliseconds while something waits: whoever waits too long is refused. */
  tick(): void {
    const now = performance.now()
    const limit = this.options.sendWaitMs()
    for (const [connection, since] of [...this.waiting]) {
      if (now - since < limit) continue
      this.waiting.delete(connection)
      this.overdueMs = now - since
      connection.resume()
      this.overdueMs = -1
    }
  }

  private look(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.tick()
      if (this.waiting.size > 0) this.look()
    }, LOOK_MS).unref()
  }

  private send(connection: Connection, bytes: Buffer): 'taken' | 'later' {
    const taken = this.options.send(connection, bytes, this.sendFields)
    if (taken === 'taken') {
      if (this.waiting.size > 0) this.waiting.delete(connection)
      return taken
    }
    if (this.overdueMs >= 0) {
      this.options.busy(connection, this.sendFields, this.overdueMs, this.waiting.size + 1)
      return 'taken'
    }
    if (!this.waiting.has(connection)) {
      this.waiting.set(connection, performance.now())
      this.look()
    }
    return 'later'
  }

  private route(connection: Connection, command: RemotingCommand): void {
    this.options.router.handle(command, connection).then(
      (answer) => {
        if (answer !== undefined) connection.send(answer)
      },
      (error: unknown) => {
        // The router turns every operating error into an answer: this one ends the process.
        queueMicrotask(() => {
          throw error
        })
      },
    )
  }
}

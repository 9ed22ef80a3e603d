/**
 * The slave's side: a connection to the master, whose bytes go into the log as they come, and reports of what has arrived.
 *
 *   idle ─(address)─▶ verifying ─▶ connecting ─▶ live ─▶ (closed, wrong, silent) ─▶ pause ─▶ verifying …
 *                     the log goes back to its last whole record: each connection begins at one
 *
 * Owns:      the socket, the receiver of the log. On the HA thread.
 * Invariant: offsets given to the receiver are contiguous. A report never exceeds what is in the log (slaveAckAfter=append) or on
 *            disk (flush).
 * Blocks on: what the receiver blocks on. A segment that is not there yet pauses the socket.
 * Rules:     spec/ha.md §4; what is done otherwise: §9 (first report at once, silence noticed, pauses).
 */
import { connect, type Socket } from 'node:net'
import { assert } from '../assert.ts'
import type { ControlBlock } from '../concurrency/control-block.ts'
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import type { SlaveClock } from '../metrics/slave-clock.ts'
import type { StoreSettings } from '../store/settings.ts'
import type { LogReceiver } from './log-receiver.ts'
import { encodeReport, TransferSplitter } from './protocol.ts'

export interface SlaveOptions {
  readonly settings: StoreSettings
  readonly control: ControlBlock
  readonly receiver: LogReceiver
  readonly log: Log
  readonly clock: SlaveClock
  /** Monotonic, with what tests moved the clock by. */
  readonly now: () => number
  /** An empty store is to begin at this offset; rebased() tells that it does. */
  readonly onRebase: (to: number) => void
  /** Asks whether the master's log is this one; verified() takes the answer. */
  readonly onVerify: () => void
  /** `appended` has moved. */
  readonly onAppended: () => void
  /** Connected, disconnected. */
  readonly onChanged: () => void
}

export type LinkState = 'idle' | 'verifying' | 'connecting' | 'live' | 'rebasing' | 'pausing'

const CONNECT_MS_MAX = 5000
const VERIFY_MS_MAX = 6000
const PAUSE_MS_MIN = 250
const PAUSE_MS_MAX = 5000
/** A connection that stood for so long was a good one: the next try comes soon. */
const GOOD_MS = 5000
/** Read at once, at most. */
const CHUNK_SIZE = 256 * 1024
const SAID_AGAIN_MS = 60_000

export class HaSlave {
  state: LinkState = 'idle'
  /** host:port of the master's HA port. */
  private address = ''
  private readonly options: SlaveOptions
  private socket: Socket | undefined
  private splitter: TransferSplitter
  /** Where the next byte belongs. */
  private expected = 0
  private reported = -1
  private lastHeard = 0
  private lastReport = 0
  private connectedAt = 0
  private pauseMs = PAUSE_MS_MIN
  private resumeAt = 0
  private readonly chunk = Buffer.allocUnsafe(CHUNK_SIZE)
  /** What the log had no segment for. */
  private backlog: Buffer[] = []
  private isStopped = false
  private said = ''
  private saidAt = Number.NEGATIVE_INFINITY
  /** Not yet told where the master's log begins: from its first file on is asked for. */
  private wantsAll: boolean
  private readonly asksForAll: boolean

  constructor(options: SlaveOptions) {
    this.options = options
    this.asksForAll = this.wantsAll = options.settings.haFillFrom === 'first'
    this.splitter = this.newSplitter()
  }

  get master(): string {
    return this.address
  }

  /** Where the master is now. A live connection is kept, as by RocketMQ. */
  follow(address: string): void {
    if (this.address === address) return
    this.options.log.info(`the master's HA address is ${address}`)
    this.address = address
    if (this.state === 'idle') this.start()
    else if (this.state === 'pausing') this.resumeAt = 0
  }

  /** A segment has come, or flush has moved on. */
  pump(): void {
    if (this.state !== 'live') return
    this.feedBacklog()
    this.reportNew()
  }

  hasWork(): boolean {
    if (this.state !== 'live') return false
    return this.safeEnd() > this.reported || (this.backlog.length > 0 && this.options.receiver.hasRoom())
  }

  /** Every 100 ms. */
  tick(): void {
    const now = this.options.now()
    this.options.clock.refill()
    const { haHousekeepingInterval, haSendHeartbeatInterval } = this.options.settings
    if (this.state === 'pausing' && now >= this.resumeAt) this.start()
    else if (this.state === 'verifying' && now - this.connectedAt > VERIFY_MS_MAX) this.connect()
    else if (this.state === 'connecting' && now - this.connectedAt > CONNECT_MS_MAX) {
      this.end(`no connection within ${CONNECT_MS_MAX} ms`)
    } else if (this.state === 'live') {
      if (now - this.lastHeard > haHousekeepingInterval)
        this.end(`it has said nothing for ${haHousekeepingInterval} ms`)
      else if (now - this.lastReport > haSendHeartbeatInterval) this.report(Math.max(this.reported, this.safeEnd()))
    }
    this.pump()
  }

  /** The store begins at that offset now: what follows is taken. */
  rebased(): void {
    if (this.state !== 'rebasing') return
    this.options.receiver.join()
    this.state = 'live'
    this.pump()
  }

  close(): void {
    if (this.isStopped) return
    this.isStopped = true
    this.socket?.destroy()
    this.socket = undefined
    this.state = 'idle'
    this.options.receiver.close()
  }

  private start(): void {
    if (this.isStopped || this.address === '') {
      this.state = 'idle'
      return
    }
    this.options.receiver.rewind()
    this.state = 'verifying'
    this.connectedAt = this.options.now()
    if (this.options.receiver.received === 0) this.connect()
    else this.options.onVerify()
  }

  /** `other`: why the master's log is another one. */
  verified(other: string | undefined): void {
    if (this.state !== 'verifying') return
    if (other === undefined) this.connect()
    else this.end(other, true)
  }

  private connect(): void {
    const { receiver, now } = this.options
    this.expected = receiver.received
    // Not before it is on disk: the first report acknowledges all of it.
    if (this.safeEnd() < this.expected) {
      this.pause()
      return
    }
    this.state = 'connecting'
    this.connectedAt = now()
    const colon = this.address.lastIndexOf(':')
    const socket = connect({
      host: this.address.slice(0, colon),
      port: Number(this.address.slice(colon + 1)),
      noDelay: true,
      // One buffer for all that comes: what has to wait is copied out of it.
      onread: {
        buffer: this.chunk,
        callback: (length) => {
          this.take(socket, this.chunk.subarray(0, length))
          return true
        },
      },
    })
    this.socket = socket
    this.splitter = this.newSplitter()
    socket.on('connect', () => this.begin(socket))
    socket.on('error', (error) => this.lost(socket, describe(error)))
    socket.on('close', () => this.lost(socket, 'the master closed the connection'))
  }

  private begin(socket: Socket): void {
    if (socket !== this.socket) return
    this.state = 'live'
    this.lastHeard = this.options.now()
    this.options.clock.reset()
    // Twice in one segment: a master of ours sends everything then; RocketMQ's takes the last of what it reads.
    socket.cork()
    if (this.expected === 0 && this.asksForAll) socket.write(encodeReport(0))
    this.report(this.expected)
    socket.uncork()
    this.options.onChanged()
  }

  private report(end: number): void {
    this.socket?.write(encodeReport(end))
    this.options.clock.reported(end)
    this.reported = end
    this.lastReport = this.options.now()
  }

  private reportNew(): void {
    const end = this.safeEnd()
    if (end > this.reported) this.report(end)
  }

  /** What may be reported: in the log, or on disk. */
  private safeEnd(): number {
    const { receiver, control, settings } = this.options
    return settings.slaveAckAfter === 'flush' ? Math.min(receiver.received, control.load('flushed')) : receiver.received
  }

  private take(socket: Socket, chunk: Buffer): void {
    if (socket !== this.socket || (this.state !== 'live' && this.state !== 'rebasing')) return
    const { clock } = this.options
    this.lastHeard = this.options.now()
    clock.chunkRead()
    const isWhole = this.splitter.take(chunk)
    clock.received(isWhole && this.backlog.length === 0)
    if (socket === this.socket && this.state === 'live') this.publish()
    if (socket === this.socket && !isWhole) this.end('what it sent is no transfer')
  }

  private newSplitter(): TransferSplitter {
    return new TransferSplitter({
      frame: (offset, length) => this.frame(offset, length),
      bytes: (chunk, from, to, offset) => this.bytes(chunk, from, to, offset),
    })
  }

  private frame(offset: number, length: number): boolean {
    const { settings, receiver } = this.options
    if (offset !== this.expected) {
      if (this.state !== 'live' || this.expected !== 0 || receiver.received !== 0) {
        this.end(`it sends from ${offset}, this log ends at ${this.expected}`, true)
        return false
      }
      if (offset % settings.mappedFileSizeCommitLog !== 0) {
        const size = settings.mappedFileSizeCommitLog
        this.end(
          `its log begins at ${offset}, no multiple of ${size}: mappedFileSizeCommitLog must be the same on both`,
          true,
        )
        return false
      }
      // Two reports may have been cut into two segments. Once more, then it is so.
      if (this.wantsAll && offset > 0) {
        this.wantsAll = false
        this.end(`it sends from ${offset}, not from its first file; asking once more`)
        return false
      }
      this.state = 'rebasing'
      this.expected = offset
      this.options.log.info(`this empty store begins at ${offset}, where the master begins to send`)
      this.options.onRebase(offset)
      return true
    }
    if (length > 0) this.pauseMs = PAUSE_MS_MIN
    return true
  }

  private bytes(chunk: Buffer, from: number, to: number, offset: number): boolean {
    const { receiver } = this.options
    if (this.backlog.length > 0 || this.state === 'rebasing') this.keep(chunk.subarray(from, to))
    else {
      assert(offset === receiver.received, 'what is received continues the log')
      const done = receiver.take(chunk, from, to)
      if (receiver.fault !== undefined) return false
      if (done < to) this.keep(chunk.subarray(done, to))
    }
    this.expected = offset + to - from
    return true
  }

  /** Bytes that have to wait: the socket gives no more until they are gone. */
  private keep(piece: Buffer): void {
    this.backlog.push(Buffer.from(piece))
    this.socket?.pause()
  }

  private feedBacklog(): void {
    const { backlog } = this
    if (backlog.length === 0) return
    while (backlog.length > 0) {
      const [piece] = backlog
      const done = this.options.receiver.take(piece, 0, piece.length)
      if (done < piece.length) {
        backlog[0] = piece.subarray(done)
        break
      }
      backlog.shift()
    }
    this.publish()
    if (this.backlog.length === 0) this.socket?.resume()
  }

  /** The report goes first: senders at the master wait for it. */
  private publish(): void {
    const { receiver, clock, onAppended } = this.options
    const hasNew = receiver.publish()
    clock.appended(receiver.received)
    if (receiver.fault === undefined) this.reportNew()
    if (hasNew) onAppended()
    if (receiver.fault !== undefined) this.end(`the master’s bytes do not continue this log: ${receiver.fault}`, true)
  }

  private lost(socket: Socket, why: string): void {
    if (socket === this.socket) this.end(why)
  }

  /** `isSerious`: somebody has to do something. */
  private end(why: string, isSerious = false): void {
    const { log, now } = this.options
    const stood = this.state === 'live' || this.state === 'rebasing'
    if (why !== this.said || now() - this.saidAt > SAID_AGAIN_MS) {
      this.said = why
      this.saidAt = now()
      const text = `master ${this.address}: ${why}`
      if (isSerious) log.error(`${text}; this slave cannot follow it. Remove this store to fill it again`)
      else log.warn(`${text}; trying again`)
    }
    if (stood && now() - this.connectedAt > GOOD_MS && !isSerious) this.pauseMs = PAUSE_MS_MIN
    this.socket?.destroy()
    this.socket = undefined
    this.backlog = []
    this.pause(isSerious)
    if (stood) this.options.onChanged()
  }

  private pause(isSerious = false): void {
    this.state = 'pausing'
    if (isSerious) this.pauseMs = PAUSE_MS_MAX
    this.resumeAt = this.options.now() + this.pauseMs
    this.pauseMs = Math.min(PAUSE_MS_MAX, this.pauseMs * 2)
  }
}

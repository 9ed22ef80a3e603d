/**
 * One slave's connection, on the master's side: a cursor in the log, and what the slave says it has.
 *
 *   first report ─▶ cursor ─▶ transfers from the map (leased until the socket's callback) ─▶ reports ─▶ acknowledged
 *
 * Owns:      the socket, its leases. Called by: HaMaster, on the HA thread.
 * Invariant: acknowledged ≤ sent ≤ the log's end; a report that breaks it ends the connection.
 * Blocks on: a cold page of the log while the kernel copies it into the socket.
 * Rules:     spec/ha.md §2, §3.
 */
import type { Socket } from 'node:net'
import type { HaClock, SessionClock } from '../metrics/follower-clocks.ts'
import type { LogReader } from '../store/commitlog/log-reader.ts'
import { InSync, type SyncLimits } from './in-sync.ts'
import { encodeTransferHeader, putTransferHeader, ReportSplitter, TRANSFER_HEADER_SIZE } from './protocol.ts'
import { faultOf, type LogRange, type Refusal, startOf } from './slave-reports.ts'

export interface SessionSettings extends SyncLimits {
  readonly haTransferBatchSize: number
  readonly haSendHeartbeatInterval: number
  readonly haHousekeepingInterval: number
  readonly haTransfer: 'stream' | 'pull'
}

export interface SessionOptions {
  readonly socket: Socket
  readonly reader: LogReader
  readonly settings: SessionSettings
  /** What there is of the log, and how far it may be sent. */
  readonly log: () => LogRange
  readonly sendable: () => number
  readonly now: () => number
  readonly clock: HaClock
  /** The slave has acknowledged, or began. */
  readonly onReport: (session: Session) => void
  readonly onRefused: (session: Session, refusal: Refusal) => void
}

/** Bytes that wait in a socket before the next are read from the log. */
const UNSENT_MAX = 1024 * 1024
/** Up to here copying bytes behind their header is cheaper than a second piece for the socket and a lease. */
const COPIED_MAX = 4096

export class Session {
  readonly remote: string
  /** -1: no report yet. */
  acknowledged = -1
  /** Everything below was given to the socket. */
  sent = -1
  readonly inSync: InSync
  private readonly options: SessionOptions
  private readonly splitter = new ReportSplitter()
  private stamps: SessionClock | undefined
  private startedAt = 0
  private lastHeard: number
  private lastWritten: number
  isRefused = false

  constructor(options: SessionOptions) {
    const { socket, settings, now } = options
    this.options = options
    this.remote = `${socket.remoteAddress}:${socket.remotePort}`
    this.inSync = new InSync(settings)
    this.lastHeard = this.lastWritten = now()
    socket.on('data', (chunk: Buffer) => this.take(chunk))
    socket.on('drain', () => this.pump())
  }

  get hasBegun(): boolean {
    return this.sent >= 0
  }

  /** Sends what is there, as far as the socket takes it. */
  pump(): void {
    const { socket, sendable } = this.options
    const limit = sendable()
    if (!this.canSend(limit)) return
    socket.cork()
    while (this.canSend(limit) && this.sendPiece(limit));
    socket.uncork()
    if (this.stamps !== undefined) this.options.clock.sent(this.stamps, this.sent)
  }

  /** False too while the socket is full, or stop-and-wait waits: the socket's drain, or a report, comes back here. */
  canSend(limit: number): boolean {
    if (!this.hasBegun || this.isRefused || this.sent >= limit) return false
    const { socket, settings } = this.options
    if (socket.writableLength >= UNSENT_MAX) return false
    return settings.haTransfer === 'stream' || !this.hasUnacknowledged()
  }

  /** Heartbeats, and whether the slave still lives. False: it has been silent for too long. */
  tick(now: number): boolean {
    const { settings, socket } = this.options
    if (now - this.lastHeard > settings.haHousekeepingInterval) return false
    if (this.hasBegun && !this.isRefused && now - this.lastWritten > settings.haSendHeartbeatInterval) {
      socket.write(encodeTransferHeader(this.sent, 0))
      this.lastWritten = now
    }
    return true
  }

  /** What it acknowledges is about to be published. */
  stampReport(): void {
    if (this.stamps !== undefined) this.options.clock.confirmed(this.stamps, this.acknowledged)
  }

  close(): void {
    this.options.socket.destroy()
  }

  /** The first bytes of an empty slave are acknowledged by no report: what it was sent is told from its start. */
  private hasUnacknowledged(): boolean {
    return this.sent > Math.max(this.acknowledged, this.startedAt)
  }

  private sendPiece(limit: number): boolean {
    const { socket, reader, settings, log } = this.options
    const offset = this.sent
    const { segmentSize } = log()
    const toFileEnd = segmentSize - (offset % segmentSize)
    const length = Math.min(settings.haTransferBatchSize, toFileEnd, limit - offset)
    const segment = reader.segmentAt(offset)
    if (segment === undefined) {
      // Every slot is on its way through a socket, or the file is gone.
      const copy = reader.readCold(offset, length)
      if (copy === undefined || copy.length < length) {
        this.refuse({ code: 'TOO_OLD', text: `the log at ${offset}, where it is, has been removed by retention` })
        return false
      }
      socket.write(encodeTransferHeader(offset, length))
      socket.write(copy)
    } else if (length <= COPIED_MAX) {
      const at = offset - segment.start
      const transfer = Buffer.allocUnsafe(TRANSFER_HEADER_SIZE + length)
      putTransferHeader(transfer, offset, length)
      segment.bytes.copy(transfer, TRANSFER_HEADER_SIZE, at, at + length)
      socket.write(transfer)
    } else {
      const { start, bytes } = segment
      reader.lease(start)
      socket.write(encodeTransferHeader(offset, length))
      socket.write(bytes.subarray(offset - start, offset - start + length), () => {
        reader.unlease(start)
        if (this.sent < this.options.sendable()) this.pump()
      })
    }
    this.sent = offset + length
    this.lastWritten = this.options.now()
    return true
  }

  private take(chunk: Buffer): void {
    if (this.isRefused) return
    this.lastHeard = this.options.now()
    const reports = this.splitter.take(chunk)
    for (let i = 0; i < reports.length && !this.isRefused; i += 1) {
      if (this.hasBegun) this.acknowledge(reports[i])
      else this.begin(reports[i], reports[i] === 0 && reports[i + 1] === 0)
    }
    if (reports.length === 0 || this.isRefused) return
    this.options.onReport(this)
    this.pump()
  }

  private begin(end: number, wantsAll: boolean): void {
    const start = startOf(end, wantsAll, this.options.log())
    if ('code' in start) {
      this.refuse(start)
      return
    }
    this.acknowledged = end
    this.sent = this.startedAt = start.from
    this.stamps = this.options.clock.join()
    // Tells an empty slave where its log begins before any of it is there.
    this.options.socket.write(encodeTransferHeader(start.from, 0))
    this.lastWritten = this.options.now()
  }

  private acknowledge(end: number): void {
    const fault = faultOf(end, this.acknowledged, this.sent)
    if (fault !== undefined) this.refuse(fault)
    else this.acknowledged = end
  }

  private refuse(refusal: Refusal): void {
    this.isRefused = true
    this.options.onRefused(this, refusal)
  }
}

/**
 * One peer: whole frames in, answers out, requests of ours and their answers.
 *
 *   socket ─► FrameSplitter ─► answer? ─► the invoke() that waits for it
 *                                 └─ no ─► handler.frame
 *
 * Owns:      the socket, its input and output buffers, the requests of ours that wait for an answer.
 * Invariant: after close() nothing is offered to the handler but one closed().
 * Bounds:    a peer that does not read is not read from beyond a quarter of maxPendingBytes, and closed beyond all of it.
 */
import type { Socket } from 'node:net'
import { AssertionError } from '../assert.ts'
import { describe, RemotingError } from '../errors.ts'
import { FLAG_ONEWAY, isAnswer, type RemotingCommand } from './command.ts'
import { decodeCommand, encodeCommand } from './frame.ts'
import { hostBytes } from './host.ts'
import { SentReader } from './hot/index.ts'
import { Output } from './output.ts'
import { type AnswerWaiter, mayBeAnswer, nextOpaque, PendingAnswers } from './pending-answers.ts'
import { readWith } from './read-buffer.ts'
import { FrameSplitter, type FrameTaker } from './splitter.ts'
import type { ServerTls } from './tls/index.ts'

export interface FrameHandler {
  opened(c: Connection): void
  closed(c: Connection, reason: string): void
  /**
   * One whole request frame in bytes[start, end) (start = its 4-byte length). Valid only during the call. 'later': could
   * not be taken (back-pressure); this connection is not read, and the same frame is offered again after c.resume().
   * A RemotingError that it throws closes the connection with one line in the log.
   */
  frame(c: Connection, bytes: Buffer, start: number, end: number): 'taken' | 'later'
}

/** What a server or client gives its connections. */
export interface ConnectionOwner {
  readonly handler: FrameHandler
  readonly maxFrame: number
  readonly maxPendingBytes: number
  readonly now: () => number
  /** A request of ours carries any code: the answer's flag is looked for in every frame, not only in likely ones. */
  readonly asksOften: boolean
  /** TLS where the peer wants it. */
  readonly tls?: ServerTls | undefined
  gone(c: Connection, reason: string, error: unknown): void
  unknownAnswer(c: Connection): void
  /** In place of an error of the socket, what it means. */
  explain?(error: Error): Error
}

/** Why a connection is not read at the moment. */
const LATER = 1
const PAUSED = 2
const OUTPUT = 4

let nextId = 1

export class Connection {
  readonly id = nextId++
  /** "ip:port" as Java prints it, without brackets. */
  readonly remoteAddress: string
  /** 4 bytes, also of an IPv4 address mapped into IPv6; else 16. */
  readonly remoteHost: Uint8Array
  readonly remotePort: number
  closed = false
  attachment: unknown = undefined
  /** Clock time of the last read or finished write. */
  lastActive: number
  /** Clock time of the last read. */
  lastRead: number

  private readonly owner: ConnectionOwner
  private socket: Socket
  private splitter: FrameSplitter
  private output: Output
  private readonly pending: PendingAnswers
  /** Who waits for the output to be taken. */
  private draining: { bytes: number; length: number; resolve(): void }[] = []
  private readonly taker: FrameTaker = {
    frame: (bytes, start, end) => this.take(bytes, start, end),
    broken: (error) => this.fail(error),
    handshake: (bytes) => this.secure(bytes),
  }
  private readonly heard: [event: string, heard: (error: Error) => void][] = [
    ['error', (error) => this.failed(error)],
    ['end', () => this.ended()],
    ['close', () => this.gone()],
  ]
  /** Where sends are among our requests. */
  private sentReader: SentReader | undefined
  /** What is inside a handshake is no second one. */
  private isSecure = false
  private stopped = 0
  private reason: string | undefined
  private error: unknown

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.owner = owner
    this.socket = socket
    this.remotePort = socket.remotePort ?? 0
    this.remoteHost = hostBytes(socket.remoteAddress)
    this.remoteAddress = `${(socket.remoteAddress ?? '0.0.0.0').replace(/^::ffff:(?=\d+\.)/i, '')}:${this.remotePort}`
    this.pending = new PendingAnswers(this.remoteAddress)
    this.lastActive = this.lastRead = owner.now()
    this.splitter = new FrameSplitter(this.taker, owner.maxFrame)
    this.output = new Output(socket, () => this.written())
    this.listen(socket)
  }

  /** Bytes that wait for the peer to read. */
  get pendingBytes(): number {
    return this.output.pendingBytes
  }

  /** Requests of ours that wait for an answer. */
  get pendingAnswers(): number {
    return this.pending.count
  }

  /** The buffer that reserve() gave a place in. */
  get out(): Buffer {
    return this.output.chunk
  }

  /** A place in `out` for a frame of at most `length` bytes; valid until the next call of any method here. */
  reserve(length: number): number {
    return this.output.reserve(length)
  }

  /** The frame at the reserved place has `length` bytes and is to be sent. */
  advance(length: number): void {
    if (this.closed) return
    this.output.advance(length)
    if (this.output.pendingBytes > this.owner.maxPendingBytes >> 2) this.crowded()
  }

  /** Queued; everything that is written during one callback leaves with one write. Does nothing once closed. */
  send(command: RemotingCommand): void {
    if (this.closed) return
    const frame = encodeCommand(command)
    const at = this.reserve(frame.length)
    frame.copy(this.out, at)
    this.advance(frame.length)
  }

  /**
   * A frame whose body is not copied: `header` is the frame up to its body, `chunks` the body. The chunks must not change
   * until onWritten, which is called once, also when the connection closes (and at once if it is closed).
   */
  sendFrame(header: Uint8Array, chunks: Uint8Array[], onWritten?: () => void): void {
    if (this.closed) {
      onWritten?.()
      return
    }
    const at = this.reserve(header.length)
    this.out.set(header, at)
    this.output.advance(header.length)
    this.output.reference(chunks, onWritten)
    if (this.output.pendingBytes > this.owner.maxPendingBytes >> 2) this.crowded()
  }

  /** A request of ours and its answer. Rejects with RemotingError TIMEOUT or CONNECTION_CLOSED. */
  invoke(command: RemotingCommand, timeoutMs: number): Promise<RemotingCommand> {
    if (this.closed) return Promise.reject(closedError(this.remoteAddress, this.reason))
    const opaque = nextOpaque()
    const answer = this.pending.add(opaque, command.code, timeoutMs, this.owner.now())
    try {
      this.send({ ...command, opaque })
    } catch (error) {
      this.pending.fail(opaque, error)
    }
    return answer
  }

  /**
   * Somebody waits for the answer to a request that the caller writes itself, with that opaque (nextOpaque). Fails as invoke()
   * does, at once where the connection is closed.
   */
  expect(opaque: number, code: number, timeoutMs: number, waiter: AnswerWaiter): void {
    if (this.closed) waiter.failed(closedError(this.remoteAddress, this.reason))
    else {
      if (waiter.sent !== undefined) this.sentReader ??= new SentReader()
      this.pending.expect(opaque, code, timeoutMs, this.owner.now(), waiter)
    }
  }

  /** Somebody waits for drained(): whoever writes now goes before them. */
  get isAwaited(): boolean {
    return this.draining.length > 0
  }

  /**
   * Resolves when at most so many bytes wait for the peer, or the connection is closed. `length`: what the caller will write
   * then; no more callers are woken at once than have room, in the order in which they came.
   */
  drained(bytes: number, length: number): Promise<void> {
    if (this.closed || this.output.pendingBytes <= bytes) return Promise.resolve()
    return new Promise((resolve) => this.draining.push({ bytes, length, resolve }))
  }

  /** The clock was moved: requests of ours whose time is over by it fail now. */
  expireAnswers(): void {
    this.pending.expire(this.owner.now())
  }

  oneway(command: RemotingCommand): void {
    this.send({ ...command, opaque: nextOpaque(), flag: command.flag | FLAG_ONEWAY })
  }

  /** No further frame is offered until resume(). */
  pause(): void {
    this.stop(PAUSED)
  }

  /** Ends pause() and 'later'; a frame that was not taken is offered again before this returns. */
  resume(): void {
    this.go(LATER | PAUSED)
  }

  /** Writes what the socket takes at once, then ends the connection. The handler's closed() follows. */
  close(reason: string): void {
    if (this.closed) return
    this.reason ??= reason
    this.output.flush()
    this.closed = true
    this.pending.stopTimer()
    this.splitter.stop()
    this.socket.destroy()
  }

  private listen(socket: Socket): void {
    readWith(socket, (bytes, length) => this.read(bytes, length))
    for (const [event, heard] of this.heard) socket.on(event, heard)
  }

  /** The peer's first bytes are a TLS handshake: from here on this connection is what is inside. */
  private secure(bytes: Buffer): boolean {
    const { tls } = this.owner
    if (tls?.mode !== 'permissive' || this.isSecure) return false
    const { socket } = this
    for (const [event, heard] of this.heard) socket.off(event, heard)
    this.output.close()
    this.isSecure = true
    this.socket = tls.wrap(socket, Buffer.from(bytes))
    this.output = new Output(this.socket, () => this.written())
    this.splitter = new FrameSplitter(this.taker, this.owner.maxFrame)
    this.listen(this.socket)
    return true
  }

  private read(bytes: Buffer, length: number): void {
    if (this.closed) return
    this.lastActive = this.lastRead = this.owner.now()
    this.splitter.read(bytes, length)
  }

  private take(bytes: Buffer, start: number, end: number): boolean {
    if (mayBeAnswer(bytes, start, end, this.owner.asksOften) && this.takeAnswer(bytes, start, end)) return true
    try {
      if (this.owner.handler.frame(this, bytes, start, end) === 'taken') return true
      this.stop(LATER)
      return false
    } catch (error) {
      if (error instanceof AssertionError) throw error
      this.fail(error)
      return true
    }
  }

  private takeAnswer(bytes: Buffer, start: number, end: number): boolean {
    const reader = this.sentReader
    if (reader?.read(bytes, start, end) === true) {
      const waiter = this.pending.take(reader.sent.opaque)
      if (waiter === undefined) this.owner.unknownAnswer(this)
      else if (waiter.sent !== undefined) waiter.sent(reader.sent)
      else waiter.answered(decodeCommand(bytes, start, end))
      return true
    }
    try {
      const command = decodeCommand(bytes, start, end)
      if (!isAnswer(command)) return false
      const waiter = this.pending.take(command.opaque)
      if (waiter === undefined) this.owner.unknownAnswer(this)
      else {
        if (waiter.sent !== undefined) reader?.learn(bytes, start, end, command)
        waiter.answered(command)
      }
    } catch (error) {
      this.fail(error)
    }
    return true
  }

  private fail(error: unknown): void {
    this.error ??= error
    this.close(describe(error))
  }

  private failed(error: Error): void {
    const explained = this.owner.explain?.(error) ?? error
    this.error ??= explained
    this.reason ??= describe(explained)
  }

  private ended(): void {
    this.reason ??= 'closed by the peer'
  }

  private stop(why: number): void {
    if (this.stopped === 0 && !this.closed) {
      this.splitter.pause()
      this.socket.pause()
    }
    this.stopped |= why
  }

  private go(why: number): void {
    if (this.stopped === 0) return
    this.stopped &= ~why
    if (this.stopped === 0 && !this.closed && this.splitter.resume() && this.stopped === 0) this.socket.resume()
  }

  private crowded(): void {
    if (this.output.pendingBytes <= this.owner.maxPendingBytes) {
      this.stop(OUTPUT)
      return
    }
    const error = new RemotingError('SLOW_READER', {
      what: `the peer does not read: ${this.output.pendingBytes} bytes wait for it, at most ${this.owner.maxPendingBytes} may`,
      todo: 'look for a client that stalls, or raise maxPendingBytes',
    })
    this.fail(error)
  }

  private written(): void {
    this.lastActive = this.owner.now()
    if ((this.stopped & OUTPUT) !== 0 && this.output.pendingBytes <= this.owner.maxPendingBytes >> 3) this.go(OUTPUT)
    if (this.draining.length > 0) this.wakeDrained()
  }

  private wakeDrained(): void {
    const waiting = this.draining
    let woken = 0
    for (let bytes = this.output.pendingBytes; woken < waiting.length; woken++) {
      if (!this.closed && bytes > waiting[woken].bytes) break
      bytes += waiting[woken].length
    }
    this.draining = waiting.slice(woken)
    for (let i = 0; i < woken; i++) waiting[i].resolve()
    // Whoever was woken may have given up meanwhile, and write nothing: then nothing else would wake the next.
    if (woken > 0 && this.draining.length > 0) setImmediate(() => this.wakeDrained())
  }

  private gone(): void {
    this.closed = true
    this.splitter.stop()
    this.output.close()
    this.wakeDrained()
    const reason = this.reason ?? 'closed by the peer'
    this.pending.close(closedError(this.remoteAddress, reason))
    this.owner.gone(this, reason, this.error)
  }
}

function closedError(address: string, reason: string | undefined): RemotingError {
  return new RemotingError('CONNECTION_CLOSED', {
    what: `the connection is closed: ${reason ?? 'closed'}`,
    where: address,
    retriable: true,
  })
}

/**
 * Cuts what a socket reads into frames.
 *
 *   read 1: [frame][frame][fra      read 2: me][frame]…
 *            └─ offered in place ─┘  └kept┘  └ gathered: copied behind the kept bytes, offered from there
 *
 * Owns:      the bytes of the frame that straddles two reads, and all unread bytes while the taker is paused.
 * Invariant: bytes are offered only as whole frames whose lengths and mark hold; nothing is offered while paused.
 * Bounds:    memory grows with the bytes that came, never with the length that a frame declares.
 * Format:    spec/remoting.md §2.
 */
import type { RemotingError } from '../errors.ts'
import { badLength, isHandshake } from './detect.ts'
import { checkMark } from './frame.ts'

export interface FrameTaker {
  /** A frame in bytes[start, end), valid only during the call. False: not taken, offer it again after resume(). */
  frame(bytes: Buffer, start: number, end: number): boolean
  /** The bytes cannot be frames. Nothing more is offered. */
  broken(error: RemotingError): void
  /** The connection begins with these bytes, which are a TLS handshake. True: somebody else reads on; nothing is broken. */
  handshake?(bytes: Buffer): boolean
}

const EMPTY = Buffer.alloc(0)
/** First size of the buffer for a straddling frame; one that grew beyond KEEP_MAX is given back when it is empty. */
const KEEP_MIN = 4096
const KEEP_MAX = 65_536

export class FrameSplitter {
  /** Frames offered and taken so far. */
  taken = 0
  private readonly taker: FrameTaker
  private readonly maxFrame: number
  private kept: Buffer = EMPTY
  private keptLength = 0
  private paused = false
  private broke = false
  private offering = false

  constructor(taker: FrameTaker, maxFrame: number) {
    this.taker = taker
    this.maxFrame = maxFrame
  }

  /** Bytes held back: part of a frame, or what came while paused. */
  get keptBytes(): number {
    return this.keptLength
  }

  /** What was just read; the bytes are not used after the call. */
  read(bytes: Buffer, length: number): void {
    if (this.broke) return
    let at = 0
    if (this.keptLength > 0) at = this.paused ? 0 : this.gather(bytes, length)
    if (!this.paused) at = this.offerAll(bytes, at, length)
    if (at < length && !this.broke) this.keep(bytes, at, length, length - at)
  }

  /** Offers nothing more until resume(). May be called from frame(): the frame that it is called for counts as taken. */
  pause(): void {
    this.paused = true
  }

  /** Offers what was kept back. True when nothing but a part of a frame is left: the socket may be read again. */
  resume(): boolean {
    this.paused = false
    if (this.offering || this.broke) return true
    const end = this.keptLength
    const at = this.offerAll(this.kept, 0, end)
    if (this.broke) return false
    this.kept.copyWithin(0, at, end)
    this.setKept(end - at)
    return !this.paused
  }

  /** Gives the memory back; nothing more is offered. */
  stop(): void {
    this.broke = true
    if (!this.offering) this.setKept(0)
  }

  /** Offers whole frames of bytes[at, end) while they are taken; the place where it stopped. */
  private offerAll(bytes: Buffer, at: number, end: number): number {
    while (end - at >= 4 && !this.paused) {
      const total = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
      if (total < 4 || total > this.maxFrame - 4) return this.stranger(bytes, at, end)
      const frameEnd = at + 4 + total
      if (frameEnd > end) break
      if (!this.offer(bytes, at, frameEnd)) break
      at = frameEnd
    }
    return at
  }

  /** False when the frame was not taken; then the splitter is paused or broken. */
  private offer(bytes: Buffer, start: number, end: number): boolean {
    const wrong = checkMark(bytes, start, end)
    if (wrong !== undefined) {
      this.breakOff(wrong)
      return false
    }
    this.offering = true
    const taken = this.taker.frame(bytes, start, end)
    this.offering = false
    if (this.broke) return false
    if (taken) this.taken++
    else this.paused = true
    return taken
  }

  /** Completes the kept part of a frame from bytes[0, length); the place of what follows it. */
  private gather(bytes: Buffer, length: number): number {
    let at = 0
    if (this.keptLength < 4) {
      at = Math.min(4 - this.keptLength, length)
      this.keep(bytes, 0, at, KEEP_MIN)
      if (this.keptLength < 4) return at
    }
    const total = this.kept.readInt32BE(0)
    if (total < 4 || total > this.maxFrame - 4) {
      // With the bytes behind it, so that the error can say what the peer speaks.
      this.keep(bytes, at, length, length - at)
      return this.stranger(this.kept, 0, this.keptLength)
    }
    const missing = 4 + total - this.keptLength
    const until = Math.min(length, at + missing)
    this.keep(bytes, at, until, missing)
    if (this.keptLength < 4 + total) return until
    if (this.offer(this.kept, 0, 4 + total)) this.setKept(0)
    return until
  }

  /** Appends bytes[from, to). `missing` bytes are expected in all: the buffer doubles towards that, no faster. */
  private keep(bytes: Buffer, from: number, to: number, missing: number): void {
    const needed = this.keptLength + to - from
    if (needed > this.kept.length) {
      const wanted = Math.min(this.keptLength + missing, this.kept.length * 2)
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, wanted, KEEP_MIN))
      this.kept.copy(grown, 0, 0, this.keptLength)
      this.kept = grown
    }
    bytes.copy(this.kept, this.keptLength, from, to)
    this.keptLength = needed
  }

  private setKept(length: number): void {
    this.keptLength = length
    if (length === 0 && this.kept.length > KEEP_MAX) this.kept = EMPTY
  }

  /** bytes[at, end) begin with what is no length of a frame. */
  private stranger(bytes: Buffer, at: number, end: number): number {
    if (this.taken === 0 && isHandshake(bytes, at) && this.taker.handshake?.(bytes.subarray(at, end))) return this.end()
    return this.breakOff(badLength(bytes, at, end, this.taken, this.maxFrame))
  }

  private breakOff(error: RemotingError): number {
    this.broke = true
    this.taker.broken(error)
    return this.end()
  }

  private end(): number {
    this.broke = true
    this.kept = EMPTY
    this.keptLength = 0
    return 0
  }
}

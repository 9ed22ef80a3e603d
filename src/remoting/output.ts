/**
 * What a connection has to write. Everything that is written during one callback of the event loop leaves with one write.
 *
 *   reserve → encode → advance      bytes in a pooled chunk
 *   reference                       bytes of others, not copied (leased segments)
 *   flush                           one write or writev of all pieces; while it is under way the next batch gathers
 *
 * Owns:      the chunks, from reserve until the kernel has the bytes.
 * Invariant: a chunk that was given to the socket is not touched before the socket is done with it.
 * Bounds:    none here: the connection closes beyond its limit (connection.ts).
 */
import type { Socket } from 'node:net'

/**
 * Sizes that are pooled, and how many of each: 16 KiB hold the answers to 64 sends in flight (240 bytes each), 64 KiB a
 * pull of 32 small messages, 512 KiB the largest pull that the default limits allow.
 */
const CLASSES = [
  { size: 16_384, most: 256, free: [] as Buffer[] },
  { size: 65_536, most: 64, free: [] as Buffer[] },
  { size: 524_288, most: 8, free: [] as Buffer[] },
]
/** Longer frames get a chunk of their own, which is not kept. */
export const CHUNK_LARGEST = CLASSES[CLASSES.length - 1].size
const EMPTY = Buffer.alloc(0)

function takeChunk(length: number): Buffer {
  for (const { size, free } of CLASSES) if (length <= size) return free.pop() ?? Buffer.allocUnsafeSlow(size)
  return Buffer.allocUnsafeSlow(length)
}

function giveChunk(chunk: Buffer): void {
  for (const { size, most, free } of CLASSES) if (chunk.length === size && free.length < most) free.push(chunk)
}

export class Output {
  /** The chunk that reserve() gave a place in. */
  chunk: Buffer = EMPTY
  /** Bytes that the socket has not taken yet. */
  pendingBytes = 0
  private readonly socket: Socket
  private readonly onDone: () => void
  private start = 0
  private end = 0
  private pieces: Uint8Array[] = []
  private spent: Buffer[] = []
  private callbacks: (() => void)[] = []
  private spentInFlight: Buffer[] = []
  private callbacksInFlight: (() => void)[] = []
  private bytesInFlight = 0
  private scheduled = false
  private closed = false
  private readonly written = (): void => this.batchWritten()

  /** `onDone` is called after each batch that the socket took. */
  constructor(socket: Socket, onDone: () => void) {
    this.socket = socket
    this.onDone = onDone
  }

  /** A place for `length` bytes in `chunk`; valid until the next reserve, reference or flush. */
  reserve(length: number): number {
    if (this.closed) this.end = this.start = 0
    if (this.chunk.length - this.end >= length) return this.end
    this.retire()
    this.chunk = takeChunk(length)
    return 0
  }

  /** The `length` bytes at the reserved place are to be sent. */
  advance(length: number): void {
    if (this.closed) return
    this.end += length
    this.pendingBytes += length
    if (!this.scheduled) this.schedule()
  }

  /** Sends those bytes behind what was written so far, without a copy. */
  reference(chunks: Uint8Array[], onWritten: (() => void) | undefined): void {
    if (this.closed) {
      onWritten?.()
      return
    }
    this.seal()
    for (const chunk of chunks) {
      this.pendingBytes += chunk.length
      this.pieces.push(chunk)
    }
    if (onWritten !== undefined) this.callbacks.push(onWritten)
    if (!this.scheduled) this.schedule()
  }

  flush(): void {
    this.scheduled = false
    if (this.bytesInFlight > 0 || this.pendingBytes === 0 || this.closed) return
    this.retire()
    const pieces = this.pieces
    this.pieces = []
    this.bytesInFlight = this.pendingBytes
    this.swapBatch()
    if (pieces.length === 1) {
      this.socket.write(pieces[0], this.written)
    } else {
      this.socket.cork()
      const last = pieces.length - 1
      for (let i = 0; i < last; i++) this.socket.write(pieces[i])
      this.socket.write(pieces[last], this.written)
      this.socket.uncork()
    }
  }

  /** The socket is gone: all leases end, chunks go back. */
  close(): void {
    if (this.closed) return
    this.retire()
    this.closed = true
    this.pieces = []
    this.pendingBytes = 0
    this.endBatch()
    this.swapBatch()
    this.endBatch()
  }

  private schedule(): void {
    this.scheduled = true
    if (dirty.length === 0) queueMicrotask(flushAll)
    dirty.push(this)
  }

  private seal(): void {
    if (this.end > this.start) this.pieces.push(this.chunk.subarray(this.start, this.end))
    this.start = this.end
  }

  private retire(): void {
    this.seal()
    if (this.chunk !== EMPTY) this.spent.push(this.chunk)
    this.chunk = EMPTY
    this.start = this.end = 0
  }

  private swapBatch(): void {
    const spent = this.spentInFlight
    this.spentInFlight = this.spent
    this.spent = spent
    const callbacks = this.callbacksInFlight
    this.callbacksInFlight = this.callbacks
    this.callbacks = callbacks
  }

  private batchWritten(): void {
    if (this.closed) return
    this.pendingBytes -= this.bytesInFlight
    this.bytesInFlight = 0
    this.endBatch()
    if (this.pendingBytes > 0) this.flush()
    this.onDone()
  }

  private endBatch(): void {
    for (let chunk = this.spentInFlight.pop(); chunk !== undefined; chunk = this.spentInFlight.pop()) giveChunk(chunk)
    if (this.callbacksInFlight.length === 0) return
    const callbacks = this.callbacksInFlight
    this.callbacksInFlight = []
    for (const callback of callbacks) callback()
  }
}

let dirty: Output[] = []
let flushing: Output[] = []

/** Writes what all connections of this thread have gathered. Runs by itself at the end of the callback that wrote. */
export function flushAll(): void {
  const outputs = dirty
  dirty = flushing
  flushing = outputs
  for (let i = 0; i < outputs.length; i++) outputs[i].flush()
  outputs.length = 0
}

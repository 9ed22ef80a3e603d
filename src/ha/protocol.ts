/**
 * Bytes of the HA port, as RocketMQ 4.9 and 5's default service speak them.
 *
 *   slave → master   report     int64 end of the slave's log            8 bytes
 *   master → slave   transfer   int64 offset, int32 n, n bytes of log   12 + n
 *                    heartbeat  int64 offset of the next, int32 0       12
 *
 * The splitters take what a socket gives, cut anywhere, and keep what is not whole. Pure but for that; no sockets, no clock.
 * Format: spec/ha.md §2.
 */
export const REPORT_SIZE = 8
export const TRANSFER_HEADER_SIZE = 12
/** Nobody sends larger pieces: RocketMQ's slave has 4 MiB of room for header and bytes. Ours may be told 64 MiB. */
export const TRANSFER_LENGTH_MAX = 64 * 1024 * 1024

export function encodeReport(end: number): Buffer {
  const bytes = Buffer.allocUnsafe(REPORT_SIZE)
  bytes.writeBigInt64BE(BigInt(end))
  return bytes
}

/** Header of a transfer of `length` bytes from `offset` on; 0 bytes make a heartbeat. */
export function encodeTransferHeader(offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(TRANSFER_HEADER_SIZE)
  putTransferHeader(bytes, offset, length)
  return bytes
}

export function putTransferHeader(bytes: Buffer, offset: number, length: number): void {
  bytes.writeBigInt64BE(BigInt(offset))
  bytes.writeInt32BE(length, 8)
}

/** Cuts what a slave sends into reports. A value that no log can have comes as it is, rounded to a number. */
export class ReportSplitter {
  private readonly held = Buffer.alloc(REPORT_SIZE)
  private heldLength = 0

  /** The reports that end in this chunk, in order. */
  take(chunk: Buffer): number[] {
    const reports: number[] = []
    let at = 0
    if (this.heldLength > 0) {
      at = chunk.copy(this.held, this.heldLength, 0, REPORT_SIZE - this.heldLength)
      this.heldLength += at
      if (this.heldLength < REPORT_SIZE) return reports
      reports.push(Number(this.held.readBigInt64BE()))
    }
    for (; at + REPORT_SIZE <= chunk.length; at += REPORT_SIZE) reports.push(Number(chunk.readBigInt64BE(at)))
    this.heldLength = chunk.copy(this.held, 0, at)
    return reports
  }
}

/** Told of what a master sends. Either may say `false`: nothing more is taken from this chunk, the connection is given up. */
export interface TransferListener {
  /** A frame begins: 0 bytes are a heartbeat. */
  frame(offset: number, length: number): boolean
  /** chunk[from, to) are bytes of the log from `offset` on; those of one frame may come in many pieces. */
  bytes(chunk: Buffer, from: number, to: number, offset: number): boolean
}

/** Cuts what a master sends. Bytes of the log are passed on as they come, without a copy. */
export class TransferSplitter {
  private readonly header = Buffer.alloc(TRANSFER_HEADER_SIZE)
  private headerLength = 0
  /** Where the next byte of the frame under way lies, and how many it still has. */
  private offset = 0
  private left = 0
  private readonly listener: TransferListener

  constructor(listener: TransferListener) {
    this.listener = listener
  }

  /** False: the listener has given up, or the length is none that a master sends. */
  take(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.left > 0) {
        const to = Math.min(chunk.length, at + this.left)
        if (!this.listener.bytes(chunk, at, to, this.offset)) return false
        this.offset += to - at
        this.left -= to - at
        at = to
        continue
      }
      const taken = chunk.copy(this.header, this.headerLength, at, at + TRANSFER_HEADER_SIZE - this.headerLength)
      this.headerLength += taken
      at += taken
      if (this.headerLength < TRANSFER_HEADER_SIZE) return true
      this.headerLength = 0
      this.offset = Number(this.header.readBigInt64BE())
      this.left = this.header.readInt32BE(8)
      if (this.left < 0 || this.left > TRANSFER_LENGTH_MAX) return false
      if (!this.listener.frame(this.offset, this.left)) return false
    }
    return true
  }
}

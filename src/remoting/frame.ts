/**
 * Frames: spec/remoting.md §2. All integers are big-endian.
 *
 *   0  4  total = 4 + headerLength + bodyLength (does not count itself)
 *   4  4  mark  = serializeType << 24 | headerLength
 *   8  …  header (JSON text or binary)
 *   …  …  body (the rest)
 */
import { RemotingError } from '../errors.ts'
import { binaryHeaderLength, decodeBinaryHeader, encodeBinaryHeader } from './binary-header.ts'
import type { RemotingCommand } from './command.ts'
import { decodeJsonHeader, encodeJsonHeader } from './json-header.ts'

/** Largest frame that RocketMQ accepts, its length field counted. */
export const MAX_FRAME = 16_777_216
export const HEADER_AT = 8
/** A frame holds at least its length and its mark. */
export const MIN_FRAME = 8

/** The serialize type, headerLength and so the body's place are only what the frame says: call checkMark first. */
export function headerLengthOf(bytes: Uint8Array, start: number): number {
  return (bytes[start + 5] << 16) | (bytes[start + 6] << 8) | bytes[start + 7]
}

/** Why the mark of the whole frame in bytes[start, end) cannot be, or undefined. */
export function checkMark(bytes: Uint8Array, start: number, end: number): RemotingError | undefined {
  const type = bytes[start + 4]
  if (type > 1) {
    return new RemotingError('BAD_SERIALIZE_TYPE', { what: `the frame's serialize type is ${type}, expected 0 or 1` })
  }
  const headerLength = headerLengthOf(bytes, start)
  if (headerLength <= end - start - HEADER_AT) return undefined
  return new RemotingError('BAD_HEADER_LENGTH', {
    what: `the frame declares a header of ${headerLength} bytes, but has ${end - start - HEADER_AT}`,
  })
}

/**
 * The frame in bytes[start, end), start being the place of its 4-byte length. The body is a copy: the command may be kept
 * while the bytes are the network's next read.
 * Throws RemotingError BAD_SERIALIZE_TYPE, BAD_HEADER_LENGTH, BAD_HEADER: the connection cannot go on.
 */
export function decodeCommand(bytes: Buffer, start = 0, end = bytes.length): RemotingCommand {
  if (end - start < MIN_FRAME) {
    throw new RemotingError('FRAME_TOO_SMALL', { what: `the frame has ${end - start} bytes, expected at least 8` })
  }
  const wrong = checkMark(bytes, start, end)
  if (wrong !== undefined) throw wrong
  const headerAt = start + HEADER_AT
  const bodyAt = headerAt + headerLengthOf(bytes, start)
  const it =
    bytes[start + 4] === 0 ? decodeJsonHeader(bytes, headerAt, bodyAt) : decodeBinaryHeader(bytes, headerAt, bodyAt)
  if (bodyAt < end) it.body = Buffer.from(bytes.subarray(bodyAt, end))
  return it
}

/** Length and mark of a frame with that header and body. */
export function writeFrameStart(out: Buffer, at: number, type: number, headerLength: number, bodyLength: number): void {
  out.writeInt32BE(4 + headerLength + bodyLength, at)
  out.writeInt32BE((type << 24) | headerLength, at + 4)
}

/** Everything of the frame but its body. */
export function encodeFrameHeader(it: RemotingCommand, bodyLength: number): Buffer {
  return encode(it, bodyLength, 0)
}

/** The whole frame in a buffer of its own. */
export function encodeCommand(it: RemotingCommand): Buffer {
  const bodyLength = it.body?.length ?? 0
  const out = encode(it, bodyLength, bodyLength)
  if (it.body !== undefined) out.set(it.body, out.length - bodyLength)
  return out
}

function encode(it: RemotingCommand, bodyLength: number, room: number): Buffer {
  if (it.serialize === 1) {
    const length = binaryHeaderLength(it)
    const out = Buffer.allocUnsafe(HEADER_AT + length + room)
    encodeBinaryHeader(it, out, HEADER_AT, length)
    writeFrameStart(out, 0, 1, checkedLength(length), bodyLength)
    return out
  }
  const text = encodeJsonHeader(it)
  const length = Buffer.byteLength(text)
  const out = Buffer.allocUnsafe(HEADER_AT + length + room)
  out.write(text, HEADER_AT)
  writeFrameStart(out, 0, 0, checkedLength(length), bodyLength)
  return out
}

function checkedLength(length: number): number {
  if (length <= 0xffffff) return length
  throw new RemotingError('BAD_HEADER_LENGTH', { what: `a header of ${length} bytes does not fit (16777215)` })
}

/**
 * Copies between buffers of which one is shared, and CRCs, without a view for each (native-bindings/copy.h).
 *
 * 1 KiB at any alignment into a SharedArrayBuffer, nanoseconds on one core (bench/micro "copy", "crc"):
 *
 *                        Node 20   22    24
 *   Buffer.copy              424   58    49     Node 20's V8 copies shared memory byte by byte
 *   copyBytes                 85   58    49
 *   zlib.crc32 of a view     406  480   368
 *   copyWithCrc              164  166   165     both at once
 *
 * Nobody else may write the ranges meanwhile.
 */
import { type Addon, addon } from './addon.ts'

const V8_COPIES_FAST = Number(process.versions.node.split('.')[0]) >= 22
let native: Addon | undefined

/** Copies `length` bytes; both ranges lie in their buffers. */
export function copyBytes(to: Buffer, at: number, from: Buffer, start: number, length: number): void {
  if (V8_COPIES_FAST) {
    from.copy(to, at, start, start + length)
    return
  }
  native ??= addon()
  native.copy(to, at, from, start, length)
}

/** Copies `length` bytes and returns their CRC-32, as an int32. */
export function copyWithCrc(to: Buffer, at: number, from: Buffer, start: number, length: number): number {
  native ??= addon()
  return native.copyWithCrc(to, at, from, start, length)
}

/** CRC-32 of bytes[start, start + length), as an int32. */
export function crc32(bytes: Uint8Array, start: number, length: number): number {
  native ??= addon()
  return native.crc32(bytes, start, length)
}

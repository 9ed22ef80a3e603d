/**
 * CRC-32 of a message body as the CommitLog stores it: zlib's polynomial, the top bit cut off (spec/store-format.md §2).
 *
 * zlib.crc32 works through large bodies with vector instructions but costs a call out of JavaScript; below 96 bytes a
 * table is cheaper (bench/micro "crc").
 */
import { crc32 } from 'node:zlib'

const TABLE_BYTES_MAX = 96

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320
  return crc | 0
})

/** CRC of bytes[start, end), an int32 that is never negative. An empty body has 0. */
export function crcOfBody(bytes: Uint8Array, start = 0, end = bytes.length): number {
  if (end - start > TABLE_BYTES_MAX) return crc32(bytes.subarray(start, end)) & 0x7fffffff
  let crc = -1
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]) & 0xff]
  return ~crc & 0x7fffffff
}

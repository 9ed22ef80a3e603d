/**
 * How large an LZ4 body may become, from its frames' block sizes alone, before anything is unpacked.
 *
 *   magic 184D2204 | FLG BD [content size 8] [dictionary 4] HC | blocks: size 4, bytes, [checksum 4] | 0 | [checksum 4] | next frame …
 *
 * Source: LZ4 frame format 1.6.4.
 */

const MAGIC = 0x184d2204
/** Of frames without sizes. Decoders take them, RocketMQ's clients write none. */
const LEGACY = 0x184c2102
const FLAG = { dictionary: 1, contentChecksum: 4, contentSize: 8, blockChecksum: 16 }
const UNCOMPRESSED = 0x8000_0000
/** One byte of input stands for at most so many of output. */
const RATIO_MAX = 255

/** An upper bound, Infinity where there is none; what is no frame ends the count: the decoder names it. */
export function lz4SizeMax(body: Uint8Array): number {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  const end = body.length
  let sum = 0
  let at = 0
  while (at + 7 <= end && view.getUint32(at, true) === MAGIC) {
    const flags = body[at + 4]
    const blockMax = 1 << (8 + 2 * ((body[at + 5] >> 4) & 7))
    at += 7 + ((flags & FLAG.contentSize) === 0 ? 0 : 8) + ((flags & FLAG.dictionary) === 0 ? 0 : 4)
    while (at + 4 <= end) {
      const word = view.getUint32(at, true)
      at += 4
      if (word === 0) break
      const size = word & ~UNCOMPRESSED
      sum += word >= UNCOMPRESSED ? size : Math.min(blockMax, size * RATIO_MAX)
      at += size + ((flags & FLAG.blockChecksum) === 0 ? 0 : 4)
    }
    if ((flags & FLAG.contentChecksum) !== 0) at += 4
  }
  return at + 4 <= end && view.getUint32(at, true) === LEGACY ? Number.POSITIVE_INFINITY : sum
}

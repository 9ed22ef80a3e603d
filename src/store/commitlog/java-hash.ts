/**
 * Java's String.hashCode: s[0]·31^(n−1) + … over UTF-16 code units, as int32. Tags codes, index keys and Java's map
 * orders are made of it (spec/broker-requests.md §1 "tagsCode", spec/store-format.md §5).
 */

/** Of a whole string, or of a whole UTF-8 text. */
export function javaHash(text: Uint8Array | string): number {
  return typeof text === 'string' ? javaHashOfString(text, 0) : javaHashOfBytes(text, 0, text.length, 0)
}

/** Goes on from `hash`: javaHashOfString('b', javaHash('a')) is javaHash('ab'). */
export function javaHashOfString(text: string, hash: number): number {
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}

/**
 * Of the UTF-8 bytes[start, end), going on from `hash`. ASCII is hashed byte by byte; from the first other byte on the
 * text is decoded (malformed bytes are U+FFFD, as in Java).
 */
export function javaHashOfBytes(bytes: Uint8Array, start: number, end: number, hash: number): number {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]
    if (byte >= 0x80) return javaHashOfString(Buffer.from(bytes.buffer, bytes.byteOffset + i, end - i).toString(), hash)
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  return hash
}

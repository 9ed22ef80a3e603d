/**
 * Payloads of the ring from the HA client to append, on a slave. Offsets in bytes, little-endian.
 *
 *   0   int32    kind
 *   4   int32    REWIND: its number, which append puts into the word `rewound`
 *   8   float64  BYTES: offset of the log of the first byte
 *  16   bytes    BYTES: of the log, all of one file, right behind those before
 */
import type { RingProducer } from '../concurrency/byte-ring.ts'
import { copyBytes } from '../native/index.ts'

export const RECEIVE = { kind: 0, number: 4, offset: 8, bytes: 16 } as const
export const RECEIVE_KIND = { bytes: 1, rewind: 2 } as const
export const RECEIVE_RING_BYTES = 4 * 1024 * 1024

/** False while the ring is full. */
export function claimChunk(ring: RingProducer, chunk: Buffer, from: number, length: number, offset: number): boolean {
  const at = ring.claim(RECEIVE.bytes + length)
  if (at < 0) return false
  ring.view.setInt32(at + RECEIVE.kind, RECEIVE_KIND.bytes, true)
  ring.view.setFloat64(at + RECEIVE.offset, offset, true)
  copyBytes(ring.bytes, at + RECEIVE.bytes, chunk, from, length)
  return true
}

export function claimRewind(ring: RingProducer, number: number): boolean {
  const at = ring.claim(RECEIVE.bytes)
  if (at < 0) return false
  ring.view.setInt32(at + RECEIVE.kind, RECEIVE_KIND.rewind, true)
  ring.view.setInt32(at + RECEIVE.number, number, true)
  return true
}

/**
 * Bits that a ConsumeQueueExt unit keeps of the filters that its message passed, so that a pull skips a message without
 * reading it: each (group, topic) has a few positions, and they are set where its filter matched.
 *
 *   hash = murmur3 128 of "group#topic" (UTF-8); h1, h2 = its lowest two int32; position i = |h1 + i·h2| mod bits, i = 1 … k
 *   bit p is 1 << (p & 7) of byte p >> 3
 *
 * Invariant: the same bits as RocketMQ 4.9.7 writes for the same settings (test/interop/filters.test.ts).
 */
export interface FilterBits {
  readonly bitNum: number
  readonly bitPos: readonly number[]
}

const KEY_SEPARATOR = '#'

export class BloomFilter {
  /** Bits of a map; a multiple of 8. */
  readonly bitCount: number
  readonly hashCount: number

  /** `errorRate` in percent, 1 to 99; `consumers` that it is meant for, at least 1. */
  constructor(errorRate: number, consumers: number) {
    const error = errorRate * 0.01
    this.hashCount = Math.ceil(Math.log(error) / Math.log(0.5))
    const bits = Math.ceil((consumers * Math.log(error)) / Math.log(1 / 2 ** Math.log(2)))
    this.bitCount = Math.ceil(bits / 8) * 8
  }

  bitsOf(group: string, topic: string): FilterBits {
    const [h1, h2] = murmurLow(Buffer.from(group + KEY_SEPARATOR + topic))
    const bitPos: number[] = []
    for (let i = 1; i <= this.hashCount; i += 1) {
      const combined = (h1 + Math.imul(i, h2)) | 0
      bitPos.push((combined < 0 ? ~combined : combined) % this.bitCount)
    }
    return { bitNum: this.bitCount, bitPos }
  }
}

export function setBits(map: Uint8Array, { bitPos }: FilterBits): void {
  for (const position of bitPos) map[position >> 3] |= 1 << (position & 7)
}

export function hasBits(map: Uint8Array, start: number, { bitPos }: FilterBits): boolean {
  for (let i = 0; i < bitPos.length; i += 1) {
    if ((map[start + (bitPos[i] >> 3)] & (1 << (bitPos[i] & 7))) === 0) return false
  }
  return true
}

const C1 = 0x87c3_7b91_1142_53d5n
const C2 = 0x4cf5_ad43_2745_937fn
const u64 = (value: bigint) => BigInt.asUintN(64, value)
const rotated = (value: bigint, by: bigint) => u64(value << by) | (value >> (64n - by))
const mixed1 = (block: bigint) => u64(rotated(u64(block * C1), 31n) * C2)
const mixed2 = (block: bigint) => u64(rotated(u64(block * C2), 33n) * C1)

/** The lowest 64 bits of MurmurHash3_x64_128, seed 0, as two int32: low, high. Once a subscription, so BigInt will do. */
function murmurLow(bytes: Buffer): [number, number] {
  const padded = Buffer.alloc(Math.ceil((bytes.length + 1) / 16) * 16)
  bytes.copy(padded)
  const whole = bytes.length - (bytes.length % 16)
  let h1 = 0n
  let h2 = 0n
  for (let at = 0; at < whole; at += 16) {
    h1 ^= mixed1(padded.readBigUInt64LE(at))
    h1 = u64((rotated(h1, 27n) + h2) * 5n + 0x52dc_e729n)
    h2 ^= mixed2(padded.readBigUInt64LE(at + 8))
    h2 = u64((rotated(h2, 31n) + h1) * 5n + 0x3849_5ab5n)
  }
  h2 ^= mixed2(padded.readBigUInt64LE(whole + 8))
  h1 ^= mixed1(padded.readBigUInt64LE(whole))
  const length = BigInt(bytes.length)
  h1 = u64((h1 ^ length) + (h2 ^ length))
  h2 = u64((h2 ^ length) + h1)
  const low = u64(finished(h1) + finished(h2))
  return [Number(BigInt.asIntN(32, low)), Number(BigInt.asIntN(32, low >> 32n))]
}

function finished(hash: bigint): bigint {
  let it = hash
  it = u64((it ^ (it >> 33n)) * 0xff51_afd7_ed55_8ccdn)
  it = u64((it ^ (it >> 33n)) * 0xc4ce_b9fe_1a85_ec53n)
  return it ^ (it >> 33n)
}

/** Numbers as text, straight into a buffer: no strings, no garbage. */

const ZERO = 0x30
const BILLION = 1_000_000_000
const HEX = Buffer.from('0123456789ABCDEF')

/** Decimal form of an integer between -2^53 and 2^53; the place behind it. */
export function putInt(out: Uint8Array, at: number, value: number): number {
  if (value < 0) {
    out[at] = 0x2d
    return putInt(out, at + 1, -value)
  }
  if (value < BILLION) return putSmall(out, at, value)
  const high = Math.floor(value / BILLION)
  const next = putInt(out, at, high)
  putPadded(out, next, value - high * BILLION)
  return next + 9
}

/** Bytes that putInt would write. */
export function intLength(value: number): number {
  let length = value < 0 ? 2 : 1
  for (let limit = 10; limit <= Math.abs(value); limit *= 10) length++
  return length
}

function putSmall(out: Uint8Array, at: number, value: number): number {
  let length = 1
  for (let limit = 10; limit <= value; limit *= 10) length++
  let rest = value | 0
  for (let i = at + length - 1; i >= at; i--) {
    const tenth = (rest / 10) | 0
    out[i] = ZERO + rest - tenth * 10
    rest = tenth
  }
  return at + length
}

function putPadded(out: Uint8Array, at: number, value: number): void {
  let rest = value | 0
  for (let i = at + 8; i >= at; i--) {
    const tenth = (rest / 10) | 0
    out[i] = ZERO + rest - tenth * 10
    rest = tenth
  }
}

/** 16 upper-case hex digits of an integer from 0 to 2^53; the place behind them. */
export function putHex64(out: Uint8Array, at: number, value: number): number {
  const high = Math.floor(value / 0x1_0000_0000)
  putHex32(out, at, high | 0)
  putHex32(out, at + 8, (value - high * 0x1_0000_0000) | 0)
  return at + 16
}

function putHex32(out: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 8; i++) out[at + i] = HEX[(value >>> (28 - 4 * i)) & 15]
}

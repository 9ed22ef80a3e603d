/**
 * Values of the properties that an expression names, looked up in the bytes of a record: one pass a message, no object, no
 * string.
 *
 *   color \x01 blue \x02 price \x01 12 \x02 …
 *                                └──┴ starts[i], ends[i] of the i-th name; start −1: not there
 *
 * Pairs are read as RocketMQ reads them: one of an empty name or value is none, the last of a name counts, a value may
 * contain \x01. What is compared by its bytes is compared by what they say where they are no ASCII.
 * Source: spec/broker-requests.md §1 "Properties text".
 */
import { parseDouble, parseInteger, parseLong } from './java-numbers.ts'

const NAME_END = 0x01
const PAIR_END = 0x02
/** Integers of so many digits are exact, and so is their quotient by a power of ten up to 10^22. */
const EXACT_DIGITS = 15
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => 10 ** power)

export class PropertyValues {
  /** A value that double() read is no number. */
  isBad = false
  private readonly names: readonly Buffer[]
  private readonly starts: Int32Array
  private readonly ends: Int32Array
  private bytes: Uint8Array = new Uint8Array(0)

  constructor(names: readonly string[]) {
    this.names = names.map((name) => Buffer.from(name))
    this.starts = new Int32Array(names.length)
    this.ends = new Int32Array(names.length)
  }

  /** Looks into bytes[start, end); they are read again until the next call. */
  scan(bytes: Uint8Array, start: number, end: number): void {
    const { names, starts } = this
    this.bytes = bytes
    starts.fill(-1)
    for (let at = start; at < end; ) {
      let name = -1
      for (let i = 0; i < names.length && name < 0; i += 1) if (isName(names[i], bytes, at, end)) name = i
      const valueAt = name < 0 ? at : at + names[name].length + 1
      let to = valueAt
      while (to < end && bytes[to] !== PAIR_END) to += 1
      if (name >= 0 && to > valueAt) {
        starts[name] = valueAt
        this.ends[name] = to
      }
      at = to + 1
    }
  }

  has(slot: number): boolean {
    return this.starts[slot] >= 0
  }

  /** Integer.valueOf; NaN where it throws. */
  int(slot: number): number {
    const value = this.digits(slot, 10)
    if (value === undefined) return parseInteger(this.text(slot)) ?? Number.NaN
    return value === (value | 0) ? value : Number.NaN
  }

  /** Long.valueOf, as a bigint where a number cannot hold it; NaN where it throws. */
  long(slot: number): number | bigint {
    return this.digits(slot, EXACT_DIGITS) ?? parseLong(this.text(slot)) ?? Number.NaN
  }

  /** Double.valueOf; sets isBad where it throws. */
  double(slot: number): number {
    const value = this.decimal(slot) ?? parseDouble(this.text(slot))
    this.isBad = value === undefined
    return value ?? Number.NaN
  }

  /** Boolean.valueOf. */
  boolean(slot: number): boolean {
    const { bytes } = this
    const at = this.starts[slot]
    return (
      this.ends[slot] - at === 4 &&
      (bytes[at] | 0x20) === 0x74 &&
      (bytes[at + 1] | 0x20) === 0x72 &&
      (bytes[at + 2] | 0x20) === 0x75 &&
      (bytes[at + 3] | 0x20) === 0x65
    )
  }

  /** Whether the value is this text. */
  is(slot: number, text: Uint8Array): boolean {
    const at = this.starts[slot]
    if (this.ends[slot] - at !== text.length) return false
    for (let i = 0; i < text.length; i += 1) if (this.bytes[at + i] !== text[i]) return false
    return true
  }

  /** As hashOf() of the value's bytes. */
  hash(slot: number): number {
    return hashOf(this.bytes, this.starts[slot], this.ends[slot])
  }

  areSame(a: number, b: number): boolean {
    const { bytes, starts, ends } = this
    const length = ends[a] - starts[a]
    let isSame = length === ends[b] - starts[b]
    let isAscii = true
    for (let i = 0; i < length; i += 1) {
      const byte = bytes[starts[a] + i]
      if (byte >= 0x80) isAscii = false
      else if (isSame && byte !== bytes[starts[b] + i]) isSame = false
    }
    // Bytes that are no UTF-8 all read as the same character.
    return isAscii ? isSame : this.text(a) === this.text(b)
  }

  text(slot: number): string {
    const { bytes, starts, ends } = this
    return Buffer.from(bytes.buffer, bytes.byteOffset + starts[slot], ends[slot] - starts[slot]).toString()
  }

  /** An integer of at most `most` ASCII digits with or without a sign; undefined for anything else. */
  private digits(slot: number, most: number): number | undefined {
    const { bytes, ends } = this
    let at = this.starts[slot]
    const end = ends[slot]
    const first = bytes[at]
    if (first === 0x2d || first === 0x2b) at += 1
    if (end === at || end - at > most) return undefined
    let value = 0
    for (; at < end; at += 1) {
      const digit = bytes[at] - 0x30
      if (digit < 0 || digit > 9) return undefined
      value = value * 10 + digit
    }
    return first === 0x2d && value !== 0 ? -value : value
  }

  /** The same with a fraction. */
  private decimal(slot: number): number | undefined {
    const { bytes, ends } = this
    let at = this.starts[slot]
    const end = ends[slot]
    const first = bytes[at]
    if (first === 0x2d || first === 0x2b) at += 1
    let value = 0
    let count = 0
    let point = -1
    for (; at < end; at += 1) {
      const digit = bytes[at] - 0x30
      if (digit >= 0 && digit <= 9) {
        value = value * 10 + digit
        count += 1
      } else if (bytes[at] === 0x2e && point < 0) point = count
      else return undefined
    }
    if (count === 0 || count > EXACT_DIGITS) return undefined
    const size = point < 0 ? value : value / POWERS[count - point]
    return first === 0x2d ? -size : size
  }
}

export function hashOf(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let hash = 0
  for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + bytes[at]) | 0
  return hash
}

/** Whether a pair of that name starts here. */
function isName(name: Uint8Array, bytes: Uint8Array, at: number, end: number): boolean {
  const { length } = name
  if (at + length >= end || bytes[at + length] !== NAME_END) return false
  for (let i = 0; i < length; i += 1) if (bytes[at + i] !== name[i]) return false
  return true
}

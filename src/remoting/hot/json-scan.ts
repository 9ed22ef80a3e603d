/**
 * Reads the JSON of hot headers byte by byte: one pass, no objects, no strings.
 *
 * Strict on purpose: whatever is unusual (white space, escapes outside the properties, floats, null, a key twice) gives BAD
 * and the caller goes the generic way, so that here only what every client sends has to be right.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN = 0x7b
const CLOSE = 0x7d
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39
const SPACE = 0x20

/** No position: the generic way. */
export const BAD = -1
/** The header's last brace has been read. */
export const DONE = -2
/** No number: it is beyond what fits a double exactly. */
export const NO_NUMBER = 2 ** 53

/** The members of the header beside extFields; one object, filled by scanTop. */
export const top = { code: 0, opaque: 0, opaqueAt: 0, opaqueEnd: 0, flag: 0, version: 0, seen: 0 }

/** What a byte is inside a text: 0 plain, 1 the end, 2 an escape, 3 a control character, 4 part of a longer sequence. */
const KIND = Uint8Array.from({ length: 256 }, (_, c) => {
  if (c === QUOTE) return 1
  if (c === BACKSLASH) return 2
  return c < SPACE ? 3 : c < 0x80 ? 0 : 4
})

/** The bytes of a key, to be compared with isRestOf. */
export const key = (name: string) => Uint8Array.from(Buffer.from(name))
const EXT_FIELDS = key('extFields')
const OPAQUE = key('opaque')
const VERSION = key('version')

const word = (text: string) => Buffer.from(text).readInt32BE(0)
const CODE = word('code')
const FLAG = word('flag')
const OPAQ = word('opaq')
const VERS = word('vers')
const EXTF = word('extF')
const U000 = word('u000')
const SEEN = { code: 1, flag: 2, opaque: 4, version: 8, ext: 16 } as const

/** Begins a header at its first brace: the place of the value of extFields, or BAD. */
export function scanFirst(bytes: Uint8Array, at: number, end: number): number {
  top.code = top.opaque = top.flag = top.version = top.seen = 0
  return bytes[at] === OPEN ? scanTop(bytes, at + 1, end) : BAD
}

/** Goes on behind the brace that ended extFields: DONE or BAD. */
export function scanRest(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === COMMA) return scanTop(bytes, at + 1, end) === DONE ? DONE : BAD
  return bytes[at] === CLOSE ? onlySpace(bytes, at + 1, end) : BAD
}

function scanTop(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && bytes[at] === QUOTE) {
    const keyAt = at + 1
    const keyEnd = plainEnd(bytes, keyAt, end)
    if (keyEnd < 0 || bytes[keyEnd + 1] !== COLON) return BAD
    at = keyEnd + 2
    const name = keyEnd - keyAt < 4 ? 0 : wordAt(bytes, keyAt)
    if (name === EXTF && keyEnd - keyAt === 9 && isRestOf(bytes, keyAt, EXT_FIELDS)) {
      if ((top.seen & SEEN.ext) !== 0) return BAD
      top.seen |= SEEN.ext
      return at
    }
    if (bytes[at] !== QUOTE) at = topNumber(bytes, at, end, name, keyAt, keyEnd)
    else if (topBit(bytes, name, keyAt, keyEnd) === 0) at = plainEnd(bytes, at + 1, end) + 1
    else return BAD
    if (at <= 0) return BAD
    if (bytes[at] === CLOSE) return at < end ? onlySpace(bytes, at + 1, end) : BAD
    if (bytes[at] !== COMMA) return BAD
    at++
  }
  return BAD
}

/** A number at top level: kept if it is one of ours. The place behind it, or BAD. */
function topNumber(bytes: Uint8Array, at: number, end: number, name: number, keyAt: number, keyEnd: number): number {
  const numberEnd = bareEnd(bytes, at, end)
  const value = bareInt(bytes, at, numberEnd)
  if (value < -0x8000_0000 || value > 0x7fff_ffff) return BAD
  const bit = topBit(bytes, name, keyAt, keyEnd)
  if ((top.seen & bit) !== 0) return BAD
  top.seen |= bit
  if (bit === SEEN.code) top.code = value
  else if (bit === SEEN.flag) top.flag = value
  else if (bit === SEEN.opaque) {
    top.opaque = value
    top.opaqueAt = at
    top.opaqueEnd = numberEnd
  } else if (bit === SEEN.version) top.version = value
  return numberEnd
}

/** Which of our numbers a key names, 0 for none. */
function topBit(bytes: Uint8Array, name: number, keyAt: number, keyEnd: number): number {
  const length = keyEnd - keyAt
  if (length === 4) return name === CODE ? SEEN.code : name === FLAG ? SEEN.flag : 0
  if (length === 6) return name === OPAQ && isRestOf(bytes, keyAt, OPAQUE) ? SEEN.opaque : 0
  return length === 7 && name === VERS && isRestOf(bytes, keyAt, VERSION) ? SEEN.version : 0
}

/** The closing quote of a text without escapes and control characters that begins at `at`, or BAD. */
export function plainEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && (KIND[bytes[i]] & 3) === 0) i++
  return i < end && bytes[i] === QUOTE ? i : BAD
}

/** The comma or brace that ends a bare number or literal. */
export function bareEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && bytes[i] !== COMMA && bytes[i] !== CLOSE) i++
  return i
}

/** A JSON integer in bytes[from, to) that fits a double exactly, or NO_NUMBER. */
export function bareInt(bytes: Uint8Array, from: number, to: number): number {
  const first = bytes[from] === MINUS ? from + 1 : from
  return bytes[first] === ZERO && to - first > 1 ? NO_NUMBER : textInt(bytes, from, to)
}

/** Decimal digits in bytes[from, to), leading zeros allowed: at most 15, else NO_NUMBER. */
export function textInt(bytes: Uint8Array, from: number, to: number): number {
  const negative = bytes[from] === MINUS
  const first = negative ? from + 1 : from
  if (first >= to || to - first > 15) return NO_NUMBER
  let value = 0
  for (let i = first; i < to; i++) {
    const digit = bytes[i] - ZERO
    if (digit < 0 || digit > 9) return NO_NUMBER
    value = value * 10 + digit
  }
  return negative && value !== 0 ? -value : value
}

/** 1, 0, or BAD when bytes[from, to) are neither `true` nor `false`. */
export function boolAt(bytes: Uint8Array, from: number, to: number): number {
  if (to - from === 4 && wordAt(bytes, from) === TRUE) return 1
  return to - from === 5 && wordAt(bytes, from) === FALS && bytes[from + 4] === 0x65 ? 0 : BAD
}
const TRUE = word('true')
const FALS = word('fals')

/** Whether a bare value is one that is skipped: an integer, true or false. */
export function isBareValue(bytes: Uint8Array, from: number, to: number): boolean {
  return bareInt(bytes, from, to) !== NO_NUMBER || boolAt(bytes, from, to) !== BAD
}

export function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  let all = 0
  for (let i = from; i < to; i++) all |= bytes[i]
  return all < 0x80
}

export function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}

/** Whether the key at `at` goes on as `name` does behind its fourth character. */
export function isRestOf(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = 4; i < name.length; i++) if (bytes[at + i] !== name[i]) return false
  return true
}

/** jsoncpp ends a header with a line feed. */
function onlySpace(bytes: Uint8Array, at: number, end: number): number {
  for (let i = at; i < end; i++) {
    const c = bytes[i]
    if (c !== SPACE && c !== 0x0a && c !== 0x0d && c !== 0x09) return BAD
  }
  return DONE
}

/** Length of the properties that unescapeProperties() wrote last, and how many separators it found. */
export const unescaped = { length: 0, separators: 0 }

/**
 * Unescapes the JSON text of properties that begins at `at` into `into`, as UTF-8, and notes where 1 and 2 are put: they
 * divide it, and always come as escapes. The closing quote's place, or BAD: a surrogate escape, bytes that are no UTF-8,
 * no room.
 */
export function unescapeProperties(
  bytes: Uint8Array,
  at: number,
  end: number,
  into: Uint8Array,
  room: number,
  separators: Uint16Array,
): number {
  const limit = room - 4
  let count = 0
  let to = 0
  let i = at
  while (i < end && to <= limit) {
    const c = bytes[i]
    const kind = KIND[c]
    if (kind === 0) {
      into[to++] = c
      i++
    } else if (kind === 2) {
      const unit = escapeAt(bytes, i, end)
      if (unit < 0) return BAD
      i += bytes[i + 1] === 0x75 ? 6 : 2
      if (unit === 1 || unit === 2) separators[count++] = to
      to = putUnit(into, to, unit)
    } else if (kind === 4) {
      const length = utf8Length(bytes, i, end)
      if (length < 0) return BAD
      for (let k = 0; k < length; k++) into[to++] = bytes[i++]
    } else {
      unescaped.length = to
      unescaped.separators = count
      return kind === 1 ? i : BAD
    }
  }
  return BAD
}

/** The code unit of the escape at `at`; BAD for a surrogate or no escape. */
function escapeAt(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at + 1] !== 0x75) return shortEscape(bytes[at + 1])
  if (at + 6 > end) return BAD
  const last = bytes[at + 5] - ZERO
  // \u0001 and \u0002 divide the properties of every message.
  if (wordAt(bytes, at + 1) === U000 && last >= 0 && last <= 9) return last
  const unit = hexUnit(bytes, at + 2)
  return unit >= 0xd800 && unit < 0xe000 ? BAD : unit
}

function hexUnit(bytes: Uint8Array, at: number): number {
  let unit = 0
  for (let i = at; i < at + 4; i++) {
    const c = bytes[i]
    if (c >= ZERO && c <= NINE) unit = (unit << 4) | (c - ZERO)
    else if ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66) unit = (unit << 4) | ((c | 0x20) - 0x57)
    else return BAD
  }
  return unit
}

function putUnit(into: Uint8Array, at: number, unit: number): number {
  if (unit < 0x80) {
    into[at] = unit
    return at + 1
  }
  if (unit < 0x800) {
    into[at] = 0xc0 | (unit >> 6)
    into[at + 1] = 0x80 | (unit & 0x3f)
    return at + 2
  }
  into[at] = 0xe0 | (unit >> 12)
  into[at + 1] = 0x80 | ((unit >> 6) & 0x3f)
  into[at + 2] = 0x80 | (unit & 0x3f)
  return at + 3
}

function shortEscape(c: number): number {
  if (c === QUOTE || c === BACKSLASH || c === 0x2f) return c
  if (c === 0x6e) return 0x0a
  if (c === 0x74) return 0x09
  if (c === 0x72) return 0x0d
  if (c === 0x62) return 0x08
  return c === 0x66 ? 0x0c : BAD
}

/** Bytes of the UTF-8 sequence at `at` that opens with a high byte; BAD when it is none (overlong, surrogate, cut). */
export function utf8Length(bytes: Uint8Array, at: number, end: number): number {
  const c = bytes[at]
  if (c < 0xc2 || c > 0xf4) return BAD
  const length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4
  if (at + length > end) return BAD
  for (let i = 1; i < length; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return BAD
  const second = bytes[at + 1]
  if ((c === 0xe0 && second < 0xa0) || (c === 0xed && second > 0x9f)) return BAD
  if ((c === 0xf0 && second < 0x90) || (c === 0xf4 && second > 0x8f)) return BAD
  return length
}

export function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from
  while (at < to) {
    if (bytes[at] < 0x80) {
      at++
      continue
    }
    const length = utf8Length(bytes, at, to)
    if (length < 0) return false
    at += length
  }
  return true
}

/**
 * Reads the header of SEND_MESSAGE_V2 and SEND_BATCH_MESSAGE in place: one pass over its bytes, in JSON or binary.
 *
 * False means "go the generic way" (generic-send.ts): another code, an answer, or anything unusual. What is read here is
 * equal to what the generic way reads (test/remoting/hot.test.ts).
 * Format: spec/broker-requests.md §3, keys a … n.
 */
import { REQUEST } from '../request-codes.ts'
import {
  BAD,
  bareEnd,
  bareInt,
  boolAt,
  DONE,
  isAscii,
  isBareValue,
  isUtf8,
  NO_NUMBER,
  plainEnd,
  scanFirst,
  scanRest,
  textInt,
  top,
  unescaped,
  unescapeProperties,
  wordAt,
} from './json-scan.ts'
import { PROPERTIES_MAX, type SendFields } from './send-fields.ts'
import { learnShape, matchShape, places, propertiesEnd } from './send-shape.ts'

const KEY_A = 0x61
/** One bit a key: a … h are required. */
const REQUIRED = 0xff
const COLON = 0x3a
const COMMA = 0x2c
const QUOTE = 0x22
const OPEN = 0x7b
const CLOSE = 0x7d
const BACKSLASH = 0x5c
const KEY_PROPERTIES = 0x69

/** The frame in bytes[start, end), whose lengths have been checked. */
export function scanSend(bytes: Buffer, start: number, end: number, out: SendFields): boolean {
  const headerLength = (bytes[start + 5] << 16) | (bytes[start + 6] << 8) | bytes[start + 7]
  const headerAt = start + 8
  const headerEnd = headerAt + headerLength
  const fits =
    bytes[start + 4] === 0 ? scanJson(bytes, headerAt, headerEnd, out) : scanBinary(bytes, headerAt, headerEnd, out)
  if (!fits) return false
  out.serialize = bytes[start + 4]
  out.bodyStart = headerEnd
  out.bodyEnd = end
  return true
}

function isSend(code: number): boolean {
  return code === REQUEST.SEND_MESSAGE_V2 || code === REQUEST.SEND_BATCH_MESSAGE
}

function reset(out: SendFields): void {
  out.reconsumeTimes = 0
  out.maxReconsumeTimes = -1
  out.batch = false
  out.unitMode = false
  out.propertiesLength = out.separatorCount = 0
  places.properties = places.propertiesEnd = -1
}

function scanJson(bytes: Buffer, at: number, end: number, out: SendFields): boolean {
  const properties = matchShape(bytes, at, end, out)
  if (properties >= 0 && readProperties(bytes, properties, end, out) === propertiesEnd) return true
  if (!scanWhole(bytes, at, end, out)) return false
  learnShape(bytes, at, end, out)
  return true
}

function scanWhole(bytes: Buffer, at: number, end: number, out: SendFields): boolean {
  const ext = scanFirst(bytes, at, end)
  if (ext < 0 || !isSend(top.code)) return false
  const behind = scanFields(bytes, ext, end, out)
  if (behind < 0 || scanRest(bytes, behind, end) !== DONE || (top.flag & 1) !== 0) return false
  out.code = top.code
  out.opaque = top.opaque
  places.opaque = top.opaqueAt
  places.opaqueEnd = top.opaqueEnd
  out.flag = top.flag
  out.version = top.version
  return true
}

/** extFields, from its brace: the place behind it, or BAD. */
function scanFields(bytes: Uint8Array, from: number, end: number, out: SendFields): number {
  if (bytes[from] !== OPEN) return BAD
  reset(out)
  let seen = 0
  let at = from + 1
  while (at + 4 < end && bytes[at] === QUOTE) {
    let key = bytes[at + 1]
    if (bytes[at + 2] === QUOTE && bytes[at + 3] === COLON && key > QUOTE && key !== BACKSLASH) {
      at += 4
    } else {
      key = 0
      at = plainEnd(bytes, at + 1, end)
      if (at < 0 || bytes[at + 1] !== COLON) return BAD
      at += 2
    }
    const bit = key >= KEY_A && key < KEY_A + 14 ? 1 << (key - KEY_A) : 0
    if ((seen & bit) !== 0) return BAD
    seen |= bit
    if (bytes[at] !== QUOTE) {
      const to = bareEnd(bytes, at, end)
      if (!(bit === 0 ? isBareValue(bytes, at, to) : setBare(bytes, at, to, key, out))) return BAD
      at = to
    } else if (key === KEY_PROPERTIES) {
      places.properties = at + 1
      at = readProperties(bytes, at + 1, end, out) + 1
      if (at === 0) return BAD
      places.propertiesEnd = at - 1
    } else {
      const to = plainEnd(bytes, at + 1, end)
      if (to < 0 || (bit !== 0 && !setText(bytes, at + 1, to, key, out))) return BAD
      at = to + 1
    }
    if (bytes[at] === CLOSE) return (seen & REQUIRED) === REQUIRED && at < end ? at + 1 : BAD
    if (bytes[at] !== COMMA) return BAD
    at++
  }
  return BAD
}

/** The place of the quote that ends the properties, or BAD. */
function readProperties(bytes: Uint8Array, at: number, end: number, out: SendFields): number {
  const quote = unescapeProperties(bytes, at, end, out.properties, PROPERTIES_MAX, out.separators)
  out.propertiesLength = unescaped.length
  out.separatorCount = unescaped.separators
  return quote
}

/** A number or boolean that stands without quotes, as ali-ons writes them. */
function setBare(bytes: Uint8Array, from: number, to: number, key: number, out: SendFields): boolean {
  // a, b, c, i, n are texts: a number there is the generic way's.
  if (key <= 0x63 || key === KEY_PROPERTIES || key === 0x6e) return false
  if (key === 0x6b || key === 0x6d) return setFlag(boolAt(bytes, from, to), key, out)
  return setNumber(bareInt(bytes, from, to), from, to, key, out)
}

function setText(bytes: Uint8Array, from: number, to: number, key: number, out: SendFields): boolean {
  switch (key) {
    case 0x61:
      out.groupStart = from
      out.groupEnd = to
      return isAscii(bytes, from, to)
    case 0x62:
      out.topicStart = from
      out.topicEnd = to
      return isAscii(bytes, from, to)
    case 0x63:
      out.defaultTopicStart = from
      out.defaultTopicEnd = to
      return isAscii(bytes, from, to)
    case 0x6b:
    case 0x6d:
      return setFlag(boolAt(bytes, from, to), key, out)
    case 0x6e:
      return true
    default:
      return setNumber(textInt(bytes, from, to), from, to, key, out)
  }
}

function setFlag(value: number, key: number, out: SendFields): boolean {
  if (value < 0) return false
  if (key === 0x6b) out.unitMode = value === 1
  else out.batch = value === 1
  return true
}

function setNumber(value: number, from: number, to: number, key: number, out: SendFields): boolean {
  if (key === 0x67) {
    places.bornTimestamp = from
    places.bornTimestampEnd = to
    out.bornTimestamp = value
    return value !== NO_NUMBER
  }
  if (value < -0x8000_0000 || value > 0x7fff_ffff) return false
  switch (key) {
    case 0x64:
      out.defaultTopicQueueNums = value
      return true
    case 0x65:
      places.queueId = from
      places.queueIdEnd = to
      out.queueId = value
      return true
    case 0x66:
      out.sysFlag = value
      return true
    case 0x68:
      out.messageFlag = value
      return true
    case 0x6a:
      out.reconsumeTimes = value
      return true
    case 0x6c:
      out.maxReconsumeTimes = value
      // -1 stands for "not given": a header that gives it goes the generic way.
      return value !== -1
    default:
      return false
  }
}

/** spec/remoting.md §4. */
function scanBinary(bytes: Buffer, at: number, end: number, out: SendFields): boolean {
  if (end - at < 21) return false
  const code = (bytes[at] << 8) | bytes[at + 1]
  const flag = wordAt(bytes, at + 9)
  const remarkLength = wordAt(bytes, at + 13)
  if (!isSend(code) || (flag & 1) !== 0 || remarkLength !== 0) return false
  const mapLength = wordAt(bytes, at + 17)
  if (mapLength <= 0 || mapLength > end - at - 21) return false
  if (!scanMap(bytes, at + 21, at + 21 + mapLength, out)) return false
  out.code = code
  out.version = ((bytes[at + 3] << 24) | (bytes[at + 4] << 16)) >> 16
  out.opaque = wordAt(bytes, at + 5)
  out.flag = flag
  return true
}

function scanMap(bytes: Buffer, from: number, end: number, out: SendFields): boolean {
  reset(out)
  let seen = 0
  let at = from
  while (at + 6 < end) {
    const keyLength = (bytes[at] << 8) | bytes[at + 1]
    const key = keyLength === 1 ? bytes[at + 2] : 0
    const valueAt = at + 2 + keyLength + 4
    if (keyLength > 0x7fff || valueAt > end) return false
    const valueLength = wordAt(bytes, valueAt - 4)
    at = valueAt + valueLength
    if (valueLength < 0 || at > end) return false
    if (valueLength === 0 || key < KEY_A || key >= KEY_A + 14) continue
    const bit = 1 << (key - KEY_A)
    if ((seen & bit) !== 0) return false
    seen |= bit
    if (!(key === KEY_PROPERTIES ? setProperties(bytes, valueAt, at, out) : setText(bytes, valueAt, at, key, out))) {
      return false
    }
  }
  return at === end && (seen & REQUIRED) === REQUIRED
}

function setProperties(bytes: Buffer, from: number, to: number, out: SendFields): boolean {
  if (to - from > PROPERTIES_MAX || !isUtf8(bytes, from, to)) return false
  out.propertiesLength = bytes.copy(out.properties, 0, from, to)
  out.findSeparators()
  return true
}

/**
 * Reads the header of PULL_MESSAGE and LITE_PULL_MESSAGE in place, in JSON or binary; false means "go the generic way".
 * Format: spec/broker-requests.md §7.
 */
import { REQUEST } from '../request-codes.ts'
import {
  BAD,
  bareEnd,
  bareInt,
  DONE,
  isAscii,
  isBareValue,
  isRestOf,
  isUtf8,
  key as keyBytes,
  NO_NUMBER,
  plainEnd,
  scanFirst,
  scanRest,
  textInt,
  top,
  wordAt,
} from './json-scan.ts'
import type { PullFields } from './pull-fields.ts'

const COLON = 0x3a
const COMMA = 0x2c
const QUOTE = 0x22
const OPEN = 0x7b
const CLOSE = 0x7d

/** Bits of what was seen; the first nine are required. Texts are CONSUMER_GROUP, TOPIC, SUBSCRIPTION, EXPRESSION_TYPE. */
const CONSUMER_GROUP = 1
const TOPIC = 2
const QUEUE_ID = 4
const QUEUE_OFFSET = 8
const MAX_MSG_NUMS = 16
const SYS_FLAG = 32
const COMMIT_OFFSET = 64
const SUSPEND = 128
const SUB_VERSION = 256
const REQUIRED = 511
const SUBSCRIPTION = 512
const EXPRESSION_TYPE = 1024
const MAX_MSG_BYTES = 2048
/** Read as a number by the generic way, and not used. */
const REQUEST_SOURCE = 4096
const TEXTS = CONSUMER_GROUP | TOPIC | SUBSCRIPTION | EXPRESSION_TYPE

/** The frame in bytes[start, end), whose lengths have been checked. */
export function scanPull(bytes: Buffer, start: number, end: number, out: PullFields): boolean {
  const headerAt = start + 8
  const headerEnd = headerAt + ((bytes[start + 5] << 16) | (bytes[start + 6] << 8) | bytes[start + 7])
  if (headerEnd > end) return false
  out.serialize = bytes[start + 4]
  return out.serialize === 0 ? scanJson(bytes, headerAt, headerEnd, out) : scanBinary(bytes, headerAt, headerEnd, out)
}

function isPull(code: number): boolean {
  return code === REQUEST.PULL_MESSAGE || code === REQUEST.LITE_PULL_MESSAGE
}

function reset(out: PullFields): void {
  out.subscriptionStart = out.subscriptionEnd = -1
  out.expressionTypeStart = out.expressionTypeEnd = -1
  out.maxMsgBytes = -1
}

function scanJson(bytes: Uint8Array, at: number, end: number, out: PullFields): boolean {
  const ext = scanFirst(bytes, at, end)
  if (ext < 0 || !isPull(top.code)) return false
  const behind = scanFields(bytes, ext, end, out)
  if (behind < 0 || scanRest(bytes, behind, end) !== DONE || (top.flag & 1) !== 0) return false
  out.code = top.code
  out.opaque = top.opaque
  out.flag = top.flag
  out.version = top.version
  return true
}

function scanFields(bytes: Uint8Array, from: number, end: number, out: PullFields): number {
  if (bytes[from] !== OPEN) return BAD
  reset(out)
  let seen = 0
  let at = from + 1
  while (at < end && bytes[at] === QUOTE) {
    const keyEnd = plainEnd(bytes, at + 1, end)
    if (keyEnd < 0 || bytes[keyEnd + 1] !== COLON) return BAD
    const key = keyOf(bytes, at + 1, keyEnd - at - 1)
    if ((seen & key) !== 0) return BAD
    seen |= key
    at = keyEnd + 2
    if (bytes[at] === QUOTE) {
      const to = plainEnd(bytes, at + 1, end)
      if (to < 0 || (key !== 0 && !setText(bytes, at + 1, to, key, out))) return BAD
      at = to + 1
    } else {
      const to = bareEnd(bytes, at, end)
      if (!setBare(bytes, at, to, key, out)) return BAD
      at = to
    }
    if (bytes[at] === CLOSE) return (seen & REQUIRED) === REQUIRED && at < end ? at + 1 : BAD
    if (bytes[at] !== COMMA) return BAD
    at++
  }
  return BAD
}

const word = (text: string) => Buffer.from(text).readInt32BE(0)
const CONS = word('cons')
const TOPI = word('topi')
const QUEU = word('queu')
const MAXM = word('maxM')
const SYSF = word('sysF')
const COMM = word('comm')
const SUSP = word('susp')
const SUBV = word('subV')
const SUBS = word('subs')
const EXPR = word('expr')
const REQU = word('requ')

const KEYS = {
  commitOffset: keyBytes('commitOffset'),
  consumerGroup: keyBytes('consumerGroup'),
  expressionType: keyBytes('expressionType'),
  maxMsgBytes: keyBytes('maxMsgBytes'),
  maxMsgNums: keyBytes('maxMsgNums'),
  queueId: keyBytes('queueId'),
  queueOffset: keyBytes('queueOffset'),
  requestSource: keyBytes('requestSource'),
  subVersion: keyBytes('subVersion'),
  subscription: keyBytes('subscription'),
  suspendTimeoutMillis: keyBytes('suspendTimeoutMillis'),
  sysFlag: keyBytes('sysFlag'),
} as const

/** The bit of a key, 0 for one that is not ours. */
function keyOf(bytes: Uint8Array, at: number, length: number): number {
  if (length < 5) return 0
  switch (wordAt(bytes, at)) {
    case CONS:
      return length === 13 && isRestOf(bytes, at, KEYS.consumerGroup) ? CONSUMER_GROUP : 0
    case TOPI:
      return length === 5 && bytes[at + 4] === 0x63 ? TOPIC : 0
    case QUEU:
      if (length === 7) return isRestOf(bytes, at, KEYS.queueId) ? QUEUE_ID : 0
      return length === 11 && isRestOf(bytes, at, KEYS.queueOffset) ? QUEUE_OFFSET : 0
    case MAXM:
      if (length === 10) return isRestOf(bytes, at, KEYS.maxMsgNums) ? MAX_MSG_NUMS : 0
      return length === 11 && isRestOf(bytes, at, KEYS.maxMsgBytes) ? MAX_MSG_BYTES : 0
    case SYSF:
      return length === 7 && isRestOf(bytes, at, KEYS.sysFlag) ? SYS_FLAG : 0
    case COMM:
      return length === 12 && isRestOf(bytes, at, KEYS.commitOffset) ? COMMIT_OFFSET : 0
    case SUSP:
      return length === 20 && isRestOf(bytes, at, KEYS.suspendTimeoutMillis) ? SUSPEND : 0
    case SUBV:
      return length === 10 && isRestOf(bytes, at, KEYS.subVersion) ? SUB_VERSION : 0
    case SUBS:
      return length === 12 && isRestOf(bytes, at, KEYS.subscription) ? SUBSCRIPTION : 0
    case EXPR:
      return length === 14 && isRestOf(bytes, at, KEYS.expressionType) ? EXPRESSION_TYPE : 0
    case REQU:
      return length === 13 && isRestOf(bytes, at, KEYS.requestSource) ? REQUEST_SOURCE : 0
    default:
      return 0
  }
}

function setBare(bytes: Uint8Array, from: number, to: number, key: number, out: PullFields): boolean {
  if (key === 0) return isBareValue(bytes, from, to)
  return (key & TEXTS) === 0 && setNumber(bareInt(bytes, from, to), key, out)
}

function setText(bytes: Uint8Array, from: number, to: number, key: number, out: PullFields): boolean {
  switch (key) {
    case CONSUMER_GROUP:
      out.groupStart = from
      out.groupEnd = to
      return isAscii(bytes, from, to)
    case TOPIC:
      out.topicStart = from
      out.topicEnd = to
      return isAscii(bytes, from, to)
    case SUBSCRIPTION:
      out.subscriptionStart = from
      out.subscriptionEnd = to
      return isUtf8(bytes, from, to)
    case EXPRESSION_TYPE:
      out.expressionTypeStart = from
      out.expressionTypeEnd = to
      return isAscii(bytes, from, to)
    default:
      return setNumber(textInt(bytes, from, to), key, out)
  }
}

function setNumber(value: number, key: number, out: PullFields): boolean {
  switch (key) {
    case QUEUE_OFFSET:
      out.queueOffset = value
      return value !== NO_NUMBER
    case COMMIT_OFFSET:
      out.commitOffset = value
      return value !== NO_NUMBER
    case SUSPEND:
      out.suspendTimeoutMillis = value
      return value !== NO_NUMBER
    case SUB_VERSION:
      out.subVersion = value
      return value !== NO_NUMBER
    default:
      return value >= -0x8000_0000 && value <= 0x7fff_ffff && setInt32(value, key, out)
  }
}

function setInt32(value: number, key: number, out: PullFields): boolean {
  switch (key) {
    case QUEUE_ID:
      out.queueId = value
      return true
    case MAX_MSG_NUMS:
      out.maxMsgNums = value
      return true
    case SYS_FLAG:
      out.sysFlag = value
      return true
    case MAX_MSG_BYTES:
      out.maxMsgBytes = value
      // -1 stands for "not given": a header that gives it goes the generic way.
      return value !== -1
    default:
      return key === REQUEST_SOURCE
  }
}

/** spec/remoting.md §4. */
function scanBinary(bytes: Buffer, at: number, end: number, out: PullFields): boolean {
  if (end - at < 21) return false
  const code = (bytes[at] << 8) | bytes[at + 1]
  const flag = wordAt(bytes, at + 9)
  if (!isPull(code) || (flag & 1) !== 0 || wordAt(bytes, at + 13) !== 0) return false
  const mapLength = wordAt(bytes, at + 17)
  if (mapLength <= 0 || mapLength > end - at - 21) return false
  if (!scanMap(bytes, at + 21, at + 21 + mapLength, out)) return false
  out.code = code
  out.version = ((bytes[at + 3] << 24) | (bytes[at + 4] << 16)) >> 16
  out.opaque = wordAt(bytes, at + 5)
  out.flag = flag
  return true
}

function scanMap(bytes: Uint8Array, from: number, end: number, out: PullFields): boolean {
  reset(out)
  let seen = 0
  let at = from
  while (at + 6 < end) {
    const keyAt = at + 2
    const keyLength = (bytes[at] << 8) | bytes[at + 1]
    const valueAt = keyAt + keyLength + 4
    if (keyLength > 0x7fff || valueAt > end) return false
    const valueLength = wordAt(bytes, valueAt - 4)
    at = valueAt + valueLength
    if (valueLength < 0 || at > end) return false
    const key = valueLength === 0 ? 0 : keyOf(bytes, keyAt, keyLength)
    if (key === 0) continue
    if ((seen & key) !== 0 || !setText(bytes, valueAt, at, key, out)) return false
    seen |= key
  }
  return at === end && (seen & REQUIRED) === REQUIRED
}

/**
 * The answer to a send, written straight into a connection's output: the keys that Java's broker writes, in its order.
 *
 *   {"code":0,"extFields":{"queueId":"0","TRACE_ON":"true","MSG_REGION":"DefaultRegion","msgId":"…","queueOffset":"5"},
 *    "flag":1,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":409}
 *
 * Format: spec/broker-requests.md §3; spec/remoting.md §3 and §4.
 */
import { FLAG_ANSWER, OWN_VERSION } from '../command.ts'
import { intLength, putHex64, putInt } from './digits.ts'

const ascii = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
const CODE = ascii('{"code":')
const QUEUE_ID = ascii(',"extFields":{"queueId":"')
const OFFSET = ascii('","queueOffset":"')
const OPAQUE = ascii(`"},"flag":${FLAG_ANSWER},"language":"JAVA","opaque":`)
const TAIL = ascii(`,"serializeTypeCurrentRPC":"JSON","version":${OWN_VERSION}}`)

/** What does not change from answer to answer, built when region, traceOn or host change: once a broker, or by request 25. */
let knownRegion: string | undefined
let knownTraceOn: boolean | undefined
let knownHost: Buffer | undefined
let regionPart: Uint8Array = new Uint8Array(0)
let binaryPart: Uint8Array = new Uint8Array(0)

/** More digits than any number here takes. */
const DIGITS_MAX = 20
/** Whole answers by the digits that their numbers take: to copy one and write its numbers is a third of writing all. */
const templates = new Map<number, Uint8Array>()

/** Bytes to reserve for the answer to `count` messages whose host takes `hostHexLength` digits. */
export function sendAnswerRoom(count: number, hostHexLength: number, region: string): number {
  return 400 + region.length * 3 + count * (hostHexLength + 17)
}

/**
 * Writes the whole frame at `at` and returns its length. `hostHex` is the store host's ip and port as upper-case hex
 * digits (16, or 40 for IPv6); `sizes` are those of a batch's records, whose ids are joined by commas.
 */
export function writeSendAnswer(
  out: Buffer,
  at: number,
  asked: { readonly opaque: number; readonly serialize: number },
  code: number,
  hostHex: Buffer,
  queueId: number,
  physicalOffset: number,
  queueOffset: number,
  region: string,
  traceOn: boolean,
  sizes?: readonly number[] | undefined,
): number {
  if (region !== knownRegion || hostHex !== knownHost || traceOn !== knownTraceOn) remember(region, hostHex, traceOn)
  const opaque = asked.opaque
  const isPlain = asked.serialize === 0 && code === 0 && (sizes === undefined || sizes.length === 1)
  if (isPlain) return writePlain(out, at, opaque, queueId, physicalOffset, queueOffset)
  if (asked.serialize === 1) {
    return writeBinary(out, at, opaque, code, hostHex, queueId, physicalOffset, queueOffset, sizes)
  }
  return writeJson(out, at, opaque, code, hostHex, queueId, physicalOffset, queueOffset, sizes)
}

/** Success, one message: the bytes of the last such answer of the same length, with its numbers written anew. */
function writePlain(
  out: Buffer,
  at: number,
  opaque: number,
  queueId: number,
  physicalOffset: number,
  queueOffset: number,
): number {
  const queueDigits = intLength(queueId)
  const offsetDigits = intLength(queueOffset)
  const key = (queueDigits * DIGITS_MAX + offsetDigits) * DIGITS_MAX + intLength(opaque)
  const template = templates.get(key)
  if (template === undefined) {
    const length = writeJson(out, at, opaque, 0, knownHost!, queueId, physicalOffset, queueOffset, undefined)
    templates.set(key, Uint8Array.from(out.subarray(at, at + length)))
    return length
  }
  out.set(template, at)
  let next = at + 8 + CODE.length + 1 + QUEUE_ID.length
  putInt(out, next, queueId)
  next += queueDigits + regionPart.length
  putHex64(out, next, physicalOffset)
  next += 16 + OFFSET.length
  putInt(out, next, queueOffset)
  next += offsetDigits + OPAQUE.length
  putInt(out, next, opaque)
  return template.length
}

function writeJson(
  out: Buffer,
  at: number,
  opaque: number,
  code: number,
  hostHex: Buffer,
  queueId: number,
  physicalOffset: number,
  queueOffset: number,
  sizes: readonly number[] | undefined,
): number {
  let next = put(out, at + 8, CODE)
  next = putInt(out, next, code)
  next = put(out, next, QUEUE_ID)
  next = putInt(out, next, queueId)
  next = put(out, next, regionPart)
  next = putHex64(out, next, physicalOffset)
  if (sizes !== undefined && sizes.length > 1) next = putMoreIds(out, next, hostHex, physicalOffset, sizes)
  next = put(out, next, OFFSET)
  next = putInt(out, next, queueOffset)
  next = put(out, next, OPAQUE)
  next = putInt(out, next, opaque)
  next = put(out, next, TAIL)
  putWord(out, at, next - at - 4)
  putWord(out, at + 4, next - at - 8)
  return next - at
}

function remember(region: string, hostHex: Buffer, traceOn: boolean): void {
  knownRegion = region
  knownHost = hostHex
  knownTraceOn = traceOn
  templates.clear()
  binaryPart = binaryFields(String(traceOn), region)
  const text = `","TRACE_ON":"${traceOn}","MSG_REGION":${JSON.stringify(region)},"msgId":"${hostHex.toString('latin1')}`
  regionPart = Uint8Array.from(Buffer.from(text))
}

/** ",<id>" for each record of a batch behind the first. */
function putMoreIds(out: Buffer, at: number, hostHex: Uint8Array, first: number, sizes: readonly number[]): number {
  let next = at
  let physicalOffset = first
  for (let i = 1; i < sizes.length; i++) {
    physicalOffset += sizes[i - 1]
    out[next] = 0x2c
    next = putHex64(out, put(out, next + 1, hostHex), physicalOffset)
  }
  return next
}

const REMARK_AND_EXT = 8
const KEYS = {
  msgId: ascii('\0\x05msgId'),
  queueId: ascii('\0\x07queueId'),
  queueOffset: ascii('\0\x0bqueueOffset'),
  traceOn: ascii('\0\x08TRACE_ON'),
  region: ascii('\0\x0aMSG_REGION'),
}

/** TRACE_ON and MSG_REGION as fields of a binary header. */
function binaryFields(traceOn: string, region: string): Uint8Array {
  const out = Buffer.alloc(KEYS.traceOn.length + KEYS.region.length + traceOn.length + region.length * 3 + 8)
  let next = putText(out, put(out, 0, KEYS.traceOn), Buffer.from(traceOn))
  next = putText(out, put(out, next, KEYS.region), Buffer.from(region))
  return Uint8Array.from(out.subarray(0, next))
}

function putText(out: Uint8Array, at: number, text: Uint8Array): number {
  putWord(out, at, text.length)
  return put(out, at + 4, text)
}

function writeBinary(
  out: Buffer,
  at: number,
  opaque: number,
  code: number,
  hostHex: Buffer,
  queueId: number,
  physicalOffset: number,
  queueOffset: number,
  sizes: readonly number[] | undefined,
): number {
  const head = at + 8
  putWord(out, head, (code << 16) | (OWN_VERSION >> 8))
  out[head + 4] = OWN_VERSION & 0xff
  putWord(out, head + 5, opaque)
  putWord(out, head + 9, FLAG_ANSWER)
  putWord(out, head + 13, 0)
  const mapAt = head + 13 + REMARK_AND_EXT
  const idAt = put(out, mapAt, KEYS.msgId) + 4
  let next = putHex64(out, put(out, idAt, hostHex), physicalOffset)
  if (sizes !== undefined && sizes.length > 1) next = putMoreIds(out, next, hostHex, physicalOffset, sizes)
  putWord(out, idAt - 4, next - idAt)
  next = putIntField(out, put(out, next, KEYS.queueId), queueId)
  next = putIntField(out, put(out, next, KEYS.queueOffset), queueOffset)
  next = put(out, next, binaryPart)
  putWord(out, mapAt - 4, next - mapAt)
  putWord(out, at, next - at - 4)
  putWord(out, at + 4, 0x0100_0000 | (next - at - 8))
  return next - at
}

/** int32 length and decimal text of a binary field's value. */
export function putIntField(out: Uint8Array, at: number, value: number): number {
  putWord(out, at, intLength(value))
  return putInt(out, at + 4, value)
}

/** A byte loop: below a hundred bytes it is faster than a call of TypedArray.set. */
export function put(out: Uint8Array, at: number, part: Uint8Array): number {
  for (let i = 0; i < part.length; i++) out[at + i] = part[i]
  return at + part.length
}

export function putWord(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}

/**
 * The header of the answer to a pull, written straight into a connection's output or in front of leased records.
 *
 *   {"code":0,"extFields":{"suggestWhichBrokerId":"0","nextBeginOffset":"3","maxOffset":"3","minOffset":"0"},
 *    "flag":1,"language":"JAVA","opaque":20,"remark":"FOUND","serializeTypeCurrentRPC":"JSON","version":409}
 *
 * Format: spec/broker-requests.md §7.
 */
import { FLAG_ANSWER, OWN_VERSION } from '../command.ts'
import { putInt } from './digits.ts'
import { put, putIntField, putWord } from './send-answer.ts'

/** Enough for any numbers and a remark of the read's states. */
export const PULL_ANSWER_ROOM = 512

const ascii = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
const CODE = ascii('{"code":')
const SUGGEST = ascii(',"extFields":{"suggestWhichBrokerId":"')
const NEXT = ascii('","nextBeginOffset":"')
const MAX = ascii('","maxOffset":"')
const MIN = ascii('","minOffset":"')
const OPAQUE = ascii(`"},"flag":${FLAG_ANSWER},"language":"JAVA","opaque":`)
const REMARK = ascii(',"remark":"')
const TAIL = ascii(`","serializeTypeCurrentRPC":"JSON","version":${OWN_VERSION}}`)
const KEYS = {
  suggest: ascii('\0\x14suggestWhichBrokerId'),
  next: ascii('\0\x0fnextBeginOffset'),
  min: ascii('\0\x09minOffset'),
  max: ascii('\0\x09maxOffset'),
}

export interface PullAnswer {
  opaque: number
  serialize: number
  suggestWhichBrokerId: number
  nextBeginOffset: number
  minOffset: number
  maxOffset: number
}

/**
 * Writes the frame up to its body at `at` and returns that length; `bodyLength` bytes of records follow.
 * `remark` is the state of the read in ASCII without quotes ("FOUND", at most 64 characters).
 */
export function writePullAnswerHeader(
  out: Buffer,
  at: number,
  answer: PullAnswer,
  code: number,
  remark: string,
  bodyLength: number,
): number {
  const next =
    answer.serialize === 1
      ? writeBinary(out, at + 8, answer, code, remark)
      : writeJson(out, at + 8, answer, code, remark)
  putWord(out, at, next - at - 4 + bodyLength)
  putWord(out, at + 4, (answer.serialize << 24) | (next - at - 8))
  return next - at
}

function writeJson(out: Buffer, at: number, answer: PullAnswer, code: number, remark: string): number {
  let next = putInt(out, put(out, at, CODE), code)
  next = putInt(out, put(out, next, SUGGEST), answer.suggestWhichBrokerId)
  next = putInt(out, put(out, next, NEXT), answer.nextBeginOffset)
  next = putInt(out, put(out, next, MAX), answer.maxOffset)
  next = putInt(out, put(out, next, MIN), answer.minOffset)
  next = putInt(out, put(out, next, OPAQUE), answer.opaque)
  next = putAscii(out, put(out, next, REMARK), remark)
  return put(out, next, TAIL)
}

function writeBinary(out: Buffer, at: number, answer: PullAnswer, code: number, remark: string): number {
  putWord(out, at, (code << 16) | (OWN_VERSION >> 8))
  out[at + 4] = OWN_VERSION & 0xff
  putWord(out, at + 5, answer.opaque)
  putWord(out, at + 9, FLAG_ANSWER)
  putWord(out, at + 13, remark.length)
  const mapAt = putAscii(out, at + 17, remark) + 4
  let next = putIntField(out, put(out, mapAt, KEYS.suggest), answer.suggestWhichBrokerId)
  next = putIntField(out, put(out, next, KEYS.next), answer.nextBeginOffset)
  next = putIntField(out, put(out, next, KEYS.min), answer.minOffset)
  next = putIntField(out, put(out, next, KEYS.max), answer.maxOffset)
  putWord(out, mapAt - 4, next - mapAt)
  return next
}

function putAscii(out: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i)
  return at + text.length
}

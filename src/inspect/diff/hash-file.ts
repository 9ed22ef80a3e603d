/**
 * Hashes of a log as lines of JSON, so that stores of two machines can be compared without moving them:
 *
 *   {"basaltHashes":1,"block":1048576,"segmentSize":…,"from":…,"end":…,"firstTime":…,"lastTime":…,"store":"…"}
 *   {"start":0,"to":1073741824,"xxhash64":["0123456789abcdef",…]}       a line a segment, as far as it counts
 *   {"segments":1}                                                     the end: a file without it was cut
 */
import { ConfigError } from '../../errors.ts'
import { HASHED_BLOCK } from '../../store/checksums/block-hash.ts'
import { isObject, numberOf } from '../tables.ts'
import type { HashedRange, LogSide } from './log-side.ts'
import { merged } from './ranges.ts'

const VERSION = 1
const HASH = /^[0-9a-f]{16}$/

export function headLine({ ranges, end, segmentSize, firstTime, lastTime, name }: LogSide): string {
  const from = ranges[0]?.from ?? end
  const head = { basaltHashes: VERSION, block: HASHED_BLOCK, segmentSize, from, end, firstTime, lastTime, store: name }
  return `${JSON.stringify(head)}\n`
}

export function rangeLine({ start, to, hashes }: HashedRange): string {
  const xxhash64 = Array.from(hashes, (hash) => hash.toString(16).padStart(16, '0'))
  return `${JSON.stringify({ start, to, xxhash64 })}\n`
}

export function endLine(segments: number): string {
  return `${JSON.stringify({ segments })}\n`
}

/** Throws ConfigError BAD_HASHES, with the line. */
export function parseHashes(text: string, path: string): LogSide {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const objects = lines.map((line, i) => objectIn(line, path, i + 1))
  const head = objects[0] ?? {}
  if (head.basaltHashes !== VERSION || head.block !== HASHED_BLOCK)
    throw bad(path, 1, `it is no file of "basaltmq inspect hashes"`)
  const [segmentSize, end] = [numberOf(head.segmentSize), numberOf(head.end)]
  if (segmentSize === undefined || end === undefined) throw bad(path, 1, 'it has no segmentSize or no end')
  const last = objects.at(-1)
  if (objects.length < 2 || last?.segments !== objects.length - 2)
    throw bad(path, objects.length, 'the file was cut: it does not end with the number of its segments')
  const hashed = objects.slice(1, -1).map((object, i) => rangeIn(object, path, i + 2))
  const ranges = merged(hashed.map(({ start, to }) => ({ from: start, to })))
  const [firstTime, lastTime] = [numberOf(head.firstTime) ?? 0, numberOf(head.lastTime) ?? 0]
  return { name: path, store: undefined, files: [], hashed, ranges, end, segmentSize, firstTime, lastTime }
}

function objectIn(line: string, path: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (isObject(value)) return value
  } catch {
    // Told below.
  }
  throw bad(path, number, number === 1 ? 'it is no file of "basaltmq inspect hashes"' : 'it is no JSON object')
}

function rangeIn(object: Record<string, unknown>, path: string, number: number): HashedRange {
  const [start, to, texts] = [numberOf(object.start), numberOf(object.to), object.xxhash64]
  if (start === undefined || to === undefined || start < 0 || to < start || !Array.isArray(texts))
    throw bad(path, number, 'it lacks start, to or xxhash64')
  if (texts.length !== Math.ceil((to - start) / HASHED_BLOCK))
    throw bad(path, number, `it has ${texts.length} hashes for ${to - start} bytes`)
  const hashes = texts.map((text: unknown) => {
    if (typeof text !== 'string' || !HASH.test(text)) throw bad(path, number, 'a hash is not 16 hexadecimal digits')
    return BigInt(`0x${text}`)
  })
  return { start, to, hashes: BigUint64Array.from(hashes) }
}

function bad(path: string, line: number, what: string): ConfigError {
  const todo = 'write it again: basaltmq inspect hashes STORE > FILE'
  return new ConfigError('BAD_HASHES', { what: `line ${line}: ${what}`, where: path, todo })
}

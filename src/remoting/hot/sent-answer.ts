/**
 * Reads the answer to a send without JSON.parse: the answers of a broker differ in a few values only.
 *
 *   {"code":0,"extFields":{"queueId":"▓","TRACE_ON":"true",…,"msgId":"▓▓▓▓","queueOffset":"▓"},"flag":1,…,"opaque":▓▓,…}
 *   └────────── equal ─────────────┘ └──────── equal ───────────────┘    └── equal ──┘ └───── equal ─────────┘   └ equal
 *
 * An answer that the general decoder has read is kept, with the places of these values. The next one is compared with it outside
 * of them, and only they are read: equal bytes around plain values are the same header to any parser. Whatever differs (refusals,
 * other statuses, binary headers, bodies) goes the general way.
 *
 * Owns:      one kept answer a connection.
 * Invariant: what is read here is what the general decoder gives (test/remoting/sent-answer.test.ts).
 */
import type { RemotingCommand } from '../command.ts'
import { HEADER_AT, headerLengthOf } from '../frame.ts'

/** The values of a send that was stored. */
export interface SentAnswer {
  opaque: number
  queueId: number
  queueOffset: number
  msgId: string
  transactionId: string | undefined
  /** MSG_REGION and TRACE_ON: the same in all answers of the shape. */
  region: string | undefined
  traceOn: string | undefined
}

type Value = 'opaque' | 'queueId' | 'queueOffset' | 'msgId' | 'transactionId'
const VALUES: readonly { name: Value; key: string; mark: string }[] = [
  { name: 'opaque', key: '"opaque":', mark: ',' },
  { name: 'queueId', key: '"queueId":"', mark: '"' },
  { name: 'queueOffset', key: '"queueOffset":"', mark: '"' },
  { name: 'msgId', key: '"msgId":"', mark: '"' },
  { name: 'transactionId', key: '"transactionId":"', mark: '"' },
]

interface Shape {
  /** The bytes before each value; the last part is behind the last value. */
  readonly parts: readonly DataView[]
  readonly values: readonly Value[]
  readonly region: string | undefined
  readonly traceOn: string | undefined
}

/** A kept answer that is no longer like those that come gives way after so many. */
const MISSES_MAX = 16
const HEADER_MAX = 1024
const WORD = 4
const ZERO = 0x30
const NINE = 0x39
const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Digits of numbers that are exact. */
const DIGITS_MAX = 15
const BAD = -1

export class SentReader {
  /** Of the answer that was read last. */
  readonly sent: SentAnswer = {
    opaque: 0,
    queueId: 0,
    queueOffset: 0,
    msgId: '',
    transactionId: undefined,
    region: undefined,
    traceOn: undefined,
  }
  private shape: Shape | undefined
  private misses = 0

  /** Reads the whole frame in bytes[start, end) into `sent`. False: it is to be decoded. */
  read(bytes: Buffer, start: number, end: number): boolean {
    const { shape } = this
    if (shape === undefined) return false
    const at = start + HEADER_AT
    const hasBody = at + headerLengthOf(bytes, start) !== end
    if (bytes[start + 4] === 0 && !hasBody && this.matches(shape, bytes, at, end)) return true
    this.misses += 1
    return false
  }

  /** Keeps the frame in bytes[start, end), which was decoded into `it`, if it is the plain answer to a send. */
  learn(bytes: Buffer, start: number, end: number, it: RemotingCommand): void {
    if (this.shape !== undefined && this.misses < MISSES_MAX) return
    const isPlain = it.code === 0 && it.serialize === 0 && it.body === undefined
    if (!isPlain || it.ext === undefined || end - start > HEADER_MAX) return
    this.shape = shapeOf(bytes.toString('latin1', start + HEADER_AT, end), it.opaque, it.ext) ?? this.shape
    this.misses = 0
  }

  private matches({ parts, values, region, traceOn }: Shape, bytes: Buffer, from: number, end: number): boolean {
    const { sent } = this
    if (bytes !== viewed) {
      viewed = bytes
      view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    let at = from
    sent.transactionId = undefined
    for (let i = 0; i < values.length; i++) {
      if (!isSame(parts[i], view, at, end)) return false
      at += parts[i].byteLength
      const value = values[i]
      if (value === 'msgId' || value === 'transactionId') {
        const textAt = at
        at = textEnd(bytes, at, end)
        if (at === BAD) return false
        sent[value] = bytes.toString('latin1', textAt, at)
      } else {
        const numberAt = at
        at = digitsEnd(bytes, at, end)
        if (at === BAD) return false
        sent[value] = digits(bytes, numberAt, at)
        // A number of JSON begins with no 0, a text may.
        if (
          value === 'opaque' &&
          (sent.opaque !== (sent.opaque | 0) || (bytes[numberAt] === ZERO && at - numberAt > 1))
        )
          return false
      }
    }
    sent.region = region
    sent.traceOn = traceOn
    const rest = parts[values.length]
    return end - at === rest.byteLength && isSame(rest, view, at, end)
  }
}

/** Undefined: the header is none that may be kept. */
function shapeOf(header: string, opaque: number, ext: Record<string, string>): Shape | undefined {
  // Without an escape every quote is a delimiter, and a key is found where its text is.
  if (header.includes('\\')) return undefined
  const places: { name: Value; at: number; end: number }[] = []
  for (const { name, key, mark } of VALUES) {
    const value = name === 'opaque' ? String(opaque) : ext[name]
    if (name === 'transactionId' && value === undefined) continue
    const found = header.indexOf(key)
    const at = found + key.length
    const isOnce = found >= 0 && header.indexOf(key, at) < 0
    if (!isOnce || value === undefined || value === '' || !header.startsWith(value + mark, at)) return undefined
    places.push({ name, at, end: at + value.length })
  }
  places.sort((a, b) => a.at - b.at)
  const edges = [0, ...places.flatMap((place) => [place.at, place.end]), header.length]
  const parts: DataView[] = []
  for (let i = 0; i < edges.length; i += 2) {
    if (edges[i + 1] - edges[i] < WORD) return undefined
    parts.push(new DataView(Uint8Array.from(Buffer.from(header.slice(edges[i], edges[i + 1]), 'latin1')).buffer))
  }
  return { parts, values: places.map(({ name }) => name), region: ext.MSG_REGION, traceOn: ext.TRACE_ON }
}

/** The bytes that were looked at last: almost always the buffer that all sockets are read into. */
let viewed: Buffer | undefined
let view: DataView<ArrayBufferLike> = new DataView(new ArrayBuffer(0))

/** By words, of which the last may lie over the one before. */
function isSame(part: DataView, bytes: DataView, at: number, end: number): boolean {
  const last = part.byteLength - WORD
  if (end - at < part.byteLength) return false
  for (let from = 0; from < last; from += WORD) {
    if (bytes.getInt32(at + from, true) !== part.getInt32(from, true)) return false
  }
  return bytes.getInt32(at + last, true) === part.getInt32(last, true)
}

function digitsEnd(bytes: Buffer, at: number, end: number): number {
  let i = at
  while (i < end && bytes[i] >= ZERO && bytes[i] <= NINE) i++
  return i === at || i - at > DIGITS_MAX ? BAD : i
}

function digits(bytes: Buffer, from: number, to: number): number {
  let value = 0
  for (let i = from; i < to; i++) value = value * 10 + bytes[i] - ZERO
  return value
}

/** The closing quote of a text of plain ASCII. */
function textEnd(bytes: Buffer, at: number, end: number): number {
  for (let i = at; i < end; i++) {
    const c = bytes[i]
    if (c === QUOTE) return i === at ? BAD : i
    if (c < 0x20 || c > 0x7e || c === BACKSLASH) return BAD
  }
  return BAD
}

/**
 * What a producer's sends have in common: their JSON headers differ in four values only, and mostly not in length.
 *
 *   {"code":310,"extFields":{… "e":"▓", … "g":"▓▓▓▓▓▓▓▓▓▓▓▓▓", … "i":"▓▓▓▓▓▓▓▓▓▓▓▓", …},"flag":0, … "opaque":▓▓▓▓, …}
 *   └───────── equal ───────────┘ └─ equal ┘               └ equal ─┘              └─────── equal ────────┘     └equal┘
 *
 * A header that the scanner has read is kept. The next one of its length is compared with it outside these values, and only
 * they are read: equal bytes around values of the same kind are the same header to any parser. Whatever differs is scanned.
 *
 * Owns:   one kept header a slot, at most SLOT_COUNT × HEADER_MAX bytes a thread.
 * Bounds: a header takes the slot of another only after MISSES_MAX misses, so that two producers do not learn in turns.
 */
import { bareInt, NO_NUMBER, textInt } from './json-scan.ts'
import type { SendFields } from './send-fields.ts'

const SLOT_COUNT = 64
const HEADER_MAX = 1024
const MISSES_MAX = 4
const WORD = 4
const QUOTE = 0x22
/** Group and topic begin about here, and producers differ in them. */
const SAMPLED = [32, 40, 48, 56] as const
const SAMPLED_END = 60

/** Where the scanner found the values that change, from their first byte to behind their last; in bytes of the frame's buffer. */
export const places = {
  queueId: 0,
  queueIdEnd: 0,
  bornTimestamp: 0,
  bornTimestampEnd: 0,
  properties: 0,
  propertiesEnd: 0,
  opaque: 0,
  opaqueEnd: 0,
}
type Places = typeof places

/** What every header of the shape says; places are relative to the header's first byte. */
type Said = Pick<
  SendFields,
  | ('code' | 'flag' | 'version' | 'defaultTopicQueueNums' | 'sysFlag' | 'messageFlag' | 'batch' | 'unitMode')
  | ('reconsumeTimes' | 'maxReconsumeTimes' | 'topicStart' | 'topicEnd' | 'groupStart' | 'groupEnd')
  | ('defaultTopicStart' | 'defaultTopicEnd')
>

interface Shape {
  length: number
  image: DataView
  at: Places
  /** From, to, from, to, …: the parts between the values. */
  fixed: Int32Array
  /** Whether the number stands in quotes, as Java writes them. */
  isIdQuoted: boolean
  isTimeQuoted: boolean
  said: Said
  misses: number
}

const shapes: (Shape | undefined)[] = new Array(SLOT_COUNT).fill(undefined)

/** The place behind the properties of the header that matched last. */
export let propertiesEnd = 0

/** Fills all of `out` but the properties and returns the place of their first byte; -1: the header is to be scanned. */
export function matchShape(bytes: Buffer, at: number, end: number, out: SendFields): number {
  if (end - at < SAMPLED_END) return -1
  const shape = shapes[slotOf(bytes, at, end)]
  if (shape === undefined) return -1
  if (shape.length !== end - at || !isLike(shape, bytes, at)) return missed(shape)
  const { at: place, said } = shape
  const queueId = integer(bytes, at + place.queueId, at + place.queueIdEnd, shape.isIdQuoted)
  const bornTimestamp = integer(bytes, at + place.bornTimestamp, at + place.bornTimestampEnd, shape.isTimeQuoted)
  const opaque = bareInt(bytes, at + place.opaque, at + place.opaqueEnd)
  if (queueId !== (queueId | 0) || opaque !== (opaque | 0) || bornTimestamp === NO_NUMBER) return missed(shape)
  shape.misses = 0
  out.opaque = opaque
  out.queueId = queueId
  out.bornTimestamp = bornTimestamp
  out.code = said.code
  out.flag = said.flag
  out.version = said.version
  out.topicStart = at + said.topicStart
  out.topicEnd = at + said.topicEnd
  out.groupStart = at + said.groupStart
  out.groupEnd = at + said.groupEnd
  out.defaultTopicStart = at + said.defaultTopicStart
  out.defaultTopicEnd = at + said.defaultTopicEnd
  out.defaultTopicQueueNums = said.defaultTopicQueueNums
  out.sysFlag = said.sysFlag
  out.messageFlag = said.messageFlag
  out.reconsumeTimes = said.reconsumeTimes
  out.maxReconsumeTimes = said.maxReconsumeTimes
  out.batch = said.batch
  out.unitMode = said.unitMode
  propertiesEnd = at + place.propertiesEnd
  return at + place.properties
}

/** Keeps the header in bytes[at, end), which was scanned into `it` and whose values lie at `places`, if its slot is free. */
export function learnShape(bytes: Buffer, at: number, end: number, it: SendFields): void {
  const slot = slotOf(bytes, at, end)
  const old = shapes[slot]
  if (end - at > HEADER_MAX || end - at < SAMPLED_END || (old !== undefined && old.misses < MISSES_MAX)) return
  const fixed = partsBetween(at, end)
  if (fixed === undefined) return
  const image = Uint8Array.from(bytes.subarray(at, end))
  const place = { ...places }
  for (const name of Object.keys(place) as (keyof Places)[]) place[name] -= at
  shapes[slot] = {
    length: image.length,
    image: new DataView(image.buffer),
    at: place,
    fixed,
    isIdQuoted: image[place.queueId - 1] === QUOTE,
    isTimeQuoted: image[place.bornTimestamp - 1] === QUOTE,
    misses: 0,
    said: {
      code: it.code,
      flag: it.flag,
      version: it.version,
      topicStart: it.topicStart - at,
      topicEnd: it.topicEnd - at,
      groupStart: it.groupStart - at,
      groupEnd: it.groupEnd - at,
      defaultTopicStart: it.defaultTopicStart - at,
      defaultTopicEnd: it.defaultTopicEnd - at,
      defaultTopicQueueNums: it.defaultTopicQueueNums,
      sysFlag: it.sysFlag,
      messageFlag: it.messageFlag,
      reconsumeTimes: it.reconsumeTimes,
      maxReconsumeTimes: it.maxReconsumeTimes,
      batch: it.batch,
      unitMode: it.unitMode,
    },
  }
}

function missed(shape: Shape): number {
  shape.misses += 1
  return -1
}

function integer(bytes: Buffer, from: number, to: number, isQuoted: boolean): number {
  return isQuoted ? textInt(bytes, from, to) : bareInt(bytes, from, to)
}

/** The parts of a header that `places` leave; undefined when a value is missing or a part is shorter than a word. */
function partsBetween(at: number, end: number): Int32Array | undefined {
  const values = [
    [places.queueId, places.queueIdEnd],
    [places.bornTimestamp, places.bornTimestampEnd],
    [places.properties, places.propertiesEnd],
    [places.opaque, places.opaqueEnd],
  ].sort(([a], [b]) => a - b)
  const edges = [at, ...values.flat(), end].map((edge) => edge - at)
  for (let i = 0; i < edges.length; i += 2) if (edges[i + 1] - edges[i] < WORD) return undefined
  return Int32Array.from(edges)
}

/** The bytes that were looked at last: almost always the buffer that all sockets are read into. */
let viewed: Buffer | undefined
let view: DataView<ArrayBufferLike> = new DataView(new ArrayBuffer(0))

function isLike({ image, fixed }: Shape, bytes: Buffer, at: number): boolean {
  if (bytes !== viewed) {
    viewed = bytes
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }
  for (let i = 0; i < fixed.length; i += 2) {
    const last = fixed[i + 1] - WORD
    for (let from = fixed[i]; from < last; from += WORD) {
      if (view.getInt32(at + from, true) !== image.getInt32(from, true)) return false
    }
    if (view.getInt32(at + last, true) !== image.getInt32(last, true)) return false
  }
  return true
}

function slotOf(bytes: Buffer, at: number, end: number): number {
  let sum = end - at
  for (const place of SAMPLED) sum = (Math.imul(sum, 31) + bytes[at + place]) | 0
  return sum & (SLOT_COUNT - 1)
}

/**
 * What a broker does to the properties text of a send: WAIT goes, CLUSTER comes, invalid pairs go (spec/store-format.md
 * §2 "plain"). In place, in the scratch buffer that the header scanner has filled; the order of the client's pairs stays
 * (Java's is that of a HashMap; readers must not rely on it). Byte loops: pairs are short, a call of copyWithin costs more.
 *
 *   text: name 0x01 value 0x02 name 0x01 value …
 */
import { PAIR_END } from '../../remoting/hot/index.ts'

const TRUE = 'true'
/** The bit that tells a letter's cases apart. */
const LOWER_CASE = 0x20

export interface RewrittenProperties {
  /** Bytes of the new text, from the start of the scratch. */
  length: number
  /** False when the client sent WAIT=false. */
  waits: boolean
  /** The client sent WAIT. */
  hasWait: boolean
  /** Value of DELAY, 0 without, NaN when it is no integer. */
  delayLevel: number
  /** TRAN_MSG=true. */
  isHalf: boolean
}

/** The pair that the broker adds to every send. */
export function clusterPair(clusterName: string): Buffer {
  return Buffer.from(`CLUSTER\u0001${clusterName}`)
}

/** Bytes that rewriteProperties may add. */
export function growthOf(pair: Buffer): number {
  return pair.length + 1
}

/** The text as a header scanner leaves it (remoting/hot/send-fields.ts). */
export interface ScannedProperties {
  readonly properties: Buffer
  readonly propertiesLength: number
  /** Places of 0x01 and 0x02. */
  readonly separators: Uint16Array
  readonly separatorCount: number
}

export function rewriteProperties(
  scanned: ScannedProperties,
  pair: Buffer,
  keepWait: boolean,
  out: RewrittenProperties,
): void {
  const { properties: text, propertiesLength: length, separators, separatorCount } = scanned
  out.waits = true
  out.hasWait = false
  out.delayLevel = 0
  out.isHalf = false
  let written = 0
  let next = 0
  for (let from = 0; from < length; ) {
    let nameEnd = -1
    let end = length
    while (end === length && next < separatorCount) {
      const at = separators[next++]
      if (text[at] === PAIR_END) end = at
      else if (nameEnd < 0) nameEnd = at
    }
    if (nameEnd > from && end > nameEnd + 1 && keeps(text, from, nameEnd, end, keepWait, out)) {
      if (written > 0) text[written++] = PAIR_END
      if (written === from) written = end
      else for (let i = from; i < end; i += 1) text[written++] = text[i]
    }
    from = end + 1
  }
  if (written > 0) text[written++] = PAIR_END
  for (let i = 0; i < pair.length; i += 1) text[written++] = pair[i]
  out.length = written
}

function keeps(
  text: Buffer,
  from: number,
  nameEnd: number,
  end: number,
  keepWait: boolean,
  out: RewrittenProperties,
): boolean {
  switch (text[from]) {
    case 0x57 /* W */:
      if (!is(text, from, nameEnd, 'WAIT')) return true
      out.waits = isTrue(text, nameEnd + 1, end)
      out.hasWait = true
      return keepWait
    case 0x43 /* C */:
      return !is(text, from, nameEnd, 'CLUSTER')
    case 0x44 /* D */:
      if (is(text, from, nameEnd, 'DELAY')) out.delayLevel = integerOf(text.toString('latin1', nameEnd + 1, end))
      return true
    case 0x54 /* T */:
      if (is(text, from, nameEnd, 'TRAN_MSG')) out.isHalf = isTrue(text, nameEnd + 1, end)
      return true
    default:
      return true
  }
}

/** Java's Boolean.parseBoolean: "true" in any case. */
function isTrue(text: Buffer, from: number, to: number): boolean {
  if (to - from !== TRUE.length) return false
  for (let i = 0; i < TRUE.length; i += 1) if ((text[from + i] | LOWER_CASE) !== TRUE.charCodeAt(i)) return false
  return true
}

/** Java's Integer.parseInt; NaN where that throws. */
function integerOf(text: string): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
  return value >= -0x8000_0000 && value <= 0x7fff_ffff ? value : Number.NaN
}

function is(text: Buffer, from: number, to: number, name: string): boolean {
  if (to - from !== name.length) return false
  for (let i = 0; i < name.length; i += 1) if (text[from + i] !== name.charCodeAt(i)) return false
  return true
}

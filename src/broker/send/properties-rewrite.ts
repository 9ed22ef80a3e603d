/**
 * What a broker does to the properties text of a send: WAIT goes, CLUSTER comes, invalid pairs go (spec/store-format.md
 * §2 "plain"). In place, in the scratch buffer that the header scanner has filled; the order of the client's pairs stays
 * (Java's is that of a HashMap; readers must not rely on it). Byte loops: pairs are short, a call of copyWithin costs more.
 *
 *   text: name 0x01 value 0x02 name 0x01 value …
 */
const NAME_END = 1
const PAIR_END = 2
const TRUE = 'true'
/** The bit that tells a letter's cases apart. */
const LOWER_CASE = 0x20

export interface RewrittenProperties {
  /** Bytes of the new text, from the start of the scratch. */
  length: number
  /** False when the client sent WAIT=false. */
  waits: boolean
  /** Whether the client sent WAIT at all. */
  hasWait: boolean
  /** Value of DELAY, 0 without. */
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

export function rewriteProperties(
  text: Buffer,
  length: number,
  pair: Buffer,
  keepWait: boolean,
  out: RewrittenProperties,
): void {
  out.waits = true
  out.hasWait = false
  out.delayLevel = 0
  out.isHalf = false
  let written = 0
  for (let from = 0; from < length; ) {
    let nameEnd = -1
    let end = from
    for (; end < length; end += 1) {
      const byte = text[end]
      if (byte > PAIR_END) continue
      if (byte === PAIR_END) break
      if (byte === NAME_END && nameEnd < 0) nameEnd = end
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
      if (is(text, from, nameEnd, 'DELAY'))
        out.delayLevel = Number.parseInt(text.toString('latin1', nameEnd + 1, end), 10) || 0
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

function is(text: Buffer, from: number, to: number, name: string): boolean {
  if (to - from !== name.length) return false
  for (let i = 0; i < name.length; i += 1) if (text[from + i] !== name.charCodeAt(i)) return false
  return true
}

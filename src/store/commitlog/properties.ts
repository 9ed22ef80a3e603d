/**
 * The properties text of a message: `name` 0x01 `value` pairs joined by 0x02 (spec/store-format.md §2,
 * spec/broker-requests.md §1).
 *
 * Parsing follows RocketMQ 4.9.8: an empty name or value makes the pair vanish, the last pair of a name wins, a value
 * may contain 0x01, and a trailing 0x02 (which 5.x clients write) is nothing.
 */
const NAME_VALUE = '\u0001'
const PAIR = '\u0002'
const PAIR_LENGTH_MIN = 3

export type Properties = Map<string, string>

export function parseProperties(text: string): Properties {
  const properties: Properties = new Map()
  for (let at = 0; at < text.length; ) {
    let end = text.indexOf(PAIR, at)
    if (end < 0) end = text.length
    if (end - at >= PAIR_LENGTH_MIN) {
      const middle = text.indexOf(NAME_VALUE, at)
      if (middle > at && middle < end - 1) properties.set(text.slice(at, middle), text.slice(middle + 1, end))
    }
    at = end + 1
  }
  return properties
}

/** Joins pairs in their order, without a trailing 0x02, as 4.9.8 writes them. Pairs without a value are left out. */
export function formatProperties(properties: Iterable<readonly [string, string | undefined]>): string {
  let text = ''
  for (const [name, value] of properties) {
    if (value === undefined) continue
    if (text.length > 0) text += PAIR
    text += name + NAME_VALUE + value
  }
  return text
}

/**
 * The pairs in the order in which a broker of 4.9.8 writes them when it encodes the text anew: that of a Java HashMap
 * into which they were put one after the other. Readers do not rely on it; equality byte for byte with Apache does.
 */
export function inJavaOrder(properties: Properties, hashOf: (name: string) => number): [string, string][] {
  // A HashMap of the default size doubles above 3/4; a bucket keeps the order of insertion.
  let buckets = 16
  while (properties.size > buckets * 0.75) buckets *= 2
  const placed = [...properties].map((pair, order) => {
    const hash = hashOf(pair[0])
    return { pair, order, bucket: (hash ^ (hash >>> 16)) & (buckets - 1) }
  })
  placed.sort((a, b) => a.bucket - b.bucket || a.order - b.order)
  return placed.map((entry) => entry.pair)
}

/**
 * Attributes of a topic, as 17 of RocketMQ 5 changes them: "+key=value,-key". They are kept, shown and handed to slaves; the
 * one that is known, message.type, binds producers and proxies and never the broker.
 *
 * 4.9 passes over the whole field. An attribute that would change how this broker stores (queue.type, cleanup.policy) is
 * refused: to accept it and not to do it would be worse.
 */
type Attributes = Readonly<Record<string, string>>

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  'message.type': ['UNSPECIFIED', 'NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'MIXED'],
}

/** The attributes after the change, or what is wrong with it. */
export function changedAttributes(
  change: string | undefined,
  known: Attributes | undefined,
): Attributes | string | undefined {
  if (change === undefined || change.trim() === '') return known
  const attributes: Record<string, string> = { ...known }
  for (const item of change.split(',')) {
    const match = /^([+-])([^=]+)(?:=(.*))?$/.exec(item.trim())
    if (match === null) return `attributes are "${change.slice(0, 300)}", expected items like +key=value or -key`
    const [, sign, key, value] = match
    if (!Object.hasOwn(KNOWN, key)) return `unsupported key: ${key.slice(0, 100)}`
    if (sign === '-') delete attributes[key]
    else if (value !== undefined && KNOWN[key].includes(value)) attributes[key] = value
    else return `attribute ${key} is "${value ?? ''}", allowed are ${KNOWN[key].join(', ')}`
  }
  return attributes
}

/** What an offsetMsgId says: the broker and the place in its CommitLog (spec/broker-requests.md §1). */
const ID = /^([\dA-F]{8}|[\dA-F]{32})([\dA-F]{8})([\dA-F]{16})$/i

export interface IdPlace {
  address: string
  physicalOffset: number
}

/** Undefined where it is none: a client's id may look like one all the same. */
export function placeOfId(id: string): IdPlace | undefined {
  const match = ID.exec(id)
  if (match === null) return undefined
  const [, host, portText, offset] = match
  const port = Number.parseInt(portText, 16)
  const physicalOffset = Number(BigInt(`0x${offset}`))
  if (port === 0 || port > 65_535 || !Number.isSafeInteger(physicalOffset)) return undefined
  const bytes = Buffer.from(host, 'hex')
  const ip = bytes.length === 4 ? bytes.join('.') : `[${(bytes.toString('hex').match(/..../g) ?? []).join(':')}]`
  return { address: `${ip}:${port}`, physicalOffset }
}

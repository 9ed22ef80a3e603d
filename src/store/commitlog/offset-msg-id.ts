/**
 * offsetMsgId: where a message is, as text: upper-case hex of storeHost (ip, port) and physical offset. 32 characters with
 * an IPv4 storeHost, 56 with IPv6 (spec/broker-requests.md §1).
 */
import type { Host } from './record.ts'

const ID = /^([\dA-Fa-f]{32}|[\dA-Fa-f]{56})$/
const OFFSET_DIGITS = 16

export function offsetMsgId(storeHost: Host, physicalOffset: number): string {
  return hostHex(storeHost) + physicalOffset.toString(16).toUpperCase().padStart(OFFSET_DIGITS, '0')
}

/** The front part of every id. */
export function hostHex({ address, port }: Host): string {
  const bytes = Buffer.alloc(address.length + 4)
  bytes.set(address)
  bytes.writeInt32BE(port, address.length)
  return bytes.toString('hex').toUpperCase()
}

/** The physical offset that an id names; undefined where it is none. */
export function physicalOffsetOf(id: string | undefined): number | undefined {
  if (id === undefined || !ID.test(id)) return undefined
  const offset = Number(BigInt(`0x${id.slice(-OFFSET_DIGITS)}`))
  return Number.isSafeInteger(offset) ? offset : undefined
}

/**
 * offsetMsgId: where a message is, as text: upper-case hex of storeHost (ip, port) and physical offset. 32 characters with
 * an IPv4 storeHost, 56 with IPv6 (spec/broker-requests.md §1).
 */
import type { Host } from './record.ts'

const ID = /^([\dA-Fa-f]{32}|[\dA-Fa-f]{56})$/
const OFFSET_DIGITS = 16

export function offsetMsgId(storeHost: Host, physicalOffset: number): string {
  const { address, port } = storeHost
  const bytes = Buffer.alloc(address.length + 12)
  bytes.set(address)
  bytes.writeInt32BE(port, address.length)
  bytes.writeBigInt64BE(BigInt(physicalOffset), address.length + 4)
  return bytes.toString('hex').toUpperCase()
}

/** The physical offset that an id names; undefined where it is none. */
export function physicalOffsetOf(id: string | undefined): number | undefined {
  if (id === undefined || !ID.test(id)) return undefined
  const offset = Number(BigInt(`0x${id.slice(-OFFSET_DIGITS)}`))
  return Number.isSafeInteger(offset) ? offset : undefined
}

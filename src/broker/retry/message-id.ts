/** offsetMsgId: where a record is, as clients name it (spec/broker-requests.md §1). */
import type { Host } from '../../store/commitlog/index.ts'

/** Upper-case hex of the store host's address and port, and of the physical offset: 32 or 56 characters. */
export function messageIdOf({ storeHost, physicalOffset }: { storeHost: Host; physicalOffset: number }): string {
  const { address, port } = storeHost
  const bytes = Buffer.alloc(address.length + 12)
  bytes.set(address)
  bytes.writeInt32BE(port, address.length)
  bytes.writeBigInt64BE(BigInt(physicalOffset), address.length + 4)
  return bytes.toString('hex').toUpperCase()
}

/** Addresses as RocketMQ stores them: the bytes of an ip, "host:port" texts. */
import { isIPv4, isIPv6 } from 'node:net'
import { RemotingError } from '../errors.ts'

/** 4 bytes of an IPv4 address (also ::ffff:a.b.c.d), 16 of an IPv6 one; zeros for undefined (the peer is gone already). */
export function hostBytes(ip: string | undefined): Uint8Array {
  const plain = (ip ?? '0.0.0.0').replace(/^::ffff:(?=\d+\.)/i, '')
  if (isIPv4(plain)) return Uint8Array.from(plain.split('.'), Number)
  if (!isIPv6(plain)) throw new RemotingError('BAD_ADDRESS', { what: `"${ip}" is no ip address` })
  return ipv6Bytes(plain.split('%')[0])
}

function ipv6Bytes(ip: string): Uint8Array {
  const [head, tail] = ip.split('::')
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  const out = new Uint8Array(16)
  out.set(front, 0)
  out.set(back, 16 - back.length)
  return out
}

/** "fe80:1" or "0:10.0.0.1" → bytes. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** "10.0.0.1:10911", "2001:db8:0:0:0:0:0:1:10911": as Java's clients read addresses in headers. */
export function hostText({ address, port }: { address: Uint8Array; port: number }): string {
  const words = Array.from({ length: address.length / 2 }, (_, i) => (address[2 * i] << 8) | address[2 * i + 1])
  const ip = address.length === 4 ? address.join('.') : words.map((word) => word.toString(16)).join(':')
  return `${ip}:${port}`
}

/** "host:port" → its parts; the last colon divides, brackets around an IPv6 address are taken off. */
export function parseAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
  const port = Number(address.slice(colon + 1))
  if (colon > 0 && host !== '' && Number.isInteger(port) && port > 0 && port < 65_536) return { host, port }
  throw new RemotingError('BAD_ADDRESS', { what: `"${address}" is no address, expected host:port` })
}

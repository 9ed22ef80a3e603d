/**
 * White addresses: peers that need no signature, in RocketMQ's notation.
 *
 *   192.168.1.7   fe80::1          one address
 *   10.1.*        10.1.*.*         parts of any value          10.1.2.1-20   fe80::1:2-ff   a range (hexadecimal in IPv6)
 *   10.1.2.{3,4}  fe80::{3,4}      several last parts          10.1.2.3,10.1.2.4            several addresses
 *   *  *.*.*.*  *:*:*:*:*:*:*:*    everybody                   (blank)                      nobody
 *
 * Each part has to match. RocketMQ looks at nothing behind the first range of an IPv4 pattern: its 10.*.3.4 is ours 10.*.*.*.
 */
import { isIP } from 'node:net'
import { hostBytes } from '../../remoting/host.ts'
import { AclError } from './acl-error.ts'

/** `address`: 4 bytes, or 16 of IPv6 (Connection.remoteHost). */
export type AddressMatch = (address: Uint8Array) => boolean

const EVERYBODY = new Set(['*', '*.*.*.*', '*:*:*:*:*:*:*:*'])
const IPV4_PARTS = 4
const IPV6_PARTS = 8

/** Throws AclError for what is no pattern. */
export function addressPattern(text: string): AddressMatch {
  const pattern = text.trim()
  if (pattern === '') return () => false
  if (EVERYBODY.has(pattern)) return () => true
  const brace = pattern.indexOf('{')
  if (pattern.endsWith('}') && brace > 0) {
    const front = pattern.slice(0, brace)
    return oneOf(listOf(pattern.slice(brace + 1, -1)).map((last) => front + last))
  }
  if (pattern.includes(',')) return oneOf(listOf(pattern))
  if (/[*-]/.test(pattern)) return pattern.includes(':') ? ipv6Pattern(pattern) : ipv4Pattern(pattern)
  return oneOf([pattern])
}

const listOf = (text: string) => text.split(',').map((each) => each.trim())

function oneOf(addresses: string[]): AddressMatch {
  const known = new Set(addresses.map((address) => keyOf(exact(address))))
  return (address) => known.has(keyOf(address))
}

function exact(address: string): Uint8Array {
  if (isIP(address) === 0) throw bad(address)
  return hostBytes(address)
}

const keyOf = (address: Uint8Array) => address.join('.')

type Range = readonly [min: number, max: number]

function ipv4Pattern(pattern: string): AddressMatch {
  const parts = pattern.split('.')
  // 10.1.* is 10.1.*.*
  while (parts.length < IPV4_PARTS && parts.at(-1)?.trim() === '*') parts.push('*')
  if (parts.length !== IPV4_PARTS) throw bad(pattern)
  const ranges = parts.map((part) => rangeOf(part.trim(), 10, 255, pattern))
  return (address) => address.length === 4 && ranges.every(([min, max], i) => address[i] >= min && address[i] <= max)
}

function ipv6Pattern(pattern: string): AddressMatch {
  const [front, back, ...more] = pattern.split('::')
  if (more.length > 0) throw bad(pattern)
  const head = groups(front, pattern)
  const tail = back === undefined ? [] : groups(back, pattern)
  const missing = IPV6_PARTS - head.length - tail.length
  if (back === undefined ? missing !== 0 : missing < 1) throw bad(pattern)
  const ranges = [...head, ...Array.from({ length: missing }, (): Range => [0, 0]), ...tail]
  return (address) =>
    address.length === 16 &&
    ranges.every(([min, max], i) => {
      const group = (address[2 * i] << 8) | address[2 * i + 1]
      return group >= min && group <= max
    })
}

function groups(text: string, pattern: string): Range[] {
  if (text === '') return []
  return text.split(':').map((part) => rangeOf(part.trim(), 16, 0xffff, pattern))
}

function rangeOf(part: string, radix: 10 | 16, largest: number, pattern: string): Range {
  if (part === '*') return [0, largest]
  const [from, to = from, ...more] = part.split('-')
  const min = numberOf(from.trim(), radix)
  const max = numberOf(to.trim(), radix)
  if (more.length > 0 || !(min <= max) || max > largest) throw bad(pattern)
  return [min, max]
}

function numberOf(digits: string, radix: 10 | 16): number {
  const isNumber = radix === 10 ? /^\d{1,3}$/.test(digits) : /^[0-9a-fA-F]{1,4}$/.test(digits)
  return isNumber ? Number.parseInt(digits, radix) : Number.NaN
}

function bad(address: string): AclError {
  return new AclError(`Netaddress examine Exception netaddress is ${address}`)
}

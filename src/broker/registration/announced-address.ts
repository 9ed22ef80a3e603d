/**
 * The address that a broker announces to clients: chosen, told, and tried.
 *
 * In containers and behind NAT the chosen one is often wrong, and then every client fails elsewhere; so it is logged
 * with the way it was found, and tried once after the start.
 */
import { connect, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'

export interface AnnouncedAddress {
  readonly host: string
  /** How it was chosen, for the log: "brokerIP1", "interface eth0", … */
  readonly origin: string
}

/**
 * `configured` (brokerIP1) if given; else as RocketMQ 4.9.8: the first IPv4 address that is neither loopback nor
 * 192.168.*, else the last IPv4 one, else the first IPv6 one, else 127.0.0.1.
 */
export function announcedAddress(configured?: string, interfaces = networkInterfaces()): AnnouncedAddress {
  if (configured !== undefined && configured !== '') return { host: configured, origin: 'brokerIP1' }
  let home: AnnouncedAddress | undefined
  let six: AnnouncedAddress | undefined
  for (const [name, addresses] of Object.entries(interfaces)) {
    for (const { address, internal } of addresses ?? []) {
      const found = { host: address, origin: `interface ${name}` }
      if (internal) continue
      if (!isIPv4(address)) six ??= address.startsWith('fe80:') ? undefined : found
      else if (address.startsWith('127.') || address.startsWith('192.168.')) home = found
      else return found
    }
  }
  return home ?? six ?? { host: '127.0.0.1', origin: 'no interface but loopback' }
}

/** Why nobody answers at "host:port", or undefined when somebody does. Never rejects. */
export function tryAddress(host: string, port: number, timeoutMs = 1000): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const done = (why: string | undefined) => {
      socket.destroy()
      resolve(why)
    }
    socket.once('connect', () => done(undefined))
    socket.once('timeout', () => done(`no answer within ${timeoutMs} ms`))
    socket.once('error', (error) => done(error.message))
  })
}

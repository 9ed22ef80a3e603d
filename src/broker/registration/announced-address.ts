/**
 * The address that a broker announces to clients: chosen, told, and tried.
 *
 * In containers and behind NAT the chosen one is often wrong, and then every client fails elsewhere; so it is logged
 * with the way it was found, and tried once after the start.
 */
import { lookup } from 'node:dns/promises'
import { existsSync } from 'node:fs'
import { connect, isIP, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { ConfigError, describe } from '../../errors.ts'
import type { Log } from '../../log.ts'

export interface AnnouncedAddress {
  readonly host: string
  /** How it was chosen, for the log: "brokerIP1", "interface eth0", … */
  readonly origin: string
}

/** "host:port" as clients are told; `namesrv` where one runs inside. */
export interface BrokerAddresses {
  readonly broker: string
  /** How `broker` was chosen. */
  readonly origin: string
  readonly fast: string
  readonly namesrv: string | undefined
}

/** Tells the log, and warns where clients will hardly reach it. */
export function announce(log: Log, addresses: BrokerAddresses, announced: AnnouncedAddress): void {
  log.info(announcement(addresses.broker, announced), { ...addresses })
  const doubt = innerAddress(announced, isInContainer())
  if (doubt !== undefined)
    log.warn(`clients are told ${addresses.broker}, but ${doubt}`, { brokerAddr: addresses.broker })
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

/** The line of the log that says which address is told, and how to tell another. */
export function announcement(address: string, { origin, host }: AnnouncedAddress): string {
  if (origin === 'brokerIP1') return `clients are told ${address} (brokerIP1)`
  const only = host === '127.0.0.1' ? ', which only clients on this machine reach' : ''
  return `clients are told ${address} (${origin})${only}; brokerIP1 sets another`
}

/** Bridges and pairs that container and virtual machine managers make on their host. */
const INNER_INTERFACE = /^interface (docker|br-|veth|virbr|cni|podman|lxcbr|lxdbr|flannel|cali|weave)/
/** What Docker, Podman and Kubernetes leave in a container. */
const CONTAINER_FILES = ['/.dockerenv', '/run/.containerenv']

export function isInContainer(env = process.env, exists: (path: string) => boolean = existsSync): boolean {
  return env.KUBERNETES_SERVICE_HOST !== undefined || CONTAINER_FILES.some((path) => exists(path))
}

/**
 * Why clients elsewhere will hardly reach an address that nobody configured, or undefined. A broker reaches itself there, so
 * that trying it finds nothing.
 */
export function innerAddress({ host, origin }: AnnouncedAddress, inContainer: boolean): string | undefined {
  if (origin === 'brokerIP1') return undefined
  const todo = 'set brokerIP1 to the address that clients reach'
  if (inContainer) {
    return `${host} (${origin}) is this container's own address: clients outside of its network do not reach it; ${todo}, and publish the ports`
  }
  if (!INNER_INTERFACE.test(origin)) return undefined
  return `${host} (${origin}) is the address of a bridge for containers on this machine: other machines do not reach it; ${todo}`
}

/**
 * The host as an ip, for records and ids: brokerIP1 may be a name, which clients are told as it is. Rejects with ConfigError
 * BAD_VALUE for a name that nobody knows.
 */
export async function ipOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host
  try {
    const found = await lookup(host, { all: true })
    // Ids that hold an IPv6 address are longer than some clients read.
    return (found.find(({ family }) => family === 4) ?? found[0]).address
  } catch (cause) {
    throw new ConfigError('BAD_VALUE', {
      what: `brokerIP1 is ${JSON.stringify(host)}, which is no ip address and no known name: ${describe(cause)}`,
      todo: 'give the ip address that clients reach this machine at, or a name that resolves here and at the clients',
      cause,
    })
  }
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

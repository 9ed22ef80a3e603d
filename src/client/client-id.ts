/**
 * Who a client is to brokers and other members of its group: `clientIP@instanceName[@unitName]`, as Java's clients build it.
 *
 * An instance name that is left to us becomes `pid#nanoseconds`, so that two clients of one process are two members; one
 * that is given is kept, and clients of the same id share connections, heartbeats and routes (spec/client-behaviour.md §1).
 */
import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'

export const DEFAULT_INSTANCE = 'DEFAULT'

/** The first IPv4 address that others can reach; addresses of private networks only where there is no other. */
export function localIp(): string {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
  const isPrivate = (address: string) => /^(127\.|192\.168\.|10\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address)
  return addresses.find((address) => !isPrivate(address)) ?? addresses[0] ?? '127.0.0.1'
}

export interface Identity {
  readonly clientIP: string
  readonly instanceName: string
  readonly unitName?: string | undefined
}

export function clientIdOf({ clientIP, instanceName, unitName }: Identity): string {
  return [clientIP, instanceName, ...(unitName === undefined || unitName === '' ? [] : [unitName])].join('@')
}

let lastNanos = 0n

/** Java's System.nanoTime() as text: never the same twice in a process. */
export function ownInstanceName(): string {
  const nanos = process.hrtime.bigint()
  lastNanos = nanos > lastNanos ? nanos : lastNanos + 1n
  return `${process.pid}#${lastNanos}`
}

export function isUsableIp(text: string): boolean {
  return isIPv4(text)
}

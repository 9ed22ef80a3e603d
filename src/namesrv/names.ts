/**
 * What a name or an address may be, checked at every door of the NameServer (CVE-2019-17572: a topic "../../x" made
 * folders on every broker that learned of it).
 *
 * Wider than a broker's own rule for new topics, because brokers register topics named after their host and cluster
 * ("my-host.example.com"), and 5.x registers internal ones; but nothing that could be a path or break a line of a log.
 */
import { RemotingError } from '../errors.ts'

/** UTF-16 units. Brokers refuse to send to topics above 127; groups give %RETRY% topics of up to 255. */
const NAME_LENGTH_MAX = 255
const VALUE_LENGTH_MAX = 65_536
/** Slashes, control characters, and what separates entries in the texts of KV values and logs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const NOT_IN_NAMES = /[\u0000-\u0020\u007f-\u009f/\\;:,"'`<>*?&$]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** Why the name cannot be one, or undefined. */
export function wrongName(name: string): string | undefined {
  if (name.length === 0) return 'is empty'
  if (name.length > NAME_LENGTH_MAX) return `is ${name.length} characters long, at most ${NAME_LENGTH_MAX} are allowed`
  if (name === '.' || name === '..') return 'is a folder, not a name'
  const found = NOT_IN_NAMES.exec(name)
  if (found !== null) return `contains ${JSON.stringify(found[0])}, which is not allowed in names`
  return undefined
}

/** Returns the name. Throws RemotingError BAD_NAME: an answer with code 1. */
export function checkName(what: string, name: string): string {
  const wrong = wrongName(name)
  if (wrong === undefined) return name
  throw new RemotingError('BAD_NAME', { what: `${what} ${JSON.stringify(name.slice(0, 64))} ${wrong}` })
}

/** "ip:port", "host:port" or "[ipv6]:port". Throws RemotingError BAD_ADDRESS. */
export function checkAddress(what: string, address: string): string {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon)
  const port = address.slice(colon + 1)
  const numeric = /^[0-9]{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535
  // An IPv6 address has colons of its own; Java writes it with or without brackets.
  const named = colon > 0 && /^(\[[0-9a-fA-F:.%\w]+\]|[0-9a-fA-F:.%\w-]+)$/.test(host) && host.length <= NAME_LENGTH_MAX
  if (numeric && named) return address
  throw new RemotingError('BAD_ADDRESS', {
    what: `${what} ${JSON.stringify(address.slice(0, 64))} is not "host:port"`,
  })
}

/** A namespace or key of the KV configuration. Throws RemotingError BAD_NAME. */
export function checkKey(what: string, key: string): string {
  if (key.length > 0 && key.length <= NAME_LENGTH_MAX && !CONTROL.test(key)) return key
  throw new RemotingError('BAD_NAME', {
    what: `${what} ${JSON.stringify(key.slice(0, 64))} is empty, longer than ${NAME_LENGTH_MAX} or has control characters`,
  })
}

/** `brokerA:4;brokerB:4`: anything else throws in every client that asks for an ordered topic's route. */
const ORDER_CONF = /^[^:;\s]+:[0-9]{1,5}(;[^:;\s]+:[0-9]{1,5})*;?$/
export const ORDER_NAMESPACE = 'ORDER_TOPIC_CONFIG'

/** Why a KV entry cannot be kept, or undefined. */
export function wrongEntry(namespace: string, key: string, value: unknown): string | undefined {
  if (typeof value !== 'string') return `its value is ${value === null ? 'null' : typeof value}, expected text`
  if (value.length > VALUE_LENGTH_MAX) return `its value has ${value.length} characters, at most ${VALUE_LENGTH_MAX}`
  if (namespace === ORDER_NAMESPACE && !ORDER_CONF.test(value)) {
    return `the order configuration of topic ${key} is ${JSON.stringify(value.slice(0, 64))}, expected "brokerName:queues;…"`
  }
  return undefined
}

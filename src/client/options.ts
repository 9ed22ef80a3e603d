/**
 * The options that every client has, checked once: what is left out has RocketMQ's default, what is wrong is a ClientError
 * BAD_OPTION that names the option, what it was, and what it may be.
 */

import { type Log, silentLog } from '../log.ts'
import { parseAddress } from '../remoting/host.ts'
import type { Account } from '../remoting/signature.ts'
import { clientIdOf, DEFAULT_INSTANCE, isUsableIp, localIp, ownInstanceName } from './client-id.ts'
import { ClientError } from './errors.ts'
import { namespaceIn, namesrvAddresses } from './namespace.ts'
import { type ClientClock, clientClock } from './timers.ts'

/** TLS with files of one's own. */
export interface ClientTlsOptions {
  /** PEM file of the certificates that are trusted. Given: servers are checked. Left out: any certificate is taken, as RocketMQ does. */
  trustCertPath?: string
  /** PEM files of this client's own certificate and key, where servers ask for one. */
  certPath?: string
  /** PEM file of its key. @default none */
  keyPath?: string
  /** Of that key, where it is encrypted. @default none */
  keyPassword?: string
}

/** Options of every client. Only `nameserver` and `group` are needed. */
export interface ClientOptions {
  /**
   * Addresses of NameServers: `'host:9876'`, several with `;` between, or a list.
   * @default the environment variable NAMESRV_ADDR
   */
  nameserver?: string | readonly string[]
  /** Name of the group that this client is a member of. */
  group: string
  /**
   * Puts topics and groups into a namespace: `ns%topic` on the wire.
   * @default taken from a NameServer address that begins with `MQ_INST_`
   */
  namespace?: string
  /**
   * Clients with the same instance name share connections and heartbeats; a group may then be registered only once.
   * @default a name of its own for every client, `pid#nanoseconds`
   */
  instanceName?: string
  /** Appended to the client id. */
  unitName?: string
  /**
   * Marks topics and groups as belonging to a unit.
   * @default false
   */
  unitMode?: boolean
  /** Own IPv4 address, part of client and message ids. @default the machine's first that others can reach */
  clientIP?: string
  /** Requests are signed with this account (ACL of RocketMQ 4). */
  acl?: Account
  /** TLS on every connection; `true`: without checking certificates. @default false */
  tls?: boolean | ClientTlsOptions
  /** Sends and offsets go to the broker's port − 2. @default false */
  vipChannel?: boolean
  /** Form of request headers. @default 'JSON' */
  headers?: 'JSON' | 'ROCKETMQ'
  /** Milliseconds between two looks at the routes. @default 30_000 */
  pollNameServerInterval?: number
  /** Milliseconds between two heartbeats. @default 30_000 */
  heartbeatBrokerInterval?: number
  /** Milliseconds until requests other than sends and pulls fail. @default 3000 */
  mqClientApiTimeout?: number
  /** Milliseconds until a connection that does not open fails. @default 3000 */
  connectTimeout?: number
  /** Where the client says what it does. @default nowhere */
  log?: Log
  /** Aborting it closes the client. */
  signal?: AbortSignal
  /** Source of time, for tests. @default the machine's */
  clock?: ClientClock
}

export interface ResolvedClientOptions {
  readonly nameservers: readonly string[]
  readonly group: string
  readonly namespace: string
  readonly instanceName: string
  readonly clientId: string
  readonly clientIP: string
  readonly unitName: string | undefined
  readonly unitMode: boolean
  readonly acl: Account | undefined
  readonly tls: boolean | ClientTlsOptions
  readonly vipChannel: boolean
  readonly headers: 'JSON' | 'ROCKETMQ'
  readonly pollNameServerInterval: number
  readonly heartbeatBrokerInterval: number
  readonly mqClientApiTimeout: number
  readonly connectTimeout: number
  readonly log: Log
  readonly signal: AbortSignal | undefined
  readonly clock: ClientClock
}

/** Java gives a broadcasting consumer the name DEFAULT, so that its offsets stay in one file: `keepsName`. */
export function resolveOptions(options: ClientOptions, keepsName = false): ResolvedClientOptions {
  checkObject('options', options)
  checkAddresses(options.nameserver)
  const nameservers = namesrvAddresses(options.nameserver ?? process.env.NAMESRV_ADDR)
  if (nameservers.length === 0) {
    throw new ClientError('BAD_OPTION', {
      what: 'no NameServer is given',
      hint: "give nameserver: 'host:9876', or set NAMESRV_ADDR",
    })
  }
  for (const address of nameservers) checkAddress(address)
  checkName('group', options.group, GROUP_LENGTH_MAX)
  if (REFUSED_GROUPS.has(options.group)) throw badOption('group', options.group, 'a name of your own')
  const namespace = options.namespace ?? namespaceIn(options.nameserver) ?? ''
  if (namespace !== '') checkName('namespace', namespace, GROUP_LENGTH_MAX)
  const isOwnName = options.instanceName === undefined || options.instanceName === DEFAULT_INSTANCE
  const instanceName = isOwnName ? (keepsName ? DEFAULT_INSTANCE : ownInstanceName()) : (options.instanceName as string)
  const clientIP = options.clientIP ?? localIp()
  if (!isUsableIp(clientIP)) throw badOption('clientIP', clientIP, 'an IPv4 address')
  const { acl, unitName } = options
  const tls = options.tls ?? false
  if (typeof tls !== 'boolean') checkObject('tls', tls)
  if (acl !== undefined) checkAccount(acl)
  return {
    nameservers,
    group: options.group,
    namespace,
    instanceName,
    clientIP,
    clientId: clientIdOf({ clientIP, instanceName, unitName }),
    unitName,
    unitMode: options.unitMode ?? false,
    acl,
    tls,
    vipChannel: options.vipChannel ?? false,
    headers: oneOf('headers', options.headers ?? 'JSON', ['JSON', 'ROCKETMQ']),
    pollNameServerInterval: integer('pollNameServerInterval', options.pollNameServerInterval ?? 30_000, 10),
    heartbeatBrokerInterval: integer('heartbeatBrokerInterval', options.heartbeatBrokerInterval ?? 30_000, 10),
    mqClientApiTimeout: integer('mqClientApiTimeout', options.mqClientApiTimeout ?? 3000, 1),
    connectTimeout: integer('connectTimeout', options.connectTimeout ?? 3000, 1),
    log: options.log ?? silentLog,
    signal: options.signal,
    clock: options.clock ?? clientClock,
  }
}

const GROUP_LENGTH_MAX = 255
export const TOPIC_LENGTH_MAX = 127
const NAME = /^[%|a-zA-Z0-9_-]+$/
const REFUSED_GROUPS: ReadonlySet<string> = new Set(['DEFAULT_PRODUCER', 'DEFAULT_CONSUMER'])

export function badOption(name: string, value: unknown, expected: string): ClientError {
  const shown = typeof value === 'string' ? `"${value.slice(0, 64)}"` : String(value)
  return new ClientError('BAD_OPTION', { what: `option ${name} is ${shown}`, hint: `expected ${expected}` })
}

/** Whole milliseconds, counts and sizes. */
export function integer(name: string, value: number, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value
  const bound = most === Number.MAX_SAFE_INTEGER ? `from ${least} up` : `from ${least} to ${most}`
  throw badOption(name, value, `an integer ${bound}`)
}

export function oneOf<T extends string>(name: string, value: T, of: readonly T[]): T {
  if (of.includes(value)) return value
  throw badOption(name, value, of.map((one) => `'${one}'`).join(' or '))
}

/** RocketMQ's rule for groups and topics. */
export function checkName(name: string, value: unknown, lengthMax: number): asserts value is string {
  if (typeof value !== 'string' || value === '') throw badOption(name, value, 'a name')
  if (value.length > lengthMax) throw badOption(name, value, `at most ${lengthMax} characters, not ${value.length}`)
  if (!NAME.test(value)) throw badOption(name, value, 'letters, digits and the characters % | _ - only')
}

/** What a caller without types may give where an object with options belongs. */
export function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw badOption(name, value, 'an object')
}

function checkAddresses(given: unknown): void {
  if (given === undefined || typeof given === 'string') return
  if (Array.isArray(given) && given.every((one) => typeof one === 'string')) return
  throw badOption('nameserver', given, "'host:9876', or a list of such texts")
}

function checkAddress(address: string): void {
  try {
    parseAddress(address)
  } catch (cause) {
    throw new ClientError('BAD_OPTION', {
      what: `nameserver "${address}" is no address`,
      hint: 'give host:port',
      cause,
    })
  }
}

function checkAccount(account: Account): void {
  checkObject('acl', account)
  const { accessKey, secretKey } = account
  if (typeof accessKey !== 'string' || accessKey === '') throw badOption('acl.accessKey', accessKey, 'a text')
  // Not the secret itself: errors end in logs.
  if (typeof secretKey !== 'string' || secretKey === '') throw badOption('acl.secretKey', typeof secretKey, 'a text')
}

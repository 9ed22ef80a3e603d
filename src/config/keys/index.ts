/**
 * The one table of configuration keys: what broker.conf and namesrv.conf may say. Types, defaults, validation, `-p`,
 * request 26 and the documentation come from it. Groups are RocketMQ's classes, and ours.
 */
import { BROKER_KEYS } from './broker-keys.ts'
import { fixed, int, type ValuesOf } from './key.ts'
import { NETTY_CLIENT_KEYS, NETTY_SERVER_KEYS } from './netty-keys.ts'
import { NAMESRV_KEYS, OUR_BROKER_KEYS, SERVER_KEYS } from './server-keys.ts'
import { STORE_KEYS } from './store-keys.ts'
import { TLS_FILE_KEYS, TLS_KEYS } from './tls-keys.ts'

export { type AnyKey, type Effect, GIB, type Key, type KeyTable, KIB, MIB, type Unit } from './key.ts'
export { TLS_FILE_KEYS, TLS_KEYS }

/** What a broker reads. The order is that of `-p` and of request 26. */
export const BROKER = {
  ...BROKER_KEYS,
  ...STORE_KEYS,
  ...NETTY_SERVER_KEYS,
  ...NETTY_CLIENT_KEYS,
  ...TLS_KEYS,
  ...SERVER_KEYS,
  ...OUR_BROKER_KEYS,
} as const

/** What a NameServer reads. */
export const NAMESRV = {
  ...NAMESRV_KEYS,
  ...NETTY_SERVER_KEYS,
  listenPort: fixed(int(9876, 0, 65_535, 'port', 'Port for clients and brokers; 0 takes a free one.')),
  ...TLS_KEYS,
  ...SERVER_KEYS,
} as const

export const KEYS = { broker: BROKER, namesrv: NAMESRV } as const
export type Role = keyof typeof KEYS

/** Which of RocketMQ's files a key is of; ours where it is none of theirs. */
export type Group = 'broker' | 'store' | 'netty' | 'tls' | 'namesrv' | 'ours'

export function groupOf(role: Role, name: string): Group {
  if (Object.hasOwn(SERVER_KEYS, name) || Object.hasOwn(OUR_BROKER_KEYS, name)) return 'ours'
  if (Object.hasOwn(TLS_KEYS, name)) return 'tls'
  if (Object.hasOwn(NETTY_SERVER_KEYS, name) || Object.hasOwn(NETTY_CLIENT_KEYS, name)) return 'netty'
  if (role === 'namesrv') return 'namesrv'
  return Object.hasOwn(STORE_KEYS, name) ? 'store' : 'broker'
}

export interface BrokerConfig extends ValuesOf<typeof BROKER> {}
export interface NamesrvConfig extends ValuesOf<typeof NAMESRV> {}
export interface ConfigOf {
  broker: BrokerConfig
  namesrv: NamesrvConfig
}

/**
 * Configuration: RocketMQ's keys and ours in one table (keys/), read from files in Java's properties syntax, the command
 * line and code, checked once, with the origin of each value.
 */
import type { StoreSettings } from '../store/settings.ts'
import type { BrokerConfig } from './keys/index.ts'

export { runsNameServer } from './checks.ts'
export { configText, HIDDEN, printConfig } from './format.ts'
export {
  type AnyKey,
  type BrokerConfig,
  type ConfigOf,
  type Group,
  groupOf,
  KEYS,
  type NamesrvConfig,
  type Role,
} from './keys/index.ts'
export { nearest } from './nearest.ts'
export { decodeText, editProperties, formatProperties, type Property, parseProperties } from './properties.ts'
export { type Origin, type Resolved, type ResolveOptions, resolveConfig, splitSet } from './resolve.ts'
export { type Change, type ChangeOutcome, RunningConfig } from './running-config.ts'
export { isAddressList } from './syntax.ts'
export { clientTlsOf, serverTlsOf, type TlsConfig, tlsKeysOf } from './tls.ts'
export { allowed, parseValue, type Value } from './values.ts'

/** Refused by the compiler when the store asks for a key that the table does not have, or has otherwise. */
export type BrokerConfigIsStoreSettings = BrokerConfig extends StoreSettings ? true : never
const isStoreSettings: BrokerConfigIsStoreSettings = true
void isStoreSettings

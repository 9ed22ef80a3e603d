/**
 * Whose write permission was wiped, kept beside the KV configuration: a NameServer that restarts in the middle of draining a
 * broker must not send producers back to it. RocketMQ keeps no such thing; its NameServers would read it as a namespace of
 * administrators' own.
 */
import { describe } from '../errors.ts'
import type { Log } from '../log.ts'
import type { KvConfig } from './kv-config.ts'
import type { RouteTables } from './route-tables.ts'

export const WIPED_NAMESPACE = 'BASALT_WIPED_BROKERS'

export function loadWiped(tables: RouteTables, kv: KvConfig): void {
  for (const brokerName of kv.entries(WIPED_NAMESPACE)?.keys() ?? []) tables.topics.wiped.add(brokerName)
}

/**
 * Resolves when what the tables say of the broker is on disk. A disk that does not take it is no reason to refuse: the
 * permission is wiped or added all the same, and only a restart would undo it; the log says so.
 */
export async function saveWiped(tables: RouteTables, kv: KvConfig, brokerName: string, log: Log): Promise<void> {
  const isWiped = tables.wipedBrokers.has(brokerName)
  if (isWiped === (kv.get(WIPED_NAMESPACE, brokerName) !== undefined)) return
  try {
    await (isWiped ? kv.put(WIPED_NAMESPACE, brokerName, 'true') : kv.delete(WIPED_NAMESPACE, brokerName))
  } catch (error) {
    log.error(`that broker ${brokerName} is ${isWiped ? '' : 'no longer '}wiped is not on disk: ${describe(error)}`)
  }
}

/** The store of a consumer: at the brokers where the group shares its queues, in a file of its own where each gets everything. */
import { describe } from '../../../errors.ts'
import type { ClientInstance } from '../../instance.ts'
import { LocalOffsetStore } from './local-offset-store.ts'
import type { OffsetStore } from './offset-store.ts'
import { type OffsetCalls, RemoteOffsetStore } from './remote-offset-store.ts'

export function offsetStoreFor(
  instance: ClientInstance,
  group: string,
  calls: OffsetCalls,
  isBroadcast: boolean,
  folder: string | undefined,
): OffsetStore {
  const { clientId, log } = instance
  if (isBroadcast) {
    const said = (path: string, error: unknown) => log.warn(`${path}: ${describe(error)}`)
    return new LocalOffsetStore({
      clientId,
      group,
      damaged: said,
      failed: said,
      ...(folder !== undefined && { folder }),
    })
  }
  return new RemoteOffsetStore(calls, (queue, error) =>
    log.warn(`an offset could not be stored: ${describe(error)}`, { ...queue }),
  )
}

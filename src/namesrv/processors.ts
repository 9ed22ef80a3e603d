/**
 * The NameServer's requests: one function a code, from a decoded command to its answer.
 *
 * Called by: namesrv.ts, for every request that is not an answer. A RemotingError that a processor throws becomes an
 * answer with code 1 and the error's text; a code that is not here, code 3 (RocketMQ 4.9.8 gives no answer at all).
 * Rules: spec/namesrv.md §3.
 */
import { adminProcessors } from './admin-processors.ts'
import { brokerProcessors } from './broker-processors.ts'
import { configProcessors } from './config-processors.ts'
import type { NamesrvProcessor, NamesrvState } from './processor.ts'
import { routeProcessors } from './route-processors.ts'

export function namesrvProcessors(state: NamesrvState): ReadonlyMap<number, NamesrvProcessor> {
  return new Map([
    ...routeProcessors(state),
    ...brokerProcessors(state),
    ...adminProcessors(state),
    ...configProcessors(state),
  ])
}

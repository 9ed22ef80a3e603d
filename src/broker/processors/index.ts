/**
 * Request processors, one file a family; sends, pulls and what belongs to them are not here (send/, pull/).
 *
 *   clients.ts       34 35 38 46            what clients say of themselves
 *   queue-locks.ts   41 42                  ordered consumption
 *   offsets.ts       14 15 29 30 31 32 43 45
 *   queries.ts       12 33                  by key, by physical offset
 *   topic-admin.ts   17 21 202 215 305 351
 *   group-admin.ts   200 201 207 352
 *   consumption.ts   203 204 208 300 303    who consumes what, and how far
 *   broker-admin.ts  26 28 315
 */
import type { Processor } from '../router.ts'
import { brokerProcessors } from './broker-admin.ts'
import { clientProcessors } from './clients.ts'
import { consumptionProcessors } from './consumption.ts'
import type { AdminContext } from './context.ts'
import { groupProcessors } from './group-admin.ts'
import { offsetProcessors } from './offsets.ts'
import { queryProcessors } from './queries.ts'
import { lockProcessors } from './queue-locks.ts'
import { topicProcessors } from './topic-admin.ts'

export type { AdminContext, ConfigSource, RuntimeSource, WaitingLine } from './context.ts'

export function adminProcessors(context: AdminContext): Map<number, Processor> {
  return new Map([
    ...clientProcessors(context),
    ...lockProcessors(context),
    ...offsetProcessors(context),
    ...queryProcessors(context),
    ...topicProcessors(context),
    ...groupProcessors(context),
    ...consumptionProcessors(context),
    ...brokerProcessors(context),
  ])
}

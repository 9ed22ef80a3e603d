/**
 * Request processors, one file a family; sends, pulls and what belongs to them are not here (send/, pull/).
 *
 *   clients.ts       34 35 38 46            what clients say of themselves
 *   queue-locks.ts   41 42                  ordered consumption
 *   offsets.ts       14 15 29 30 31 32 43 45
 *   queries.ts       12 33                  by key, by physical offset
 *   topic-admin.ts   17 18 21 202 215 305 351
 *   group-admin.ts   200 201 207 225 352
 *   connections.ts   203 204 300 328 343 345 353   who is online, and what they read
 *   consumption.ts   208 303 317            how far groups are
 *   group-offsets.ts 308 314                offsets of one group beside or for another
 *   offset-resets.ts 222 (220)              back or forward in time
 *   client-calls.ts  223 (221) 307 309      asked of the client itself
 *   queue-units.ts   321
 *   cleaning.ts      306 316 329
 *   broker-admin.ts  26 28 315
 */
import type { Processor } from '../router.ts'
import { brokerProcessors } from './broker-admin.ts'
import { cleaningProcessors } from './cleaning.ts'
import { clientCallProcessors } from './client-calls.ts'
import { clientProcessors } from './clients.ts'
import { connectionProcessors } from './connections.ts'
import { consumptionProcessors } from './consumption.ts'
import type { AdminContext } from './context.ts'
import { groupProcessors } from './group-admin.ts'
import { groupOffsetProcessors } from './group-offsets.ts'
import { offsetResetProcessors } from './offset-resets.ts'
import { offsetProcessors } from './offsets.ts'
import { queryProcessors } from './queries.ts'
import { lockProcessors } from './queue-locks.ts'
import { queueUnitProcessors } from './queue-units.ts'
import { topicProcessors } from './topic-admin.ts'

export type { AdminContext, Cleaning, ConfigSource, RuntimeSource, WaitingLine } from './context.ts'

export function adminProcessors(context: AdminContext): Map<number, Processor> {
  return new Map([
    ...clientProcessors(context),
    ...lockProcessors(context),
    ...offsetProcessors(context),
    ...queryProcessors(context),
    ...topicProcessors(context),
    ...groupProcessors(context),
    ...connectionProcessors(context),
    ...consumptionProcessors(context),
    ...groupOffsetProcessors(context),
    ...offsetResetProcessors(context),
    ...clientCallProcessors(context),
    ...queueUnitProcessors(context),
    ...cleaningProcessors(context),
    ...brokerProcessors(context),
  ])
}

/** Units of a ConsumeQueue as a broker has them (321), and whether a group's subscription takes each. */
import { QUERY_CONSUME_QUEUE } from '../remoting/schemas/index.ts'
import type { AdminClient } from './admin-client.ts'
import { bodyOf, boolAt, listOf, member, numberAt, textAt } from './json.ts'
import type { PlacedQueue } from './offsets.ts'

export interface QueueUnit {
  queueOffset: number
  physicalOffset: number
  size: number
  /** Hash of the tag; of 64 bits where the message is delayed: text. */
  tagsCode: string
  /** With a group: whether its subscription takes the message. */
  isTaken: boolean | undefined
  /** What the broker says where it cannot tell. */
  note: string
}

export interface QueueUnits {
  min: number
  max: number
  units: QueueUnit[]
  /** Of the group that was named, as the broker knows it. */
  subscription: { topic: string; expression: string; type: string } | undefined
}

export async function queueUnits(
  admin: AdminClient,
  queue: PlacedQueue,
  { offset, count, group = '' }: { offset: number; count: number; group?: string | undefined },
): Promise<QueueUnits> {
  const { topic, queueId, address } = queue
  const header = { topic, queueId, index: offset, count, consumerGroup: group }
  // An offset that is not there is answered without a body.
  const body = bodyOf(await admin.call(address, QUERY_CONSUME_QUEUE, header))
  const subscription = member(body, 'subscriptionData') ?? undefined
  return {
    min: numberAt(body, 'minQueueIndex'),
    max: numberAt(body, 'maxQueueIndex'),
    units: listOf(member(body, 'queueData')).map((unit, i) => ({
      queueOffset: offset + i,
      physicalOffset: numberAt(unit, 'physicOffset'),
      size: numberAt(unit, 'physicSize'),
      tagsCode: textAt(unit, 'tagsCode'),
      isTaken: subscription === undefined ? undefined : boolAt(unit, 'eval'),
      note: textAt(unit, 'msg'),
    })),
    subscription:
      subscription === undefined
        ? undefined
        : {
            topic: textAt(subscription, 'topic'),
            expression: textAt(subscription, 'subString'),
            type: textAt(subscription, 'expressionType') || 'TAG',
          },
  }
}

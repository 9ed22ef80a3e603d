/**
 * Whether a slave's log is a part of its master's: the last record that both have, byte by byte.
 *
 * Offsets are all that the HA protocol compares. A master that lost its tail and wrote on has other bytes at the same places,
 * and records of one size end at the same places too. Any master answers request 33 (a record by its offset), so this holds
 * for RocketMQ's as well. No answer, or a log that has no such place, proves nothing: the HA port decides then.
 */
import { type RemotingCommand, request } from '../../remoting/command.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { encodeHeader } from '../../remoting/schema.ts'
import { VIEW_MESSAGE_BY_ID } from '../../remoting/schemas/pull.ts'
import type { MessageStore } from '../../store/message-store.ts'
import type { QueueName } from '../queue-ids.ts'

export interface SameHistoryOptions {
  readonly store: Pick<MessageStore, 'view' | 'queueMax' | 'physicalOffsetsAt'>
  readonly queues: () => Iterable<[number, QueueName]>
  readonly invoke: (command: RemotingCommand) => Promise<RemotingCommand>
}

/** Why the master's log is another one, or undefined. Never rejects. */
export async function otherHistory({ store, queues, invoke }: SameHistoryOptions): Promise<string | undefined> {
  try {
    const last = await lastRecord(store, queues())
    const own = last < 0 ? undefined : await store.view(last)
    if (own === undefined) return undefined
    const answer = await invoke(request(VIEW_MESSAGE_BY_ID.code, encodeHeader(VIEW_MESSAGE_BY_ID, { offset: last })))
    if (answer.code !== RESPONSE.SUCCESS || answer.body === undefined || answer.body.length === 0) return undefined
    if (Buffer.compare(own, answer.body) === 0) return undefined
    return `at ${last} it has another message than this log`
  } catch {
    return undefined
  }
}

/** Place of the last record that is in a queue, -1 in an empty store. */
async function lastRecord(store: SameHistoryOptions['store'], queues: Iterable<[number, QueueName]>): Promise<number> {
  const places = [...queues].map(([, { topic, queueId }]) => ({
    ...{ topic, queueId },
    queueOffset: store.queueMax(topic, queueId) - 1,
  }))
  const offsets = await store.physicalOffsetsAt(places.filter(({ queueOffset }) => queueOffset >= 0))
  return offsets.reduce((most, offset) => Math.max(most, offset), -1)
}

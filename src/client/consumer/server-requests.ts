/**
 * What brokers ask of a consumer: that the group has changed (40), that offsets are set anew (220), how far it is (221), how it is
 * (307), to consume one message now (309).
 *
 * Source: spec/broker-requests.md §14.
 */
import { describe } from '../../errors.ts'
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import { type JsonValue, parse, stringify, type Writable } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import type { ClientInstance, ServerRequestHandler } from '../instance.ts'
import type { ConsumedDirectly } from './consumption.ts'
import type { MessageQueue } from './message-queue.ts'
import type { OffsetSlot } from './offsets/index.ts'

/** The consumer, as brokers see it. */
export interface ConsumerFace {
  readonly group: string
  membersChanged(): void
  resetOffsets(topic: string, offsets: readonly OffsetSlot[]): Promise<void>
  /** How far each queue is consumed. */
  progress(topic: string): readonly OffsetSlot[]
  runningInfo(jstack: boolean): Promise<Writable>
  consumeDirectly(record: Uint8Array, brokerName: string): Promise<ConsumedDirectly & { isOrdered: boolean }>
}

/** Registers all of it at the instance; gives what ends that. */
export function answerRequests(instance: ClientInstance, face: ConsumerFace): () => void {
  const ends = [
    serve(instance, face, REQUEST.NOTIFY_CONSUMER_IDS_CHANGED, 'consumerGroup', (command) => {
      face.membersChanged()
      return answerTo(command, RESPONSE.SUCCESS)
    }),
    serve(instance, face, REQUEST.RESET_CONSUMER_CLIENT_OFFSET, 'group', async (command, { topic = '' }) => {
      await face.resetOffsets(topic, offsetsIn(command.body, topic))
      return answerTo(command, RESPONSE.SUCCESS)
    }),
    serve(instance, face, REQUEST.GET_CONSUMER_STATUS_FROM_CLIENT, 'group', (command, { topic = '' }) => {
      const messageQueueTable = new Map(face.progress(topic).map(({ queue, offset }) => [queueKey(queue), offset]))
      return withBody(command, { consumerTable: {}, messageQueueTable })
    }),
    serve(instance, face, REQUEST.GET_CONSUMER_RUNNING_INFO, 'consumerGroup', async (command, { jstackEnable }) =>
      withBody(command, await face.runningInfo(jstackEnable === 'true')),
    ),
    serve(instance, face, REQUEST.CONSUME_MESSAGE_DIRECTLY, 'consumerGroup', async (command, { brokerName = '' }) => {
      const began = performance.now()
      const { isOrdered, autoCommit, result, remark } = await face.consumeDirectly(command.body ?? EMPTY, brokerName)
      const spentTimeMills = Math.round(performance.now() - began)
      return withBody(command, { autoCommit, consumeResult: result, order: isOrdered, remark, spentTimeMills })
    }),
  ]
  return () => {
    for (const end of ends) end()
  }
}

type Answer = (
  command: RemotingCommand,
  ext: Record<string, string | undefined>,
) => RemotingCommand | Promise<RemotingCommand>

const EMPTY = new Uint8Array()

function serve(instance: ClientInstance, face: ConsumerFace, code: number, groupField: string, answer: Answer) {
  const handler: ServerRequestHandler = (command) => {
    const ext = command.ext ?? {}
    if (ext[groupField] !== face.group) return undefined
    return answered(command, ext, answer)
  }
  return instance.serve(code, handler)
}

async function answered(
  command: RemotingCommand,
  ext: Record<string, string>,
  answer: Answer,
): Promise<RemotingCommand> {
  try {
    return await answer(command, ext)
  } catch (error) {
    return answerTo(command, RESPONSE.SYSTEM_ERROR, describe(error))
  }
}

function withBody(command: RemotingCommand, body: Writable): RemotingCommand {
  return { ...answerTo(command, RESPONSE.SUCCESS), body: Buffer.from(stringify(body)) }
}

/** Java reads the keys of these tables as beans. */
export function queueKey({ brokerName, queueId, topic }: MessageQueue) {
  return { brokerName, queueId, topic }
}

/** {"offsetTable":{ {mq}:n }}, or a list of objects with topic, brokerName, queueId and offset. */
function offsetsIn(body: Uint8Array | undefined, topic: string): OffsetSlot[] {
  if (body === undefined) return []
  const value = parse(body)
  const table = isObject(value) ? value.offsetTable : undefined
  const pairs: [JsonValue, JsonValue][] =
    table instanceof Map
      ? [...table]
      : Array.isArray(table)
        ? table.map((one) => [one, isObject(one) ? one.offset : null] as [JsonValue, JsonValue])
        : []
  return pairs.flatMap(([key, offset]) => {
    if (!isObject(key) || typeof key.brokerName !== 'string' || key.topic !== topic) return []
    return [{ queue: { topic, brokerName: key.brokerName, queueId: Number(key.queueId) }, offset: Number(offset) }]
  })
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)
}

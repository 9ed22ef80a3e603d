/**
 * Units of a ConsumeQueue 321: where messages are and what filters them.
 *
 * `count` is cut to 8,000 units: RocketMQ builds whatever is asked for. An index that is not there is answered 0 with a remark
 * and without a body, as RocketMQ does.
 * Rules: spec/broker-requests.md §15.
 */
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import { stringify } from '../../remoting/fastjson.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import { QUERY_CONSUME_QUEUE } from '../../remoting/schemas/admin.ts'
import { subscriptionJson } from '../groups/index.ts'
import type { Processor } from '../router.ts'
import type { AdminContext } from './context.ts'
import { checkQueueId, checkTopic, refuse, textAnswer } from './support.ts'

const UNITS_MAX = 8_000

export function queueUnitProcessors(context: AdminContext): [number, Processor][] {
  return [[REQUEST.QUERY_CONSUME_QUEUE, (request) => queueUnits(context, request)]]
}

async function queueUnits({ store, consumers }: AdminContext, request: RemotingCommand): Promise<RemotingCommand> {
  const { topic, queueId, index, count, consumerGroup } = decodeHeader(QUERY_CONSUME_QUEUE, request.ext)
  checkTopic(topic)
  checkQueueId(queueId)
  const [minQueueIndex, maxQueueIndex] = [store.queueMin(topic, queueId), store.queueMax(topic, queueId)]
  const isThere = index >= minQueueIndex && index < maxQueueIndex
  const found = store.units(topic, queueId, index, isThere ? Math.min(Math.max(0, count), UNITS_MAX) : 0)
  if (found === undefined) throw refuse(RESPONSE.SYSTEM_ERROR, `${queueId}@${topic} is not exist!`)
  if (!isThere) return answerTo(request, RESPONSE.SUCCESS, `Index ${index} of ${queueId}@${topic} is not exist!`)
  const queueData = (await found).map(({ physicalOffset, size, tagsCode }) => ({
    eval: false,
    physicOffset: physicalOffset,
    physicSize: size,
    tagsCode,
  }))
  const body = { maxQueueIndex, minQueueIndex, queueData }
  if (consumerGroup === undefined || consumerGroup.trim() === '') return textAnswer(request, stringify(body))
  const subscription = consumers.group(consumerGroup)?.subscription(topic)
  // RocketMQ prints the filter of an SQL92 subscription here; others have none.
  const filter =
    subscription === undefined
      ? { filterData: `${consumerGroup}@${topic} is not online!` }
      : { filterData: 'null', subscriptionData: subscriptionJson(subscription) }
  return textAnswer(request, stringify({ ...body, ...filter }))
}

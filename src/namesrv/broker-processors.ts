/** What brokers say: register, unregister, is my version known (103, 104, 322), and 5.x's 217, 901, 904. */
import { RemotingError } from '../errors.ts'
import { answerTo, type RemotingCommand } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../remoting/schema.ts'
import {
  BROKER_HEARTBEAT,
  GET_BROKER_MEMBER_GROUP,
  QUERY_DATA_VERSION,
  QUERY_DATA_VERSION_ANSWER,
  REGISTER_BROKER,
  REGISTER_BROKER_ANSWER,
  REGISTER_TOPIC_IN_NAMESRV,
  UNREGISTER_BROKER,
} from '../remoting/schemas/namesrv.ts'
import { checkAddress, checkName, ORDER_NAMESPACE } from './names.ts'
import { type NamesrvProcessor, type NamesrvState, withText } from './processor.ts'
import {
  badBody,
  decodeDataVersion,
  decodeRegisterBody,
  formatDataVersion,
  parseBody,
  wrongTopic,
} from './register-body.ts'
import { kvTableText, memberGroupText } from './texts.ts'
import type { Channel } from './types.ts'

export function brokerProcessors({ tables, kv, config, log }: NamesrvState): [number, NamesrvProcessor][] {
  return [
    [REQUEST.REGISTER_BROKER, register],
    [REQUEST.UNREGISTER_BROKER, unregister],
    [REQUEST.QUERY_DATA_VERSION, queryDataVersion],
    [REQUEST.REGISTER_TOPIC_IN_NAMESRV, registerTopic],
    [REQUEST.GET_BROKER_MEMBER_GROUP, memberGroup],
    [REQUEST.BROKER_HEARTBEAT, heartbeat],
  ]

  function register(request: RemotingCommand, channel: Channel): RemotingCommand {
    const header = decodeHeader(REGISTER_BROKER, request.ext)
    const brokerName = checkName('broker name', header.brokerName)
    const clusterName = checkName('cluster name', header.clusterName)
    const brokerAddr = checkAddress('broker address', header.brokerAddr)
    const brokerId = checkBrokerId(header.brokerId)
    const { compressed, bodyCrc32, haServerAddr, heartbeatTimeoutMillis: heartbeatTimeoutMs } = header
    const body = decodeRegisterBody(request.body, { version: request.version, compressed, bodyCrc32 })
    for (const skipped of body.skipped) log.error(`broker ${brokerName} (${brokerAddr}): ${skipped}; not registered`)
    const { dataVersion, topics, filterServerList } = body
    const { enableActingMaster } = header
    const broker = {
      clusterName,
      brokerName,
      brokerAddr,
      brokerId,
      haServerAddr,
      heartbeatTimeoutMs,
      enableActingMaster,
    }
    const result = tables.register({ ...broker, dataVersion, topics, filterServerList }, channel)
    const order = config.returnOrderTopicConfigToBroker ? kv.entries(ORDER_NAMESPACE) : undefined
    const answer = order === undefined ? answerTo(request, RESPONSE.SUCCESS) : withText(request, kvTableText(order))
    answer.ext = encodeHeader(REGISTER_BROKER_ANSWER, result)
    return answer
  }

  function unregister(request: RemotingCommand): RemotingCommand {
    const { brokerName, brokerAddr, brokerId } = decodeHeader(UNREGISTER_BROKER, request.ext)
    tables.unregister(brokerName, brokerAddr, brokerId)
    return answerTo(request, RESPONSE.SUCCESS)
  }

  function queryDataVersion(request: RemotingCommand): RemotingCommand {
    const { brokerAddr } = decodeHeader(QUERY_DATA_VERSION, request.ext)
    if (request.body === undefined) throw badBody('it is empty, expected a DataVersion')
    const sent = decodeDataVersion(parseBody(request.body))
    const { changed, known } = tables.compareVersion(brokerAddr, sent)
    const answer =
      known === undefined ? answerTo(request, RESPONSE.SUCCESS) : withText(request, formatDataVersion(known))
    answer.ext = encodeHeader(QUERY_DATA_VERSION_ANSWER, { changed })
    return answer
  }

  function registerTopic(request: RemotingCommand): RemotingCommand {
    const { topic: name } = decodeHeader(REGISTER_TOPIC_IN_NAMESRV, request.ext)
    const topic = checkName('topic', name)
    const route = parseBody(request.body) as { queueDatas?: unknown } | null
    const list: unknown[] = Array.isArray(route?.queueDatas) ? route.queueDatas : []
    const topics = list.map((it) => {
      const data = (it ?? {}) as Record<string, unknown>
      const numbers = {
        topic,
        readQueueNums: Number(data.readQueueNums),
        writeQueueNums: Number(data.writeQueueNums),
        perm: Number(data.perm),
        topicSysFlag: Number(data.topicSysFlag ?? data.topicSynFlag ?? 0),
      }
      const wrong = wrongTopic(numbers)
      if (wrong !== undefined) throw badBody(`topic ${topic} ${wrong}`)
      return { ...numbers, brokerName: String(data.brokerName) }
    })
    tables.registerTopic(topics)
    return answerTo(request, RESPONSE.SUCCESS)
  }

  function memberGroup(request: RemotingCommand): RemotingCommand {
    const { clusterName, brokerName } = decodeHeader(GET_BROKER_MEMBER_GROUP, request.ext)
    return withText(request, memberGroupText(tables, clusterName, brokerName))
  }

  function heartbeat(request: RemotingCommand): RemotingCommand {
    tables.heartbeat(decodeHeader(BROKER_HEARTBEAT, request.ext).brokerAddr)
    return answerTo(request, RESPONSE.SUCCESS)
  }
}

function checkBrokerId(id: number): number {
  if (Number.isSafeInteger(id) && id >= 0) return id
  throw new RemotingError('BAD_FIELD', { what: `broker id ${id} is not an integer of at least 0` })
}

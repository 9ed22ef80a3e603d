/** What administrators do to routes: write permission of a broker, deleting a topic (205, 327, 216). */
import { answerTo, type RemotingCommand } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { decodeHeader, encodeHeader } from '../remoting/schema.ts'
import {
  ADD_WRITE_PERM_OF_BROKER,
  ADD_WRITE_PERM_OF_BROKER_ANSWER,
  DELETE_TOPIC_IN_NAMESRV,
  WIPE_WRITE_PERM_OF_BROKER,
  WIPE_WRITE_PERM_OF_BROKER_ANSWER,
} from '../remoting/schemas/namesrv.ts'
import type { NamesrvProcessor, NamesrvState } from './processor.ts'
import { saveWiped } from './wiped-brokers.ts'

export function adminProcessors({ tables, kv, log }: NamesrvState): [number, NamesrvProcessor][] {
  return [
    [REQUEST.WIPE_WRITE_PERM_OF_BROKER, wipe],
    [REQUEST.ADD_WRITE_PERM_OF_BROKER, add],
    [REQUEST.DELETE_TOPIC_IN_NAMESRV, deleteTopic],
  ]

  async function wipe(request: RemotingCommand): Promise<RemotingCommand> {
    const { brokerName } = decodeHeader(WIPE_WRITE_PERM_OF_BROKER, request.ext)
    const wipeTopicCount = tables.wipeWritePerm(brokerName)
    log.info(`write permission of broker ${brokerName} wiped on ${wipeTopicCount} topics, until "addWritePerm"`)
    await saveWiped(tables, kv, brokerName, log)
    const answer = answerTo(request, RESPONSE.SUCCESS)
    answer.ext = encodeHeader(WIPE_WRITE_PERM_OF_BROKER_ANSWER, { wipeTopicCount })
    return answer
  }

  async function add(request: RemotingCommand): Promise<RemotingCommand> {
    const { brokerName } = decodeHeader(ADD_WRITE_PERM_OF_BROKER, request.ext)
    const addTopicCount = tables.addWritePerm(brokerName)
    log.info(`write permission of broker ${brokerName} added on ${addTopicCount} topics`)
    await saveWiped(tables, kv, brokerName, log)
    const answer = answerTo(request, RESPONSE.SUCCESS)
    answer.ext = encodeHeader(ADD_WRITE_PERM_OF_BROKER_ANSWER, { addTopicCount })
    return answer
  }

  function deleteTopic(request: RemotingCommand): RemotingCommand {
    const { topic, clusterName } = decodeHeader(DELETE_TOPIC_IN_NAMESRV, request.ext)
    tables.deleteTopic(topic, clusterName || undefined)
    log.info(`topic ${topic} deleted${clusterName ? ` from cluster ${clusterName}` : ''}`)
    return answerTo(request, RESPONSE.SUCCESS)
  }
}

/** What clients ask: routes, the cluster, lists of topics (105, 106, 206, 224, 304, 311–313). */
import { answerTo, type RemotingCommand, VERSIONS } from '../remoting/command.ts'
import { REQUEST } from '../remoting/request-codes.ts'
import { RESPONSE } from '../remoting/response-codes.ts'
import { decodeHeader } from '../remoting/schema.ts'
import { GET_ROUTEINFO_BY_TOPIC, GET_TOPICS_BY_CLUSTER } from '../remoting/schemas/namesrv.ts'
import { ORDER_NAMESPACE } from './names.ts'
import { type NamesrvProcessor, type NamesrvState, withText } from './processor.ts'
import { routeOf, systemTopics, topicsOfCluster, unitTopics, withActingMasters } from './route-queries.ts'
import type { Tables } from './route-tables.ts'
import { clusterText, routeText, topicListText } from './texts.ts'

const FAQ = '\nSee http://rocketmq.apache.org/docs/faq/ for further details.'

export function routeProcessors({ tables, kv, config, isReady }: NamesrvState): [number, NamesrvProcessor][] {
  const unit = (kind: Parameters<typeof unitTopics>[1]) => (request: RemotingCommand) =>
    withText(request, topicListText(unitTopics(tables, kind)))

  return [
    [REQUEST.GET_ROUTEINFO_BY_TOPIC, route],
    [REQUEST.GET_BROKER_CLUSTER_INFO, (request) => withText(request, clusterText(tables))],
    [REQUEST.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, allTopics],
    [REQUEST.GET_TOPICS_BY_CLUSTER, clusterTopics],
    [REQUEST.GET_SYSTEM_TOPIC_LIST_FROM_NS, systemTopicList],
    [REQUEST.GET_UNIT_TOPIC_LIST, unit('unit')],
    [REQUEST.GET_HAS_UNIT_SUB_TOPIC_LIST, unit('unit-sub')],
    [REQUEST.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, unit('unit-sub-without-unit')],
  ]

  function route(request: RemotingCommand): RemotingCommand {
    const { topic, acceptStandardJsonOnly } = decodeHeader(GET_ROUTEINFO_BY_TOPIC, request.ext)
    if (config.needWaitForService && !isReady()) {
      return answerTo(request, RESPONSE.SYSTEM_ERROR, 'name server not ready')
    }
    const order = config.orderMessageEnable ? kv.get(ORDER_NAMESPACE, topic) : undefined
    const found = routeOf(tables, topic, order)
    if (found === undefined) {
      const remark = `No topic route info in name server for the topic: ${topic}${FAQ}\n${whoIsHere(tables)}`
      return answerTo(request, RESPONSE.TOPIC_NOT_EXIST, remark)
    }
    const shown = config.supportActingMaster ? withActingMasters(found, topic) : found
    return withText(request, routeText(shown, acceptStandardJsonOnly || request.version >= VERSIONS.v4_9_4))
  }

  function allTopics(request: RemotingCommand): RemotingCommand {
    if (!config.enableAllTopicList) return answerTo(request, RESPONSE.SYSTEM_ERROR, 'disable')
    return withText(request, topicListText(tables.topicQueueTable.keys()))
  }

  function clusterTopics(request: RemotingCommand): RemotingCommand {
    const { cluster } = decodeHeader(GET_TOPICS_BY_CLUSTER, request.ext)
    if (!config.enableTopicList) return answerTo(request, RESPONSE.SYSTEM_ERROR, 'disable')
    return withText(request, topicListText(topicsOfCluster(tables, cluster)))
  }

  function systemTopicList(request: RemotingCommand): RemotingCommand {
    const { topicList, brokerAddr } = systemTopics(tables)
    return withText(request, topicListText(topicList, brokerAddr))
  }
}

/** The reason that users look for longest: the brokers are registered elsewhere, or nowhere. */
function whoIsHere({ brokerAddrTable }: Tables): string {
  const count = brokerAddrTable.size
  if (count === 0) return 'No broker is registered with this NameServer.'
  return `${count} broker name${count === 1 ? ' is' : 's are'} registered with this NameServer, none with this topic.`
}

/**
 * What a pull must pass before its queue is read, in RocketMQ's order (spec/broker-requests.md §7, rows 1–13), and the
 * filter that it is read with.
 */
import type { ConsumerManager } from '../groups/consumer-manager.ts'
import type { SubscriptionGroups } from '../groups/subscription-groups.ts'
import { isReadable } from '../topics/topic-config.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import { PULL_CODE, PULL_FLAG, type PullRequest } from './pull-request.ts'
import type { TagFilter, TagFilters } from './tag-filter.ts'

export interface PullRefusal {
  code: number
  remark: string
}

export interface PullChecks {
  settings: { brokerPermission: number; brokerIP1: string; enablePropertyFilter: boolean }
  topics: TopicTable
  groups: SubscriptionGroups
  consumers: ConsumerManager
  filters: TagFilters
}

const PERM_READ = 4
const FAQ = 'See http://rocketmq.apache.org/docs/faq/ for further details.'

export function admitPull(checks: PullChecks, request: PullRequest): TagFilter | PullRefusal {
  const { settings, topics, groups } = checks
  const { consumerGroup, topic } = request
  if ((settings.brokerPermission & PERM_READ) === 0) {
    return refused(PULL_CODE.noPermission, `the broker[${settings.brokerIP1}] pulling message is forbidden`)
  }
  const group = groups.find(consumerGroup)
  if (group === undefined) {
    return refused(PULL_CODE.groupNotExist, `subscription group [${consumerGroup}] does not exist, ${FAQ}`)
  }
  if (!group.consumeEnable) {
    return refused(PULL_CODE.noPermission, `subscription group no permission, ${consumerGroup}`)
  }
  const config = topics.get(topic)
  if (config === undefined) {
    return refused(PULL_CODE.topicNotExist, `topic[${topic}] not exist, apply first please! ${FAQ}`)
  }
  if (!isReadable(config)) return refused(PULL_CODE.noPermission, `the topic[${topic}] pulling message is forbidden`)
  if (request.queueId < 0 || request.queueId >= config.readQueueNums) {
    return refused(
      PULL_CODE.systemError,
      `queueId[${request.queueId}] is illegal, topic:[${topic}] topicConfig.readQueueNums:[${config.readQueueNums}]`,
    )
  }
  // RocketMQ 5 looks only where the subscription is the registered one; a ban that lite consumers walk past is none.
  if (groups.isForbidden(consumerGroup, topic)) {
    return refused(PULL_CODE.noPermission, `the consumer group[${consumerGroup}] is forbidden for topic[${topic}]`)
  }
  return (request.sysFlag & PULL_FLAG.subscription) !== 0
    ? filterOf(checks, request.subscription, request.expressionType)
    : registeredFilter(checks, request, group.consumeBroadcastEnable)
}

/** No expression in the header: the one of the group's last heartbeat counts. */
function registeredFilter(checks: PullChecks, request: PullRequest, mayBroadcast: boolean): TagFilter | PullRefusal {
  const online = checks.consumers.group(request.consumerGroup)
  if (online === undefined) {
    return refused(PULL_CODE.subscriptionNotExist, `the consumer's group info not exist\n${FAQ}`)
  }
  if (online.messageModel === 'BROADCASTING' && !mayBroadcast) {
    return refused(
      PULL_CODE.noPermission,
      `the consumer group[${request.consumerGroup}] can not consume by broadcast way`,
    )
  }
  const subscription = online.subscription(request.topic)
  if (subscription === undefined) {
    return refused(PULL_CODE.subscriptionNotExist, `the consumer's subscription not exist\n${FAQ}`)
  }
  if (subscription.subVersion < request.subVersion) {
    // 5.3.3 with heartbeat V2 may lose the heartbeat that carries it, and would be answered this for ever.
    online.isOutdated = true
    return refused(PULL_CODE.subscriptionNotLatest, "the consumer's subscription not latest")
  }
  return filterOf(checks, subscription.subString, subscription.expressionType)
}

function filterOf(
  checks: PullChecks,
  expression: string | undefined,
  type: string | undefined,
): TagFilter | PullRefusal {
  if (type === undefined || type === '' || type === 'TAG') return checks.filters.of(expression)
  if (!checks.settings.enablePropertyFilter) {
    return refused(PULL_CODE.systemError, `The broker does not support consumer to filter message by ${type}`)
  }
  return refused(PULL_CODE.subscriptionParseFailed, `this release of basaltmq does not filter by ${type} yet`)
}

function refused(code: number, remark: string): PullRefusal {
  return { code, remark }
}

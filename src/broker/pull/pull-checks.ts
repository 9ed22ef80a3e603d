/**
 * What a pull must pass before its queue is read, in RocketMQ's order (spec/broker-requests.md §7, rows 1–13), and the
 * filter that it is read with.
 */
import { FilterError } from '../../filter/index.ts'
import { type ConsumerFilters, SQL92, type SqlFilters } from '../filter/index.ts'
import type { ConsumerManager } from '../groups/consumer-manager.ts'
import { isTagType } from '../groups/subscription.ts'
import type { SubscriptionGroups } from '../groups/subscription-groups.ts'
import { RETRY_PREFIX } from '../topics/names.ts'
import { isReadable } from '../topics/topic-config.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import type { PullFilter, RecordTest } from './pull-filter.ts'
import { PULL_CODE, PULL_FLAG, type PullRequest } from './pull-request.ts'
import { ALL_TAGS, isOnlySeparators, type TagFilters } from './tag-filter.ts'

export interface PullRefusal {
  code: number
  remark: string
}

export interface PullChecks {
  settings: {
    brokerPermission: number
    brokerIP1: string
    enablePropertyFilter: boolean
    filterSupportRetry: boolean
    enableCalcFilterBitMap: boolean
  }
  topics: TopicTable
  groups: SubscriptionGroups
  consumers: ConsumerManager
  tagFilters: TagFilters
  sqlFilters: SqlFilters
  filters: ConsumerFilters
}

const PERM_READ = 4
const FAQ = '\nSee http://rocketmq.apache.org/docs/faq/ for further details.'

export function admitPull(checks: PullChecks, request: PullRequest): PullFilter | PullRefusal {
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
      `queueId[${request.queueId}] is illegal, topic:[${topic}] topicConfig.readQueueNums:[${config.readQueueNums}] consumer:[/${request.connection.remoteAddress}]`,
    )
  }
  // RocketMQ 5 looks only where the subscription is the registered one; a ban that lite consumers walk past is none.
  if (groups.isForbidden(consumerGroup, topic)) {
    return refused(PULL_CODE.noPermission, `the consumer group[${consumerGroup}] is forbidden for topic[${topic}]`)
  }
  return (request.sysFlag & PULL_FLAG.subscription) !== 0
    ? carriedFilter(checks, request)
    : registeredFilter(checks, request, group.consumeBroadcastEnable)
}

/** No expression in the header: the one of the group's last heartbeat counts. */
function registeredFilter(checks: PullChecks, request: PullRequest, mayBroadcast: boolean): PullFilter | PullRefusal {
  const online = checks.consumers.group(request.consumerGroup)
  if (online === undefined) {
    return refused(PULL_CODE.subscriptionNotExist, `the consumer's group info not exist${FAQ}`)
  }
  if (online.messageModel === 'BROADCASTING' && !mayBroadcast) {
    return refused(
      PULL_CODE.noPermission,
      `the consumer group[${request.consumerGroup}] can not consume by broadcast way`,
    )
  }
  const subscription = online.subscription(request.topic)
  if (subscription === undefined) {
    return refused(PULL_CODE.subscriptionNotExist, `the consumer's subscription not exist${FAQ}`)
  }
  if (subscription.subVersion < request.subVersion) {
    // 5.3.3 with heartbeat V2 may lose the heartbeat that carries it, and would be answered this for ever.
    online.isOutdated = true
    return refused(PULL_CODE.subscriptionNotLatest, "the consumer's subscription not latest")
  }
  const { subString, expressionType } = subscription
  if (isTagType(expressionType)) return byTags(checks, request, subString)
  const data = checks.filters.get(request.topic, request.consumerGroup)
  if (data === undefined) {
    return refused(
      PULL_CODE.filterDataNotExist,
      "The broker's consumer filter data is not exist!Your expression may be wrong!",
    )
  }
  if (data.clientVersion < subscription.subVersion) {
    return refused(PULL_CODE.filterDataNotLatest, "the consumer's consumer filter data not latest")
  }
  const { filter, trustedFrom } = data
  const bits = checks.settings.enableCalcFilterBitMap ? data.bits : undefined
  return bySql(checks, request, { filter, bits, trustedFrom }, expressionType)
}

/**
 * The pull brings its expression. RocketMQ 4.9.7 delivers everything where it cannot compile one, or does not know its type:
 * a filter that is not applied is worse than an error, so these are refused here.
 */
function carriedFilter(checks: PullChecks, request: PullRequest): PullFilter | PullRefusal {
  const { subscription: expression, expressionType: type } = request
  if (isTagType(type)) {
    if (expression !== undefined && isOnlySeparators(expression)) {
      return refused(PULL_CODE.subscriptionParseFailed, NOT_PARSED)
    }
    return byTags(checks, request, expression)
  }
  if (expression === undefined || expression === '') return refused(PULL_CODE.subscriptionParseFailed, NOT_PARSED)
  if (!checks.settings.enablePropertyFilter) return notSupported(type)
  if (type !== SQL92) {
    return refused(PULL_CODE.subscriptionParseFailed, `${NOT_PARSED}: no filter is of type ${type}, use TAG or SQL92`)
  }
  const filter = checks.sqlFilters.of(expression)
  if (filter instanceof FilterError) {
    return refused(PULL_CODE.subscriptionParseFailed, `${NOT_PARSED}: ${filter.message}`)
  }
  return bySql(checks, request, { filter, bits: undefined, trustedFrom: 0 }, type)
}

function byTags(checks: PullChecks, request: PullRequest, expression: string | undefined): PullFilter {
  const tags = checks.tagFilters.of(expression)
  const records = retryTest(checks, request.topic)
  return records === undefined ? tags : { ...tags, records }
}

function bySql(
  checks: PullChecks,
  request: PullRequest,
  records: RecordTest,
  type: string | undefined,
): PullFilter | PullRefusal {
  if (!checks.settings.enablePropertyFilter) return notSupported(type)
  return { ...ALL_TAGS, records: retryTest(checks, request.topic) ?? records }
}

/** filterSupportRetry: what a retry topic holds is tested by the filter of the topic that it came from. */
function retryTest({ settings, filters }: PullChecks, topic: string): RecordTest | undefined {
  if (!settings.filterSupportRetry || !topic.startsWith(RETRY_PREFIX)) return undefined
  return { filter: filters.retryFilter(topic.slice(RETRY_PREFIX.length)), bits: undefined, trustedFrom: 0 }
}

const NOT_PARSED = "parse the consumer's subscription failed"

function notSupported(type: string | undefined): PullRefusal {
  return refused(PULL_CODE.systemError, `The broker does not support consumer to filter message by ${type}`)
}

function refused(code: number, remark: string): PullRefusal {
  return { code, remark }
}

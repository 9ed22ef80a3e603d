/**
 * CONSUMER_SEND_MSG_BACK 36: a message that a group could not consume comes back later, or becomes a dead letter.
 *
 *   reconsumeTimes n < max   ─▶ copy with n + 1, in SCHEDULE_TOPIC_XXXX for level 3 + n (or the client's), then %RETRY%group
 *   n ≥ max, or level < 0    ─▶ copy with n + 1, in %DLQ%group queue 0
 *
 * The answer 0 says that the copy is stored as the gate promises: with SYNC_FLUSH it is on disk. RocketMQ 4.9 does not wait
 * for that; a client that hears nothing, or 1, sends a copy to %RETRY%group itself.
 * Rules: spec/broker-requests.md §4, spec/store-format.md §2 "sent back".
 */
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import { CONSUMER_SEND_MSG_BACK } from '../../remoting/schemas/send.ts'
import type { Message } from '../../store/commitlog/index.ts'
import { offsetMsgId } from '../../store/commitlog/offset-msg-id.ts'
import { parseDelayLevels } from '../../store/dispatch/delay-levels.ts'
import { capLevel } from '../delay/delayed-send.ts'
import type { SubscriptionGroupConfig, SubscriptionGroups } from '../groups/index.ts'
import { refuse } from '../processors/support.ts'
import {
  type InternalMessage,
  type InternalPut,
  internalMessage,
  type PutStatus,
  propertyOf,
  type StoredMessages,
  withProperties,
} from '../put/index.ts'
import type { Processor } from '../router.ts'
import type { BrokerStats } from '../stats/index.ts'
import { StatsCounters } from '../stats-counters.ts'
import { deadLetterTopic, isWritable, PERM, PERM_READ_WRITE, retryTopic, SYS_FLAG, TOPIC } from '../topics/index.ts'
import type { TopicTable } from '../topics/topic-table.ts'

export interface SendBackContext {
  settings: {
    brokerPermission: number
    brokerIP1: string
    brokerClusterName: string
    enableDetailStat: boolean
    messageDelayLevel: string
  }
  groups: SubscriptionGroups
  topics: TopicTable
  stats: BrokerStats
  puts: InternalPut
  messages: StoredMessages
}

/** Level of the first retry when the client leaves it to the broker. */
const FIRST_LEVEL = 3
/** Clients from 3.4.9 on say how often they want to try. */
const VERSION_WITH_MAX = 121

export function sendBackProcessors(context: SendBackContext): [number, Processor][] {
  const counters = new StatsCounters(context.stats, context.settings)
  const levelCount = parseDelayLevels(context.settings.messageDelayLevel).length - 1
  return [[REQUEST.CONSUMER_SEND_MSG_BACK, (request) => sendBack(context, counters, levelCount, request)]]
}

async function sendBack(
  context: SendBackContext,
  counters: StatsCounters,
  levelCount: number,
  request: RemotingCommand,
): Promise<RemotingCommand> {
  const header = decodeHeader(CONSUMER_SEND_MSG_BACK, request.ext)
  const { group, offset } = header
  const config = context.groups.find(group)
  if (config === undefined)
    throw refuse(RESPONSE.SUBSCRIPTION_GROUP_NOT_EXIST, `subscription group not exist, ${group}`)
  const { brokerPermission, brokerIP1 } = context.settings
  if ((brokerPermission & PERM.write) === 0) {
    throw refuse(RESPONSE.NO_PERMISSION, `the broker[${brokerIP1}] sending message is forbidden`)
  }
  if (config.retryQueueNums <= 0) return answerTo(request, RESPONSE.SUCCESS)
  const retry = topicOf(context, retryTopic(group), config.retryQueueNums, header.unitMode ? SYS_FLAG.unitSub : 0)
  const original = await context.messages.at(offset)
  if (original === undefined) {
    throw refuse(RESPONSE.SYSTEM_ERROR, `look message by offset failed, ${request.ext?.offset}`)
  }
  if (!original.bodyIsIntact) {
    throw refuse(RESPONSE.SYSTEM_ERROR, `the message at ${offset} is damaged in the store: its body has another CRC`)
  }
  const asked = request.version >= VERSION_WITH_MAX ? header.maxReconsumeTimes : undefined
  const isDead = original.reconsumeTimes >= (asked ?? config.retryMaxTimes) || header.delayLevel < 0
  const copy = isDead
    ? deadLetter(original, topicOf(context, deadLetterTopic(group), 1, 0))
    : retried(original, retry, config, capLevel(header.delayLevel || FIRST_LEVEL + original.reconsumeTimes, levelCount))
  const { status, remark, size } = await context.puts.put(copy)
  // A copy that no slave has yet is a copy: an error here would have it sent back once more.
  if (status !== 'ok' && !SLAVE_IS_MISSING.has(status)) {
    const why = remark === undefined ? '' : `: ${remark}`
    throw refuse(RESPONSE.SYSTEM_ERROR, `${STATUS_NAMES[status]}${why}`)
  }
  if (!isDead) counters.put(TOPIC.schedule, copy.queueId, 1, size)
  const topic = propertyOf(original.propertiesText, 'RETRY_TOPIC') ?? original.topic
  context.stats.item('SNDBCK_PUT_NUMS', `${topic}@${group}`).add(1)
  return answerTo(request, RESPONSE.SUCCESS)
}

const SLAVE_IS_MISSING: ReadonlySet<PutStatus> = new Set(['slaveUnavailable', 'slaveTimeout'])

/** RocketMQ's names of what became of a put. */
const STATUS_NAMES: Record<PutStatus, string> = {
  ok: 'PUT_OK',
  flushTimeout: 'FLUSH_DISK_TIMEOUT',
  slaveUnavailable: 'SLAVE_NOT_AVAILABLE',
  slaveTimeout: 'FLUSH_SLAVE_TIMEOUT',
  unavailable: 'SERVICE_NOT_AVAILABLE',
  busy: 'OS_PAGECACHE_BUSY',
  illegal: 'MESSAGE_ILLEGAL',
  tooLarge: 'MESSAGE_ILLEGAL',
  oldEpoch: 'UNKNOWN_ERROR',
  leaderChanged: 'UNKNOWN_ERROR',
  noMajority: 'OS_PAGECACHE_BUSY',
  noRoom: 'UNKNOWN_ERROR',
  failed: 'UNKNOWN_ERROR',
}

/** Made where it is not there; refused where that cannot be, or nobody may write to it. */
function topicOf({ topics }: SendBackContext, topic: string, queueNums: number, topicSysFlag: number): string {
  const config = topics.get(topic) ?? topics.createInternal({ topic, queueNums, perm: PERM_READ_WRITE, topicSysFlag })
  if (config === undefined) throw refuse(RESPONSE.SYSTEM_ERROR, `topic[${topic}] not exist`)
  if (!isWritable(config)) throw refuse(RESPONSE.NO_PERMISSION, `the topic[${topic}] sending message is forbidden`)
  return topic
}

function copyOf(original: Message, properties: Record<string, string>): InternalMessage {
  const text = original.propertiesText
  return {
    ...internalMessage(original),
    reconsumeTimes: original.reconsumeTimes + 1,
    preparedTransactionOffset: 0,
    properties: withProperties(text, {
      RETRY_TOPIC: propertyOf(text, 'RETRY_TOPIC') ?? original.topic,
      ORIGIN_MESSAGE_ID:
        propertyOf(text, 'ORIGIN_MESSAGE_ID') ?? offsetMsgId(original.storeHost, original.physicalOffset),
      WAIT: 'false',
      ...properties,
    }),
  }
}

function deadLetter(original: Message, topic: string): InternalMessage {
  return { ...copyOf(original, { DELAY: '0' }), topic, queueId: 0 }
}

function retried(original: Message, topic: string, config: SubscriptionGroupConfig, level: number): InternalMessage {
  const queueId = Math.floor(Math.random() * config.retryQueueNums)
  const place = { DELAY: String(level), REAL_TOPIC: topic, REAL_QID: String(queueId) }
  return { ...copyOf(original, place), topic: TOPIC.schedule, queueId: level - 1 }
}

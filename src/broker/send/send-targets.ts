/**
 * Where a send goes: its topic found, made, or refused; what was tried too often is sent to %DLQ%group.
 *
 *   topic's bytes ─▶ topic-cache.ts ─┬─ known ───▶ queue checked ─▶ %RETRY% rules ─▶ target
 *                                    └─ else: name, permission, auto-creation, once a topic
 *
 * Owns:      the cache of targets, forgotten whenever a topic changes. Called by: send-processor.ts, once a send.
 * Rules:     spec/broker-requests.md §3 and §5.
 */
import type { Connection } from '../../remoting/connection.ts'
import type { SendFields } from '../../remoting/hot/send-fields.ts'
import type { SubscriptionGroups } from '../groups/subscription-groups.ts'
import type { QueueIds } from '../queue-ids.ts'
import { TOPIC } from '../topics/names.ts'
import type { TopicTable } from '../topics/topic-table.ts'
import {
  checkQueueId,
  DLQ_PREFIX,
  RETRY_PREFIX,
  type Refusal,
  retriesMax,
  SEND_CODE,
  unknownTopic,
} from './send-checks.ts'
import { type SendTarget, TopicCache } from './topic-cache.ts'

export interface TargetDependencies {
  queueIds: QueueIds
  topics: TopicTable
  groups: SubscriptionGroups
  /** Levels of messageDelayLevel. */
  delayLevelCount: number
}

export class SendTargets {
  /** Of delayed messages, queue level − 1. */
  readonly schedule: SendTarget
  private readonly deps: TargetDependencies
  private readonly cache = new TopicCache()
  private halfTarget: SendTarget | undefined

  constructor(deps: TargetDependencies) {
    this.deps = deps
    this.schedule = {
      config: deps.topics.get(TOPIC.schedule)!,
      name: TOPIC.schedule,
      bytes: Buffer.from(TOPIC.schedule),
      queues: new Int32Array(deps.delayLevelCount).fill(-1),
    }
    deps.topics.onChange(() => {
      this.cache.clear()
      this.halfTarget = undefined
    })
  }

  /** The target of a send whose topic stands in `bytes`. A dead letter's queueId in `fields` is changed to 0. */
  find(connection: Connection, bytes: Buffer, fields: SendFields): SendTarget | Refusal {
    const known = this.cache.find(bytes, fields.topicStart, fields.topicEnd)
    const target = known ?? this.resolve(connection, bytes, fields)
    if (!('config' in target)) return target
    const badQueue = checkQueueId(fields.queueId, target.config, connection.remoteAddress)
    if (badQueue !== undefined) return badQueue
    return target.name.startsWith(RETRY_PREFIX) ? this.retry(connection, fields, target) : target
  }

  /** Of half messages. Not in the cache: nobody may send to it. */
  half(): SendTarget {
    if (this.halfTarget === undefined) {
      this.deps.topics.createInternal({ topic: TOPIC.half, queueNums: 1, perm: 6 })
      this.halfTarget = this.targetOf(TOPIC.half)
    }
    return this.halfTarget
  }

  /** Integer of the queue, or -1 while a ring is full. */
  queueOf(target: SendTarget, queueId: number): number {
    if (target.queues[queueId] < 0) target.queues[queueId] = this.deps.queueIds.ensure(target.name, queueId)
    return target.queues[queueId]
  }

  private resolve(connection: Connection, bytes: Buffer, fields: SendFields): SendTarget | Refusal {
    const { topics } = this.deps
    const name = bytes.toString('utf8', fields.topicStart, fields.topicEnd)
    const invalid = topics.validateName(name)
    if (invalid !== undefined) return { code: SEND_CODE.systemError, remark: invalid }
    if (topics.isForbiddenToSend(name)) {
      return { code: SEND_CODE.noPermission, remark: `Sending message to topic[${name}] is forbidden.` }
    }
    const known = topics.get(name)
    if (known !== undefined) return this.remember(known.topicName)
    const defaultTopic = bytes.toString('utf8', fields.defaultTopicStart, fields.defaultTopicEnd)
    const created = topics.autoCreate({
      topic: name,
      defaultTopic,
      queueNums: fields.defaultTopicQueueNums,
      unitMode: fields.unitMode,
      remote: connection.remoteAddress,
    })
    if (created === undefined) return unknownTopic(name, topics.whyNotCreated(defaultTopic))
    return this.remember(created.topicName)
  }

  private remember(name: string): SendTarget {
    const target = this.targetOf(name)
    this.cache.add(target)
    return target
  }

  private targetOf(name: string): SendTarget {
    const config = this.deps.topics.get(name)!
    const count = Math.max(config.writeQueueNums, config.readQueueNums, 1)
    return { config, name, bytes: Buffer.from(name), queues: new Int32Array(count).fill(-1) }
  }

  /** Sends to %RETRY%group: what was tried too often goes to %DLQ%group, queue 0. */
  private retry(connection: Connection, fields: SendFields, target: SendTarget): SendTarget | Refusal {
    const { groups, topics } = this.deps
    const name = target.name.slice(RETRY_PREFIX.length)
    const group = groups.find(name)
    if (group === undefined) {
      return { code: SEND_CODE.groupNotExist, remark: `subscription group not exist, ${name}` }
    }
    if (fields.reconsumeTimes < retriesMax(group, fields.version, fields.maxReconsumeTimes)) return target
    const dead = `${DLQ_PREFIX}${name}`
    const wish = { topic: dead, queueNums: 1, perm: 6, topicSysFlag: 0, remote: connection.remoteAddress }
    const config = topics.get(dead) ?? topics.createInternal(wish)
    if (config === undefined) return { code: SEND_CODE.systemError, remark: `topic[${dead}] not exist` }
    fields.queueId = 0
    return this.cache.find(Buffer.from(dead), 0, Buffer.byteLength(dead)) ?? this.remember(dead)
  }
}

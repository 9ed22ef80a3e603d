/**
 * What a test or a script needs beside producers and consumers: topics, groups, offsets, messages by id and key.
 *
 *   await using admin = new Admin({ nameserver: 'localhost:9876' })
 *   await admin.createTopic('orders', { queues: 8 })
 *
 * Thin over src/admin, which the command line uses too; errors are ClientErrors. Works against Apache's servers of 4.9 and 5.x.
 */
import { AdminClient } from '../../admin/admin-client.ts'
import { brokersOf, eachOf, leadersOf, mastersOf, mustRoute, type Route, routeOf } from '../../admin/cluster.ts'
import {
  deleteGroup,
  groupProgress,
  type OnlineGroup,
  onlineGroup,
  putGroup,
  type QueueProgress,
} from '../../admin/groups.ts'
import { placeOfId } from '../../admin/id-place.ts'
import type { MessageQueue } from '../../admin/json.ts'
import {
  maxOffset,
  minOffset,
  offsetByTime,
  planReset,
  queuesOfTopic,
  type ResetTarget,
  resetOnline,
  setOffsets,
} from '../../admin/offsets.ts'
import { deleteTopic, putOrder, putTopic, registeredTopics } from '../../admin/topics.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { QUERY_MESSAGE, VIEW_MESSAGE_BY_ID } from '../../remoting/schemas/index.ts'
import type { ClientTls } from '../../remoting/tls/index.ts'
import { ClientError } from '../errors.ts'
import { tlsOf } from '../instances.ts'
import { decodeMessages, type MessageExt } from '../message/message-ext.ts'
import { PROPERTY } from '../message/property-names.ts'
import { unwrapNamespace, wrapNamespace } from '../namespace.ts'
import { badOption, type ClientOptions, checkName, integer, resolveOptions, TOPIC_LENGTH_MAX } from '../options.ts'
import { asAdminErrors } from './errors.ts'

/** Options of an Admin: those of every client that it needs. */
export type AdminOptions = Pick<ClientOptions, 'nameserver' | 'namespace' | 'acl' | 'tls' | 'log'> & {
  /** Milliseconds until a request fails. @default 5000 */
  timeout?: number
}

/** Of a topic that is created or changed. */
export interface TopicOptions {
  /** Queues that can be read and written, on every broker. @default 8 */
  queues?: number
  /** 6: read and write, 4: read, 2: write. @default 6 */
  perm?: number
  /** Order configuration: producers see the queues of all brokers also while one is down. @default false */
  order?: boolean
  /** Only the brokers of this cluster. @default all */
  cluster?: string
  /** Milliseconds to wait until the NameServers know it. @default 5000 */
  wait?: number
}

/** Of a group of consumers that is created or changed. */
export interface GroupOptions {
  /** Retries before a message goes to the dead letters. @default 16 */
  retryMaxTimes?: number
  /** Queues of the group's retry topic, on every broker. @default 1 */
  retryQueueNums?: number
  /** Whether the group may consume at all. @default true */
  consumeEnable?: boolean
  /** Whether it may consume in BROADCASTING. @default true */
  consumeBroadcastEnable?: boolean
  /** Only the brokers of this cluster. @default all */
  cluster?: string
}

/** The beginning, the end, the first message from a time on, or one offset of every queue. */
export type OffsetTarget = 'earliest' | 'latest' | Date | number

/** What a queue holds. */
export interface QueueOffsets extends MessageQueue {
  /** Offset of the first message that is still there. */
  readonly min: number
  /** Offset that the next message will get. */
  readonly max: number
}

/** An offset in a queue. */
export interface QueueOffset extends MessageQueue {
  /** Place in the queue. */
  readonly offset: number
}

/** Which messages are looked for, and how many. */
export interface QueryOptions {
  /** Stored from then on. @default the beginning */
  begin?: Date
  /** Stored until then. @default now */
  end?: Date
  /** At most so many a broker. @default 64 */
  count?: number
}

const ROUTE_LOOK_MS = 50

/** What a test or a script needs: topics, groups, offsets, messages by id and key. Every method rejects with ClientError. */
export class Admin implements AsyncDisposable {
  private readonly admin: AdminClient
  private readonly tls: ClientTls | undefined
  private readonly namespace: string
  private isClosed = false

  /** Throws ClientError BAD_OPTION. */
  constructor(options: AdminOptions = {}) {
    const timeoutMs = integer('timeout', options.timeout ?? 5000, 1)
    const { nameservers, acl, tls, log, namespace } = resolveOptions({ ...options, group: 'TOOLS_ADMIN' })
    this.namespace = namespace
    this.tls = tlsOf(tls, log)
    this.admin = new AdminClient({ namesrv: nameservers, account: acl, tls: this.tls, timeoutMs })
  }

  /** Creates the topic on every master, or changes it; resolves when producers and consumers find it. */
  async createTopic(topic: string, options: TopicOptions = {}): Promise<void> {
    checkName('topic', topic, TOPIC_LENGTH_MAX)
    const { queues = 8, perm = 6, order = false, cluster, wait = 5000 } = options
    const name = this.wrap(topic)
    await this.run(async (admin) => {
      const masters = await mastersOf(admin, { cluster })
      const config = {
        topic: name,
        readQueues: queues,
        writeQueues: queues,
        perm,
        filterType: 'SINGLE_TAG',
        sysFlag: 0,
        order,
      }
      await eachOf(masters, ({ address }) => putTopic(admin, address, config))
      if (order)
        await putOrder(
          admin,
          name,
          masters.map((broker) => [broker.name, queues]),
        )
      const names = new Set(masters.map((broker) => broker.name))
      const isThere = (route: Route | undefined) =>
        route !== undefined &&
        [...names].every((broker) =>
          route.queues.some((one) => one.brokerName === broker && one.writeQueues === queues),
        )
      for (const until = performance.now() + wait; !isThere(await routeOf(admin, name)); ) {
        if (performance.now() > until) {
          throw new ClientError('NO_ROUTE', {
            what: `topic ${topic} is created, but no NameServer knows it after ${wait} ms`,
            hint: 'brokers register every 30 s; see whether they reach the NameServers',
            retriable: true,
          })
        }
        await new Promise((resolve) => setTimeout(resolve, ROUTE_LOOK_MS))
      }
    })
  }

  /** From all brokers, then the NameServers. */
  async deleteTopic(topic: string, cluster?: string): Promise<void> {
    await this.run((admin) => deleteTopic(admin, this.wrap(topic), cluster))
  }

  /** Names of all topics, those of the brokers themselves among them. */
  topics(): Promise<string[]> {
    return this.run(async (admin) =>
      (await registeredTopics(admin)).map((name) => unwrapNamespace(this.namespace, name)),
    )
  }

  /** Which brokers have the topic; undefined: none. */
  route(topic: string): Promise<Route | undefined> {
    return this.run((admin) => routeOf(admin, this.wrap(topic)))
  }

  /** First and next offset of every queue. */
  queueOffsets(topic: string): Promise<QueueOffsets[]> {
    return this.run(async (admin) => {
      const queues = await queuesOfTopic(admin, this.wrap(topic))
      return eachOf(queues, async (queue) => {
        const [min, max] = await Promise.all([minOffset(admin, queue), maxOffset(admin, queue)])
        return { topic, brokerName: queue.brokerName, queueId: queue.queueId, min, max }
      })
    })
  }

  /** The offset of the first message from that time on, in every queue. */
  searchOffsets(topic: string, time: Date): Promise<QueueOffset[]> {
    return this.run(async (admin) => {
      const queues = await queuesOfTopic(admin, this.wrap(topic))
      return eachOf(queues, async (queue) => {
        const offset = await offsetByTime(admin, queue, time.getTime())
        return { topic, brokerName: queue.brokerName, queueId: queue.queueId, offset }
      })
    })
  }

  /** On every master. */
  async createGroup(group: string, options: GroupOptions = {}): Promise<void> {
    checkName('group', group, 255)
    const {
      cluster,
      retryMaxTimes = 16,
      retryQueueNums = 1,
      consumeEnable = true,
      consumeBroadcastEnable = true,
    } = options
    const config = {
      ...{ groupName: this.wrap(group), retryMaxTimes, retryQueueNums, consumeEnable, consumeBroadcastEnable },
      ...{ consumeFromMinEnable: true, brokerId: 0, whichBrokerWhenConsumeSlowly: 1 },
      notifyConsumerIdsChangedEnable: true,
    }
    await this.run(async (admin) => {
      const masters = await mastersOf(admin, { cluster })
      await eachOf(masters, ({ address }) => putGroup(admin, address, config))
    })
  }

  /** The group and its offsets, from every master. */
  async deleteGroup(group: string, cluster?: string): Promise<void> {
    await this.run(async (admin) => {
      const masters = await mastersOf(admin, { cluster })
      await eachOf(masters, ({ address }) => deleteGroup(admin, address, this.wrap(group)))
    })
  }

  /** Who of the group is connected; undefined: nobody. */
  consumers(group: string): Promise<OnlineGroup | undefined> {
    return this.run(async (admin) => {
      const addresses = (await brokersOf(admin)).map(({ address }) => address)
      return onlineGroup(admin, addresses, this.wrap(group))
    })
  }

  /** How far the group is, queue by queue, of one topic or of all that it has offsets of. */
  offsets(group: string, topic?: string): Promise<QueueProgress[]> {
    return this.run(async (admin) => {
      const masters = (await mastersOf(admin)).map(({ address }) => address)
      const wanted = topic === undefined ? undefined : this.wrap(topic)
      const { queues } = await groupProgress(admin, masters, this.wrap(group), wanted)
      return queues.map((queue) => ({ ...queue, topic: unwrapNamespace(this.namespace, queue.topic) }))
    })
  }

  /** Messages that the group has not committed yet. */
  async lag(group: string, topic?: string): Promise<number> {
    const queues = await this.offsets(group, topic)
    return queues.reduce((sum, { brokerOffset, consumerOffset }) => sum + Math.max(0, brokerOffset - consumerOffset), 0)
  }

  /** Moves the offsets of a group in all queues of a topic: consumers that are online are told by their brokers. */
  async resetOffset(group: string, topic: string, to: OffsetTarget): Promise<void> {
    const target = targetOf(to)
    const [groupName, topicName] = [this.wrap(group), this.wrap(topic)]
    await this.run(async (admin) => {
      const { brokers } = await mustRoute(admin, topicName)
      const addresses = leadersOf(brokers).map(({ address }) => address)
      const direct = new Set(addresses)
      if (target.kind !== 'offset' && (await onlineGroup(admin, addresses, groupName)) !== undefined) {
        await eachOf(addresses, async (address) => {
          if (await resetOnline(admin, address, groupName, topicName, target)) direct.delete(address)
        })
      }
      const queues = (await queuesOfTopic(admin, topicName)).filter(({ address }) => direct.has(address))
      const plan = await planReset(admin, groupName, queues, target)
      await setOffsets(admin, groupName, plan)
    })
  }

  /** The message at the place that an offsetMsgId names. */
  async viewMessage(offsetMsgId: string): Promise<MessageExt> {
    const place = typeof offsetMsgId === 'string' ? placeOfId(offsetMsgId) : undefined
    if (place === undefined) throw badOption('offsetMsgId', offsetMsgId, '32 or 56 hexadecimal digits')
    return this.run(async (admin) => {
      const { address, physicalOffset: offset } = place
      const answer = await admin.call(address, VIEW_MESSAGE_BY_ID, { offset, topic: undefined })
      const [message] = decodeMessages(answer.body, '')
      if (message !== undefined) return this.seen(message)
      throw new ClientError('BAD_ANSWER', { what: `the answer holds no message at ${offset}`, address })
    })
  }

  /** Messages with that key, the oldest first; at most `count` a broker. */
  queryMessage(topic: string, key: string, options: QueryOptions = {}): Promise<MessageExt[]> {
    return this.query(topic, key, false, options)
  }

  /** Messages with the id that their producer gave them. */
  queryByMsgId(topic: string, msgId: string): Promise<MessageExt[]> {
    return this.query(topic, msgId, true, {})
  }

  /** Closes its connections. May be called again. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.admin.close()
    this.tls?.close()
  }

  /** close(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private query(
    topic: string,
    key: string,
    isUnique: boolean,
    { begin, end, count = 64 }: QueryOptions,
  ): Promise<MessageExt[]> {
    return this.run(async (admin) => {
      const name = this.wrap(topic)
      const { brokers } = await mustRoute(admin, name)
      const header = {
        ...{ topic: name, key, maxNum: count, beginTimestamp: begin?.getTime() ?? 0 },
        // Long.MAX_VALUE
        ...{ endTimestamp: end?.getTime() ?? 2 ** 63, uniqueKeyQuery: isUnique },
      }
      const found = await eachOf(leadersOf(brokers), async (broker) => {
        const answer = await admin.call(broker.address, QUERY_MESSAGE, header, { also: [RESPONSE.QUERY_NOT_FOUND] })
        return answer.code === RESPONSE.SUCCESS ? decodeMessages(answer.body, broker.name) : []
      })
      // Others with the same hash come along.
      const has = (message: MessageExt) =>
        isUnique ? message.properties[PROPERTY.uniqueKey] === key : message.keys.includes(key)
      return found
        .flat()
        .filter((message) => message.topic === name && has(message))
        .sort((a, b) => a.storeTimestamp - b.storeTimestamp)
        .map((message) => this.seen(message))
    })
  }

  private seen(message: MessageExt): MessageExt {
    message.topic = unwrapNamespace(this.namespace, message.topic)
    return message
  }

  private wrap(name: string): string {
    return wrapNamespace(this.namespace, name)
  }

  private run<T>(work: (admin: AdminClient) => Promise<T>): Promise<T> {
    if (this.isClosed) return Promise.reject(new ClientError('CLIENT_CLOSED', { what: 'the admin is closed' }))
    return work(this.admin).catch(asAdminErrors)
  }
}

function targetOf(to: OffsetTarget): ResetTarget {
  if (to === 'earliest' || to === 'latest') return { kind: to }
  if (to instanceof Date && !Number.isNaN(to.getTime())) return { kind: 'time', timestamp: to.getTime() }
  if (typeof to === 'number' && Number.isSafeInteger(to) && to >= 0) return { kind: 'offset', offset: to }
  throw badOption('to', to, "'earliest', 'latest', a Date, or an offset")
}

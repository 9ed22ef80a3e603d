/**
 * What becomes of a message that was not consumed: the broker keeps a copy for later (36); where it cannot, the message is sent anew to
 * the group's retry topic; where that fails too, the caller keeps it.
 *
 * Source: spec/client-behaviour.md §6 "Concurrent consumption", "Ordered consumption"; spec/broker-requests.md §4, §5.
 */
import { describe } from '../../errors.ts'
import { request } from '../../remoting/command.ts'
import { encodeHeader } from '../../remoting/schema.ts'
import { SEND_MESSAGE_V2 } from '../../remoting/schemas/index.ts'
import { type ClientInstance, INNER_PRODUCER_GROUP } from '../instance.ts'
import { PROPERTY } from '../message/property-names.ts'
import { CREATE_TOPIC_KEY, DEFAULT_TOPIC_QUEUE_NUMS, type MessageQueue } from '../route.ts'
import type { ConsumerCalls } from './consumer-calls.ts'
import type { ReceivedMessage } from './received-message.ts'
import { isRetryTopic, retryTopicOf } from './retry-topic.ts'

export interface RetriesOptions {
  readonly instance: ClientInstance
  readonly calls: ConsumerCalls
  /** As it travels, in its namespace. */
  readonly group: string
  readonly maxReconsumeTimes: number
  /** The topic as it travels. */
  readonly wireTopic: (topic: string) => string
}

/** The first delay of a message that is sent anew, 10 s; later ones wait longer. */
const FIRST_DELAY_LEVEL = 3
const SEND_TIMEOUT_MS = 3000
const TRIES = 3

export class Retries {
  private readonly options: RetriesOptions

  constructor(options: RetriesOptions) {
    this.options = options
  }

  /** Rejects when neither way worked: the message is nowhere but here. */
  async sendBack(message: ReceivedMessage, delayLevel: number): Promise<void> {
    const { calls, maxReconsumeTimes, wireTopic, instance } = this.options
    try {
      const { brokerName, commitLogOffset, msgId } = message
      const topic = wireTopic(message.topic)
      await calls.sendBack({ brokerName, commitLogOffset, msgId, topic }, delayLevel, maxReconsumeTimes)
    } catch (error) {
      instance.log.warn(`the broker did not take a message back, it is sent anew: ${describe(error)}`, {
        msgId: message.msgId,
        broker: message.brokerName,
      })
      await this.sendAnew(message, message.reconsumeTimes + 1, FIRST_DELAY_LEVEL + message.reconsumeTimes)
    }
  }

  /** One whose tries are over: the broker puts it into the DLQ, because `reconsumeTimes` has reached the most. */
  async sendToDlq(message: ReceivedMessage): Promise<void> {
    // Without a delay: a broker would keep it waiting before it puts it there.
    await this.sendAnew(message, message.reconsumeTimes, 0)
  }

  private async sendAnew(message: ReceivedMessage, reconsumeTimes: number, delayLevel: number): Promise<void> {
    const { instance, group } = this.options
    const topic = retryTopicOf(group)
    const queues = await this.queuesOf(topic, message.brokerName)
    const first = Math.floor(Math.random() * queues.length)
    let failure: unknown
    for (let turn = 0; turn < TRIES; turn++) {
      const { brokerName, queueId } = queues[(first + turn) % queues.length]
      try {
        const address = await instance.masterOf(brokerName, topic)
        const { storedBody } = message
        const header = this.header(message, topic, queueId, reconsumeTimes, delayLevel)
        const command = request(SEND_MESSAGE_V2.code, encodeHeader(SEND_MESSAGE_V2, header), storedBody)
        await instance.ask(address, command, { timeoutMs: SEND_TIMEOUT_MS, also: STORED })
        return
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  /**
   * Where a copy may go. The retry topic of a group that is seconds old (the heartbeat made it) may not be known to NameServers yet, and
   * they may all be gone: it has a queue 0 at the broker that the message came from, and nobody knows how many more.
   */
  private async queuesOf(topic: string, brokerName: string): Promise<readonly MessageQueue[]> {
    const { routes } = this.options.instance
    const route = await routes.get(topic).catch(() => undefined)
    const known = route?.publishQueues ?? []
    return known.length > 0 ? known : [routes.queue(topic, brokerName, 0)]
  }

  private header(message: ReceivedMessage, topic: string, queueId: number, reconsumeTimes: number, delayLevel: number) {
    const { instance, maxReconsumeTimes } = this.options
    return {
      producerGroup: INNER_PRODUCER_GROUP,
      topic,
      defaultTopic: CREATE_TOPIC_KEY,
      defaultTopicQueueNums: DEFAULT_TOPIC_QUEUE_NUMS,
      queueId,
      // Compressed as it was; what kind of transaction it came from is over.
      sysFlag: message.sysFlag & (COMPRESSED | COMPRESSION_KIND),
      bornTimestamp: instance.now(),
      flag: message.flag,
      properties: this.properties(message, delayLevel),
      reconsumeTimes,
      unitMode: instance.options.unitMode,
      maxReconsumeTimes,
      batch: false,
    }
  }

  private properties(message: ReceivedMessage, delayLevel: number): string {
    const kept: Record<string, string> = { ...message.properties }
    for (const name of [
      PROPERTY.transactionPrepared,
      PROPERTY.consumeStartTime,
      PROPERTY.minOffset,
      PROPERTY.maxOffset,
    ]) {
      delete kept[name]
    }
    kept[PROPERTY.originMessageId] ??= message.msgId
    kept[PROPERTY.retryTopic] ??= this.options.wireTopic(message.topic)
    if (delayLevel > 0) kept[PROPERTY.delay] = String(delayLevel)
    else delete kept[PROPERTY.delay]
    return Object.entries(kept)
      .map(([name, value]) => `${name}\u0001${value}`)
      .join('\u0002')
  }
}

const COMPRESSED = 1
const COMPRESSION_KIND = 0x700
/** Flushed or replicated late: stored all the same. */
const STORED = [10, 11, 12]

/** A retried message is shown under the topic that it was sent to. */
export function shownTopic(message: ReceivedMessage): string {
  return isRetryTopic(message.topic) ? (message.properties[PROPERTY.retryTopic] ?? message.topic) : message.topic
}

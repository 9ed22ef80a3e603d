/**
 * A running push consumer: its parts, and when each of them acts.
 *
 *   routes, 40, every 20 s ─▶ Rebalancer ─▶ pull loop a queue ─▶ ProcessQueue ─▶ consumption ─▶ listener
 *                                │                                                 │
 *                                └─ locks (in order)        retries (36, DLQ) ◀────┴──▶ offsets (every 5 s)
 *
 * Owns:      all of them; start() and close() are called once each, by PushConsumer.
 * Source:    spec/client-behaviour.md §6.
 */
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { ConsumerData } from '../heartbeat.ts'
import type { ClientInstance, ConsumerMember } from '../instance.ts'
import { decodeMessages } from '../message/message-ext.ts'
import { PROPERTY } from '../message/property-names.ts'
import { unwrapNamespace, wrapNamespace } from '../namespace.ts'
import type { AssignedQueue } from './assigned-queue.ts'
import { ConcurrentConsumption } from './concurrent-consumption.ts'
import { ConsumerCalls, type PullAnswer } from './consumer-calls.ts'
import type { ConsumeBatch, ConsumeObserver, ConsumeReturnType, Consumption } from './consumption.ts'
import { type MessageQueue, queueText } from './message-queue.ts'
import { type OffsetSlot, type OffsetStore, offsetStoreFor } from './offsets/index.ts'
import { OrderedConsumption } from './ordered-consumption.ts'
import type { FlowLimits } from './process-queue.ts'
import { pullLoop } from './pull-loop.ts'
import type { PushSettings } from './push-options.ts'
import { LOCK_RENEWAL_MS, QueueLocks } from './queue-locks.ts'
import { queuesChanged } from './queues-changed.ts'
import { Rebalancer } from './rebalance.ts'
import type { ReceivedMessage } from './received-message.ts'
import { Retries, shownTopic } from './retries.ts'
import { Rounds } from './rounds.ts'
import { runningInfo } from './running-info.ts'
import { answerRequests, type ConsumerFace } from './server-requests.ts'
import { startOffset } from './start-offset.ts'
import { ConsumerStats } from './stats.ts'
import { type SubscriptionData, wantsTag } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'
import { Waits } from './waits.ts'

export interface PushEngineOptions {
  readonly instance: ClientInstance
  readonly settings: PushSettings
  readonly subscriptions: Subscriptions
  /** As it travels. */
  readonly group: string
  readonly offsetStoreFolder: string | undefined
  /** The message trace. */
  readonly observer: ConsumeObserver | undefined
}

const CONCURRENT_TRIES = 16
const FIRST_RENEWAL_MS = 1000
const STATS_MS = 10_000
/** What runs on a queue that gets another offset is waited for so long. */
const REST_MS_MAX = 10_000
const MOVED_MS_MIN = 1000

export class PushEngine implements ConsumerMember, ConsumerFace {
  readonly group: string
  readonly rebalancer: Rebalancer
  private readonly rounds: Rounds
  private readonly options: PushEngineOptions
  private readonly log: Log
  private readonly waits: Waits
  private readonly calls: ConsumerCalls
  private readonly offsets: OffsetStore
  private readonly locks: QueueLocks
  private readonly stats: ConsumerStats
  private readonly retries: Retries
  private readonly consumption: Consumption
  private readonly now = () => this.options.instance.now()
  private readonly ends: (() => void)[] = []
  private paused = false
  private startedAt = 0

  constructor(options: PushEngineOptions) {
    const { instance, group, settings } = options
    this.options = options
    this.group = group
    this.log = instance.log
    this.waits = new Waits(instance.timers)
    this.calls = new ConsumerCalls(instance, group)
    this.locks = new QueueLocks(this.calls, this.now, this.log)
    this.stats = new ConsumerStats(this.now)
    this.offsets = offsetStoreFor(instance, group, this.calls, settings.isBroadcast, options.offsetStoreFolder)
    this.retries = new Retries({
      instance,
      calls: this.calls,
      group,
      maxReconsumeTimes: settings.maxReconsumeTimes === -1 ? this.triesMax : settings.maxReconsumeTimes,
      wireTopic: (topic) => wrapNamespace(instance.options.namespace, topic),
    })
    this.consumption = this.makeConsumption()
    this.rebalancer = this.makeRebalancer()
    this.rounds = new Rounds({
      waits: this.waits,
      intervalMs: settings.rebalanceInterval,
      before: () => this.persist(false),
      look: () => this.rebalancer.rebalance(),
    })
  }

  private get triesMax(): number {
    return this.options.settings.isOrdered ? 2 ** 31 - 1 : CONCURRENT_TRIES
  }

  /** Resolves when brokers know the consumer and its first queues are allocated. Throws ClientError. */
  async start(): Promise<void> {
    const { instance, settings, subscriptions } = this.options
    this.startedAt = this.now()
    await this.offsets.load()
    instance.registerConsumer(this)
    this.ends.push(answerRequests(instance, this))
    this.ends.push(
      instance.routes.onChange(({ topic }) => {
        if (subscriptions.of(topic) !== undefined) this.membersChanged()
      }),
    )
    for (const topic of subscriptions.topics()) await instance.routes.look(topic)
    for (const data of subscriptions.all()) {
      if (data.expressionType === 'SQL92') await this.calls.checkSubscription(data)
    }
    await instance.heartbeat()
    const isWhole = await this.rebalancer.rebalance()
    void this.rounds.run(isWhole)
    const failed = (what: string) => (error: unknown) => this.log.error(`${what} failed: ${describe(error)}`)
    const { persistConsumerOffsetInterval: interval, consumeTimeoutMs } = settings
    void this.waits.repeat(interval, interval, () => this.persist(false), failed('storing offsets'))
    void this.waits.repeat(STATS_MS, STATS_MS, () => this.stats.read(), failed('statistics'))
    if (this.consumption instanceof ConcurrentConsumption && !settings.isBroadcast) {
      const { consumption } = this
      const giveBack = () => consumption.giveBackOverdue([...this.rebalancer.assigned.values()])
      void this.waits.repeat(consumeTimeoutMs, consumeTimeoutMs, giveBack, failed('giving back what takes too long'))
    }
    if (this.needsLock) {
      const renew = () => this.locks.renew(this.rebalancer.assigned.values())
      void this.waits.repeat(FIRST_RENEWAL_MS, LOCK_RENEWAL_MS, renew, failed('renewing locks'))
    }
  }

  /** Callbacks have ended, offsets are stored, locks given back, the group left. */
  async close(): Promise<void> {
    const { instance, settings } = this.options
    for (const end of this.ends) end()
    this.paused = true
    await this.rebalancer.close()
    await this.consumption.close(settings.awaitTerminationMillisWhenShutdown)
    const all = [...this.rebalancer.assigned.values()]
    for (const assigned of all) assigned.drop()
    await this.persist(true)
    if (this.needsLock) await this.locks.unlockAll(all)
    this.waits.close()
    await instance.unregisterConsumer(this)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.membersChanged()
  }

  get isPaused(): boolean {
    return this.paused
  }

  /** A topic has come or gone while it runs. */
  async subscriptionsChanged(added?: SubscriptionData): Promise<void> {
    const { instance } = this.options
    if (added !== undefined) {
      await instance.routes.look(added.topic)
      if (added.expressionType === 'SQL92') await this.calls.checkSubscription(added)
    }
    await instance.heartbeat()
    await this.rebalancer.rebalance()
  }

  /** The message comes again later, as if the listener had said so. */
  sendBack(message: ReceivedMessage, delayLevel: number): Promise<void> {
    return this.retries.sendBack(message, delayLevel)
  }

  // What its instance asks.

  topics(): Iterable<string> {
    return this.options.subscriptions.topics()
  }

  heartbeat(): ConsumerData {
    const { settings, subscriptions, instance } = this.options
    return {
      groupName: this.group,
      consumeType: 'CONSUME_PASSIVELY',
      messageModel: settings.isBroadcast ? 'BROADCASTING' : 'CLUSTERING',
      consumeFromWhere: settings.consumeFromWhere,
      unitMode: instance.options.unitMode,
      subscriptionDataSet: subscriptions.all(),
    }
  }

  // What brokers ask.

  membersChanged(): void {
    this.rounds.want()
  }

  async resetOffsets(topic: string, offsets: readonly OffsetSlot[]): Promise<void> {
    const targets = new Map(offsets.map(({ queue, offset }) => [queueText(queue), offset]))
    const all = this.rebalancer.of(topic).filter(({ queue }) => targets.has(queueText(queue)))
    this.log.info('offsets are set anew', { topic, group: this.group, queues: all.length })
    await Promise.all(all.map((assigned) => this.moveTo(assigned, targets.get(queueText(assigned.queue))!, 0)))
    this.membersChanged()
  }

  progress(topic: string): OffsetSlot[] {
    return this.offsets.known(topic)
  }

  async runningInfo(jstack: boolean) {
    const { instance, settings, subscriptions } = this.options
    const state = {
      nameservers: instance.options.nameservers,
      consumeThreadMax: settings.consumeThreadMax,
      isOrdered: settings.isOrdered,
      isPush: true,
      startedAt: this.startedAt,
      subscriptions: subscriptions.all(),
      assigned: [...this.rebalancer.assigned.values()],
      stats: this.stats,
    }
    return runningInfo(state, jstack)
  }

  async consumeDirectly(record: Uint8Array, brokerName: string) {
    const [message] = decodeMessages(record, brokerName)
    return { ...(await this.consumption.consumeDirectly(message)), isOrdered: this.options.settings.isOrdered }
  }

  // How the parts are put together.

  private get needsLock(): boolean {
    return this.options.settings.isOrdered && !this.options.settings.isBroadcast
  }

  private makeConsumption(): Consumption {
    const { settings, instance } = this.options
    const { listener, orderlyListener } = settings
    const { now, log, waits } = this
    const { namespace } = instance.options
    const present = (message: ReceivedMessage) => {
      message.topic = unwrapNamespace(namespace, shownTopic(message))
      return message
    }
    const observer: ConsumeObserver = {
      before: (batch) => this.options.observer?.before(batch),
      after: (batch, elapsedMs, returned) => this.batchEnded(batch, elapsedMs, returned),
    }
    const common = { ...settings, present, observer, now, log, waits }
    return orderlyListener !== undefined
      ? new OrderedConsumption({
          ...common,
          listener: orderlyListener,
          maxReconsumeTimes: settings.maxReconsumeTimes === -1 ? this.triesMax : settings.maxReconsumeTimes,
          lock: (assigned) => this.locks.lockAgain(assigned),
          sendToDlq: (message) => this.retries.sendToDlq(message),
        })
      : new ConcurrentConsumption({
          ...common,
          listener: listener!,
          sendBack: (message, delayLevel) => this.retries.sendBack(message, delayLevel),
        })
  }

  private batchEnded(batch: ConsumeBatch, elapsedMs: number, returned: ConsumeReturnType): void {
    const isFailed = returned === 'FAILED' || returned === 'EXCEPTION'
    this.stats.consumed(batch.queue.topic, batch.messages.length, elapsedMs, isFailed)
    this.options.observer?.after(batch, elapsedMs, returned)
  }

  private makeRebalancer(): Rebalancer {
    const { settings, instance, subscriptions } = this.options
    return new Rebalancer({
      group: this.group,
      clientId: instance.clientId,
      isBroadcast: settings.isBroadcast,
      isOrdered: settings.isOrdered,
      strategy: settings.strategy,
      offsets: this.offsets,
      topics: () => subscriptions.topics(),
      queuesOf: async (topic) => (await instance.routes.get(topic))?.subscribeQueues,
      membersOf: (topic) => this.calls.members(topic),
      startOffset: (queue) => startOffset(queue, this.offsets, this.calls, settings),
      lock: (queue) => this.locks.lock(queue),
      unlock: (queue) => this.locks.unlock(queue),
      added: (assigned) => void this.pull(assigned),
      changed: (topic) => {
        queuesChanged(instance, settings.messageQueueListener, topic, this.rebalancer.of(topic))
        return subscriptions.renew(topic, this.now(), () => instance.heartbeat())
      },
      now: this.now,
      log: this.log,
    })
  }

  private pull(assigned: AssignedQueue): Promise<void> {
    const { settings, subscriptions, instance } = this.options
    const { queue } = assigned
    const data = subscriptions.of(queue.topic)
    return pullLoop(assigned, {
      pull: (it): Promise<PullAnswer> =>
        this.calls.pull({
          queue,
          offset: it.nextOffset,
          maxMsgNums: settings.pullBatchSize,
          commitOffset: settings.isBroadcast ? 0 : it.slot.offset,
          subscription: subscriptions.forPull(queue.topic) ?? data!,
          isLite: false,
        }),
      wanted: (_, messages) => this.wanted(queue, messages),
      consumption: this.consumption,
      limits: () => this.limits(queue.topic),
      pullIntervalMs: settings.pullInterval,
      needsLock: this.needsLock,
      commitsAtOnce: true,
      startOffset: () => startOffset(queue, this.offsets, this.calls, settings),
      offsetMoved: (it, nextOffset) => void this.moveTo(it, nextOffset, MOVED_MS_MIN).then(() => this.membersChanged()),
      isPaused: () => this.paused,
      introduce: () => instance.heartbeat(),
      stats: this.stats,
      waits: this.waits,
      now: this.now,
      log: this.log,
    })
  }

  private wanted({ topic }: MessageQueue, messages: ReceivedMessage[]): ReceivedMessage[] {
    const data = this.options.subscriptions.of(topic)
    if (data === undefined || data.tagsSet.length === 0) return messages
    return messages.filter((message) => wantsTag(data, message.properties[PROPERTY.tags]))
  }

  private limits(topic: string): FlowLimits {
    const { settings } = this.options
    const share = (ofTopic: number, ofQueue: number) =>
      ofTopic === -1 ? ofQueue : Math.max(1, Math.floor(ofTopic / Math.max(1, this.rebalancer.of(topic).length)))
    return {
      count: share(settings.pullThresholdForTopic, settings.pullThresholdForQueue),
      sizeMiB: share(settings.pullThresholdSizeForTopic, settings.pullThresholdSizeForQueue),
      span: settings.consumeConcurrentlyMaxSpan,
    }
  }

  /** The queue is dropped and its progress set, also backwards; the next round takes it up there. */
  private async moveTo(assigned: AssignedQueue, offset: number, afterMs: number): Promise<void> {
    assigned.drop()
    assigned.process.clear()
    const rested = assigned.atRest(REST_MS_MAX)
    if (!(await this.waits.wait(afterMs))) return
    await rested
    this.offsets.slot(assigned.queue).offset = offset
    await this.rebalancer.release(assigned)
  }

  private async persist(confirmed: boolean): Promise<void> {
    const queues = [...this.rebalancer.assigned.values()].map(({ queue }) => queue)
    await this.offsets.persist(queues, confirmed)
  }
}

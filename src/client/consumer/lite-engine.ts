/**
 * A running lite pull consumer: queues (shared in the group, or assigned by the user), a pull loop each, and what waits for poll().
 *
 * A queue that is sought in is replaced: the old one is dropped with all that is cached and under way of it, a new one begins at the
 * other offset.
 *
 * Source: spec/client-behaviour.md §7.
 */
import type { ConsumerData } from '../heartbeat.ts'
import type { ClientInstance, ConsumerMember } from '../instance.ts'
import { PROPERTY } from '../message/property-names.ts'
import { AssignedQueue } from './assigned-queue.ts'
import { ConsumerCalls } from './consumer-calls.ts'
import type { LiteSettings } from './lite-options.ts'
import { type MessageQueue, queueText } from './message-queue.ts'
import { advance, type OffsetStore, offsetStoreFor } from './offsets/index.ts'
import { Polled } from './polled.ts'
import { pullLoop } from './pull-loop.ts'
import { queuesChanged } from './queues-changed.ts'
import { Rebalancer } from './rebalance.ts'
import type { ReceivedMessage } from './received-message.ts'
import { Rounds } from './rounds.ts'
import { runningInfo } from './running-info.ts'
import { answerRequests } from './server-requests.ts'
import { startOffset } from './start-offset.ts'
import { ConsumerStats } from './stats.ts'
import {
  ALL_TAGS,
  type SubscriptionData,
  type SubscriptionExpression,
  subscriptionOf,
  wantsTag,
} from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'
import { Waits } from './waits.ts'

export interface LiteEngineOptions {
  readonly instance: ClientInstance
  readonly settings: LiteSettings
  readonly subscriptions: Subscriptions
  readonly group: string
  readonly offsetStoreFolder: string | undefined
}

export class LiteEngine implements ConsumerMember {
  readonly group: string
  readonly calls: ConsumerCalls
  readonly offsets: OffsetStore
  readonly polled = new Polled()
  readonly waits: Waits
  readonly rebalancer: Rebalancer
  private readonly rounds: Rounds
  private readonly options: LiteEngineOptions
  private readonly stats: ConsumerStats
  private readonly ends: (() => void)[] = []
  /** By topic, of assign(); undefined: the queues are shared. */
  private fixed: Map<string, MessageQueue[]> | undefined
  /** What is wanted of their topics. */
  private fixedData = new Map<string, SubscriptionData>()
  private readonly pausedQueues = new Set<string>()
  private nextCommitAt = 0
  private startedAt = 0

  constructor(options: LiteEngineOptions) {
    const { instance, group, settings } = options
    this.options = options
    this.group = group
    this.waits = new Waits(instance.timers)
    this.calls = new ConsumerCalls(instance, group)
    this.stats = new ConsumerStats(this.now)
    this.offsets = offsetStoreFor(instance, group, this.calls, settings.isBroadcast, options.offsetStoreFolder)
    this.rebalancer = this.makeRebalancer()
    this.rounds = new Rounds({
      waits: this.waits,
      intervalMs: settings.rebalanceInterval,
      before: () => this.keep(),
      look: () => this.rebalancer.rebalance(),
    })
  }

  now = (): number => this.options.instance.now()

  async start(): Promise<void> {
    const { instance, settings, subscriptions } = this.options
    this.startedAt = this.now()
    this.nextCommitAt = this.startedAt + settings.autoCommitIntervalMillis
    await this.offsets.load()
    instance.registerConsumer(this)
    this.ends.push(
      this.answerBrokers(),
      instance.routes.onChange(() => this.rounds.want()),
    )
    for (const topic of this.topics()) await instance.routes.look(topic)
    for (const data of subscriptions.all()) {
      if (data.expressionType === 'SQL92') await this.calls.checkSubscription(data)
    }
    await instance.heartbeat()
    void this.rounds.run(await this.rebalancer.rebalance())
  }

  async close(): Promise<void> {
    const { instance, settings } = this.options
    for (const end of this.ends) end()
    await this.rebalancer.close()
    for (const assigned of this.rebalancer.assigned.values()) assigned.drop()
    this.polled.whenReady(undefined)
    if (settings.autoCommit) {
      this.progress()
      await this.persist(true)
    }
    this.waits.close()
    await instance.unregisterConsumer(this)
  }

  async subscriptionsChanged(added?: SubscriptionData): Promise<void> {
    const { instance } = this.options
    if (added !== undefined) {
      await instance.routes.look(added.topic)
      if (added.expressionType === 'SQL92') await this.calls.checkSubscription(added)
    }
    await instance.heartbeat()
    await this.rebalancer.rebalance()
  }

  /** These queues and no others, whoever else consumes. */
  async assign(queues: readonly MessageQueue[], expression: SubscriptionExpression): Promise<void> {
    this.fixed = new Map()
    this.fixedData = new Map(queues.map(({ topic }) => [topic, subscriptionOf(topic, expression, this.now())]))
    for (const queue of queues) this.fixed.set(queue.topic, [...(this.fixed.get(queue.topic) ?? []), queue])
    for (const topic of this.fixed.keys()) await this.options.instance.routes.get(topic)
    await this.rebalancer.rebalance()
  }

  topics(): Iterable<string> {
    return this.fixed?.keys() ?? this.options.subscriptions.topics()
  }

  heartbeat(): ConsumerData {
    const { settings, subscriptions, instance } = this.options
    return {
      groupName: this.group,
      consumeType: 'CONSUME_ACTIVELY',
      messageModel: settings.isBroadcast ? 'BROADCASTING' : 'CLUSTERING',
      consumeFromWhere: settings.consumeFromWhere,
      unitMode: instance.options.unitMode,
      subscriptionDataSet: this.fixed === undefined ? subscriptions.all() : [],
    }
  }

  find(queue: MessageQueue): AssignedQueue | undefined {
    return this.rebalancer.assigned.get(queueText(queue))
  }

  /** The next pull of the queue begins there; what is cached of it is forgotten. */
  seek(assigned: AssignedQueue, offset: number): void {
    assigned.drop()
    this.polled.putBack(assigned, 0)
    const { queue, slot } = assigned
    slot.offset = offset
    const next = new AssignedQueue(queue, slot, offset, this.now())
    next.process.paused = assigned.process.paused
    this.rebalancer.assigned.set(queueText(queue), next)
    void this.pull(next)
  }

  setPaused(queue: MessageQueue, isPaused: boolean): void {
    const key = queueText(queue)
    if (isPaused) this.pausedQueues.add(key)
    else this.pausedQueues.delete(key)
    const assigned = this.find(queue)
    if (assigned === undefined) return
    assigned.process.paused = isPaused
    this.polled.submit(assigned)
  }

  /** What was acknowledged becomes the group's progress, in memory. */
  progress(): void {
    for (const { slot, process } of this.rebalancer.assigned.values()) advance(slot, process.committable())
  }

  /** The group's progress is what the user says, also backwards. */
  commitAt(offsets: ReadonlyMap<AssignedQueue, number>): Promise<unknown> {
    for (const [{ slot }, offset] of offsets) slot.offset = offset
    return this.offsets.persist(
      [...offsets.keys()].map(({ queue }) => queue),
      true,
    )
  }

  /** Gives the first error that there was. */
  async persist(confirmed: boolean): Promise<unknown> {
    const queues = [...this.rebalancer.assigned.values()].map(({ queue }) => queue)
    return await this.offsets.persist(queues, confirmed)
  }

  /** With autoCommit: what was acknowledged counts, and is stored when its time has come. */
  async commitInTime(): Promise<void> {
    const { autoCommit, autoCommitIntervalMillis } = this.options.settings
    if (!autoCommit) return
    this.progress()
    if (this.now() < this.nextCommitAt) return
    this.nextCommitAt = this.now() + autoCommitIntervalMillis
    await this.persist(false)
  }

  /** What counts by itself is stored; what needs the user's commit is not. */
  private async keep(): Promise<void> {
    if (!this.options.settings.autoCommit) return
    this.progress()
    await this.persist(false)
  }

  private makeRebalancer(): Rebalancer {
    const { settings, instance, subscriptions, group } = this.options
    const isFixed = () => this.fixed !== undefined
    return new Rebalancer({
      group,
      clientId: instance.clientId,
      // What was assigned is not shared either.
      isBroadcast: () => settings.isBroadcast || isFixed(),
      isOrdered: false,
      strategy: settings.strategy,
      offsets: this.offsets,
      topics: () => this.topics(),
      queuesOf: async (topic) => this.fixed?.get(topic) ?? (await instance.routes.get(topic))?.subscribeQueues,
      membersOf: (topic) => this.calls.members(topic),
      startOffset: (queue) => startOffset(queue, this.offsets, this.calls, settings),
      lock: async () => true,
      unlock: async () => {},
      added: (assigned) => {
        assigned.process.paused = this.pausedQueues.has(queueText(assigned.queue))
        void this.pull(assigned)
      },
      changed: (topic) => {
        queuesChanged(instance, settings.messageQueueListener, topic, this.rebalancer.of(topic))
        return subscriptions.renew(topic, this.now(), () => instance.heartbeat())
      },
      now: this.now,
      log: instance.log,
    })
  }

  private pull(assigned: AssignedQueue): Promise<void> {
    const { settings, subscriptions, instance } = this.options
    const { queue } = assigned
    const all = subscriptionOf(queue.topic, ALL_TAGS, 0)
    return pullLoop(assigned, {
      pull: (it) =>
        this.calls.pull({
          queue,
          offset: it.nextOffset,
          maxMsgNums: settings.pullBatchSize,
          commitOffset: 0,
          subscription: subscriptions.forPull(queue.topic) ?? this.fixedData.get(queue.topic) ?? all,
          isLite: true,
        }),
      wanted: (_, messages) => this.wanted(queue, messages),
      consumption: this.polled,
      limits: () => ({
        count: this.isFull() ? -1 : settings.pullThresholdForQueue,
        sizeMiB: settings.pullThresholdSizeForQueue,
        span: settings.consumeMaxSpan,
      }),
      pullIntervalMs: 0,
      needsLock: false,
      commitsAtOnce: false,
      startOffset: async () => assigned.nextOffset,
      offsetMoved: (it, nextOffset) => this.seek(it, nextOffset),
      isPaused: () => assigned.process.paused,
      introduce: () => instance.heartbeat(),
      stats: this.stats,
      waits: this.waits,
      now: this.now,
      log: instance.log,
    })
  }

  private wanted({ topic }: MessageQueue, messages: ReceivedMessage[]): ReceivedMessage[] {
    const data = this.options.subscriptions.of(topic) ?? this.fixedData.get(topic)
    if (data === undefined || data.tagsSet.length === 0) return messages
    return messages.filter((message) => wantsTag(data, message.properties[PROPERTY.tags]))
  }

  private isFull(): boolean {
    let cached = 0
    for (const { process } of this.rebalancer.assigned.values()) cached += process.count
    return cached > this.options.settings.pullThresholdForAll
  }

  private answerBrokers(): () => void {
    const { instance, subscriptions, group } = this.options
    return answerRequests(instance, {
      group,
      membersChanged: () => this.rounds.want(),
      resetOffsets: async (topic, offsets) => {
        for (const { queue, offset } of offsets) {
          const assigned = this.find(queue)
          if (assigned !== undefined && queue.topic === topic) this.seek(assigned, offset)
        }
        await this.persist(true)
      },
      progress: (topic) => this.offsets.known(topic),
      runningInfo: async (jstack) => {
        const state = {
          nameservers: instance.options.nameservers,
          consumeThreadMax: 0,
          isOrdered: false,
          isPush: false,
          startedAt: this.startedAt,
          subscriptions: subscriptions.all(),
          assigned: [...this.rebalancer.assigned.values()],
          stats: this.stats,
        }
        return runningInfo(state, jstack)
      },
      consumeDirectly: async () => {
        throw new Error('a pull consumer has no listener that could consume a message directly')
      },
    })
  }
}

/**
 * A consumer that calls a listener with every message of its topics: RocketMQ's DefaultMQPushConsumer.
 *
 *   const consumer = new PushConsumer({
 *     nameserver: 'localhost:9876',
 *     group: 'orders',
 *     subscriptions: { Orders: '*' },
 *     listener: async ([message]) => { await handle(message.body) },   // an error: the message comes again later
 *   })
 *   await consumer.start()
 *   …
 *   await consumer.close()        // or: await using
 */
import { abortedBy, ClientError } from '../errors.ts'
import type { ClientInstance } from '../instance.ts'
import { obtainInstance, releaseInstance } from '../instances.ts'
import { unwrapNamespace, wrapNamespace } from '../namespace.ts'
import {
  badOption,
  checkName,
  integer,
  type ResolvedClientOptions,
  resolveOptions,
  TOPIC_LENGTH_MAX,
} from '../options.ts'
import { sendDefaults } from '../producer/options.ts'
import { TraceDispatcher } from '../trace.ts'
import { ConsumeTrace } from './consume-trace.ts'
import type { MessageQueue } from './message-queue.ts'
import { PushEngine } from './push-engine.ts'
import { type PushConsumerOptions, type PushSettings, pushSettings } from './push-options.ts'
import type { ReceivedMessage } from './received-message.ts'
import { retryTopicOf } from './retry-topic.ts'
import type { SubscriptionExpression } from './subscription.ts'
import { Subscriptions } from './subscriptions.ts'

/** One queue of ours and how far it is. */
export interface QueueProgress {
  /** Which queue. */
  readonly queue: MessageQueue
  /** Next offset to consume, as it is stored for the group; -1: nothing is consumed yet. */
  readonly offset: number
  /** Messages that are here and not consumed. */
  readonly cached: number
}

/** A consumer that calls a listener with every message of its topics. */
export class PushConsumer implements AsyncDisposable {
  /** As brokers know it. */
  readonly clientId: string
  /** Name of its group. */
  readonly group: string
  private readonly options: ResolvedClientOptions
  private readonly given: PushConsumerOptions
  private readonly settings: PushSettings
  private readonly subscriptions = new Subscriptions()
  private readonly onAbort = () => void this.close()
  private instance: ClientInstance | undefined
  private engine: PushEngine | undefined
  private trace: ConsumeTrace | undefined
  private starting: Promise<void> | undefined
  private closing: Promise<void> | undefined

  /** Throws ClientError BAD_OPTION. */
  constructor(options: PushConsumerOptions) {
    this.given = options
    this.options = resolveOptions(options, options?.messageModel === 'BROADCASTING')
    this.settings = pushSettings(options, this.options.clock.now())
    this.clientId = this.options.clientId
    this.group = this.options.group
    for (const [topic, expression] of Object.entries(options.subscriptions ?? {})) this.add(topic, expression)
  }

  /** Consumes the topic too: `'*'`, tags as `'a || b'`, or `{ sql }`. While it runs: resolves when its queues are allocated. */
  async subscribe(topic: string, expression: SubscriptionExpression = '*'): Promise<void> {
    if (this.closing !== undefined) throw this.closedError()
    const restore = this.subscriptions.kept(this.wire(topic))
    const data = this.add(topic, expression)
    try {
      await this.engine?.subscriptionsChanged(data)
    } catch (error) {
      restore()
      throw error
    }
  }

  /** Consumes the topic no more; what is with the listener ends. */
  async unsubscribe(topic: string): Promise<void> {
    if (this.subscriptions.remove(this.wire(topic))) await this.engine?.subscriptionsChanged()
  }

  /**
   * Resolves when the brokers know the consumer and its first queues are allocated. Throws ClientError: NO_NAMESRV, GROUP_IN_USE,
   * REFUSED (an SQL92 expression that the broker does not take), BAD_OPTION (no topic). It may be called again then.
   */
  start(): Promise<void> {
    if (this.closing !== undefined) {
      return Promise.reject(this.closedError())
    }
    this.starting ??= this.begin().catch((error: unknown) => {
      this.starting = undefined
      throw error
    })
    return this.starting
  }

  /** Nothing is pulled any more until resume(); what was pulled is consumed. */
  pause(): void {
    this.running().pause()
  }

  /** Ends pause(). */
  resume(): void {
    this.running().resume()
  }

  /** Whether pause() holds. */
  get isPaused(): boolean {
    return this.engine?.isPaused ?? false
  }

  /**
   * The message comes again later to this group, whatever its listener said of it: after the broker's delay (0) or that of a level,
   * 1…18; -1: it goes to the DLQ. For a message that is given away and fails after the listener has ended.
   */
  async sendMessageBack(message: ReceivedMessage, delayLevel = 0): Promise<void> {
    integer('delayLevel', delayLevel, -1, 18)
    if (typeof message?.commitLogOffset !== 'number') throw badOption('message', message, 'a message that was received')
    await this.running().sendBack(message, delayLevel)
  }

  /** The queues that are ours at the moment. */
  queues(): QueueProgress[] {
    const { namespace } = this.options
    return [...(this.engine?.rebalancer.assigned.values() ?? [])].map(({ queue, slot, process }) => ({
      queue: { ...queue, topic: unwrapNamespace(namespace, queue.topic) },
      offset: slot.offset,
      cached: process.count,
    }))
  }

  /**
   * Waits for listeners that run (at most awaitTerminationMillisWhenShutdown), stores offsets, gives locks back, leaves the group and
   * closes its connections. Never rejects. Not to be awaited in a listener: it waits for that.
   */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  /** close(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async begin(): Promise<void> {
    const { settings, options, subscriptions } = this
    if ([...subscriptions.topics()].length === 0) {
      throw new ClientError('BAD_OPTION', {
        what: `consumer ${this.group} has no topic`,
        hint: "give subscriptions: { Topic: '*' }, or call subscribe() first",
      })
    }
    const { signal } = options
    if (signal?.aborted === true) {
      await this.close()
      throw abortedBy(signal)
    }
    signal?.addEventListener('abort', this.onAbort)
    const group = this.wire(this.group)
    if (!settings.isBroadcast) subscriptions.add(retryTopicOf(group), '*', options.clock.now())
    try {
      const instance = obtainInstance(options)
      this.instance = instance
      if (this.given.enableMsgTrace === true) this.trace = this.makeTrace(instance)
      this.engine = new PushEngine({
        instance,
        settings,
        subscriptions,
        group,
        offsetStoreFolder: this.given.offsetStoreFolder,
        observer: this.trace,
      })
      await this.engine.start()
    } catch (error) {
      if (this.closing !== undefined) throw this.closedError()
      // All is as before: it may be started again.
      await this.end()
      throw error
    }
  }

  private async end(): Promise<void> {
    const { engine, trace, instance } = this
    this.engine = this.trace = this.instance = undefined
    this.options.signal?.removeEventListener('abort', this.onAbort)
    await engine?.close()
    await trace?.close()
    if (instance !== undefined) await releaseInstance(instance)
  }

  private makeTrace(instance: ClientInstance): ConsumeTrace {
    const { group } = this
    const send = sendDefaults({
      ...(this.given.customizedTraceTopic !== undefined && { customizedTraceTopic: this.given.customizedTraceTopic }),
    })
    const options = { group, topic: send.traceTopic, kind: 'CONSUME' } as const
    const dispatcher = new TraceDispatcher(instance, options, { ...this.options, ...send })
    return new ConsumeTrace(dispatcher, group, () => instance.now())
  }

  private closedError(): ClientError {
    return new ClientError('CLIENT_CLOSED', { what: `consumer ${this.group} is closed` })
  }

  private running(): PushEngine {
    if (this.engine !== undefined && this.closing === undefined) return this.engine
    throw new ClientError('CLIENT_CLOSED', {
      what: `consumer ${this.group} is not running`,
      hint: 'call start() first',
    })
  }

  private add(topic: string, expression: SubscriptionExpression) {
    checkName('topic', topic, TOPIC_LENGTH_MAX)
    return this.subscriptions.add(this.wire(topic), expression, this.options.clock.now())
  }

  private wire(name: string): string {
    return wrapNamespace(this.options.namespace, name)
  }
}

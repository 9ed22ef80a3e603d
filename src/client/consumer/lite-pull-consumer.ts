/**
 * A consumer that is asked for messages: RocketMQ's DefaultLitePullConsumer, and an AsyncIterable.
 *
 *   await using consumer = new LitePullConsumer({ nameserver: 'localhost:9876', group: 'g', subscriptions: { Orders: '*' } })
 *   await consumer.start()
 *   for await (const message of consumer) await handle(message)      // counts as consumed when the next one is asked for
 *
 *   const messages = await consumer.poll()                           // or by hand: the former ones count with the next poll()
 *   await consumer.commit()                                          // or now
 */
import { abortedBy, asClientError, ClientError } from '../errors.ts'
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
import type { AssignedQueue } from './assigned-queue.ts'
import { LiteEngine } from './lite-engine.ts'
import { type LitePullConsumerOptions, type LiteSettings, liteSettings } from './lite-options.ts'
import type { MessageQueue } from './message-queue.ts'
import type { Handed } from './polled.ts'
import type { ReceivedMessage } from './received-message.ts'
import { ALL_TAGS, type SubscriptionExpression, subscriptionOf } from './subscription.ts'
import { Subscriptions } from './subscriptions.ts'

/** Of one poll. */
export interface PollOptions {
  /** Milliseconds that it waits for messages; 0: only what is here. @default pollTimeoutMillis, 5000 */
  timeout?: number
  /** Ends the wait: poll() rejects with ClientError ABORTED, an iteration ends. */
  signal?: AbortSignal
}

/** A consumer that is asked for messages: by poll(), or as an AsyncIterable. */
export class LitePullConsumer implements AsyncIterable<ReceivedMessage>, AsyncDisposable {
  /** As brokers know it. */
  readonly clientId: string
  /** Name of its group. */
  readonly group: string
  private readonly given: LitePullConsumerOptions
  private readonly options: ResolvedClientOptions
  private readonly settings: LiteSettings
  private readonly subscriptions = new Subscriptions()
  private readonly onAbort = () => void this.close()
  private readonly closed = new AbortController()
  private assignedByUser: { queues: readonly MessageQueue[]; expression: SubscriptionExpression } | undefined
  private instance: ClientInstance | undefined
  private engine: LiteEngine | undefined
  private starting: Promise<void> | undefined
  private closing: Promise<void> | undefined

  /** Throws ClientError BAD_OPTION. */
  constructor(options: LitePullConsumerOptions) {
    this.given = options
    this.options = resolveOptions(options, options?.messageModel === 'BROADCASTING')
    this.settings = liteSettings(options, this.options.clock.now())
    this.clientId = this.options.clientId
    this.group = this.options.group
    for (const [topic, expression] of Object.entries(options.subscriptions ?? {})) this.add(topic, expression)
  }

  /** Shares the topic's queues with the other members of the group. */
  async subscribe(topic: string, expression: SubscriptionExpression = '*'): Promise<void> {
    if (this.assignedByUser !== undefined) throw eitherOr()
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

  /** Shares the topic's queues no more. */
  async unsubscribe(topic: string): Promise<void> {
    if (this.subscriptions.remove(this.wire(topic))) await this.engine?.subscriptionsChanged()
  }

  /** Takes exactly these queues, whoever else consumes them: fetchMessageQueues() says which there are. `expression`: what is wanted of them. */
  async assign(queues: readonly MessageQueue[], expression: SubscriptionExpression = ALL_TAGS): Promise<void> {
    if ([...this.subscriptions.topics()].length > 0) throw eitherOr()
    if (!Array.isArray(queues)) throw badOption('queues', queues, 'a list of queues')
    const wired = queues.map((queue) => this.wireQueue(queue))
    for (const { topic } of wired) subscriptionOf(topic, expression, 0)
    this.assignedByUser = { queues: wired, expression }
    await this.engine?.assign(wired, expression)
  }

  /** Throws ClientError NO_NAMESRV, GROUP_IN_USE, REFUSED. It may be called again then. */
  start(): Promise<void> {
    if (this.closing !== undefined) return Promise.reject(this.closedError())
    this.starting ??= this.begin().catch((error: unknown) => {
      this.starting = undefined
      throw error
    })
    return this.starting
  }

  /**
   * Messages of one queue, pullBatchSize at most; none when nothing came in time. Those of the call before count as consumed from now.
   * One call at a time.
   */
  async poll({ timeout = this.settings.pollTimeoutMillis, signal }: PollOptions = {}): Promise<ReceivedMessage[]> {
    const engine = this.running()
    integer('timeout', timeout, 0)
    if (isAborted(signal)) throw abortedBy(signal!)
    engine.polled.acknowledge()
    const handed = await this.next(engine, this.settings.pullBatchSize, timeout, signal)
    if (handed === undefined) {
      if (isAborted(signal)) throw abortedBy(signal!)
      return []
    }
    engine.polled.hand(handed)
    return handed.entries.map(({ message }) => this.shown(message))
  }

  /**
   * Every message, one after the other, until the consumer is closed or the signal aborted. A message counts as consumed when the next
   * one is asked for; one at which the loop is left comes again.
   */
  async *messages({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<ReceivedMessage, void, undefined> {
    const engine = this.running()
    engine.polled.acknowledge()
    while (this.closing === undefined && !isAborted(signal)) {
      const handed = await this.next(engine, this.settings.pullBatchSize, this.settings.pollTimeoutMillis, signal)
      if (handed === undefined) continue
      const { assigned, entries } = handed
      let at = 0
      try {
        for (; at < entries.length && !assigned.dropped && !isAborted(signal); at++) {
          engine.polled.hand({ assigned, entries: [entries[at]] })
          yield this.shown(entries[at].message)
          engine.polled.acknowledge()
        }
      } finally {
        const rest = entries.slice(at).filter(({ isDone }) => !isDone)
        engine.polled.putBack(assigned, rest.length)
      }
    }
  }

  /** messages(), for `for await`. */
  [Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage, void, undefined> {
    return this.messages()
  }

  /**
   * Everything that was handed over so far counts as consumed, and is stored when this resolves; or, given offsets, of each of these
   * queues what is below its offset: `commit(new Map([[message, message.queueOffset + 1]]))`. Rejects where it cannot be stored.
   */
  async commit(offsets?: ReadonlyMap<MessageQueue, number>): Promise<void> {
    const engine = this.running()
    let error: unknown
    if (offsets === undefined) {
      engine.polled.acknowledge()
      engine.progress()
      error = await engine.persist(true)
    } else {
      if (!(offsets instanceof Map)) throw badOption('offsets', offsets, 'a Map of queues to offsets')
      error = await engine.commitAt(
        new Map(
          [...offsets].map(([queue, offset]) => [this.assigned(this.wireQueue(queue)), integer('offset', offset, 0)]),
        ),
      )
    }
    if (error !== undefined) throw asClientError(error)
  }

  /** What the group has stored of the queue; -1: nothing. */
  async committed(queue: MessageQueue): Promise<number> {
    const { calls } = this.running()
    return (await calls.queryConsumerOffset(this.wireQueue(queue))) ?? -1
  }

  /** The next message of the queue that is handed over is the one at this offset. Throws BAD_OPTION where the queue has none there. */
  async seek(queue: MessageQueue, offset: number): Promise<void> {
    const { calls } = this.running()
    const wired = this.wireQueue(queue)
    const [least, most] = await Promise.all([calls.minOffset(wired), calls.maxOffset(wired)])
    if (!Number.isSafeInteger(offset) || offset < least || offset > most) {
      throw new ClientError('BAD_OPTION', {
        what: `offset ${offset} of queue ${queue.queueId} of ${queue.topic} at ${queue.brokerName}`,
        hint: `the queue has ${least} to ${most}`,
      })
    }
    this.running().seek(this.assigned(wired), offset)
  }

  /** To the first message that the queue still has. */
  async seekToBegin(queue: MessageQueue): Promise<void> {
    const { calls } = this.running()
    const wired = this.wireQueue(queue)
    const offset = await calls.minOffset(wired)
    this.running().seek(this.assigned(wired), offset)
  }

  /** Behind the last message of the queue. */
  async seekToEnd(queue: MessageQueue): Promise<void> {
    const { calls } = this.running()
    const wired = this.wireQueue(queue)
    const offset = await calls.maxOffset(wired)
    this.running().seek(this.assigned(wired), offset)
  }

  /** Of the first message stored at that time or after. */
  async offsetForTimestamp(queue: MessageQueue, timestamp: Date | number): Promise<number> {
    integer('timestamp', Number(timestamp), 0)
    return this.running().calls.searchOffset(this.wireQueue(queue), Number(timestamp))
  }

  /** Nothing is pulled or handed over of these queues until resume(). */
  pause(queues: readonly MessageQueue[]): void {
    for (const queue of queues) this.running().setPaused(this.wireQueue(queue), true)
  }

  /** Ends pause(). */
  resume(queues: readonly MessageQueue[]): void {
    for (const queue of queues) this.running().setPaused(this.wireQueue(queue), false)
  }

  /** All readable queues of a topic. Throws ClientError NO_ROUTE. */
  async fetchMessageQueues(topic: string): Promise<MessageQueue[]> {
    this.running()
    const route = await this.instance!.routes.look(this.wire(topic))
    if (route !== undefined) return route.subscribeQueues.map((queue) => ({ ...queue, topic }))
    throw new ClientError('NO_ROUTE', {
      what: `no broker has topic ${topic}`,
      hint: 'create it first',
      retriable: true,
    })
  }

  /** The queues that are ours at the moment. */
  queues(): MessageQueue[] {
    const { namespace } = this.options
    const all = [...(this.engine?.rebalancer.assigned.values() ?? [])]
    return all.map(({ queue }) => ({ ...queue, topic: unwrapNamespace(namespace, queue.topic) }))
  }

  /**
   * Ends polls and iterations. With autoCommit, stores what counts as consumed; what was handed over last does not, unless commit() was
   * called. Never rejects.
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
    const { options, settings, subscriptions } = this
    const { signal } = options
    if (isAborted(signal)) {
      await this.close()
      throw abortedBy(signal!)
    }
    signal?.addEventListener('abort', this.onAbort)
    try {
      this.instance = obtainInstance(options)
      this.engine = new LiteEngine({
        instance: this.instance,
        settings,
        subscriptions,
        group: this.wire(this.group),
        offsetStoreFolder: this.given.offsetStoreFolder,
      })
      await this.engine.start()
      const { assignedByUser: fixed } = this
      if (fixed !== undefined) await this.engine.assign(fixed.queues, fixed.expression)
    } catch (error) {
      if (this.closing !== undefined) throw this.closedError()
      // All is as before: it may be started again.
      await this.leave()
      throw error
    }
  }

  private async end(): Promise<void> {
    this.closed.abort()
    await this.leave()
  }

  private async leave(): Promise<void> {
    const { engine, instance } = this
    this.engine = this.instance = undefined
    this.options.signal?.removeEventListener('abort', this.onAbort)
    await engine?.close()
    if (instance !== undefined) await releaseInstance(instance)
  }

  /** The next messages of one queue; undefined: none within `timeout`, or the consumer was closed, or the signal aborted. */
  private async next(
    engine: LiteEngine,
    count: number,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Handed | undefined> {
    await engine.commitInTime()
    const until = engine.now() + timeout
    for (;;) {
      if (this.closing !== undefined || isAborted(signal)) return undefined
      const handed = engine.polled.take(count, engine.now())
      if (handed !== undefined) return handed
      const left = until - engine.now()
      if (left <= 0) return undefined
      const { elapsed, wake } = engine.waits.waitOrWake(left)
      engine.polled.whenReady(wake)
      for (const end of [signal, this.closed.signal]) end?.addEventListener('abort', wake)
      await elapsed
      for (const end of [signal, this.closed.signal]) end?.removeEventListener('abort', wake)
      engine.polled.whenReady(undefined)
    }
  }

  private shown(message: ReceivedMessage): ReceivedMessage {
    message.topic = unwrapNamespace(this.options.namespace, message.topic)
    return message
  }

  private assigned(queue: MessageQueue): AssignedQueue {
    const found = this.running().find(queue)
    if (found !== undefined) return found
    throw new ClientError('BAD_OPTION', {
      what: `queue ${queue.queueId} of ${queue.topic} at ${queue.brokerName} is not this consumer's`,
      hint: 'queues() says which are',
    })
  }

  private running(): LiteEngine {
    if (this.engine !== undefined && this.closing === undefined) return this.engine
    throw this.notRunning()
  }

  private closedError(): ClientError {
    return new ClientError('CLIENT_CLOSED', { what: `consumer ${this.group} is closed` })
  }

  private notRunning(): ClientError {
    if (this.closing !== undefined) return this.closedError()
    return new ClientError('CLIENT_CLOSED', {
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

  private wireQueue({ topic, brokerName, queueId }: MessageQueue): MessageQueue {
    const wired = this.wire(topic)
    return this.instance?.routes.queue(wired, brokerName, queueId) ?? { topic: wired, brokerName, queueId }
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function eitherOr(): ClientError {
  return new ClientError('BAD_OPTION', {
    what: 'a consumer either shares the queues of its topics, or is assigned queues',
    hint: 'use subscribe() or assign(), not both',
  })
}

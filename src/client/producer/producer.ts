/**
 * The producer: sends, alone, in batches, in order, in transactions, as requests.
 *
 *   await using producer = new Producer({ nameserver: 'localhost:9876', group: 'orders' })
 *   await producer.send({ topic: 'orders', body: 'hello', tags: 'new', keys: '42' })
 *
 * It connects when it is first used. close() waits for what is under way.
 */
import { abortedBy, ClientError, orAborted } from '../errors.ts'
import type { ClientInstance } from '../instance.ts'
import { obtainInstance, releaseInstance } from '../instances.ts'
import { badMessage, checkMessage, checkTopic, type Message } from '../message/message.ts'
import type { MessageExt } from '../message/message-ext.ts'
import { PROPERTY } from '../message/property-names.ts'
import { unwrapNamespace, wrapNamespace } from '../namespace.ts'
import { badOption } from '../options.ts'
import type { MessageQueue } from '../route.ts'
import { TraceDispatcher } from '../trace.ts'
import { batchesOf, runsOf } from './batch.ts'
import { type ProducerOptions, type ResolvedProducerOptions, resolveProducerOptions } from './options.ts'
import { type Extra, HALF, type Outgoing, pack } from './outgoing.ts'
import { ProducerTrace } from './producer-trace.ts'
import { checkSelector, pick, queueByHash } from './queue-choice.ts'
import { type Reply, repliesFor, replyTo } from './request-reply.ts'
import { sendBatches } from './send-batches.ts'
import {
  checkTimeout,
  type LocalTransaction,
  type MessageQueueSelector,
  type RequestOptions,
  type SendOptions,
  type TransactionOptions,
} from './send-options.ts'
import type { SendResult } from './send-result.ts'
import { Sender } from './sender.ts'
import { decide, endTransaction, serveChecks, type TransactionSendResult } from './transaction.ts'

/** Sends messages: alone, in batches, in order, in transactions, as requests. Connects when it is first used. */
export class Producer implements AsyncDisposable {
  /** Name of its group. */
  readonly group: string
  /** As brokers know it. */
  readonly clientId: string
  private readonly options: ResolvedProducerOptions
  private readonly instance: ClientInstance
  private readonly sender: Sender
  /** In its namespace. */
  private readonly groupOnWire: string
  private readonly trace: ProducerTrace | undefined
  private readonly endings: (() => void)[] = []
  /** Local transactions and replies that are not told yet. */
  private readonly under = new Set<Promise<unknown>>()
  private closing: Promise<void> | undefined

  /** Throws ClientError BAD_OPTION, or GROUP_IN_USE with a shared instanceName. */
  constructor(options: ProducerOptions) {
    this.options = resolveProducerOptions(options)
    const { group, namespace, clientId, signal, checkLocalTransaction } = this.options
    if (signal?.aborted === true) throw abortedBy(signal)
    this.group = group
    this.clientId = clientId
    this.groupOnWire = wrapNamespace(namespace, group)
    this.instance = obtainInstance(this.options)
    this.sender = new Sender(this.instance, this.groupOnWire, this.options)
    try {
      this.instance.registerProducer({ group: this.groupOnWire, topics: () => this.sender.topics })
    } catch (error) {
      void releaseInstance(this.instance)
      throw error
    }
    this.trace = this.options.enableMsgTrace ? this.makeTrace() : undefined
    if (checkLocalTransaction !== undefined) {
      const { instance, groupOnWire } = this
      const onEnd = this.trace === undefined ? {} : { onEnd: this.trace.onEnd }
      this.endings.push(
        serveChecks({ instance, group: groupOnWire, namespace, listener: checkLocalTransaction, ...onEnd }),
      )
    }
    if (signal !== undefined) {
      const onAbort = () => void this.close()
      signal.addEventListener('abort', onAbort, { once: true })
      this.endings.push(() => signal.removeEventListener('abort', onAbort))
    }
  }

  /**
   * Looks up the routes of topics before the first send, so that it need not, and says at once where something is wrong.
   * Not needed. Rejects with ClientError NO_NAMESRV or NO_ROUTE.
   */
  async start(...topics: string[]): Promise<void> {
    this.checkOpen()
    await Promise.all(topics.map((topic) => this.fetchPublishMessageQueues(topic)))
    if (topics.length === 0) await this.instance.routes.look(this.options.createTopicKey)
    await this.instance.heartbeat()
  }

  /** Resolves when the broker has it, after further tries at other brokers where one fails. */
  send(message: Message, options?: SendOptions): Promise<SendResult> {
    return this.closing === undefined ? this.sendTo(message, undefined, options) : this.refused()
  }

  /** Resolves when it is written to the socket. Nobody knows whether the broker took it; nothing is tried again. */
  async sendOneway(message: Message, queue?: MessageQueue): Promise<void> {
    this.checkOpen()
    checkMessage(message)
    const out = pack(message, this.options, this.instance.now())
    await this.track(this.sender.oneway(out, queue === undefined ? undefined : this.queueOnWire(message, queue)))
  }

  /** To that queue, with one try. */
  sendToQueue(message: Message, queue: MessageQueue, options?: SendOptions): Promise<SendResult> {
    return this.closing === undefined ? this.sendTo(message, queue, options, undefined, true) : this.refused()
  }

  /** Messages with the same key go to the same queue, one after the other if each send is awaited. One try. */
  sendOrderly(message: Message, shardingKey: string, options?: SendOptions): Promise<SendResult> {
    if (typeof shardingKey !== 'string') {
      return Promise.reject(badOption('shardingKey', shardingKey, 'a text: what belongs together has the same'))
    }
    return this.sendBySelector(message, (queues) => queueByHash(queues, shardingKey), options)
  }

  /** To the queue that the selector picks, with one try. */
  async sendBySelector(message: Message, selector: MessageQueueSelector, options?: SendOptions): Promise<SendResult> {
    this.checkOpen()
    checkMessage(message)
    checkTopic(message.topic)
    checkSelector(selector)
    return this.track(this.select(message, selector, options))
  }

  private async select(message: Message, selector: MessageQueueSelector, options?: SendOptions): Promise<SendResult> {
    const queue = pick(await this.queuesOf(message.topic), message, selector)
    return await this.sendTo(message, queue, options)
  }

  /**
   * Messages of one topic travel together, cut into as many requests as the size limit needs; those of several topics are
   * sent topic by topic. The results are in the order of the messages. When a request fails, ClientError.sent has the results
   * of the messages that are stored.
   */
  async sendBatch(
    messages: readonly Message[],
    options: SendOptions & { queue?: MessageQueue } = {},
  ): Promise<SendResult[]> {
    this.checkOpen()
    const { timeout, signal, queue } = options
    if (!Array.isArray(messages)) throw badMessage(`the messages of a batch are ${typeof messages}`, 'give a list')
    checkTimeout(timeout)
    const batches = runsOf(messages).flatMap((run) => batchesOf(run, this.options, this.instance.now()))
    const at = new Map(
      queue === undefined ? [] : messages.map((message) => [message.topic, this.queueOnWire(message, queue)]),
    )
    return this.track(
      sendBatches(messages, batches, {
        send: ({ outgoing, messages: [{ topic }] }) => this.sender.send(outgoing, timeout, at.get(topic)),
        sent: (message, result, out) => this.trace?.sent(message, result, out),
        signal,
      }),
    )
  }

  /**
   * Sends a half message, which consumers do not see, runs the local transaction, and tells the broker to commit or to drop it.
   * Where that is not told, the broker asks checkLocalTransaction. A local transaction that throws is UNKNOW.
   */
  async sendInTransaction(
    message: Message,
    executeLocalTransaction: LocalTransaction,
    options: TransactionOptions = {},
  ): Promise<TransactionSendResult> {
    this.checkOpen()
    checkMessage(message)
    if (this.options.checkLocalTransaction === undefined || typeof executeLocalTransaction !== 'function') {
      throw new ClientError('BAD_LISTENER', {
        what: `producer ${this.group} has no ${typeof executeLocalTransaction === 'function' ? 'checkLocalTransaction' : 'local transaction'}`,
        hint: 'give the option checkLocalTransaction: the broker asks what became of a transaction that it hears nothing of',
      })
    }
    const { checkImmunityTime, ...sendOptions } = options
    // A half message has no delay: it becomes visible when it is committed.
    const { delayTimeLevel: _, ...half } = message
    const own: [string, string][] = [
      [PROPERTY.transactionPrepared, 'true'],
      [PROPERTY.producerGroup, this.groupOnWire],
    ]
    if (checkImmunityTime !== undefined) own.push([PROPERTY.checkImmunity, String(checkImmunityTime)])
    const sent = this.sendTo(half, undefined, sendOptions, { own, sysFlag: HALF })
    return this.track(sent.then((result) => this.finish(message, result, executeLocalTransaction)))
  }

  /** Sends a request and waits for its reply. Rejects with ClientError REQUEST_TIMEOUT when none comes in time. */
  async request(message: Message, options: RequestOptions = {}): Promise<Reply> {
    this.checkOpen()
    return this.track(this.ask(message, options))
  }

  private async ask(message: Message, options: RequestOptions): Promise<Reply> {
    checkMessage(message)
    checkTopic(message.topic)
    const { timeout = this.options.sendMsgTimeout, signal, selector } = options
    checkTimeout(timeout)
    if (selector !== undefined) checkSelector(selector)
    const isNew = this.instance.routes.known(wrapNamespace(this.options.namespace, message.topic)) === undefined
    const queues = await this.queuesOf(message.topic)
    const queue = selector === undefined ? options.queue : pick(queues, message, selector)
    // The broker pushes the reply to a client that it knows.
    if (isNew) await this.instance.heartbeat()
    const { properties, reply, fail } = repliesFor(this.instance).expect(timeout)
    reply.catch(() => {})
    try {
      await this.sendTo(message, queue, { ...options, timeout }, { own: properties })
      return await orAborted(reply, signal)
    } catch (error) {
      if (error instanceof ClientError) fail(error)
      throw error
    }
  }

  /** Answers a message that was sent with request(). Resolves when the client that waits has it. */
  async reply(
    request: MessageExt,
    reply: string | Uint8Array | Omit<Message, 'topic'>,
    options?: SendOptions,
  ): Promise<SendResult> {
    this.checkOpen()
    checkMessage(request)
    const { topic, own } = replyTo(request)
    const message: Message =
      typeof reply === 'string' || reply instanceof Uint8Array ? { topic, body: reply } : { ...reply, topic }
    return this.sendTo(message, undefined, options, { kind: 'reply', own, plainTopic: true })
  }

  /** The queues that can be written to. Rejects with ClientError NO_ROUTE or NO_NAMESRV. */
  async fetchPublishMessageQueues(topic: string): Promise<MessageQueue[]> {
    this.checkOpen()
    checkTopic(topic)
    return this.queuesOf(topic)
  }

  private async queuesOf(topic: string): Promise<MessageQueue[]> {
    const { namespace } = this.options
    const queues = await this.sender.publishQueues(wrapNamespace(namespace, topic))
    return namespace === ''
      ? [...queues]
      : queues.map((queue) => ({ ...queue, topic: unwrapNamespace(namespace, queue.topic) }))
  }

  /**
   * Waits for sends, requests, local transactions and traces under way, leaves the group, closes connections. Never rejects. Not to be
   * awaited in a local transaction: that waits for itself.
   */
  close(): Promise<void> {
    this.closing ??= (async () => {
      await Promise.allSettled([...this.under])
      await this.sender.idle()
      for (const end of this.endings) end()
      await this.trace?.close()
      await this.instance.unregisterProducer(this.groupOnWire)
      await releaseInstance(this.instance)
    })()
    return this.closing
  }

  /** close(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private sendTo(
    message: Message,
    queue: MessageQueue | undefined,
    options: SendOptions | undefined,
    extra?: Extra,
    mustHaveQueue = false,
  ): Promise<SendResult> {
    let out: Outgoing
    let at: MessageQueue | undefined
    try {
      if (options?.signal?.aborted === true) throw abortedBy(options.signal)
      checkMessage(message)
      checkTimeout(options?.timeout)
      out = pack(message, this.options, this.instance.now(), extra)
      if (queue !== undefined || mustHaveQueue) at = this.queueOnWire(message, queue)
    } catch (error) {
      return Promise.reject(error)
    }
    let sending = this.sender.send(out, options?.timeout, at)
    const { trace } = this
    if (trace !== undefined) {
      sending = sending.then((result) => {
        trace.sent(message, result, out)
        return result
      })
    }
    return options?.signal === undefined ? sending : orAborted(sending, options.signal)
  }

  private async finish(
    message: Message,
    result: SendResult,
    executeLocalTransaction: LocalTransaction,
  ): Promise<TransactionSendResult> {
    // What is not stored as safely as was asked for is not to become visible.
    const { state, error } =
      result.sendStatus === 'SEND_OK'
        ? await decide(() => executeLocalTransaction(message, result))
        : { state: 'ROLLBACK_MESSAGE' as const, error: undefined }
    try {
      const onWire = { ...result, messageQueue: this.onWire(result.messageQueue) }
      await endTransaction(this.instance, this.groupOnWire, onWire, state, error)
      this.trace?.onEnd({ state, msgId: result.msgId, fromCheck: false })
    } catch (failure) {
      this.instance.log.warn(`the end of transaction ${result.msgId} was not told: ${String(failure)}`)
    }
    return { ...result, localTransactionState: state, localException: error }
  }

  /** Throws ClientError BAD_OPTION: it is none, or another topic's. */
  private queueOnWire({ topic }: Message, queue: MessageQueue | undefined): MessageQueue {
    if (typeof queue?.brokerName === 'string' && Number.isInteger(queue.queueId) && queue.topic === topic) {
      return this.onWire(queue)
    }
    const hint = `a queue of topic ${topic}: fetchPublishMessageQueues() gives them`
    throw badOption('queue', JSON.stringify(queue), hint)
  }

  private onWire(queue: MessageQueue): MessageQueue {
    const { namespace } = this.options
    return namespace === '' ? queue : { ...queue, topic: wrapNamespace(namespace, queue.topic) }
  }

  private makeTrace(): ProducerTrace {
    const { group, traceTopic: topic } = this.options
    const dispatcher = new TraceDispatcher(this.instance, { group, topic, kind: 'PRODUCE' }, this.options)
    return new ProducerTrace(dispatcher, this.instance, group)
  }

  private track<T>(promise: Promise<T>): Promise<T> {
    this.under.add(promise)
    const ended = () => this.under.delete(promise)
    promise.then(ended, ended)
    return promise
  }

  private checkOpen(): void {
    if (this.closing !== undefined) throw this.closedError()
  }

  private refused(): Promise<never> {
    return Promise.reject(this.closedError())
  }

  private closedError(): ClientError {
    return new ClientError('CLIENT_CLOSED', { what: `producer ${this.group} is closed` })
  }
}

/**
 * Sends: route, queue, one try after the other until the broker has it or the time is over.
 *
 *   send ─► queue known, connection open? ─ yes ─► written now ──────────► answer ─► SendResult
 *                    │                                  ▲                    │
 *                    └─ no ─► route, connection, room ──┘◄── again ◄── failed, tries and time left
 *
 * Owns:      what is in flight of one producer.
 * Invariant: a message has one id over all its tries; a send ends once.
 * Bounds:    a connection that has more than ROOM bytes to write is waited for; beyond the time of the send it fails.
 * Rules:     spec/client-behaviour.md §3.
 */
import { RemotingError } from '../../errors.ts'
import { FLAG_ONEWAY, type RemotingCommand } from '../../remoting/command.ts'
import type { Connection } from '../../remoting/connection.ts'
import type { SentAnswer } from '../../remoting/hot/index.ts'
import { inTime } from '../../remoting/in-time.ts'
import { type AnswerWaiter, nextOpaque } from '../../remoting/pending-answers.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { asClientError, ClientError, refusedBy } from '../errors.ts'
import type { ClientInstance } from '../instance.ts'
import { unwrapNamespace } from '../namespace.ts'
import type { MessageQueue } from '../route.ts'
import { portFor } from '../vip.ts'
import type { ResolvedProducerOptions } from './options.ts'
import type { Outgoing } from './outgoing.ts'
import { QueueChoice } from './queue-choice.ts'
import { CODE, SendFrames } from './send-frame.ts'
import { resultOf, resultOfSent, type SendResult, statusOf } from './send-result.ts'

export type SenderOptions = Pick<
  ResolvedProducerOptions,
  | ('namespace' | 'unitMode' | 'vipChannel' | 'acl' | 'headers')
  | ('sendMsgTimeout' | 'retryTimesWhenSendFailed' | 'retryAnotherBrokerWhenNotStoreOK')
  | ('defaultTopicQueueNums' | 'createTopicKey' | 'sendLatencyFaultEnable')
>

/** Refusals after which another broker may take it (those of 5.x: 4.9 leaves out busy and going away). */
const TRY_AGAIN: ReadonlySet<number> = new Set([
  RESPONSE.TOPIC_NOT_EXIST,
  RESPONSE.SERVICE_NOT_AVAILABLE,
  RESPONSE.SYSTEM_ERROR,
  RESPONSE.SYSTEM_BUSY,
  RESPONSE.NO_PERMISSION,
  RESPONSE.NO_BUYER_ID,
  RESPONSE.NOT_IN_CURRENT_UNIT,
  RESPONSE.GO_AWAY,
])

/** Bytes that may wait on a connection before sends wait for it. */
const ROOM = 4 * 1024 * 1024
/** Before the same broker is tried again: it was busy, or has just gone. */
const PAUSE_MS = 50
const LOOK_EVERY_MS = 1000

const FINAL: ReadonlySet<string> = new Set(['REFUSED', 'SEND_FAILED', 'CLIENT_CLOSED'])

/** The ends of the promise that was made last: one closure for all sends. */
const ends: { resolve(result: SendResult): void; reject(error: unknown): void } = { resolve() {}, reject() {} }
function keepEnds(resolve: (result: SendResult) => void, reject: (error: unknown) => void): void {
  ends.resolve = resolve
  ends.reject = reject
}

/** One send over its tries. Waits for the answer to its first, where that was written at once. */
class Sending implements AnswerWaiter {
  readonly out: Outgoing
  readonly began: number
  readonly deadline: number
  /** Given: no other queue is tried. */
  readonly fixed: MessageQueue | undefined
  readonly promise: Promise<SendResult>
  readonly resolve: (result: SendResult) => void
  readonly reject: (error: unknown) => void
  tries = 0
  failedBroker: string | undefined = undefined
  error: ClientError | undefined = undefined
  /** Of the first try. */
  queue: MessageQueue | undefined = undefined
  connection: Connection | undefined = undefined
  private readonly sender: Sender

  constructor(sender: Sender, out: Outgoing, began: number, timeoutMs: number, fixed: MessageQueue | undefined) {
    this.sender = sender
    this.out = out
    this.began = began
    this.deadline = began + timeoutMs
    this.fixed = fixed
    this.promise = new Promise(keepEnds)
    this.resolve = ends.resolve
    this.reject = ends.reject
  }

  answered(answer: RemotingCommand): void {
    this.sender.answered(this, answer)
  }

  sent(it: SentAnswer): void {
    this.sender.sent(this, it)
  }

  failed(error: unknown): void {
    this.sender.lost(this, error)
  }
}

export class Sender {
  readonly choice: QueueChoice
  /** Topics that were sent to, in their namespace: their routes are looked after. */
  readonly topics = new Set<string>()
  private readonly instance: ClientInstance
  private readonly options: SenderOptions
  private readonly frames: SendFrames
  private readonly isPlain: boolean
  private inFlight = 0
  private idlers: (() => void)[] = []
  private lookedAt = 0

  /** `group`: in its namespace. */
  constructor(instance: ClientInstance, group: string, options: SenderOptions) {
    this.instance = instance
    this.options = options
    const { createTopicKey, defaultTopicQueueNums, unitMode, acl, headers } = options
    this.frames = new SendFrames({ group, createTopicKey, defaultTopicQueueNums, unitMode })
    this.isPlain = acl === undefined && headers === 'JSON'
    this.choice = new QueueChoice(options.sendLatencyFaultEnable, (brokerName) => this.isReachable(brokerName))
  }

  /** Sends under way. */
  get pending(): number {
    return this.inFlight
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.idlers.push(resolve))
  }

  /** With tries at other queues; `fixed`: one try at that queue. Rejects with ClientError. */
  send(out: Outgoing, timeoutMs = this.options.sendMsgTimeout, fixed?: MessageQueue): Promise<SendResult> {
    const began = this.instance.now()
    this.inFlight += 1
    const sending = new Sending(this, out, began, timeoutMs, fixed)
    const queue = fixed ?? this.nextQueue(out.topic, undefined, began)
    const connection = queue === undefined ? undefined : this.openTo(queue.brokerName)
    if (queue === undefined || connection === undefined || connection.isAwaited || isFull(connection)) {
      this.go(sending, queue)
      return sending.promise
    }
    sending.tries = 1
    sending.queue = queue
    sending.connection = connection
    this.request(connection, out, queue.queueId, timeoutMs, sending)
    return sending.promise
  }

  /** The first try has an answer. */
  answered(sending: Sending, answer: RemotingCommand): void {
    const { queue, connection } = sending
    try {
      const result = this.judge(sending, queue as MessageQueue, connection as Connection, answer)
      if (result === undefined) {
        this.go(sending, undefined)
        return
      }
      sending.resolve(result)
    } catch (error) {
      sending.reject(error)
    }
    this.end()
  }

  /** The first try is stored: what answered() makes of it, in one step. */
  sent(sending: Sending, it: SentAnswer): void {
    const queue = sending.queue as MessageQueue
    const { faults } = this.choice
    if (faults !== undefined) {
      const now = this.instance.now()
      faults.took(queue.brokerName, now - sending.began, false, now)
    }
    sending.resolve(resultOfSent(it, sending.out.msgId, this.shown(queue)))
    this.end()
  }

  /** The first try has none. */
  lost(sending: Sending, error: unknown): void {
    this.note(sending, sending.queue as MessageQueue, sending.connection, error)
    this.go(sending, undefined)
  }

  /** Resolves when it is written: nobody knows whether the broker took it. */
  async oneway(out: Outgoing, fixed?: MessageQueue): Promise<void> {
    const { sendMsgTimeout } = this.options
    const queue = fixed ?? (await this.queueFor(out.topic, undefined))
    const connection = await this.connect(queue, sendMsgTimeout)
    const deadline = this.instance.now() + sendMsgTimeout
    while (isFull(connection)) await this.room(connection, out, queue, deadline)
    if (this.isPlain) this.frames.write(connection, out, queue.queueId, nextOpaque(), FLAG_ONEWAY)
    else connection.oneway(this.instance.remoting.prepared(this.frames.command(out, queue.queueId)))
  }

  /** The topic's writable queues, in its namespace. Rejects with ClientError NO_ROUTE or NO_NAMESRV. */
  async publishQueues(topic: string): Promise<readonly MessageQueue[]> {
    this.topics.add(topic)
    const { routes } = this.instance
    const known = routes.known(topic)?.publishQueues ?? []
    if (known.length > 0) return known
    const { createTopicKey, defaultTopicQueueNums } = this.options
    const route = (await routes.look(topic)) ?? (await routes.lookAsNew(topic, createTopicKey, defaultTopicQueueNums))
    if (route !== undefined && route.publishQueues.length > 0) return route.publishQueues
    throw new ClientError('NO_ROUTE', {
      what:
        route === undefined
          ? `no broker has topic ${topic}, and none creates it`
          : `no broker takes messages to topic ${topic}: no master is up, or none of its queues is writable`,
      hint: 'create the topic ("basaltmq admin topic create"), or see whether the brokers are up',
      retriable: true,
    })
  }

  /** Tries until one ends the send. `first`: the queue that was chosen already. */
  private async run(sending: Sending, first: MessageQueue | undefined): Promise<SendResult> {
    const { out, fixed } = sending
    const most = fixed === undefined ? 1 + this.options.retryTimesWhenSendFailed : 1
    let chosen = first
    while (sending.tries < most) {
      const queue = chosen ?? fixed ?? (await this.queueFor(out.topic, sending.failedBroker))
      chosen = undefined
      if (sending.failedBroker === queue.brokerName) await this.instance.timers.sleep(PAUSE_MS * sending.tries)
      const left = sending.deadline - this.instance.now()
      if (left <= 0) break
      sending.tries += 1
      let connection: Connection | undefined
      try {
        connection = await this.connect(queue, left)
        while (isFull(connection)) await this.room(connection, out, queue, sending.deadline)
        const timeoutMs = Math.max(1, sending.deadline - this.instance.now())
        const answer = await this.answerOf(connection, out, queue.queueId, timeoutMs)
        const result = this.judge(sending, queue, connection, answer)
        if (result !== undefined) return result
      } catch (error) {
        if (error instanceof ClientError && FINAL.has(error.code)) throw error
        this.note(sending, queue, connection, error)
      }
    }
    throw this.gaveUp(sending)
  }

  /** The result; undefined: try again. Throws ClientError REFUSED. */
  private judge(
    sending: Sending,
    queue: MessageQueue,
    connection: Connection,
    answer: RemotingCommand,
  ): SendResult | undefined {
    const status = statusOf(answer.code)
    const { faults } = this.choice
    if (faults !== undefined) {
      const now = this.instance.now()
      faults.took(queue.brokerName, now - sending.began, status === undefined, now)
    }
    const canRetry = sending.fixed === undefined && sending.tries <= this.options.retryTimesWhenSendFailed
    if (status === undefined) {
      const error = refusedBy(connection.attachment as string, CODE[sending.out.kind], answer)
      if (!canRetry || !TRY_AGAIN.has(answer.code)) {
        if (sending.tries === 1) throw error
        sending.error = error
        throw this.gaveUp(sending)
      }
      sending.error = error
      sending.failedBroker = queue.brokerName
      return undefined
    }
    if (status !== 'SEND_OK' && this.options.retryAnotherBrokerWhenNotStoreOK && canRetry) {
      sending.failedBroker = queue.brokerName
      return undefined
    }
    return resultOf(status, answer, sending.out.msgId, this.shown(queue))
  }

  /** A try without an answer. */
  private note(sending: Sending, queue: MessageQueue, connection: Connection | undefined, error: unknown): void {
    const failure = asClientError(error, this.instance.routes.masterOf(queue.brokerName))
    if (failure.code === 'TIMEOUT' && connection !== undefined && connection.lastRead <= sending.began) {
      // Nothing was heard since: the network may be open on this side alone.
      connection.close('no answer to a send')
    }
    const now = this.instance.now()
    this.choice.faults?.took(queue.brokerName, now - sending.began, true, now)
    sending.error = failure
    sending.failedBroker = queue.brokerName
    if (now - this.lookedAt < LOOK_EVERY_MS || this.instance.isClosed) return
    // Another broker may have its place by now.
    this.lookedAt = now
    this.instance.routes.look(sending.out.topic).catch(() => {})
  }

  private gaveUp({ out, tries, error, began }: Sending): ClientError {
    if (error !== undefined && tries <= 1) return error
    return new ClientError('SEND_FAILED', {
      what: `a message to ${out.topic} was not sent: ${tries} ${tries === 1 ? 'try' : 'tries'} in ${this.instance.now() - began} ms${error === undefined ? '' : `, the last: ${error.message}`}`,
      address: error?.address,
      hint: 'look at the broker; send again with the same content if a repeated message does no harm',
      retriable: error?.retriable ?? true,
      ...(error?.answerCode !== undefined && { answerCode: error.answerCode }),
      cause: error,
    })
  }

  private request(c: Connection, out: Outgoing, queueId: number, timeoutMs: number, waiter: AnswerWaiter): void {
    const opaque = nextOpaque()
    try {
      if (this.isPlain) this.frames.write(c, out, queueId, opaque, 0)
      else c.send({ ...this.instance.remoting.prepared(this.frames.command(out, queueId)), opaque })
    } catch (error) {
      waiter.failed(error)
      return
    }
    c.expect(opaque, CODE[out.kind], timeoutMs, waiter)
  }

  private answerOf(c: Connection, out: Outgoing, queueId: number, timeoutMs: number): Promise<RemotingCommand> {
    return new Promise((answered, failed) => this.request(c, out, queueId, timeoutMs, { answered, failed }))
  }

  private nextQueue(topic: string, failed: string | undefined, now: number): MessageQueue | undefined {
    const queues = this.instance.routes.known(topic)?.publishQueues
    this.topics.add(topic)
    return queues === undefined || queues.length === 0 ? undefined : this.choice.next(topic, queues, failed, now)
  }

  private async queueFor(topic: string, failed: string | undefined): Promise<MessageQueue> {
    return this.choice.next(topic, await this.publishQueues(topic), failed, this.instance.now())
  }

  /** An open connection to the broker's master, if there is one. */
  private openTo(brokerName: string): Connection | undefined {
    const { routes, remoting } = this.instance
    const address = routes.masterOf(brokerName)
    return address === undefined ? undefined : remoting.opened(this.portOf(address))
  }

  private async connect(queue: MessageQueue, timeoutMs: number): Promise<Connection> {
    const address = this.portOf(await this.instance.masterOf(queue.brokerName, queue.topic))
    try {
      return await this.instance.remoting.connection(address, timeoutMs)
    } catch (error) {
      throw asClientError(error, address)
    }
  }

  /** Somebody else may have filled it again: whoever writes looks once more, with no wait between. */
  private room(connection: Connection, out: Outgoing, { brokerName }: MessageQueue, deadline: number): Promise<void> {
    const late = () =>
      new RemotingError('TIMEOUT', {
        what: `the connection to ${brokerName} takes no more bytes: ${connection.pendingBytes} wait to be written`,
        where: connection.remoteAddress,
        retriable: true,
      })
    return inTime(connection.drained(ROOM, out.body.length), deadline - this.instance.now(), late)
  }

  private portOf(address: string): string {
    return this.options.vipChannel ? portFor(CODE.message, address, true) : address
  }

  private isReachable(brokerName: string): boolean {
    const address = this.instance.routes.masterOf(brokerName)
    return address !== undefined && this.instance.remoting.isReachable(this.portOf(address))
  }

  private shown(queue: MessageQueue): MessageQueue {
    const { namespace } = this.options
    return namespace === '' ? queue : { ...queue, topic: unwrapNamespace(namespace, queue.topic) }
  }

  /** The tries from here on. */
  private go(sending: Sending, queue: MessageQueue | undefined): void {
    this.run(sending, queue)
      .then(sending.resolve, sending.reject)
      .finally(() => this.end())
  }

  private end(): void {
    this.inFlight -= 1
    if (this.inFlight > 0 || this.idlers.length === 0) return
    const idlers = this.idlers
    this.idlers = []
    for (const resolve of idlers) resolve()
  }
}

function isFull(connection: Connection): boolean {
  return connection.pendingBytes > ROOM && !connection.closed
}

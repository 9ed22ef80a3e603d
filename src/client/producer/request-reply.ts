/**
 * Request–reply: a request is a message that names who waits; the reply goes to the broker, which pushes it to the client
 * that waits (spec/client-behaviour.md §5, spec/broker-requests.md §6).
 */
import { randomUUID } from 'node:crypto'
import { answerTo, type RemotingCommand } from '../../remoting/command.ts'
import { REQUEST } from '../../remoting/request-codes.ts'
import { RESPONSE } from '../../remoting/response-codes.ts'
import { decodeHeader } from '../../remoting/schema.ts'
import { PUSH_REPLY_MESSAGE_TO_CLIENT } from '../../remoting/schemas/index.ts'
import { parseProperties } from '../../store/commitlog/properties.ts'
import { ClientError } from '../errors.ts'
import type { ClientInstance } from '../instance.ts'
import { compressionOf, decompress } from '../message/compression.ts'
import type { MessageExt } from '../message/message-ext.ts'
import { PROPERTY } from '../message/property-names.ts'
import type { Timer } from '../timers.ts'

/** What came back to a request. */
export interface Reply {
  /** As it was replied, decompressed. */
  readonly body: Buffer
  /** Of the reply. */
  readonly tags: string | undefined
  /** Of the reply. */
  readonly keys: readonly string[]
  /** All of them, the client's own among them. */
  readonly properties: Readonly<Record<string, string>>
  /** What who replied put there. */
  readonly flag: number
  /** Milliseconds since 1970, by the clock of who replied. */
  readonly bornTimestamp: number
  /** Milliseconds since 1970, by the broker's clock. */
  readonly storeTimestamp: number
  /** "ip:port" of who replied. */
  readonly bornHost: string
  /** "ip:port" of the broker. */
  readonly storeHost: string
}

interface Waiter {
  resolve(reply: Reply): void
  reject(error: ClientError): void
  readonly timer: Timer
}

/** Requests of one instance that wait for their replies. */
export class Replies {
  private readonly instance: ClientInstance
  private readonly waiters = new Map<string, Waiter>()

  constructor(instance: ClientInstance) {
    this.instance = instance
    // A reply that comes too late is no error of who replied.
    instance.serve(REQUEST.PUSH_REPLY_MESSAGE_TO_CLIENT, (command) => this.take(command))
  }

  /** Properties of a request, and its reply. */
  expect(timeoutMs: number): { properties: [string, string][]; reply: Promise<Reply>; fail(error: ClientError): void } {
    const correlationId = randomUUID()
    const fail = (error: ClientError) => this.remove(correlationId)?.reject(error)
    const reply = new Promise<Reply>((resolve, reject) => {
      const timer = this.instance.timers.after(timeoutMs, () =>
        fail(
          new ClientError('REQUEST_TIMEOUT', {
            what: `no reply to request ${correlationId} within ${timeoutMs} ms`,
            hint: 'see whether a consumer of the topic runs and replies; the request itself was sent',
            retriable: true,
          }),
        ),
      )
      this.waiters.set(correlationId, { resolve, reject, timer })
    })
    return {
      properties: [
        [PROPERTY.correlationId, correlationId],
        [PROPERTY.replyToClient, this.instance.clientId],
        [PROPERTY.ttl, String(timeoutMs)],
      ],
      reply,
      fail,
    }
  }

  private take(command: RemotingCommand): RemotingCommand {
    const header = decodeHeader(PUSH_REPLY_MESSAGE_TO_CLIENT, command.ext)
    const properties = Object.fromEntries(parseProperties(header.properties ?? ''))
    const waiter = this.remove(properties[PROPERTY.correlationId] ?? '')
    if (waiter !== undefined) {
      properties[PROPERTY.arriveTime] = String(this.instance.now())
      const body = Buffer.from(command.body ?? [])
      const type = compressionOf(header.sysFlag)
      waiter.resolve({
        body: type === undefined ? body : decompress(body, type),
        tags: properties[PROPERTY.tags],
        keys: properties[PROPERTY.keys]?.split(' ') ?? [],
        properties,
        flag: header.flag,
        bornTimestamp: header.bornTimestamp,
        storeTimestamp: header.storeTimestamp,
        bornHost: header.bornHost,
        storeHost: header.storeHost,
      })
    }
    return answerTo(command, RESPONSE.SUCCESS)
  }

  private remove(correlationId: string): Waiter | undefined {
    const waiter = this.waiters.get(correlationId)
    this.waiters.delete(correlationId)
    waiter?.timer.cancel()
    return waiter
  }
}

const repliesOf = new WeakMap<ClientInstance, Replies>()

/** Of all producers of an instance: a correlation id belongs to one of them only. */
export function repliesFor(instance: ClientInstance): Replies {
  let replies = repliesOf.get(instance)
  if (replies === undefined) {
    replies = new Replies(instance)
    repliesOf.set(instance, replies)
  }
  return replies
}

/** Where a reply goes and what says whose it is. Throws ClientError BAD_MESSAGE: the message is no request. */
export function replyTo(request: MessageExt): { topic: string; own: [string, string][] } {
  const { properties } = request
  const cluster = properties[PROPERTY.cluster]
  const correlationId = properties[PROPERTY.correlationId]
  const client = properties[PROPERTY.replyToClient]
  if (cluster === undefined || correlationId === undefined || client === undefined) {
    throw new ClientError('BAD_MESSAGE', {
      what: `message ${request.msgId} is no request: it has no ${PROPERTY.correlationId}, ${PROPERTY.replyToClient} or ${PROPERTY.cluster}`,
      hint: 'reply to messages that were sent with request()',
    })
  }
  return {
    topic: `${cluster}_REPLY_TOPIC`,
    own: [
      [PROPERTY.messageType, 'reply'],
      [PROPERTY.correlationId, correlationId],
      [PROPERTY.replyToClient, client],
      [PROPERTY.ttl, properties[PROPERTY.ttl] ?? '3000'],
    ],
  }
}

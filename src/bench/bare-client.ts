/**
 * A bare client for tests and experiments: one connection, requests by code, sends and pulls with the headers of Java's client.
 */
import { RemotingClient, type RemotingCommand, request } from '../remoting/index.ts'
import { decodeRecord } from '../store/commitlog/index.ts'

export interface SendOptions {
  queueId?: number
  properties?: Record<string, string>
  group?: string
  defaultTopicQueueNums?: number
}

export class BareClient {
  readonly remoting: RemotingClient
  readonly address: string

  constructor(address: string, onRequest?: (command: RemotingCommand) => RemotingCommand | undefined) {
    this.address = address
    this.remoting = new RemotingClient(onRequest === undefined ? {} : { onRequest })
  }

  invoke(code: number, ext: Record<string, string> = {}, body?: Uint8Array, timeoutMs = 10_000) {
    return this.remoting.invoke(this.address, request(code, ext, body), timeoutMs)
  }

  /** SEND_MESSAGE_V2. */
  send(topic: string, body: Uint8Array | string, options: SendOptions = {}, timeoutMs = 10_000) {
    const properties = Object.entries(options.properties ?? {}).map(([name, value]) => `${name}\u0001${value}`)
    const ext = {
      a: options.group ?? 'PG',
      b: topic,
      c: 'TBW102',
      d: String(options.defaultTopicQueueNums ?? 4),
      e: String(options.queueId ?? 0),
      f: '0',
      g: String(Date.now()),
      h: '0',
      i: properties.join('\u0002'),
      j: '0',
      k: 'false',
      m: 'false',
    }
    return this.invoke(310, ext, Buffer.from(body), timeoutMs)
  }

  /** PULL_MESSAGE, with the subscription in its header unless one is registered; `suspendMs` 0 does not hold. */
  async pull(
    topic: string,
    queueId: number,
    offset: number,
    options: {
      group?: string
      expression?: string
      type?: string
      count?: number
      suspendMs?: number
      /** The subscription of the group's heartbeat counts, which has this subVersion. */
      registered?: number
    } = {},
  ) {
    const suspendMs = options.suspendMs ?? 0
    const answer = await this.invoke(
      11,
      {
        consumerGroup: options.group ?? 'CG',
        topic,
        queueId: String(queueId),
        queueOffset: String(offset),
        maxMsgNums: String(options.count ?? 32),
        sysFlag: String((options.registered === undefined ? 4 : 0) | (suspendMs > 0 ? 2 : 0)),
        commitOffset: '0',
        suspendTimeoutMillis: String(suspendMs),
        subscription: options.expression ?? '*',
        subVersion: String(options.registered ?? 0),
        expressionType: options.type ?? 'TAG',
      },
      undefined,
      suspendMs + 15_000,
    )
    return {
      code: answer.code,
      remark: answer.remark,
      next: Number(answer.ext?.nextBeginOffset ?? -1),
      answer,
      messages: records(answer.body),
    }
  }

  /** Everything of a queue from `from` on, 21 and 20 followed as a consumer does. */
  async drain(topic: string, queueId: number, from = 0) {
    const messages: ReturnType<typeof records> = []
    for (let offset = from; ; ) {
      const { code, next, messages: some } = await this.pull(topic, queueId, offset)
      messages.push(...some)
      if (code === 19) return messages
      if (code !== 0 && code !== 20 && code !== 21) throw new Error(`pull of ${topic}/${queueId} at ${offset}: ${code}`)
      offset = next
    }
  }

  async close(): Promise<void> {
    await this.remoting.close()
  }
}

/** The records side by side in an answer's body. */
export function records(body: Uint8Array | undefined) {
  const messages: NonNullable<ReturnType<typeof decodeRecord>>[] = []
  if (body === undefined) return messages
  const bytes = Buffer.from(body)
  for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at)) {
    const message = decodeRecord(bytes.subarray(at, at + bytes.readInt32BE(at)))
    if (message === undefined) throw new Error(`no record at byte ${at} of the answer`)
    messages.push(message)
  }
  return messages
}

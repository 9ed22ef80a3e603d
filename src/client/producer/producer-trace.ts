/** What a producer tells the trace: a Pub record for every message that was sent, an EndTransaction record for every end. */
import type { ClientInstance } from '../instance.ts'
import type { Message } from '../message/message.ts'
import { PROPERTY } from '../message/property-names.ts'
import { TRACE_TYPE, type TraceDispatcher } from '../trace.ts'
import type { Outgoing } from './outgoing.ts'
import { HALF } from './outgoing.ts'
import type { SendResult } from './send-result.ts'
import type { EndListener, LocalTransactionState } from './transaction.ts'

interface HalfSent {
  readonly message: Message
  readonly result: SendResult
}

/** Half messages whose end is not told yet: the oldest go when there are more. */
const HALVES_MAX = 10_000

export class ProducerTrace {
  private readonly dispatcher: TraceDispatcher
  private readonly instance: ClientInstance
  private readonly group: string
  private readonly halves = new Map<string, HalfSent>()

  constructor(dispatcher: TraceDispatcher, instance: ClientInstance, group: string) {
    this.dispatcher = dispatcher
    this.instance = instance
    this.group = group
  }

  sent(message: Message, result: SendResult, out: Outgoing): void {
    const { dispatcher, instance, group } = this
    if (!result.traceOn || message.topic.startsWith(dispatcher.topic)) return
    const isHalf = (out.sysFlag & HALF) !== 0
    const type = isHalf ? TRACE_TYPE.half : (message.delayTimeLevel ?? 0) > 0 ? TRACE_TYPE.delay : TRACE_TYPE.normal
    const keys = keysOf(message)
    const cost = Math.max(0, instance.now() - out.bornTimestamp)
    const { regionId, msgId, offsetMsgId, sendStatus } = result
    dispatcher.add(
      regionId,
      [
        ...['Pub', out.bornTimestamp, regionId, group, message.topic, msgId, message.tags, keys],
        ...[this.hostOf(result), out.body.length, cost, type, offsetMsgId, sendStatus === 'SEND_OK'],
      ],
      [msgId, ...(keys?.split(' ') ?? [])],
    )
    if (!isHalf) return
    this.halves.set(msgId, { message, result })
    if (this.halves.size > HALVES_MAX) this.halves.delete(this.halves.keys().next().value ?? '')
  }

  readonly onEnd: EndListener = ({ state, msgId, fromCheck, message }) => {
    const half = this.halves.get(msgId)
    if (state !== 'UNKNOW') this.halves.delete(msgId)
    if (half !== undefined) {
      const { topic, tags } = half.message
      this.ended(
        state,
        msgId,
        fromCheck,
        half.result.regionId,
        topic,
        tags,
        keysOf(half.message),
        this.hostOf(half.result),
      )
    } else if (message !== undefined) {
      const { topic, tags, properties } = message
      const region = properties[PROPERTY.region] ?? 'DefaultRegion'
      this.ended(state, msgId, fromCheck, region, topic, tags, properties[PROPERTY.keys], message.storeHost)
    }
  }

  close(): Promise<void> {
    return this.dispatcher.close()
  }

  private ended(
    state: LocalTransactionState,
    msgId: string,
    fromCheck: boolean,
    region: string,
    topic: string,
    tags: string | undefined,
    keys: string | undefined,
    storeHost: string,
  ): void {
    this.dispatcher.add(
      region,
      [
        ...['EndTransaction', this.instance.now(), region, this.group, topic, msgId, tags, keys, storeHost],
        ...[TRACE_TYPE.commit, msgId, state, fromCheck],
      ],
      [msgId, ...(keys?.split(' ') ?? [])],
    )
  }

  private hostOf({ messageQueue }: SendResult): string {
    return this.instance.routes.masterOf(messageQueue.brokerName) ?? ''
  }
}

function keysOf({ keys }: Message): string | undefined {
  if (keys === undefined) return undefined
  return typeof keys === 'string' ? keys : keys.join(' ')
}

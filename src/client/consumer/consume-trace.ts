/**
 * What a consumer tells the trace: SubBefore of every message that is handed to the listener, SubAfter when the listener is done with it.
 *
 * Source: spec/client-behaviour.md §8; ConsumeMessageTraceHookImpl of Apache RocketMQ 4.9.
 */
import { uniqueId } from '../../admin/unique-id.ts'
import { PROPERTY } from '../message/property-names.ts'
import { TRACE_CODE, type TraceDispatcher } from '../trace.ts'
import type { ConsumeBatch, ConsumeObserver, ConsumeReturnType } from './consumption.ts'
import type { ReceivedMessage } from './received-message.ts'

interface Traced {
  readonly requestId: string
  readonly region: string
  readonly messages: readonly ReceivedMessage[]
}

export class ConsumeTrace implements ConsumeObserver {
  private readonly dispatcher: TraceDispatcher
  private readonly group: string
  private readonly now: () => number
  /** Batches that are with the listener. */
  private readonly running = new Map<ConsumeBatch, Traced>()

  constructor(dispatcher: TraceDispatcher, group: string, now: () => number) {
    this.dispatcher = dispatcher
    this.group = group
    this.now = now
  }

  before(batch: ConsumeBatch): void {
    const messages = batch.messages.filter((message) => this.isTraced(message))
    if (messages.length === 0) return
    const now = this.now()
    const requestId = uniqueId(now)
    const region = messages[0].properties[PROPERTY.region] ?? ''
    this.running.set(batch, { requestId, region, messages })
    for (const message of messages) {
      const { msgId, reconsumeTimes, properties } = message
      const fields = ['SubBefore', now, region || undefined, this.group, requestId, msgId, reconsumeTimes]
      this.dispatcher.add(region, [...fields, properties[PROPERTY.keys]], idsOf(message))
    }
  }

  after(batch: ConsumeBatch, elapsedMs: number, returned: ConsumeReturnType): void {
    const traced = this.running.get(batch)
    if (traced === undefined) return
    this.running.delete(batch)
    const cost = Math.floor(elapsedMs / batch.messages.length)
    const isSuccess = returned === 'SUCCESS' || returned === 'TIME_OUT'
    for (const message of traced.messages) {
      const { msgId, properties } = message
      const fields = ['SubAfter', traced.requestId, msgId, cost, isSuccess, properties[PROPERTY.keys]]
      const rest = [TRACE_CODE[returned], this.now(), this.group]
      this.dispatcher.add(traced.region, [...fields, ...rest], idsOf(message))
    }
  }

  /** Everything is with the broker, or lost. */
  close(): Promise<void> {
    return this.dispatcher.close()
  }

  private isTraced({ topic, properties }: ReceivedMessage): boolean {
    return properties[PROPERTY.traceOn] !== 'false' && !topic.startsWith(this.dispatcher.topic)
  }
}

function idsOf({ msgId, keys }: ReceivedMessage): string[] {
  return [msgId, ...keys]
}

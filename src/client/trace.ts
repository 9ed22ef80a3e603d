/**
 * Message trace: records of what was sent and consumed, gathered and sent to the trace topic, as Java's clients do it.
 *
 *   record ─► segment of one region ─► full, or half a second old ─► a message whose keys are all ids and keys in it
 *
 * Bounds: a segment that cannot be sent is lost: a trace never holds up what it traces.
 * Format: spec/client-behaviour.md §8: fields joined by 0x01, every record ended by 0x02; null prints "null".
 */
import { describe } from '../errors.ts'
import type { ClientInstance } from './instance.ts'
import { pack } from './producer/outgoing.ts'
import { Sender, type SenderOptions } from './producer/sender.ts'
import type { Timer } from './timers.ts'

const FIELD = '\u0001'
const RECORD = '\u0002'
const MESSAGE_MAX = 128_000
const SEGMENT_MAX = MESSAGE_MAX - 10_000
const FLUSH_MS = 500
const SEND_MS = 5000
/** Records that wait for a message of their own to be sent. */
const WAITING_MAX = 1024

/** Numbers of the kinds in a record. */
export const TRACE_TYPE = { normal: 0, half: 1, commit: 2, delay: 3 } as const
/** contextCode of SubAfter. */
export const TRACE_CODE = { SUCCESS: 0, TIME_OUT: 1, EXCEPTION: 2, RETURNNULL: 3, FAILED: 4 } as const

export interface TraceOptions {
  readonly group: string
  readonly topic: string
  readonly kind: 'PRODUCE' | 'CONSUME'
}

interface Segment {
  text: string
  count: number
  readonly keys: Set<string>
  timer: Timer
}

let dispatchers = 0

export class TraceDispatcher {
  readonly topic: string
  private readonly instance: ClientInstance
  private readonly sender: Sender
  private readonly group: string
  private readonly segments = new Map<string, Segment>()
  private readonly sending = new Set<Promise<void>>()
  private waiting = 0
  /** Records that were not sent. */
  lost = 0

  constructor(instance: ClientInstance, options: TraceOptions, send: SenderOptions) {
    this.instance = instance
    this.topic = options.topic
    dispatchers += 1
    this.group = `_INNER_TRACE_PRODUCER-${options.group}-${options.kind}-${dispatchers}`
    this.sender = new Sender(instance, this.group, { ...send, namespace: '' })
    instance.registerProducer({ group: this.group, topics: () => this.sender.topics })
  }

  /** One record; `keys`: the ids and keys that it is found by. */
  add(region: string, fields: readonly (string | number | boolean | undefined)[], keys: readonly string[]): void {
    if (this.waiting >= WAITING_MAX * 16) {
      this.lost += 1
      return
    }
    const text = fields.map((field) => (field === undefined ? 'null' : String(field))).join(FIELD) + RECORD
    let segment = this.segments.get(region)
    if (segment !== undefined && segment.text.length + text.length > SEGMENT_MAX) {
      this.flushOne(region, segment)
      segment = undefined
    }
    if (segment === undefined) {
      const timer = this.instance.timers.after(FLUSH_MS, () => this.flushOne(region, made))
      const made: Segment = { text: '', count: 0, keys: new Set(), timer }
      this.segments.set(region, made)
      segment = made
    }
    segment.text += text
    segment.count += 1
    this.waiting += 1
    for (const key of keys) if (key !== '') segment.keys.add(key)
  }

  /** Everything is with the broker, or lost. */
  async flush(): Promise<void> {
    for (const [region, segment] of [...this.segments]) this.flushOne(region, segment)
    await Promise.all(this.sending)
  }

  async close(): Promise<void> {
    await this.flush()
    await this.instance.unregisterProducer(this.group)
  }

  private flushOne(region: string, segment: Segment): void {
    segment.timer.cancel()
    if (this.segments.get(region) === segment) this.segments.delete(region)
    const sent = this.send(segment)
      .catch((error: unknown) => {
        this.lost += segment.count
        this.instance.log.warn(`${segment.count} trace records were not sent: ${describe(error)}`)
      })
      .finally(() => {
        this.waiting -= segment.count
        this.sending.delete(sent)
      })
    this.sending.add(sent)
  }

  private async send({ text, keys }: Segment): Promise<void> {
    const message = { topic: this.topic, body: text, keys: [...keys] }
    const packing = {
      namespace: '',
      maxMessageSize: MESSAGE_MAX * 4,
      compressMsgBodyOverHowmuch: 4096,
      compressType: 'ZLIB',
      compressLevel: 5,
    } as const
    await this.sender.send(pack(message, packing, this.instance.now()), SEND_MS)
  }
}

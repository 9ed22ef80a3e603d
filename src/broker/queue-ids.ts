/**
 * The integers that stand for (topic, queueId) in rings and shared tables.
 *
 * Owns:      the numbering; the network thread gives every integer out.
 * Invariant: append and dispatch have been told about an integer before the first record that carries it is committed.
 */
import type { RingProducer } from '../concurrency/byte-ring.ts'
import { ControlBlock } from '../concurrency/control-block.ts'
import type { QueueTable } from '../concurrency/queue-table.ts'
import { wake } from '../concurrency/wake.ts'
import { StoreError } from '../errors.ts'
import type { KnownQueue } from '../stages/messages.ts'
import { DEFINE, SUBMIT, SUBMIT_KIND } from '../stages/ring-records.ts'

export interface QueueName {
  topic: string
  queueId: number
}

export class QueueIds {
  private readonly byTopic = new Map<string, number[]>()
  /** Deleted topics whose last records are on their way: nobody can name their queues until these are gone. */
  private readonly leaving = new Set<string>()
  private readonly names: (QueueName | undefined)[] = []
  private readonly control: ControlBlock
  private readonly table: QueueTable
  private readonly submit: RingProducer
  private readonly definitions: RingProducer
  private readonly onDefined: (queue: number, name: QueueName) => void

  constructor(options: {
    control: ControlBlock
    table: QueueTable
    submit: RingProducer
    definitions: RingProducer
    known: KnownQueue[]
    onDefined(queue: number, name: QueueName): void
  }) {
    this.control = options.control
    this.table = options.table
    this.submit = options.submit
    this.definitions = options.definitions
    this.onDefined = options.onDefined
    for (const { queue, topic, queueId } of options.known) this.remember(queue, topic, queueId)
  }

  /** The integer of a queue that somebody wrote or asked for, or -1. */
  find(topic: string, queueId: number): number {
    return this.byTopic.get(topic)?.[queueId] ?? -1
  }

  /** Integers given out so far. */
  get count(): number {
    return this.names.length
  }

  nameOf(queue: number): QueueName | undefined {
    return this.names[queue]
  }

  /**
   * The integer of a queue, new if it has to be; -1 while a ring is too full to tell the others, or while the topic leaves.
   * `nextOffset`: where the queue goes on; above 0 only for one that dispatch discovered.
   */
  ensure(topic: string, queueId: number, nextOffset = 0): number {
    if (this.leaving.has(topic)) return -1
    const known = this.find(topic, queueId)
    return known >= 0 ? known : this.define(topic, queueId, nextOffset)
  }

  /** The topic is gone. Nobody finds its queues from now on, and after left() they start anew under new integers. */
  leave(topic: string): { queue: number; queueId: number }[] {
    const all = (this.byTopic.get(topic) ?? []).map((queue, queueId) => ({ queue, queueId }))
    const queues = all.filter(({ queue }) => queue !== undefined)
    this.byTopic.delete(topic)
    if (queues.length > 0) this.leaving.add(topic)
    return queues
  }

  /** One queue of the topic is gone; the others stay. New queues of the topic have to wait until left(). */
  leaveQueue(topic: string, queueId: number): void {
    const queues = this.byTopic.get(topic)
    if (queues?.[queueId] === undefined) return
    delete queues[queueId]
    this.leaving.add(topic)
  }

  left(topic: string): void {
    this.leaving.delete(topic)
  }

  *all(): IterableIterator<[number, QueueName]> {
    for (const [topic, queues] of this.byTopic) {
      for (let queueId = 0; queueId < queues.length; queueId += 1) {
        const queue = queues[queueId]
        if (queue !== undefined) yield [queue, { topic, queueId }]
      }
    }
  }

  private define(topic: string, queueId: number, nextOffset: number): number {
    const queue = this.names.length
    if (queue >= this.table.capacity) {
      throw new StoreError('TOO_MANY_QUEUES', {
        what: `queue ${queueId} of topic ${topic} would be number ${queue + 1} of at most ${this.table.capacity}`,
        todo: 'delete unused topics, or spread topics over more brokers',
      })
    }
    const name = Buffer.from(topic)
    const definition = this.definitions.claim(DEFINE.topic + name.length)
    if (definition < 0) return -1
    const at = this.submit.claim(SUBMIT.records + 8)
    if (at < 0) {
      this.definitions.unclaim(DEFINE.topic + name.length)
      return -1
    }
    this.definitions.view.setInt32(definition + DEFINE.queue, queue, true)
    this.definitions.view.setInt32(definition + DEFINE.queueId, queueId, true)
    name.copy(this.definitions.bytes, definition + DEFINE.topic)
    this.definitions.commit()
    this.submit.view.setInt32(at + SUBMIT.kind, SUBMIT_KIND.define, true)
    this.submit.view.setInt32(at + SUBMIT.epoch, this.control.epoch, true)
    this.submit.view.setInt32(at + SUBMIT.queue, queue, true)
    this.submit.view.setBigInt64(at + SUBMIT.records, BigInt(nextOffset), true)
    this.remember(queue, topic, queueId)
    wake(this.control.words, ControlBlock.index('dispatch'))
    this.onDefined(queue, { topic, queueId })
    return queue
  }

  private remember(queue: number, topic: string, queueId: number): void {
    this.names[queue] = { topic, queueId }
    const queues = this.byTopic.get(topic)
    if (queues === undefined) {
      const fresh: number[] = []
      fresh[queueId] = queue
      this.byTopic.set(topic, fresh)
    } else queues[queueId] = queue
  }
}
